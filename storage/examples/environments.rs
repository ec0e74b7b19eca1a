//! Times environments and what they cost idle: `cargo run --release -p storage --example environments -- DIR [COUNT]`.
//!
//! DIR's file system decides how volumes are kept. Prints medians in milliseconds and resident memory in MiB.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use storage::Fault;
use storage::clock::system_now;
use storage::environments::{Environment, Environments, EnvironmentsConfig, NewEnvironment};
use storage::objects::{Key, Namespace, NewBucket, PutSpec, WantedDigests};

const NAMESPACE: Namespace = Namespace("s3");
const IDLE_MS: u64 = 3_600_000;
/// Operations behind each median.
const SAMPLES: usize = 51;

async fn put(environment: &Environment, key: &str, size: usize) -> Result<(), Fault> {
    let store = environment.objects().await?;
    if store.bucket(NAMESPACE, "bucket").is_err() {
        store.create_bucket(NAMESPACE, "bucket", NewBucket::default()).await?;
    }
    let bucket = store.bucket(NAMESPACE, "bucket")?;
    let mut writer = store.writer(Some(size as u64), WantedDigests::default())?;
    let mut left = size;
    while left > 0 {
        let piece = left.min(1 << 20);
        writer.write(Bytes::from(vec![7; piece])).await?;
        left -= piece;
    }
    store.put(&bucket, &Key::parse(key)?, writer.seal().await?, PutSpec::default()).await?;
    Ok(())
}

fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB")?.trim().parse().ok());
    kib.unwrap_or(0.0) / 1024.0
}

/// Median and largest of the times, in milliseconds.
fn print(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let ms = |at: Duration| at.as_secs_f64() * 1000.0;
    if let (Some(median), Some(worst)) = (times.get(times.len() / 2), times.last()) {
        println!("{what:44} median {:8.2} ms   worst {:8.2} ms", ms(*median), ms(*worst));
    }
}

async fn timed<T>(times: &mut Vec<Duration>, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let start = Instant::now();
    let done = work.await;
    times.push(start.elapsed());
    done
}

async fn close_idle(environments: &Arc<Environments>) {
    for turns in 1..3 {
        environments.tick(system_now().plus_millis(turns * IDLE_MS)).await;
    }
}

async fn operations(environments: &Arc<Environments>) -> Result<(), Fault> {
    let (mut create, mut first, mut branch, mut reset, mut delete) = (vec![], vec![], vec![], vec![], vec![]);
    for _ in 0..SAMPLES {
        let parent = timed(&mut create, environments.create(NewEnvironment::default())).await?;
        timed(&mut first, put(&parent, "x", 4096)).await?;
        put(&parent, "large", 1 << 20).await?;
        let id = parent.id().as_str();
        let child = timed(&mut branch, environments.branch(id, NewEnvironment::default())).await?;
        timed(&mut reset, environments.reset(child.id().as_str())).await?;
        timed(&mut delete, environments.delete(id)).await?;
        environments.delete(child.id().as_str()).await?;
        environments.settle().await;
    }
    print("create", create);
    print("first request (opens it, a bucket, 4 KiB)", first);
    print("branch (open parent, 1 MiB)", branch);
    print("reset of a branch", reset);
    print("delete", delete);
    Ok(())
}

async fn branches_by_size(environments: &Arc<Environments>) -> Result<(), Fault> {
    for mib in [10, 1000] {
        let parent = environments.create(NewEnvironment::default()).await?;
        for n in 0..mib / 10 {
            put(&parent, &n.to_string(), 10 << 20).await?;
            environments.tick(system_now()).await;
        }
        let mut times = Vec::new();
        for _ in 0..5 {
            let child = timed(&mut times, environments.branch(parent.id().as_str(), NewEnvironment::default())).await?;
            environments.delete(child.id().as_str()).await?;
        }
        print(&format!("branch of {mib} MiB"), times);
        environments.delete(parent.id().as_str()).await?;
    }
    environments.settle().await;
    Ok(())
}

async fn many(environments: &Arc<Environments>, count: usize) -> Result<(), Fault> {
    println!("{:44} {:.1} MiB", "resident, no environment", resident_mib());
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(environments.create(NewEnvironment::default()).await?);
    }
    println!("{:44} {:.1} MiB", format!("resident, {count} created"), resident_mib());
    for environment in &all {
        put(environment, "x", 4096).await?;
    }
    println!("{:44} {:.1} MiB", format!("resident, {count} touched and open"), resident_mib());
    close_idle(environments).await;
    println!("{:44} {:.1} MiB", format!("resident, {count} idle"), resident_mib());
    Ok(())
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Fault> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().unwrap_or_else(|| "/tmp/environments".to_owned());
    let count = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(1000);
    let open = || Environments::open(EnvironmentsConfig::new(Path::new(&dir)));
    let environments = open()?;
    println!("{}", environments.describe().text);
    environments.tick(system_now()).await;
    environments.settle().await;
    many(&environments, count).await?;
    environments.shutdown().await;
    drop(environments);
    let start = Instant::now();
    let environments = open()?;
    println!(
        "{:44} {:.2} ms",
        format!("start with {}", environments.list().len()),
        start.elapsed().as_secs_f64() * 1000.0
    );
    let start = Instant::now();
    for environment in environments.list() {
        environments.delete(environment.id().as_str()).await?;
    }
    environments.settle().await;
    println!("{:44} {:.2} ms", format!("{count} deleted, disk and all"), start.elapsed().as_secs_f64() * 1000.0);
    operations(&environments).await?;
    branches_by_size(&environments).await?;
    environments.shutdown().await;
    Ok(())
}
