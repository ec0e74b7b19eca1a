//! One thing at a time: sizes around every boundary, conditions, copies, uploads, deletion under a reader.

use super::*;
use crate::fault::{Algorithm, Kind};

async fn bucket(store: &ObjectStore) -> Arc<BucketInfo> {
    store.create_bucket(NS, "bucket", NewBucket::default()).await.expect("bucket")
}

#[tokio::test]
async fn what_is_put_is_read_at_every_size() {
    let dir = tempfile::tempdir().expect("dir");
    let store = open(dir.path());
    let bucket = bucket(&store).await;
    for (seed, size) in
        [0, 1, 4096, 32_767, 32_768, 32_769, 262_144, 524_287, 524_288, 524_289, 3_000_001].into_iter().enumerate()
    {
        let body = bytes(seed as u64, size);
        let object = put(&store, &bucket, "k", &body).await;
        assert_eq!(object.size, size as u64);
        assert_eq!(object.etag, data_encoding::HEXLOWER.encode(&digests::md5(&body)), "{size}");
        assert_eq!(get(&store, &bucket, "k").await.as_deref(), Some(&*body), "{size}");
        let size = size as u64;
        for (from, to) in [(0, size / 2), (size / 3, size), (size.saturating_sub(1), size), (size, size)] {
            let want = &body[from as usize..to as usize];
            assert_eq!(read_range(&store, &object, from..to).await, want, "{size} {from} {to}");
        }
        assert!(matches!(store.read(&object, 0..size + 1), Err(Fault::RangeNotSatisfiable { .. })));
    }
    settled(dir.path(), 1).await;
    assert!(store.delete(&bucket, &key("k"), &Conditions::default()).await.expect("delete"));
    assert!(!store.delete(&bucket, &key("k"), &Conditions::default()).await.expect("delete"));
    settled(dir.path(), 0).await;
}

#[tokio::test]
async fn a_body_without_a_name_leaves_nothing() {
    let dir = tempfile::tempdir().expect("dir");
    let store = open(dir.path());
    drop(store_body(&store, &bytes(1, 100_000), WantedDigests::default()).await);
    drop(store_body(&store, &bytes(2, 2_000_000), WantedDigests::default()).await);
    let mut writer = store.writer(None, WantedDigests::default()).expect("writer");
    for _ in 0..20 {
        writer.write(bytes(3, 200_000)).await.expect("write");
    }
    drop(writer);
    settled(dir.path(), 0).await;
}

#[tokio::test]
async fn a_reader_outlives_the_object() {
    let dir = tempfile::tempdir().expect("dir");
    let store = open(dir.path());
    let bucket = bucket(&store).await;
    let (small, large) = (bytes(1, 10_000), bytes(2, 1_000_000));
    put(&store, &bucket, "small", &small).await;
    put(&store, &bucket, "large", &large).await;
    let heads = ["small", "large"].map(|name| store.head(&bucket, &key(name)).expect("head"));
    for name in ["small", "large"] {
        store.delete(&bucket, &key(name), &Conditions::default()).await.expect("delete");
    }
    tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    assert_eq!(read_range(&store, &heads[0], 0..10_000).await, small);
    assert_eq!(read_range(&store, &heads[1], 500_000..1_000_000).await, large[500_000..]);
    drop(heads);
    settled(dir.path(), 0).await;
}

#[tokio::test]
async fn copies_share_bytes_and_end_apart() {
    let dir = tempfile::tempdir().expect("dir");
    let store = open(dir.path());
    let bucket = bucket(&store).await;
    let body = bytes(1, 200_000);
    let source = put(&store, &bucket, "a", &body).await;
    let spec = |checksum| CopySpec {
        owner: "o".into(),
        attributes: None,
        tags: None,
        checksum,
        as_one: false,
        conditions: Conditions::default(),
    };
    let copy = store.copy(&source, &bucket, &key("b"), spec(Some(Algorithm::Sha256))).await.expect("copy");
    let sha256 = digests::of(std::slice::from_ref(&body), WantedDigests::for_algorithm(Algorithm::Sha256)).sha256;
    assert_eq!(copy.checksum.map(|checksum| checksum.value), sha256.map(Vec::from));
    // Onto itself, with other attributes.
    let attributes = Attributes { content_type: Some("text/plain".into()), ..Attributes::default() };
    let itself = CopySpec { attributes: Some(attributes.clone()), ..spec(None) };
    let copied = store.copy(&source, &bucket, &key("a"), itself).await.expect("copy");
    assert_eq!((copied.etag, copied.attributes), (source.etag.clone(), attributes));
    assert_eq!(files(dir.path()).len(), 1);
    for name in ["a", "b"] {
        assert_eq!(get(&store, &bucket, name).await.as_deref(), Some(&*body));
        store.delete(&bucket, &key(name), &Conditions::default()).await.expect("delete");
    }
    // The source is gone, but what was looked at can still be copied.
    store.copy(&source, &bucket, &key("c"), spec(None)).await.expect("copy");
    assert_eq!(get(&store, &bucket, "c").await.as_deref(), Some(&*body));
    // Whoever holds a description of an object holds its bytes.
    drop((source, copy.pin, copied.pin));
    settled(dir.path(), 1).await;
}

#[tokio::test]
async fn of_many_creators_one_wins() {
    let dir = tempfile::tempdir().expect("dir");
    let store = Arc::new(open(dir.path()));
    let bucket = bucket(&store).await;
    let creators = (0..16u64).map(|seed| {
        let (store, bucket) = (Arc::clone(&store), Arc::clone(&bucket));
        tokio::spawn(async move {
            let body = store_body(&store, &bytes(seed, 50_000), WantedDigests::default()).await;
            let conditions = Conditions { if_none_match: Some(vec!["*".into()]), ..Conditions::default() };
            let spec = PutSpec { conditions, ..PutSpec::default() };
            store.put(&bucket, &key("k"), body, spec).await
        })
    });
    let mut won = 0;
    for creator in creators.collect::<Vec<_>>() {
        match creator.await.expect("task") {
            Ok(_) => won += 1,
            Err(Fault::Precondition { .. }) => {}
            Err(fault) => panic!("{fault}"),
        }
    }
    assert_eq!(won, 1);
    settled(dir.path(), 1).await;
}

#[tokio::test]
async fn buckets_come_and_go() {
    let dir = tempfile::tempdir().expect("dir");
    let store = open(dir.path());
    let made = bucket(&store).await;
    let again = store.create_bucket(NS, "bucket", NewBucket::default()).await;
    assert!(matches!(again, Err(Fault::Exists { kind: Kind::Bucket, owned: true, .. })));
    store.configure_bucket(NS, "bucket", "cors", Some(b"x".to_vec())).await.expect("configure");
    let seen = store.bucket(NS, "bucket").expect("bucket");
    assert_eq!(seen.configurations.get("cors").map(Vec::as_slice), Some(&b"x"[..]));
    put(&store, &made, "k", &bytes(1, 40_000)).await;
    assert!(matches!(store.delete_bucket(NS, "bucket").await, Err(Fault::NotEmpty { .. })));
    store.delete(&made, &key("k"), &Conditions::default()).await.expect("delete");
    let spec =
        UploadSpec { owner: String::new(), attributes: Attributes::default(), tags: Tags::new(), checksum: None };
    let upload = store.create_upload(&made, &key("u"), spec).await.expect("upload");
    let body = store_body(&store, &bytes(1, 40_000), WantedDigests::default()).await;
    store.put_part(&made, &upload, 1, body, None).await.expect("part");
    store.delete_bucket(NS, "bucket").await.expect("delete");
    settled(dir.path(), 0).await;
    assert!(matches!(store.bucket(NS, "bucket"), Err(Fault::NotFound { .. })));
    let body = store_body(&store, &bytes(1, 40_000), WantedDigests::default()).await;
    let late = store.put(&made, &key("k"), body, PutSpec::default()).await;
    assert!(matches!(late, Err(Fault::NotFound { kind: Kind::Bucket, .. })));
    assert_ne!(bucket(&store).await.id, made.id);
}

#[tokio::test]
async fn an_upload_becomes_an_object() {
    let dir = tempfile::tempdir().expect("dir");
    let store = open(dir.path());
    let bucket = bucket(&store).await;
    let spec = UploadSpec {
        owner: "o".into(),
        attributes: Attributes::default(),
        tags: Tags::new(),
        checksum: Some((Algorithm::Crc32, true)),
    };
    let upload = store.create_upload(&bucket, &key("k"), spec).await.expect("upload");
    let source = put(&store, &bucket, "source", &bytes(9, 300_000)).await;
    let bodies = [bytes(1, 100_000), bytes(2, 0), bytes(9, 300_000).slice(1000..200_000), bytes(4, 10)];
    let mut named = Vec::new();
    for (index, body) in bodies.iter().enumerate() {
        let number = index as u32 * 2 + 1;
        let part = if index == 2 {
            store.copy_part(&bucket, &upload, number, &source, 1000..200_000).await.expect("part")
        } else {
            let wanted = WantedDigests { crc32: index > 1, ..WantedDigests::default() };
            let stored = store_body(&store, body, wanted).await;
            store.put_part(&bucket, &upload, number, stored, None).await.expect("part")
        };
        named.push(CompletedPart { number, etag: part.etag, checksum: None });
    }
    let extra = store_body(&store, &bytes(7, 90_000), WantedDigests::default()).await;
    store.put_part(&bucket, &upload, 2, extra, None).await.expect("part");
    let (page, more) = store.parts(&bucket, &upload, 1, 2).await.expect("parts");
    assert_eq!((page.iter().map(|part| part.number).collect::<Vec<_>>(), more), (vec![2, 3], true));
    let info = store.complete_upload(&bucket, &upload, named.clone(), CompleteSpec::default()).await.expect("complete");
    let whole = bodies.concat();
    assert_eq!(info.size, whole.len() as u64);
    assert!(info.etag.ends_with("-4"));
    let crc32 = digests::of(&[Bytes::from(whole.clone())], WantedDigests::for_algorithm(Algorithm::Crc32));
    assert_eq!(info.checksum.as_ref().map(|checksum| checksum.value.clone()), crc32.value(Algorithm::Crc32));
    assert_eq!(info.crc32c, Some(crc32.crc32c));
    store.delete(&bucket, &key("source"), &Conditions::default()).await.expect("delete");
    assert_eq!(get(&store, &bucket, "k").await.expect("object"), whole);
    let object = store.head(&bucket, &key("k")).expect("head");
    assert_eq!(read_range(&store, &object, 99_999..100_001).await, whole[99_999..100_001]);
    assert_eq!(read_range(&store, &object, 150_000..299_005).await, whole[150_000..299_005]);
    let parts = store.object_parts(&object).await.expect("parts");
    assert_eq!(parts.iter().map(|part| part.number).collect::<Vec<_>>(), [1, 3, 5, 7]);
    assert!(matches!(store.upload(&bucket, &key("k"), &upload.id), Err(Fault::NotFound { kind: Kind::Upload, .. })));
    let repeated = store.completed_upload(&bucket, &key("k"), &upload.id, &named).expect("repeat");
    assert_eq!(repeated.map(|object| object.etag), Some(info.etag));
    assert!(store.completed_upload(&bucket, &key("k"), &upload.id, &named[1..]).expect("repeat").is_none());
    drop((object, source, info.pin));
    settled(dir.path(), 2).await;
    store.delete(&bucket, &key("k"), &Conditions::default()).await.expect("delete");
    settled(dir.path(), 0).await;
}
