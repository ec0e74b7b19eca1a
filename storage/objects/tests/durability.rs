//! What concerns the directory: freezing, clones, damage, the journal, counting after a crash.

use std::time::Duration;

use super::*;
use crate::objects::records::{JournalRecord, Mutation, decode};

async fn with_bucket(dir: &Path) -> (ObjectStore, Arc<BucketInfo>) {
    let store = open(dir);
    let bucket = store.create_bucket(NS, "b", NewBucket::default()).await.expect("bucket");
    (store, bucket)
}

#[tokio::test]
async fn a_frozen_store_holds_commits_back() {
    let dir = tempfile::tempdir().expect("dir");
    let (store, bucket) = with_bucket(dir.path()).await;
    put(&store, &bucket, "old", &bytes(1, 100_000)).await;
    let body = store_body(&store, &bytes(2, 100), WantedDigests::default()).await;
    let frozen = store.freeze().await;
    let name = key("new");
    let mut putting = std::pin::pin!(store.put(&bucket, &name, body, PutSpec::default()));
    let waited = tokio::time::timeout(Duration::from_millis(30), &mut putting).await;
    assert!(waited.is_err(), "committed while frozen");
    assert!(get(&store, &bucket, "old").await.is_some());
    drop(frozen);
    putting.await.expect("put");
}

#[tokio::test]
async fn a_clone_is_swept_of_files_without_a_record() {
    let dir = tempfile::tempdir().expect("dir");
    let copy = tempfile::tempdir().expect("dir");
    let (store, bucket) = with_bucket(dir.path()).await;
    let body = bytes(1, 100_000);
    put(&store, &bucket, "k", &body).await;
    {
        let _frozen = store.freeze().await;
        store.inner.keyspace.checkpoint(&copy.path().join("keyspace")).expect("checkpoint");
    }
    put(&store, &bucket, "later", &bytes(2, 100_000)).await;
    for file in files(dir.path()) {
        let to = copy.path().join(file.strip_prefix(dir.path()).expect("inside"));
        std::fs::create_dir_all(to.parent().expect("parent")).expect("mkdir");
        std::fs::copy(&file, to).expect("copy");
    }
    let cloned = open(copy.path());
    assert_eq!(files(copy.path()).len(), 2);
    cloned.recover(Origin::Clone).expect("recover");
    assert_eq!(files(copy.path()).len(), 1);
    assert_eq!(get(&cloned, &bucket, "k").await.as_deref(), Some(&*body));
    assert_eq!(get(&cloned, &bucket, "later").await, None);
}

#[tokio::test]
async fn damage_is_told_before_a_byte_is_sent() {
    let dir = tempfile::tempdir().expect("dir");
    let (store, bucket) = with_bucket(dir.path()).await;
    let object = put(&store, &bucket, "k", &bytes(1, 100_000)).await;
    let file = files(dir.path()).remove(0);
    let shortened = std::fs::File::options().write(true).open(&file).expect("open");
    shortened.set_len(99_999).expect("truncate");
    assert!(matches!(store.read(&object, 0..object.size), Err(Fault::Corrupt { .. })));
    std::fs::remove_file(&file).expect("remove");
    assert!(matches!(store.read(&object, 0..10), Err(Fault::Corrupt { .. })));
}

#[tokio::test]
async fn mutations_are_journalled_in_order_when_asked() {
    let dir = tempfile::tempdir().expect("dir");
    let (store, bucket) = with_bucket(dir.path()).await;
    put(&store, &bucket, "unseen", &bytes(1, 10)).await;
    store.set_journal(true);
    let first = put(&store, &bucket, "k", &bytes(1, 100_000)).await;
    store.set_tags(&bucket, &key("k"), Tags::new()).await.expect("tags");
    store.delete(&bucket, &key("k"), &Conditions::default()).await.expect("delete");
    let mut scan = store.inner.keyspace.scan(Family::Journal, &[], None);
    let mut seen = Vec::new();
    scan.seek_first();
    while let Some((_, value)) = scan.row() {
        let record: JournalRecord = decode("journal", value).expect("record");
        assert_eq!((record.bucket, record.key.as_str(), record.generation), (bucket.id, "k", first.generation));
        seen.push((record.mutation, record.layout.is_some()));
        scan.advance();
    }
    assert_eq!(seen, [(Mutation::Put, true), (Mutation::Update, false), (Mutation::Delete, false)]);
}

#[tokio::test]
async fn generations_grow_across_openings() {
    let dir = tempfile::tempdir().expect("dir");
    let (store, bucket) = with_bucket(dir.path()).await;
    let mut last = put(&store, &bucket, "k", &Bytes::new()).await.generation;
    drop(store);
    for _ in 0..3 {
        let store = open(dir.path());
        let generation = put(&store, &bucket, "k", &Bytes::new()).await.generation;
        assert!(generation > last);
        last = generation;
    }
}

#[test]
fn keys_of_uploads_order_as_their_objects_do() {
    let mut names = ["", "\0", "\0\0", "\0a", "a", "a\0", "a\0\0", "a\0b", "aa", "b", "é"];
    names.sort_unstable();
    let upload = keys::UploadId::new(7, 9);
    let rows: Vec<_> = names.iter().map(|name| keys::upload(1, name.as_bytes(), upload)).collect();
    assert!(rows.is_sorted());
    for (name, row) in names.iter().zip(&rows) {
        let (key, parsed) = keys::parse_upload(&row[keys::BUCKET_BYTES..]).expect("row");
        assert_eq!((key.as_slice(), parsed), (name.as_bytes(), upload));
    }
    assert_eq!(keys::UploadId::parse(&upload.text()), Some(upload));
}
