//! Keyspaces held to their promises: families apart, batches whole, reopening, checkpoints.

use std::sync::Arc;

use super::{Batch, Durability, Family, Keyspace, Shared, SharedConfig};

fn open(dir: &std::path::Path, durability: Durability) -> Arc<Keyspace> {
    let shared = Shared::new(SharedConfig::default()).expect("shared");
    Keyspace::open(dir, &shared, durability).expect("open")
}

fn rows(keyspace: &Keyspace, lower: &[u8], upper: Option<&[u8]>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut scan = keyspace.scan(Family::Objects, lower, upper);
    let mut rows = Vec::new();
    scan.seek_first();
    while let Some((key, value)) = scan.row() {
        rows.push((key.to_vec(), value.to_vec()));
        scan.advance();
    }
    scan.status().expect("status");
    rows
}

#[tokio::test]
async fn commits_survive_reopening_in_both_modes() {
    for durability in [Durability::Process, Durability::Power] {
        let dir = tempfile::tempdir().expect("dir");
        for round in 0..3u8 {
            let keyspace = open(dir.path(), durability);
            for before in 0..round {
                let found = keyspace.get(Family::Meta, &[before]).expect("get").expect("row");
                assert_eq!(&*found, [before; 10_000]);
            }
            let mut batch = Batch::new();
            batch.put(Family::Meta, &[round], &[round; 10_000]);
            keyspace.commit(batch).await.expect("commit");
        }
    }
}

#[tokio::test]
async fn scans_stay_in_their_family_and_bounds() {
    let dir = tempfile::tempdir().expect("dir");
    let keyspace = open(dir.path(), Durability::Process);
    let mut batch = Batch::new();
    let long = vec![b'k'; 2000];
    for key in [&b"a"[..], b"b", b"b\xff", b"c", &long] {
        batch.put(Family::Objects, key, key);
    }
    batch.put(Family::Buckets, b"a", b"");
    batch.put(Family::Versions, b"a", b"");
    keyspace.commit(batch).await.expect("commit");
    let keys = |lower: &[u8], upper: Option<&[u8]>| -> Vec<Vec<u8>> {
        rows(&keyspace, lower, upper).into_iter().map(|(key, _)| key).collect()
    };
    assert_eq!(keys(b"", None), [b"a".to_vec(), b"b".to_vec(), b"b\xff".to_vec(), b"c".to_vec(), long.clone()]);
    assert_eq!(keys(b"b", Some(b"c")), [b"b".to_vec(), b"b\xff".to_vec()]);
    let mut scan = keyspace.scan(Family::Objects, b"", None);
    scan.seek_back(b"bz");
    assert_eq!(scan.row().map(|(key, _)| key.to_vec()), Some(b"b".to_vec()));
    scan.seek(&long);
    assert_eq!(scan.row().map(|(_, value)| value.to_vec()), Some(long));
}

#[tokio::test]
async fn a_checkpoint_is_a_keyspace_of_its_own() {
    let dir = tempfile::tempdir().expect("dir");
    let copy = dir.path().join("copy");
    let keyspace = open(&dir.path().join("original"), Durability::Process);
    keyspace.commit_blocking(put(b"a", b"1")).expect("commit");
    keyspace.checkpoint(&copy).expect("checkpoint");
    keyspace.commit_blocking(put(b"a", b"2")).expect("commit");
    let copied = open(&copy, Durability::Process);
    assert_eq!(rows(&copied, b"", None), [(b"a".to_vec(), b"1".to_vec())]);
    assert_eq!(rows(&keyspace, b"", None), [(b"a".to_vec(), b"2".to_vec())]);
    assert!(keyspace.approximate_size() > 0);
}

fn put(key: &[u8], value: &[u8]) -> Batch {
    let mut batch = Batch::new();
    batch.put(Family::Objects, key, value);
    batch
}
