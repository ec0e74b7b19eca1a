//! A map for look-ups on the way of a request: sharded, so that a writer holds up few readers, and only for the
//! time of one insertion.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{PoisonError, RwLock};

const SHARDS: usize = 16;

pub(super) struct Sharded<V> {
    hasher: RandomState,
    shards: [RwLock<HashMap<Box<str>, V>>; SHARDS],
}

impl<V> Default for Sharded<V> {
    fn default() -> Self {
        Self { hasher: RandomState::new(), shards: std::array::from_fn(|_| RwLock::default()) }
    }
}

impl<V: Clone> Sharded<V> {
    fn shard(&self, key: &str) -> &RwLock<HashMap<Box<str>, V>> {
        #[allow(clippy::cast_possible_truncation, reason = "any bits of the hash will do")]
        let hash = self.hasher.hash_one(key) as usize;
        &self.shards[hash % SHARDS]
    }

    // A panic while a shard is locked can only come from an allocation that failed: its map is whole.
    pub fn get(&self, key: &str) -> Option<V> {
        self.shard(key).read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    pub fn insert(&self, key: &str, value: V) {
        self.shard(key).write().unwrap_or_else(PoisonError::into_inner).insert(key.into(), value);
    }

    pub fn remove(&self, key: &str) {
        self.shard(key).write().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    pub fn values(&self) -> Vec<V> {
        let mut all = Vec::new();
        for shard in &self.shards {
            all.extend(shard.read().unwrap_or_else(PoisonError::into_inner).values().cloned());
        }
        all
    }
}
