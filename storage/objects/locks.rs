//! Striped locks: a change holds those of the keys it touches, and those of the bodies whose owners it counts, from
//! reading their state to the end of its commit. Taken in ascending order, keys before bodies.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::keys::Unit;

/// Locks of each kind. Two keys on one stripe wait for each other's commit: microseconds, milliseconds when synced.
const STRIPES: usize = 256;

const POLL: Duration = Duration::from_micros(50);

pub(crate) type Guard = OwnedMutexGuard<()>;

pub(crate) struct Locks {
    hasher: RandomState,
    keys: Box<[Arc<Mutex<()>>]>,
    units: Box<[Arc<Mutex<()>>]>,
}

impl Locks {
    pub fn new() -> Self {
        let stripes = || (0..STRIPES).map(|_| Arc::default()).collect();
        Self { hasher: RandomState::new(), keys: stripes(), units: stripes() }
    }

    /// For the row of an object or an upload.
    pub async fn key(&self, row: &[u8]) -> Guard {
        Arc::clone(&self.keys[self.stripe(row)]).lock_owned().await
    }

    /// For two rows at once.
    pub async fn keys(&self, one: &[u8], other: &[u8]) -> Vec<Guard> {
        lock(&self.keys, vec![self.stripe(one), self.stripe(other)]).await
    }

    pub async fn units(&self, units: impl Iterator<Item = Unit>) -> Vec<Guard> {
        lock(&self.units, units.map(|unit| self.stripe(&unit.row())).collect()).await
    }

    /// [`Locks::units`] for threads that may block.
    pub fn units_blocking(&self, units: impl Iterator<Item = Unit>) -> Vec<Guard> {
        let stripes = ascending(units.map(|unit| self.stripe(&unit.row())).collect());
        stripes.into_iter().map(|stripe| wait_for(&self.units[stripe])).collect()
    }

    fn stripe(&self, row: &[u8]) -> usize {
        usize::try_from(self.hasher.hash_one(row) % STRIPES as u64).unwrap_or(0)
    }
}

/// Polls, for the runtime's own blocking lock refuses to be used by a store that is opened from a task.
fn wait_for(lock: &Arc<Mutex<()>>) -> Guard {
    loop {
        match Arc::clone(lock).try_lock_owned() {
            Ok(guard) => return guard,
            Err(_) => std::thread::park_timeout(POLL),
        }
    }
}

async fn lock(locks: &[Arc<Mutex<()>>], stripes: Vec<usize>) -> Vec<Guard> {
    let stripes = ascending(stripes);
    let mut guards = Vec::with_capacity(stripes.len());
    for stripe in stripes {
        guards.push(Arc::clone(&locks[stripe]).lock_owned().await);
    }
    guards
}

fn ascending(mut stripes: Vec<usize>) -> Vec<usize> {
    stripes.sort_unstable();
    stripes.dedup();
    stripes
}
