//! `kill -9` among 64 writers: the test runs its own binary as the victim.
//!
//! Each writer owns a few keys and writes version after version of them, of every kind of body; the version stands in
//! the object's metadata, and its bytes follow from it. What was acknowledged is said on standard output first.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use super::*;

const DIR: &str = "MOCKFACTORY_TEST_CRASH_DIR";
const DURABILITY: &str = "MOCKFACTORY_TEST_CRASH_DURABILITY";
const WRITERS: u64 = 64;
const KEYS_PER_WRITER: u64 = 2;
const SIZES: [usize; 5] = [100, 4096, 40_000, 300_000, 1_200_000];

fn version_of(object: &ObjectInfo) -> u64 {
    object.attributes.metadata.get("version").and_then(|text| text.parse().ok()).expect("version")
}

fn body(writer: u64, version: u64) -> Bytes {
    let size = SIZES[((writer + version) % SIZES.len() as u64) as usize];
    bytes(writer << 32 | version, size)
}

fn is_deletion(version: u64) -> bool {
    version % 7 == 6
}

fn is_upload(version: u64) -> bool {
    version % 5 == 3
}

async fn write(store: &ObjectStore, bucket: &BucketInfo, writer: u64, version: u64) {
    let name = key(&format!("{writer}/{}", version % KEYS_PER_WRITER));
    if is_deletion(version) {
        store.delete(bucket, &name, &Conditions::default()).await.expect("delete");
        return;
    }
    let body = body(writer, version);
    let metadata = BTreeMap::from([("version".to_owned(), version.to_string())]);
    let attributes = Attributes { metadata, ..Attributes::default() };
    if !is_upload(version) {
        let stored = store_body(store, &body, WantedDigests::default()).await;
        let spec = PutSpec { attributes, ..PutSpec::default() };
        store.put(bucket, &name, stored, spec).await.expect("put");
        return;
    }
    let spec = UploadSpec { owner: String::new(), attributes, tags: Tags::new(), checksum: None };
    let upload = store.create_upload(bucket, &name, spec).await.expect("upload");
    let mut named = Vec::new();
    for (number, piece) in (1..).zip([body.slice(..body.len() / 2), body.slice(body.len() / 2..)]) {
        let stored = store_body(store, &piece, WantedDigests::default()).await;
        let part = store.put_part(bucket, &upload, number, stored, None).await.expect("part");
        named.push(CompletedPart { number, etag: part.etag, checksum: None });
    }
    store.complete_upload(bucket, &upload, named, CompleteSpec::default()).await.expect("complete");
}

/// The victim; does nothing when the tests are run by hand.
#[test]
fn victim() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let durability = if std::env::var_os(DURABILITY).is_some() { Durability::Power } else { Durability::Process };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().expect("runtime");
    runtime.block_on(async {
        let store = Arc::new(open_with(Path::new(&dir), durability));
        let bucket = match store.bucket(NS, "b") {
            Ok(bucket) => bucket,
            Err(_) => store.create_bucket(NS, "b", NewBucket::default()).await.expect("bucket"),
        };
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (store, bucket) = (Arc::clone(&store), Arc::clone(&bucket));
                tokio::spawn(async move {
                    for version in 0.. {
                        write(&store, &bucket, writer, version).await;
                        let line = format!("ack {writer} {version}\n");
                        std::io::stdout().lock().write_all(line.as_bytes()).expect("parent");
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.expect("writer");
        }
    });
}

/// Runs the victim until it has acknowledged `acks` writes, and kills it. The latest version of each key.
fn run_and_kill(dir: &Path, durability: Durability, acks: usize) -> HashMap<(u64, u64), u64> {
    let mut command = Command::new(std::env::current_exe().expect("test binary"));
    command.args(["--exact", "objects::tests::crash::victim", "--nocapture"]).env(DIR, dir).stdout(Stdio::piped());
    if durability == Durability::Power {
        command.env(DURABILITY, "1");
    }
    let mut victim = command.spawn().expect("victim");
    let mut latest = HashMap::new();
    let mut killed = false;
    let lines = BufReader::new(victim.stdout.take().expect("output")).lines();
    for (seen, line) in lines.map_while(Result::ok).enumerate() {
        let mut words = line.split(' ').skip_while(|word| *word != "ack").skip(1);
        if let (Some(Ok(writer)), Some(Ok(version))) = (words.next().map(str::parse), words.next().map(str::parse)) {
            latest.insert((writer, version % KEYS_PER_WRITER), version);
        }
        if seen >= acks && !killed {
            victim.kill().expect("kill");
            killed = true;
        }
    }
    victim.wait().expect("victim");
    assert!(killed, "the victim died by itself");
    latest
}

/// Every acknowledged version, or a later one that was not acknowledged in time, is there and whole.
async fn check(store: &ObjectStore, latest: &HashMap<(u64, u64), u64>) {
    let bucket = store.bucket(NS, "b").expect("bucket");
    for (&(writer, slot), &acknowledged) in latest {
        let name = format!("{writer}/{slot}");
        match store.head(&bucket, &key(&name)) {
            Ok(object) => {
                let version = version_of(&object);
                assert!(version >= acknowledged, "{name}: {version} is there, {acknowledged} was acknowledged");
                assert_eq!(read_range(store, &object, 0..object.size).await, body(writer, version), "{name} {version}");
            }
            Err(Fault::NotFound { .. }) => {
                let gone = [acknowledged, acknowledged + KEYS_PER_WRITER].into_iter().any(is_deletion);
                assert!(gone, "{name}: {acknowledged} was acknowledged and is gone");
            }
            Err(fault) => panic!("{name}: {fault}"),
        }
    }
    let listed = store.list(&bucket, ListQuery { limit: 1000, ..ListQuery::default() }).await.expect("list");
    for entry in listed.entries {
        let ListEntry::Item(object) = entry else { continue };
        read_range(store, &object, 0..object.size).await;
    }
}

async fn kill_and_check(durability: Durability, acks: &[usize]) {
    for &acks in acks {
        let dir = tempfile::tempdir().expect("dir");
        let latest = run_and_kill(dir.path(), durability, acks);
        let store = open(dir.path());
        assert_eq!(orphans(&store), 0);
        check(&store, &latest).await;
        let usage = store.usage().await.expect("usage");
        assert_eq!(usage.objects, rows(&store, Family::Objects) as u64);
        for family in [Family::Intents, Family::Garbage] {
            assert_eq!(rows(&store, family), 0, "{family:?}");
        }
    }
}

#[tokio::test]
async fn killed_writers_lose_nothing_acknowledged() {
    kill_and_check(Durability::Process, &[40, 300, 1500]).await;
}

#[tokio::test]
async fn killed_writers_lose_nothing_acknowledged_when_synced() {
    kill_and_check(Durability::Power, &[200]).await;
}
