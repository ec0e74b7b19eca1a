//! Environments over a real disk: what is promised of them, on each kind of file system this machine can mount.

mod crash;
mod lifetimes;
mod load;
mod model;
mod operations;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::{AccessKey, Environment, EnvironmentId, Environments, EnvironmentsConfig, NewEnvironment};
use crate::objects::{Key, Namespace, NewBucket, PutSpec, WantedDigests};
use crate::volumes::loop_disk::LoopDisk;
use crate::{Fault, Timestamp};

const NAMESPACE: Namespace = Namespace("s3");
const BUCKET: &str = "bucket";
const DISK_BYTES: u64 = 1 << 30;

fn open(dir: &Path) -> Arc<Environments> {
    Environments::open(EnvironmentsConfig::new(dir)).expect("open")
}

fn key(id: &str) -> AccessKey {
    AccessKey {
        id: id.to_owned(),
        secret: format!("secret of {id}"),
        account: "111122223333".to_owned(),
        provider: "aws".to_owned(),
    }
}

/// An environment `env-<name>` with the one key `<name>`.
fn new(name: &str) -> NewEnvironment {
    NewEnvironment {
        id: EnvironmentId::parse(&format!("env-{name}")),
        name: name.to_owned(),
        provider: "aws".to_owned(),
        services: vec!["aws_s3".to_owned()],
        keys: vec![key(name)],
        hourly_rate_cents: 10,
        ..NewEnvironment::default()
    }
}

/// A body that tells its key, of `size` bytes.
fn body(key: &str, size: usize) -> Vec<u8> {
    key.bytes().cycle().take(size).collect()
}

async fn put(environment: &Environment, key: &str, body: Vec<u8>) -> Result<(), Fault> {
    let store = environment.objects().await?;
    let bucket = match store.bucket(NAMESPACE, BUCKET) {
        Err(Fault::NotFound { .. }) => match store.create_bucket(NAMESPACE, BUCKET, NewBucket::default()).await {
            Err(Fault::Exists { .. }) => store.bucket(NAMESPACE, BUCKET)?,
            other => other?,
        },
        other => other?,
    };
    let mut writer = store.writer(Some(body.len() as u64), WantedDigests::default())?;
    writer.write(Bytes::from(body)).await?;
    let stored = writer.seal().await?;
    store.put(&bucket, &Key::parse(key)?, stored, PutSpec::default()).await?;
    Ok(())
}

async fn get(environment: &Environment, key: &str) -> Result<Vec<u8>, Fault> {
    let store = environment.objects().await?;
    let bucket = store.bucket(NAMESPACE, BUCKET)?;
    let object = store.head(&bucket, &Key::parse(key)?)?;
    let mut reader = store.read(&object, 0..object.size)?;
    let mut bytes = Vec::new();
    if let Some(whole) = reader.whole() {
        bytes.extend_from_slice(&whole);
    }
    while let Some(chunk) = reader.next().await {
        bytes.extend_from_slice(&chunk?);
    }
    Ok(bytes)
}

async fn remove(environment: &Environment, key: &str) -> Result<bool, Fault> {
    let store = environment.objects().await?;
    let bucket = store.bucket(NAMESPACE, BUCKET)?;
    store.delete(&bucket, &Key::parse(key)?, &crate::objects::Conditions::default()).await
}

/// Names of all the objects' keys.
async fn keys(environment: &Environment) -> Result<Vec<String>, Fault> {
    use crate::objects::{ListEntry, ListQuery};
    let store = environment.objects().await?;
    let bucket = match store.bucket(NAMESPACE, BUCKET) {
        Err(Fault::NotFound { .. }) => return Ok(Vec::new()),
        other => other?,
    };
    let mut keys = Vec::new();
    let mut after = None;
    loop {
        let page = store.list(&bucket, ListQuery { limit: 1000, after, ..ListQuery::default() }).await?;
        keys.extend(page.entries.iter().filter_map(|entry| match entry {
            ListEntry::Item(object) => Some(object.key.as_str().to_owned()),
            ListEntry::Prefix(_) => None,
        }));
        after = page.next;
        if after.is_none() {
            return Ok(keys);
        }
    }
}

fn is_missing<T>(result: &Result<T, Fault>) -> bool {
    matches!(result, Err(Fault::NotFound { .. }))
}

/// Files (not directories) anywhere under `dir`.
fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    entries
        .map(|entry| entry.expect("entry").path())
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect()
}

/// What lies under the directory of the volumes, and which volumes are marked as open.
fn volumes_and_marks(data: &Path) -> (Vec<String>, Vec<String>) {
    let names = |dir: &str| {
        let entries = std::fs::read_dir(data.join(dir)).expect("directory");
        let mut names: Vec<_> = entries.map(|e| e.expect("entry").file_name().into_string().expect("name")).collect();
        names.sort();
        names
    };
    (names("environments"), names("registry/open"))
}

/// Volumes that the registry names.
fn recorded(environments: &Environments) -> Vec<String> {
    let registry = environments.registry();
    let mut names: Vec<_> =
        registry.all().flat_map(|(kept, _)| std::iter::once(kept.volume.clone()).chain(kept.base.clone())).collect();
    names.sort();
    names
}

/// Runs `test` in a plain directory, on btrfs and on XFS (where they can be mounted).
#[allow(clippy::needless_pass_by_value, reason = "the closure is written in place")]
fn on_each_disk(test: impl AsyncFn(&Path)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
    let dir = tempfile::tempdir().expect("temporary directory");
    runtime.block_on(test(dir.path()));
    for kind in ["btrfs", "xfs"] {
        if let Some(disk) = LoopDisk::new(kind, DISK_BYTES) {
            runtime.block_on(test(&disk.path()));
        }
    }
}

fn at(ms: u64) -> Timestamp {
    Timestamp(ms)
}
