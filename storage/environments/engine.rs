//! The engines of one environment: opened on first use, closed when nobody holds them.
//!
//! - `store` is what requests load, without a lock. Everything else happens under `gate`: opening (so one request
//!   opens and the others wait), closing, cloning, and changing the volume.
//! - Closing takes the store out first. Whoever loaded it before holds it, so it goes back in; whoever comes after
//!   finds nothing and waits at the gate.
//! - A volume bears a mark from before its first opening until it has been closed cleanly: a marked one is
//!   recovered when it is opened.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::Instant;

use super::host::{Host, Mark, blocking, whole};
use super::id::EnvironmentId;
use crate::keyspace::Keyspace;
use crate::objects::{ObjectStore, Origin, Usage};
use crate::{Clock, Fault, Kind};

/// The records of all engines, inside the volume.
pub(super) const KEYSPACE_DIR: &str = "keyspace";
/// The object engine's large bodies, inside the volume.
const BODIES_DIR: &str = "bodies";
/// How often those who wait for the last holder look again.
const LOOK_AGAIN_MIN: Duration = Duration::from_millis(1);
const LOOK_AGAIN_MAX: Duration = Duration::from_millis(50);
/// One turn of waiting for the holders of an abandoned volume; there is always another.
const HOLDERS_AWAITED: Duration = Duration::from_mins(1);

/// Files inside a volume that never change once they are complete: RocksDB's tables and blobs, bodies of objects.
pub(super) fn immutable(path: &Path) -> bool {
    let table = path.extension().is_some_and(|e| e == "sst" || e == "blob");
    path.starts_with(BODIES_DIR) || (path.starts_with(KEYSPACE_DIR) && table)
}

pub(super) struct Engine {
    id: EnvironmentId,
    clock: Arc<Clock>,
    host: Arc<Host>,
    store: ArcSwapOption<ObjectStore>,
    /// Used since somebody last asked.
    touched: AtomicBool,
    gate: Arc<Mutex<Slot>>,
}

/// What changes under the gate.
pub(super) struct Slot {
    /// The volume's name.
    pub volume: String,
    /// Open exactly while `store` is.
    keyspace: Option<Arc<Keyspace>>,
    /// The environment is deleted: nothing opens any more.
    gone: bool,
}

/// Open engines. They close when the last holder lets go of them.
struct Open {
    store: Arc<ObjectStore>,
    keyspace: Arc<Keyspace>,
}

impl Engine {
    pub fn new(id: EnvironmentId, clock: Arc<Clock>, host: Arc<Host>, volume: String) -> Arc<Self> {
        let slot = Slot { volume, keyspace: None, gone: false };
        let gate = Arc::new(Mutex::new(slot));
        Arc::new(Self { id, clock, host, store: ArcSwapOption::empty(), touched: AtomicBool::new(false), gate })
    }

    /// The object engine, opened if it was closed.
    pub async fn objects(self: &Arc<Self>) -> Result<Arc<ObjectStore>, Fault> {
        self.touched.store(true, Ordering::Relaxed);
        if let Some(store) = self.store.load_full() {
            return Ok(store);
        }
        let engine = Arc::clone(self);
        whole(async move {
            let mut slot = engine.enter().await;
            engine.open(&mut slot).await
        })
        .await
    }

    /// Waits for its turn at everything but the use of open engines.
    pub async fn enter(&self) -> OwnedMutexGuard<Slot> {
        Arc::clone(&self.gate).lock_owned().await
    }

    /// As [`Self::enter`], where nobody is there.
    pub fn try_enter(&self) -> Option<OwnedMutexGuard<Slot>> {
        Arc::clone(&self.gate).try_lock_owned().ok()
    }

    pub async fn open(&self, slot: &mut Slot) -> Result<Arc<ObjectStore>, Fault> {
        self.check_present(slot)?;
        if let Some(store) = self.store.load_full() {
            return Ok(store);
        }
        if self.host.ending.load(Ordering::Acquire) {
            return Err(Fault::Unavailable { why: "the appliance is stopping".to_owned() });
        }
        let (host, clock, volume) = (Arc::clone(&self.host), Arc::clone(&self.clock), slot.volume.clone());
        let open = blocking(move || Open::new(&host, &volume, clock)).await?;
        slot.keyspace = Some(open.keyspace);
        self.store.store(Some(Arc::clone(&open.store)));
        Ok(open.store)
    }

    pub fn check_present(&self, slot: &Slot) -> Result<(), Fault> {
        if slot.gone { Err(Fault::not_found(Kind::Environment, self.id.as_str())) } else { Ok(()) }
    }

    pub fn is_open(&self) -> bool {
        self.store.load().is_some()
    }

    /// Whether somebody uses it at this moment.
    pub fn is_held(&self) -> bool {
        self.store.load().as_ref().is_some_and(|store| Arc::strong_count(store) > 1)
    }

    pub fn is_touched(&self) -> bool {
        self.touched.load(Ordering::Relaxed)
    }

    pub fn take_touched(&self) -> bool {
        self.touched.swap(false, Ordering::Relaxed)
    }

    /// What the objects take, where that can be told without opening anything.
    pub async fn stored(&self) -> Option<Usage> {
        let store = self.store.load_full()?;
        match store.usage().await {
            Ok(usage) => Some(usage),
            Err(error) => {
                tracing::warn!(environment = %self.id, %error, "what is stored cannot be told");
                None
            }
        }
    }

    /// Closes the engines unless somebody still holds them when `patience` ends; `false` then.
    pub async fn close(&self, slot: &mut Slot, patience: Duration) -> Result<bool, Fault> {
        let Some(open) = self.take(slot) else { return Ok(true) };
        match open.close(patience).await {
            Ok(()) => {
                self.host.marks.clear(&slot.volume)?;
                Ok(true)
            }
            Err(open) => {
                slot.keyspace = Some(open.keyspace);
                self.store.store(Some(open.store));
                Ok(false)
            }
        }
    }

    fn take(&self, slot: &mut Slot) -> Option<Open> {
        let store = self.store.swap(None)?;
        let keyspace = slot.keyspace.take()?;
        Some(Open { store, keyspace })
    }

    /// Gives the environment another volume (`None`: it is deleted), and removes the present one and `also` in the
    /// background. Requests in flight have a while to end; those that take longer end on the volume they began on,
    /// whose disk is given back after the last of them.
    pub async fn abandon_volume(&self, mut slot: OwnedMutexGuard<Slot>, next: Option<String>, also: Option<String>) {
        slot.gone = next.is_none();
        let open = self.take(&mut slot);
        let old = std::mem::replace(&mut slot.volume, next.unwrap_or_default());
        drop(slot);
        let mut rest = match open {
            Some(open) => open.close(self.host.drain).await.err(),
            None => None,
        };
        let host = Arc::clone(&self.host);
        self.host.background.spawn(async move {
            while let Some(open) = rest {
                rest = open.close(HOLDERS_AWAITED).await.err();
            }
            for volume in std::iter::once(old).chain(also) {
                remove_volume(&host, volume).await;
            }
        });
    }

    /// Makes the volume `to` a copy of this one as of one moment, whatever is being written.
    pub async fn clone_volume(&self, slot: &Slot, to: &str) -> Result<(), Fault> {
        self.check_present(slot)?;
        let (host, from, to) = (Arc::clone(&self.host), slot.volume.clone(), to.to_owned());
        let open = self.store.load_full();
        let mark = match &open {
            None => host.marks.get(&from)?,
            Some(_) if host.volumes.snapshots(&from) => Some(Mark::Open),
            Some(_) => Some(Mark::Cloned),
        };
        // The clone is marked before it exists: one that is there is recovered.
        if let Some(mark) = mark {
            host.marks.set(&to, mark)?;
        }
        // A snapshot takes each file as it is written back, not all at one instant: commits wait for it too, so that
        // no record is in it whose body is not.
        let frozen = match &open {
            Some(store) => {
                // Commits wait for the clone, not for a gigabyte that was written before it.
                let host = Arc::clone(&host);
                blocking(move || host.volumes.write_back()).await?;
                Some(store.freeze().await)
            }
            None => None,
        };
        let keyspace = slot.keyspace.clone();
        let cloned = blocking(move || match keyspace {
            Some(keyspace) if !host.volumes.snapshots(&from) => {
                host.volumes.clone(&from, &to, &[KEYSPACE_DIR], immutable)?;
                keyspace.checkpoint(&host.volumes.path(&to).join(KEYSPACE_DIR))?;
                host.volumes.persist()
            }
            _ => {
                host.volumes.clone(&from, &to, &[], immutable)?;
                host.volumes.persist()
            }
        })
        .await;
        drop(frozen);
        cloned
    }
}

/// Removes a volume and its mark. What cannot be removed now is at the next start.
pub(super) async fn remove_volume(host: &Arc<Host>, volume: String) {
    let removing = Arc::clone(host);
    let name = volume.clone();
    let removed = blocking(move || {
        removing.volumes.remove(&name)?;
        removing.removed.store(true, Ordering::Release);
        removing.marks.clear(&name)
    });
    if let Err(error) = removed.await {
        tracing::warn!(%volume, %error, "a volume stays behind until the next start");
    }
}

impl Open {
    /// Opens what `volume` holds, making it on first use. Blocks.
    fn new(host: &Host, volume: &str, clock: Arc<Clock>) -> Result<Self, Fault> {
        let mark = host.marks.get(volume)?;
        if mark.is_none() {
            host.marks.set(volume, Mark::Open)?;
        }
        let dir = host.volumes.path(volume);
        let keyspace = Keyspace::open(&dir.join(KEYSPACE_DIR), &host.shared, host.durability)?;
        // This removes what a crash left half-done.
        let store = ObjectStore::new(Arc::clone(&keyspace), &dir.join(BODIES_DIR), clock)?;
        if mark == Some(Mark::Cloned) {
            store.recover(Origin::Clone)?;
            host.marks.set(volume, Mark::Open)?;
        }
        Ok(Self { store: Arc::new(store), keyspace })
    }

    /// Closes when nobody else holds the engines; gives itself back where somebody does to the end of `patience`.
    async fn close(self, patience: Duration) -> Result<(), Self> {
        let Self { mut store, keyspace } = self;
        let end = Instant::now() + patience;
        let mut pause = LOOK_AGAIN_MIN;
        loop {
            match Arc::try_unwrap(store) {
                Ok(last) => {
                    shut(last, keyspace).await;
                    return Ok(());
                }
                Err(held) => store = held,
            }
            let now = Instant::now();
            if now >= end {
                return Err(Self { store, keyspace });
            }
            tokio::time::sleep_until(end.min(now + pause)).await;
            pause = (pause * 2).min(LOOK_AGAIN_MAX);
        }
    }
}

/// Closes engines that nobody holds. RocksDB writes and syncs when it closes, so not on this thread.
async fn shut(store: ObjectStore, keyspace: Arc<Keyspace>) {
    let closed = tokio::task::spawn_blocking(move || {
        // It waits for what the store does by itself.
        drop(store);
        let Some(last) = Arc::into_inner(keyspace) else { return false };
        drop(last);
        true
    });
    match closed.await {
        Ok(true) => {}
        Ok(false) => tracing::error!("a closed store still uses its keyspace: a body outlives its guard"),
        Err(died) => tracing::error!(%died, "closing an engine failed"),
    }
}
