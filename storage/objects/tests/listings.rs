//! Listings against the plainest model: all entries made from all keys, then cut into pages.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// Keys that meet: few characters, delimiters of several lengths among them, and one character of each UTF-8 length.
fn name() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => Just("/"), 2 => Just("a"), 2 => Just("b"), 1 => Just("//"), 1 => Just("-"), 1 => Just("\0"),
        1 => Just("é"), 1 => Just("€"), 1 => Just("😀"), 1 => Just("\u{7f}"),
    ];
    prop::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat())
}

fn delimiter() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        Just(None),
        Just(Some("/".to_owned())),
        Just(Some("//".to_owned())),
        Just(Some("é".to_owned())),
        Just(Some("a/".to_owned())),
        Just(Some(String::new())),
    ]
}

/// `true`: a common prefix.
type Entry = (String, bool);

fn common_prefix(key: &str, prefix: &str, delimiter: Option<&str>) -> Option<String> {
    let delimiter = delimiter.filter(|delimiter| !delimiter.is_empty())?;
    let at = key[prefix.len()..].find(delimiter)?;
    Some(key[..prefix.len() + at + delimiter.len()].to_owned())
}

fn model(keys: &BTreeSet<String>, query: &ListQuery) -> Vec<Entry> {
    let delimiter = query.delimiter.as_deref();
    let after = query.after.as_deref();
    let skipped = after
        .filter(|after| after.starts_with(&query.prefix))
        .and_then(|after| common_prefix(after, &query.prefix, delimiter).filter(|common| common == after));
    let mut entries: Vec<Entry> = Vec::new();
    for key in keys.iter().filter(|key| key.starts_with(&query.prefix)) {
        if after.is_some_and(|after| key.as_str() <= after) {
            continue;
        }
        let entry = match common_prefix(key, &query.prefix, delimiter) {
            Some(common) if Some(&common) == skipped.as_ref() => continue,
            Some(common) => (common, true),
            None => (key.clone(), false),
        };
        if entries.last() != Some(&entry) {
            entries.push(entry);
        }
    }
    entries
}

fn entries<T>(page: &ListPage<T>, name: impl Fn(&T) -> String) -> Vec<Entry> {
    let entry = |entry: &ListEntry<T>| match entry {
        ListEntry::Item(item) => (name(item), false),
        ListEntry::Prefix(prefix) => (prefix.clone(), true),
    };
    page.entries.iter().map(entry).collect()
}

#[derive(Debug, Clone)]
struct Case {
    keys: BTreeSet<String>,
    query: ListQuery,
}

fn case() -> impl Strategy<Value = Case> {
    let keys = prop::collection::btree_set(name(), 0..30);
    let prefix = prop_oneof![3 => Just(String::new()), 2 => name(), 1 => Just("a".to_owned())];
    (keys, prefix, delimiter(), prop::option::of(name()), 1..8usize).prop_map(
        |(keys, prefix, delimiter, after, limit)| Case { keys, query: ListQuery { prefix, delimiter, after, limit } },
    )
}

async fn check_objects(store: &ObjectStore, bucket: &str, case: &Case) {
    let name = bucket;
    let bucket = store.create_bucket(NS, name, NewBucket::default()).await.expect("bucket");
    for name in &case.keys {
        put(store, &bucket, name, &Bytes::new()).await;
    }
    let want = model(&case.keys, &case.query);
    let mut got = Vec::new();
    let mut query = case.query.clone();
    loop {
        let page = store.list(&bucket, query.clone()).await.expect("list");
        assert!(page.entries.len() <= query.limit);
        got.extend(entries(&page, |object| object.key.as_str().to_owned()));
        assert!(got.len() <= want.len(), "{got:?}");
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    assert_eq!(got, want);
    for key_name in &case.keys {
        store.delete(&bucket, &key(key_name), &Conditions::default()).await.expect("delete");
    }
    store.delete_bucket(NS, name).await.expect("delete");
}

/// Two uploads of each key: pages may end between them.
async fn check_uploads(store: &ObjectStore, bucket: &str, case: &Case) {
    let name = bucket;
    let bucket = store.create_bucket(NS, name, NewBucket::default()).await.expect("bucket");
    let spec =
        UploadSpec { owner: String::new(), attributes: Attributes::default(), tags: Tags::new(), checksum: None };
    let mut made = Vec::new();
    for _ in 0..2 {
        for name in &case.keys {
            let upload = store.create_upload(&bucket, &key(name), spec.clone()).await.expect("upload");
            made.push((upload.key.as_str().to_owned(), upload.id));
        }
    }
    made.sort();
    let doubled =
        |(name, prefix): Entry| if prefix { vec![(name, true)] } else { vec![(name.clone(), false), (name, false)] };
    let want: Vec<Entry> = model(&case.keys, &case.query).into_iter().flat_map(doubled).collect();
    let mut got = Vec::new();
    let mut ids = BTreeSet::new();
    let (mut query, mut after_id) = (case.query.clone(), None);
    loop {
        let page = store.uploads(&bucket, query.clone(), after_id.as_deref()).await.expect("list");
        got.extend(entries(&page, |upload| upload.key.as_str().to_owned()));
        assert!(got.len() <= want.len(), "{got:?}");
        for entry in &page.entries {
            if let ListEntry::Item(upload) = entry {
                assert!(ids.insert(upload.id.clone()), "twice");
                assert!(made.contains(&(upload.key.as_str().to_owned(), upload.id.clone())));
            }
        }
        after_id = match page.entries.last() {
            Some(ListEntry::Item(upload)) => Some(upload.id.clone()),
            _ => None,
        };
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    assert_eq!(got, want);
    store.delete_bucket(NS, name).await.expect("delete");
}

fn run(cases: u32, check: &impl AsyncFn(&ObjectStore, &str, &Case)) {
    let dir = tempfile::tempdir().expect("dir");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let store = runtime.block_on(async { open(dir.path()) });
    let bucket = std::cell::Cell::new(0);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(cases));
    let result = runner.run(&case(), |case| {
        bucket.set(bucket.get() + 1);
        runtime.block_on(check(&store, &format!("b{}", bucket.get()), &case));
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

#[test]
fn objects_page_like_the_model() {
    run(300, &check_objects);
}

#[test]
fn uploads_page_like_the_model() {
    run(150, &check_uploads);
}

#[tokio::test]
async fn a_limit_of_zero_is_an_empty_page() {
    let dir = tempfile::tempdir().expect("dir");
    let store = open(dir.path());
    let bucket = store.create_bucket(NS, "b", NewBucket::default()).await.expect("bucket");
    put(&store, &bucket, "k", &Bytes::new()).await;
    let page = store.list(&bucket, ListQuery::default()).await.expect("list");
    assert!(page.entries.is_empty() && page.next.is_none());
}
