//! Sequences of operations against a map, with the store closed and opened in between: every byte is there, and when
//! all is deleted nothing is left.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

#[derive(Debug, Clone)]
enum Step {
    Put {
        name: usize,
        size: usize,
        seed: u64,
    },
    Copy {
        from: usize,
        to: usize,
    },
    Delete {
        name: usize,
    },
    Tag {
        name: usize,
    },
    /// Uploads parts of these sizes (0: copied from an object), some under a number already used, and completes or
    /// aborts.
    Upload {
        name: usize,
        parts: Vec<(u32, usize)>,
        from: usize,
        complete: bool,
        seed: u64,
    },
    /// An upload that is left open across what follows.
    Begin {
        name: usize,
        size: usize,
        seed: u64,
    },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let name = || 0..NAMES.len();
    let size = || prop_oneof![Just(0usize), 1..5000usize, Just(32_768), Just(32_769), 40_000..700_000usize];
    let parts = prop::collection::vec((1..5u32, prop_oneof![2 => Just(0usize), 3 => 1..100_000usize]), 1..5);
    prop_oneof![
        4 => (name(), size(), any::<u64>()).prop_map(|(name, size, seed)| Step::Put { name, size, seed }),
        3 => (name(), name()).prop_map(|(from, to)| Step::Copy { from, to }),
        2 => name().prop_map(|name| Step::Delete { name }),
        1 => name().prop_map(|name| Step::Tag { name }),
        3 => (name(), parts, name(), any::<bool>(), any::<u64>())
            .prop_map(|(name, parts, from, complete, seed)| Step::Upload { name, parts, from, complete, seed }),
        1 => (name(), size(), any::<u64>()).prop_map(|(name, size, seed)| Step::Begin { name, size, seed }),
        1 => Just(Step::Reopen),
    ]
}

struct World {
    dir: tempfile::TempDir,
    store: Option<ObjectStore>,
    bucket: Arc<BucketInfo>,
    model: BTreeMap<usize, Vec<u8>>,
    begun: Vec<(UploadInfo, String, Vec<u8>)>,
}

fn upload_spec() -> UploadSpec {
    UploadSpec { owner: String::new(), attributes: Attributes::default(), tags: Tags::new(), checksum: None }
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("dir");
        let store = open(dir.path());
        let bucket = store.create_bucket(NS, "b", NewBucket::default()).await.expect("bucket");
        Self { dir, store: Some(store), bucket, model: BTreeMap::new(), begun: Vec::new() }
    }

    fn store(&self) -> &ObjectStore {
        self.store.as_ref().expect("open")
    }

    fn head(&self, name: usize) -> Option<ObjectInfo> {
        self.store().head(&self.bucket, &key(NAMES[name])).ok()
    }

    async fn step(&mut self, step: &Step) {
        match step {
            Step::Put { name, size, seed } => {
                let body = bytes(*seed, *size);
                put(self.store(), &self.bucket, NAMES[*name], &body).await;
                self.model.insert(*name, body.to_vec());
            }
            Step::Copy { from, to } => {
                let Some(source) = self.head(*from) else { return };
                let spec = CopySpec {
                    owner: String::new(),
                    attributes: None,
                    tags: None,
                    checksum: None,
                    as_one: false,
                    conditions: Conditions::default(),
                };
                let copied = self.store().copy(&source, &self.bucket, &key(NAMES[*to]), spec).await.expect("copy");
                assert_eq!(copied.etag, source.etag);
                self.model.insert(*to, self.model[from].clone());
            }
            Step::Delete { name } => {
                let there = self.store().delete(&self.bucket, &key(NAMES[*name]), &Conditions::default()).await;
                assert_eq!(there.expect("delete"), self.model.remove(name).is_some());
            }
            Step::Tag { name } => {
                let tags = Tags::from([("k".to_owned(), "v".to_owned())]);
                let tagged = self.store().set_tags(&self.bucket, &key(NAMES[*name]), tags).await;
                assert_eq!(tagged.is_ok(), self.model.contains_key(name));
            }
            Step::Upload { name, parts, from, complete, seed } => {
                self.upload(*name, parts, *from, *complete, *seed).await;
            }
            Step::Begin { name, size, seed } => {
                let upload = self.store().create_upload(&self.bucket, &key(NAMES[*name]), upload_spec()).await;
                let upload = upload.expect("upload");
                let body = bytes(*seed, *size);
                let stored = store_body(self.store(), &body, WantedDigests::default()).await;
                let part = self.store().put_part(&self.bucket, &upload, 1, stored, None).await.expect("part");
                self.begun.push((upload, part.etag, body.to_vec()));
            }
            Step::Reopen => {
                self.store = None;
                let store = open(self.dir.path());
                assert_eq!(orphans(&store), 0);
                self.store = Some(store);
            }
        }
    }

    async fn upload(&mut self, name: usize, parts: &[(u32, usize)], from: usize, complete: bool, seed: u64) {
        let store = self.store();
        let upload = store.create_upload(&self.bucket, &key(NAMES[name]), upload_spec()).await.expect("upload");
        let mut uploaded: BTreeMap<u32, (String, Vec<u8>)> = BTreeMap::new();
        for &(number, size) in parts {
            let source = if size == 0 { self.head(from) } else { None };
            let (part, body) = if let Some(source) = source {
                let (start, end) = (source.size / 3, source.size - source.size / 4);
                let part = store.copy_part(&self.bucket, &upload, number, &source, start..end).await.expect("part");
                (part, self.model[&from][start as usize..end as usize].to_vec())
            } else {
                let body = bytes(seed ^ u64::from(number), size);
                let stored = store_body(store, &body, WantedDigests::default()).await;
                let part = store.put_part(&self.bucket, &upload, number, stored, None).await.expect("part");
                (part, body.to_vec())
            };
            uploaded.insert(number, (part.etag, body));
        }
        if !complete {
            return store.abort_upload(&self.bucket, &upload).await.expect("abort");
        }
        // The last part is not named, unless it is the only one.
        let keep = (uploaded.len() - 1).max(1);
        let named: Vec<_> = uploaded
            .iter()
            .take(keep)
            .map(|(number, (etag, _))| CompletedPart { number: *number, etag: etag.clone(), checksum: None })
            .collect();
        let body: Vec<u8> = uploaded.into_values().take(keep).flat_map(|(_, body)| body).collect();
        let done =
            store.complete_upload(&self.bucket, &upload, named, CompleteSpec::default()).await.expect("complete");
        assert_eq!(done.size, body.len() as u64);
        let digests = digests::of(&[Bytes::from(body.clone())], WantedDigests::default());
        assert_eq!(done.crc32c, Some(digests.crc32c));
        self.model.insert(name, body);
    }

    async fn check(&self) {
        for (index, name) in NAMES.iter().enumerate() {
            let got = get(self.store(), &self.bucket, name).await;
            assert_eq!(got.as_ref(), self.model.get(&index), "{name}");
        }
        let usage = self.store().usage().await.expect("usage");
        assert_eq!(usage.objects, self.model.len() as u64);
        assert_eq!(usage.bytes, self.model.values().map(|body| body.len() as u64).sum::<u64>());
    }

    async fn end(mut self) {
        for (upload, etag, body) in std::mem::take(&mut self.begun) {
            let named = vec![CompletedPart { number: 1, etag, checksum: None }];
            let done = self.store().complete_upload(&self.bucket, &upload, named, CompleteSpec::default()).await;
            let object = done.expect("complete");
            assert_eq!(read_range(self.store(), &object, 0..object.size).await, body);
        }
        for name in NAMES {
            self.store().delete(&self.bucket, &key(name), &Conditions::default()).await.expect("delete");
        }
        self.store().delete_bucket(NS, "b").await.expect("delete");
        self.store = None;
        let store = open(self.dir.path());
        for family in [
            Family::Objects,
            Family::Bodies,
            Family::Layouts,
            Family::Uploads,
            Family::Parts,
            Family::Completed,
            Family::References,
            Family::Intents,
            Family::Garbage,
        ] {
            assert_eq!(rows(&store, family), 0, "{family:?}");
        }
        assert!(files(self.dir.path()).is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn operations_match_a_map(steps in prop::collection::vec(step(), 1..25)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
        runtime.block_on(async {
            let mut world = World::new().await;
            for step in &steps {
                world.step(step).await;
            }
            world.check().await;
            world.step(&Step::Reopen).await;
            world.check().await;
            world.end().await;
        });
    }
}
