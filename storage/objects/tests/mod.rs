//! Tests of the engine as its callers see it.
#![allow(clippy::cast_possible_truncation)] // sizes of test bodies

mod basics;
mod crash;
mod durability;
mod listings;
mod models;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::Clock;
use crate::keyspace::{Durability, Family, Keyspace, Shared, SharedConfig};

pub(super) const NS: Namespace = Namespace("test");

pub(super) fn open_with(dir: &Path, durability: Durability) -> ObjectStore {
    let shared = Shared::new(SharedConfig::default()).expect("shared");
    let keyspace = Keyspace::open(&dir.join("keyspace"), &shared, durability).expect("keyspace");
    ObjectStore::new(keyspace, &dir.join("bodies"), Clock::new(0)).expect("store")
}

pub(super) fn open(dir: &Path) -> ObjectStore {
    open_with(dir, Durability::Process)
}

pub(super) fn key(name: &str) -> Key {
    Key::parse(name).expect("key")
}

/// Bytes that differ with the seed and along the way.
pub(super) fn bytes(seed: u64, len: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    Bytes::from(bytes)
}

pub(super) async fn store_body(store: &ObjectStore, body: &Bytes, wanted: WantedDigests) -> StoredBody {
    let mut writer = store.writer(Some(body.len() as u64), wanted).expect("writer");
    let mut rest = body.clone();
    while !rest.is_empty() {
        writer.write(rest.split_to(rest.len().min(100_000))).await.expect("write");
    }
    writer.seal().await.expect("seal")
}

pub(super) async fn put(store: &ObjectStore, bucket: &BucketInfo, name: &str, body: &Bytes) -> ObjectInfo {
    let body = store_body(store, body, WantedDigests::default()).await;
    store.put(bucket, &key(name), body, PutSpec::default()).await.expect("put")
}

pub(super) async fn read_range(store: &ObjectStore, object: &ObjectInfo, range: std::ops::Range<u64>) -> Vec<u8> {
    let mut reader = store.read(object, range.clone()).expect("read");
    assert_eq!(reader.remaining(), range.end - range.start);
    let mut all = Vec::new();
    if let Some(whole) = reader.whole() {
        all.extend_from_slice(&whole);
    }
    while let Some(chunk) = reader.next().await {
        all.extend_from_slice(&chunk.expect("chunk"));
    }
    assert_eq!(reader.remaining(), 0);
    all
}

pub(super) async fn get(store: &ObjectStore, bucket: &BucketInfo, name: &str) -> Option<Vec<u8>> {
    let object = match store.head(bucket, &key(name)) {
        Ok(object) => object,
        Err(Fault::NotFound { .. }) => return None,
        Err(fault) => panic!("{fault}"),
    };
    Some(read_range(store, &object, 0..object.size).await)
}

/// Names of body files, in any order.
pub(super) fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    let Ok(shards) = std::fs::read_dir(dir.join("bodies")) else {
        return files;
    };
    for shard in shards {
        for file in std::fs::read_dir(shard.expect("shard").path()).expect("shard") {
            files.push(file.expect("file").path());
        }
    }
    files
}

/// Waits until removals have left `count` body files.
pub(super) async fn settled(dir: &Path, count: usize) {
    for _ in 0..2000 {
        if files(dir).len() == count {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    panic!("{} body files where {count} were expected", files(dir).len());
}

/// Rows of a family.
pub(super) fn rows(store: &ObjectStore, family: Family) -> usize {
    let mut scan = store.inner.keyspace.scan(family, &[], None);
    let mut rows = 0;
    scan.seek_first();
    while scan.row().is_some() {
        rows += 1;
        scan.advance();
    }
    rows
}

/// Body files that nothing refers to; they are removed.
pub(super) fn orphans(store: &ObjectStore) -> usize {
    recovery::sweep(&store.inner).expect("sweep")
}
