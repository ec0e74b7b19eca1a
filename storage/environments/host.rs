//! What all environments share: volumes, RocksDB's pools, marks of open volumes, background work.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use tokio::sync::Notify;

use crate::Fault;
use crate::keyspace::{Durability, Shared};
use crate::volumes::Volumes;

pub(super) struct Host {
    pub volumes: Volumes,
    pub shared: Arc<Shared>,
    pub durability: Durability,
    pub marks: Marks,
    pub background: Arc<Background>,
    /// How long a reset, a deletion or the end waits for requests in flight.
    pub drain: Duration,
    /// A write-back is under way.
    pub writing_back: AtomicBool,
    /// Volumes were removed whose disk may not be free yet.
    pub removed: AtomicBool,
    /// Nothing opens any more.
    pub ending: AtomicBool,
}

/// Why a volume must be recovered when it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// It was open, or is a snapshot of one that was: what it was doing is written in it.
    Open,
    /// It was cloned file by file while open: it may hold files that nothing in it names.
    Cloned,
}

/// One file per volume that is open or was not closed, so that a start finds those without opening any.
pub(super) struct Marks {
    dir: PathBuf,
    durable: bool,
}

impl Marks {
    pub fn open(dir: &Path, durable: bool) -> Result<Self, Fault> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).with_context(|| format!("make {}", dir.display()))?;
        Ok(Self { dir: dir.to_owned(), durable })
    }

    pub fn get(&self, volume: &str) -> Result<Option<Mark>, Fault> {
        match fs::read(self.dir.join(volume)) {
            Ok(text) if text == b"cloned" => Ok(Some(Mark::Cloned)),
            Ok(_) => Ok(Some(Mark::Open)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub fn set(&self, volume: &str, mark: Mark) -> Result<(), Fault> {
        let text: &[u8] = if mark == Mark::Cloned { b"cloned" } else { b"" };
        fs::write(self.dir.join(volume), text)?;
        if self.durable {
            File::open(&self.dir)?.sync_all()?;
        }
        Ok(())
    }

    pub fn clear(&self, volume: &str) -> Result<(), Fault> {
        match fs::remove_file(self.dir.join(volume)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Volumes with a mark.
    pub fn volumes(&self) -> Result<Vec<String>, Fault> {
        fs::read_dir(&self.dir)?
            .filter_map(|entry| entry.map(|e| e.file_name().into_string().ok()).transpose())
            .map(|name| Ok(name?))
            .collect()
    }
}

/// Work that nobody waits for: removals, recoveries.
#[derive(Default)]
pub(super) struct Background {
    running: AtomicUsize,
    done: Notify,
}

/// One piece of background work, ended when dropped.
struct Piece(Arc<Background>);

impl Drop for Piece {
    fn drop(&mut self) {
        if self.0.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.done.notify_waiters();
        }
    }
}

impl Background {
    pub fn spawn(self: &Arc<Self>, work: impl Future<Output = ()> + Send + 'static) {
        self.running.fetch_add(1, Ordering::AcqRel);
        let piece = Piece(Arc::clone(self));
        tokio::spawn(async move {
            let _piece = piece;
            work.await;
        });
    }

    /// Waits until nothing runs.
    pub async fn settle(&self) {
        loop {
            let done = self.done.notified();
            tokio::pin!(done);
            done.as_mut().enable();
            if self.running.load(Ordering::Acquire) == 0 {
                return;
            }
            done.await;
        }
    }
}

/// Runs `work` on a thread that may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|died| Err(Fault::Internal(died.into())))
}

/// Runs `work` to its end even where the caller goes away in the middle: a client that hangs up must not leave
/// half of a change.
pub(super) async fn whole<T: Send + 'static>(
    work: impl Future<Output = Result<T, Fault>> + Send + 'static,
) -> Result<T, Fault> {
    tokio::spawn(work).await.unwrap_or_else(|died| Err(Fault::Internal(died.into())))
}

/// Hands memory that closed engines freed back to the system.
pub(super) fn release_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        unsafe extern "C" {
            fn malloc_trim(pad: usize) -> std::ffi::c_int;
        }
        // SAFETY: `malloc_trim(3)` of the C library, which is the allocator of RocksDB's C++ side; it takes any
        // `pad` and may be called from any thread at any time.
        unsafe { malloc_trim(0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_again() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let marks = Marks::open(dir.path(), true).expect("open");
        let check = |volume: &str, expected: Option<Mark>| assert_eq!(marks.get(volume).expect("get"), expected);
        check("env-a.1", None);
        marks.set("env-a.1", Mark::Cloned).expect("set");
        marks.set("env-b.1", Mark::Open).expect("set");
        check("env-a.1", Some(Mark::Cloned));
        marks.set("env-a.1", Mark::Open).expect("set");
        check("env-a.1", Some(Mark::Open));
        marks.clear("env-a.1").expect("clear");
        marks.clear("env-a.1").expect("clear twice");
        assert_eq!(marks.volumes().expect("volumes"), ["env-b.1"]);
    }

    #[tokio::test]
    async fn settle_waits_for_all_work() {
        let background = Arc::new(Background::default());
        background.settle().await;
        let ended = Arc::new(AtomicUsize::new(0));
        for _ in 0..10 {
            let ended = Arc::clone(&ended);
            background.spawn(async move {
                tokio::task::yield_now().await;
                ended.fetch_add(1, Ordering::SeqCst);
            });
        }
        background.settle().await;
        assert_eq!(ended.load(Ordering::SeqCst), 10);
    }
}
