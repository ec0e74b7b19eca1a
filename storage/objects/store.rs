//! The store itself: opening, freezing, counting, closing.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedRwLockWriteGuard, RwLock};

use super::body::BodyFiles;
use super::buckets::BucketCache;
use super::locks::Locks;
use super::model::Usage;
use super::reclaim::Reclaim;
use super::records::{FORMAT, decode, encode};
use super::tally::Tally;
use super::{keys, recovery};
use crate::keyspace::{Batch, Family, Keyspace, blocking};
use crate::{Clock, Fault, Timestamp};

/// Numbers of bodies, tables and buckets set aside at a time: a mark is written once per so many.
const NUMBERS_AHEAD: u64 = 1 << 16;
/// Generations set aside at a time, in microseconds: a mark is written once a second, and a reopened store starts at
/// most this far ahead of the clock.
const GENERATIONS_AHEAD: u64 = 1_000_000;
/// Longest that closing waits for removals and for commits whose callers went away.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// How a store's directory came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Written by this appliance, or an atomic snapshot of such a directory.
    Own,
    /// Copied file by file under [`ObjectStore::freeze`]: may hold body files that nothing refers to.
    Clone,
}

/// While it is held, no commit happens and no body file is removed.
pub struct Frozen {
    _commits: OwnedRwLockWriteGuard<()>,
}

pub struct ObjectStore {
    pub(super) inner: Arc<Inner>,
    /// After `inner`: fields are dropped in their order.
    _closing: Closing,
}

pub(crate) struct Inner {
    pub keyspace: Arc<Keyspace>,
    pub files: BodyFiles,
    pub clock: Arc<Clock>,
    pub buckets: BucketCache,
    pub locks: Locks,
    /// Shared by commits and removals; held whole by who must see a still store.
    pub commits: Arc<RwLock<()>>,
    pub reclaim: Reclaim,
    pub tally: Tally,
    /// Mutations are written down for a remote tier.
    pub journal: AtomicBool,
    numbers: Reserve,
    generations: Reserve,
    /// Last: it says that all before it is gone.
    closed: Signal,
}

/// A counter of which the keyspace knows a mark that it has not passed.
struct Reserve {
    row: &'static [u8],
    ahead: u64,
    last: AtomicU64,
    mark: AtomicU64,
    marking: Mutex<()>,
}

impl Reserve {
    fn load(keyspace: &Keyspace, row: &'static [u8], ahead: u64) -> Result<Self, Fault> {
        let mark = match keyspace.get(Family::Meta, row)? {
            Some(value) => decode::<u64>("mark", &value)?,
            None => 0,
        };
        Ok(Self { row, ahead, last: AtomicU64::new(mark), mark: AtomicU64::new(mark), marking: Mutex::default() })
    }

    /// A number above all before it, and at least `floor`.
    fn next(&self, keyspace: &Keyspace, floor: u64) -> Result<u64, Fault> {
        let step = |last: u64| Some(last.saturating_add(1).max(floor));
        let last = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step).unwrap_or_else(|last| last);
        let next = last.saturating_add(1).max(floor);
        if next > self.mark.load(Ordering::Acquire) {
            self.move_mark(keyspace, next)?;
        }
        Ok(next)
    }

    /// The mark need not be synced: what uses the number comes after it in the log.
    fn move_mark(&self, keyspace: &Keyspace, next: u64) -> Result<(), Fault> {
        let _marking = self.marking.lock().unwrap_or_else(PoisonError::into_inner);
        if next > self.mark.load(Ordering::Acquire) {
            let mark = next.saturating_add(self.ahead);
            let mut batch = Batch::new();
            batch.put(Family::Meta, self.row, &encode(&mark));
            keyspace.note(batch)?;
            self.mark.store(mark, Ordering::Release);
        }
        Ok(())
    }
}

impl Inner {
    fn open(keyspace: Arc<Keyspace>, bodies: &Path, clock: Arc<Clock>) -> Result<Arc<Self>, Fault> {
        let fresh = check_format(&keyspace)?;
        let files = BodyFiles::open(bodies)?;
        let tally = Tally::load(&keyspace, fresh)?;
        let numbers = Reserve::load(&keyspace, keys::NUMBERS, NUMBERS_AHEAD)?;
        let generations = Reserve::load(&keyspace, keys::GENERATIONS, GENERATIONS_AHEAD)?;
        Ok(Arc::new_cyclic(|store: &Weak<Self>| Self {
            keyspace,
            files,
            clock,
            buckets: BucketCache::default(),
            locks: Locks::new(),
            commits: Arc::default(),
            reclaim: Reclaim::new(store.clone()),
            tally,
            journal: AtomicBool::new(false),
            numbers,
            generations,
            closed: Signal(Arc::default()),
        }))
    }

    /// For a body, table or bucket: unique in the environment's life.
    pub fn next_number(&self) -> Result<u64, Fault> {
        self.numbers.next(&self.keyspace, 1)
    }

    /// Grows with every change, and follows the clock in microseconds.
    pub fn next_generation(&self, now: Timestamp) -> Result<u64, Fault> {
        self.generations.next(&self.keyspace, now.0.saturating_mul(1000))
    }
}

/// Whether the store is new; fails for one that a newer appliance wrote.
fn check_format(keyspace: &Keyspace) -> Result<bool, Fault> {
    if let Some(value) = keyspace.get(Family::Meta, keys::FORMAT)? {
        let format: u32 = decode("format", &value)?;
        return if format == FORMAT {
            Ok(false)
        } else {
            Err(Fault::Unsupported { what: format!("objects in format {format} (this appliance knows {FORMAT})") })
        };
    }
    let mut batch = Batch::new();
    batch.put(Family::Meta, keys::FORMAT, &encode(&FORMAT));
    keyspace.note(batch)?;
    Ok(true)
}

impl ObjectStore {
    /// Opens the store whose records are in `keyspace` and whose large bodies are files under `bodies`; what a crash
    /// left half-done is removed. Closed when dropped; readers and writers of bodies must be gone by then.
    pub fn new(keyspace: Arc<Keyspace>, bodies: &Path, clock: Arc<Clock>) -> Result<Self, Fault> {
        let inner = Inner::open(keyspace, bodies, clock)?;
        inner.remove_leftovers()?;
        let closing = Closing(Arc::clone(&inner.closed.0));
        Ok(Self { inner, _closing: closing })
    }

    pub fn clock(&self) -> &Arc<Clock> {
        &self.inner.clock
    }

    /// Whether mutations are written to the journal that a remote tier drains. Off until somebody drains it.
    pub fn set_journal(&self, on: bool) {
        self.inner.journal.store(on, Ordering::Relaxed);
    }

    /// Waits for commits under way, and holds back all others until the guard is dropped.
    pub async fn freeze(&self) -> Frozen {
        Frozen { _commits: Arc::clone(&self.inner.commits).write_owned().await }
    }

    /// What a copied directory needs once: body files that nothing refers to are removed. Blocks; nothing may be
    /// written meanwhile.
    pub fn recover(&self, origin: Origin) -> Result<(), Fault> {
        match origin {
            // Opening saw to it.
            Origin::Own => Ok(()),
            Origin::Clone => {
                let removed = recovery::sweep(&self.inner)?;
                tracing::debug!(removed, dir = %self.inner.keyspace.dir().display(), "swept a copied store");
                Ok(())
            }
        }
    }

    /// Cheap but for the first call after a crash, which counts.
    pub async fn usage(&self) -> Result<Usage, Fault> {
        if !self.inner.tally.known() {
            let commits = Arc::clone(&self.inner.commits).write_owned().await;
            let inner = Arc::clone(&self.inner);
            blocking(move || {
                let _commits = commits;
                if inner.tally.known() { Ok(()) } else { inner.tally.count(&inner.keyspace) }
            })
            .await?;
        }
        let (objects, bytes) = self.inner.tally.numbers();
        Ok(Usage { buckets: self.inner.count_buckets()?, objects, bytes })
    }
}

impl Drop for ObjectStore {
    fn drop(&mut self) {
        // No removal begins any more; `Closing` waits for the one under way.
        self.inner.reclaim.close();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Err(fault) = self.tally.save(&self.keyspace) {
            // The next opening counts again.
            tracing::warn!(%fault, "tally not saved");
        }
    }
}

#[derive(Default)]
struct Closed {
    done: Mutex<bool>,
    changed: Condvar,
}

/// Dropped with the inner store, after everything else of it.
struct Signal(Arc<Closed>);

impl Drop for Signal {
    fn drop(&mut self) {
        *self.0.done.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.changed.notify_all();
    }
}

/// Dropped after the store's own hold on the inner store: waits for removals, and for commits whose callers went away,
/// so that who opens the directory next finds nobody there.
struct Closing(Arc<Closed>);

impl Drop for Closing {
    fn drop(&mut self) {
        let done = self.0.done.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.0.changed.wait_timeout_while(done, CLOSE_WAIT, |done| !*done);
        if waited.is_ok_and(|(_, timeout)| timeout.timed_out()) {
            tracing::warn!("a store was dropped while it was in use");
        }
    }
}
