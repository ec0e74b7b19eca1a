//! RocksDB behind one folder: families of rows, atomic batches, ordered scans, checkpoints. One keyspace per
//! environment; all of them share one block cache, one budget for write buffers and one thread pool ([`Shared`]).
//!
//! - A [`Family`] is a range of keys under a tag byte of one RocksDB column family: every column family costs files,
//!   memory and milliseconds at each opening, and an environment is opened and closed many times a day.
//! - Values from [`BLOB_BYTES_MIN`] on lie in blob files, so that compaction moves keys and not bodies.
//! - A commit is acknowledged once its log record is in the kernel ([`Durability::Process`]) or on the disk
//!   ([`Durability::Power`]; RocksDB groups the commits that wait for the same sync).
//! - Closing (dropping) keeps small memtables in the log, and opening replays it: neither writes tables for an
//!   environment that was only touched.

mod batch;
mod options;
mod scan;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rocksdb::{DB, DBPinnableSlice, ErrorKind, ReadOptions, WriteOptions, checkpoint::Checkpoint};

pub use batch::Batch;
pub use options::{Shared, SharedConfig};
pub use scan::Scan;

use crate::Fault;

/// Values of at least this many bytes lie in blob files.
pub const BLOB_BYTES_MIN: u64 = 2 * 1024;
/// Unflushed bytes above which closing writes a table: replaying more than this would slow the next opening.
const CLOSE_FLUSH_BYTES: u64 = 2 * 1024 * 1024;

/// What survives when an acknowledged commit is followed by a crash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// The commit survives the death of the process (`kill -9`).
    #[default]
    Process,
    /// The commit survives power loss.
    Power,
}

/// The kinds of rows of all engines. The discriminant is on disk: never reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Family {
    /// Format, counters, marks.
    Meta = 1,
    /// Rows of the environments' registry.
    Registry = 2,
    Buckets = 10,
    /// Current version of each object, in listing order.
    Objects = 11,
    /// Older versions, newest first within a key. Reserved: nothing writes it before versioning exists.
    Versions = 12,
    /// Small bodies.
    Bodies = 13,
    /// Where the parts of a multipart object lie.
    Layouts = 14,
    Uploads = 15,
    Parts = 16,
    /// Answers of completed uploads, for clients that repeat the completion.
    Completed = 17,
    /// Bodies and layouts with more than one owner, or that are not plainly local.
    References = 18,
    /// Body files that are being written.
    Intents = 19,
    /// Bodies and layouts without an owner, waiting to be removed.
    Garbage = 20,
    /// Mutations that a remote tier has yet to see.
    Journal = 21,
}

/// A value as RocksDB holds it, without a copy. Keep it short: it pins a block of the cache.
pub struct Value<'k>(DBPinnableSlice<'k>);

impl std::ops::Deref for Value<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

pub struct Keyspace {
    db: DB,
    dir: PathBuf,
    durability: Durability,
    reads: ReadOptions,
    writes: WriteOptions,
    /// Fails instead of waiting where RocksDB wants writers to slow down.
    eager_writes: WriteOptions,
    notes: WriteOptions,
    _shared: Arc<Shared>,
}

impl Keyspace {
    /// Opens the keyspace in `dir`, making it where there is none. Blocks for milliseconds.
    pub fn open(dir: &Path, shared: &Arc<Shared>, durability: Durability) -> Result<Arc<Self>, Fault> {
        let db = DB::open(shared.options(), dir).map_err(fault)?;
        let mut writes = WriteOptions::default();
        writes.set_sync(durability == Durability::Power);
        let mut eager_writes = WriteOptions::default();
        eager_writes.set_no_slowdown(true);
        let reads = ReadOptions::default();
        let dir = dir.to_owned();
        Ok(Arc::new(Self {
            db,
            dir,
            durability,
            reads,
            writes,
            eager_writes,
            notes: WriteOptions::default(),
            _shared: Arc::clone(shared),
        }))
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn durability(&self) -> Durability {
        self.durability
    }

    pub fn get(&self, family: Family, key: &[u8]) -> Result<Option<Value<'_>>, Fault> {
        batch::with_row(family, key, |row| self.db.get_pinned_opt(row, &self.reads))
            .map(|found| found.map(Value))
            .map_err(fault)
    }

    /// Makes a batch visible, whole or not at all, if that takes microseconds only; else hands it back.
    /// Always handed back where commits are synced.
    pub fn commit_now(&self, batch: Batch) -> Result<Result<(), Batch>, Fault> {
        if batch.is_empty() {
            return Ok(Ok(()));
        }
        if self.durability == Durability::Power {
            return Ok(Err(batch));
        }
        // The write consumes the batch, and a stalled one must be repeated.
        let again = batch.twin();
        match self.db.write_opt(batch.into_inner(), &self.eager_writes) {
            Ok(()) => Ok(Ok(())),
            Err(error) if error.kind() == ErrorKind::Incomplete => Ok(Err(again)),
            Err(error) => Err(fault(error)),
        }
    }

    /// Makes a batch visible, whole or not at all, as durable as the keyspace promises. May block for long.
    pub fn commit_blocking(&self, batch: Batch) -> Result<(), Fault> {
        if batch.is_empty() {
            return Ok(());
        }
        self.db.write_opt(batch.into_inner(), &self.writes).map_err(fault)
    }

    /// [`Keyspace::commit_now`], and where that would block, on a thread that may. A caller that is dropped while
    /// waiting does not undo the commit.
    pub async fn commit(self: &Arc<Self>, batch: Batch) -> Result<(), Fault> {
        match self.commit_now(batch)? {
            Ok(()) => Ok(()),
            Err(batch) => {
                let keyspace = Arc::clone(self);
                blocking(move || keyspace.commit_blocking(batch)).await
            }
        }
    }

    /// A commit that the next synced one makes durable: for marks that matter only to what follows them.
    pub fn note(&self, batch: Batch) -> Result<(), Fault> {
        self.db.write_opt(batch.into_inner(), &self.notes).map_err(fault)
    }

    /// Rows of `family` with keys from `lower` (inclusive) to `upper` (exclusive; `None`: to the family's end),
    /// as they were when the scan was made.
    pub fn scan(&self, family: Family, lower: &[u8], upper: Option<&[u8]>) -> Scan<'_> {
        Scan::new(&self.db, family, lower, upper)
    }

    /// A consistent copy of the keyspace in `into`, which must not exist: tables are hard links where the file
    /// system allows.
    pub fn checkpoint(&self, into: &Path) -> Result<(), Fault> {
        Checkpoint::new(&self.db).and_then(|checkpoint| checkpoint.create_checkpoint(into)).map_err(fault)
    }

    /// Bytes of memory and disk that the keyspace's rows take, roughly.
    pub fn approximate_size(&self) -> u64 {
        ["rocksdb.total-sst-files-size", "rocksdb.total-blob-file-size", "rocksdb.cur-size-all-mem-tables"]
            .into_iter()
            .filter_map(|name| self.db.property_int_value(name).ok().flatten())
            .sum()
    }

    /// Writes memtables out as tables.
    pub fn flush(&self) -> Result<(), Fault> {
        self.db.flush().map_err(fault)
    }
}

impl Drop for Keyspace {
    fn drop(&mut self) {
        let unflushed = self.db.property_int_value("rocksdb.cur-size-active-mem-table").ok().flatten().unwrap_or(0);
        if unflushed > CLOSE_FLUSH_BYTES
            && let Err(error) = self.db.flush()
        {
            // Nothing is lost: the log still has it all.
            tracing::warn!(dir = %self.dir.display(), %error, "keyspace not flushed at close");
        }
    }
}

/// Runs `work` on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Fault::Internal(anyhow::Error::new(error).context("a blocking task died"))),
    }
}

#[allow(clippy::needless_pass_by_value)]
fn fault(error: rocksdb::Error) -> Fault {
    let text = error.to_string();
    // RocksDB has no kind for a full disk; the text is the one of `strerror`.
    if text.contains("No space left on device") || text.contains("Disk quota exceeded") {
        return Fault::StorageFull;
    }
    match error.kind() {
        ErrorKind::Corruption => Fault::Corrupt { what: text },
        _ => Fault::Internal(anyhow::Error::new(error).context("keyspace")),
    }
}
