//! Times the object engine alone:
//! `cargo run --release -p storage --example engine_timing [directory [open|small|list|large|stream]...]`.
//! Times are CPU time of the process per operation unless they say otherwise.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use md5::Digest as _;
use storage::Clock;
use storage::keyspace::{Durability, Keyspace, Shared, SharedConfig};
use storage::objects::{
    BucketInfo, Conditions, Key, ListQuery, Namespace, NewBucket, ObjectStore, PutSpec, WantedDigests,
};

const NS: Namespace = Namespace("timing");
const SMALL: usize = 4096;
const LARGE: u32 = 64 << 20;

type Result<T> = std::result::Result<T, anyhow::Error>;

fn main() -> Result<()> {
    let base = std::env::args().nth(1).map_or_else(std::env::temp_dir, Into::into);
    let dir = tempfile::tempdir_in(base)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let parts: Vec<String> = std::env::args().skip(2).collect();
        let wanted = |part: &str| parts.is_empty() || parts.iter().any(|wanted| wanted == part);
        if wanted("open") {
            opening(dir.path())?;
        }
        let shared = Shared::new(SharedConfig::default())?;
        let store = open(&dir.path().join("main"), &shared)?;
        let bucket = store.create_bucket(NS, "bucket", NewBucket::default()).await?;
        let store = Arc::new(store);
        if wanted("small") {
            small(&store, &bucket).await?;
        }
        if wanted("list") {
            listing(&store, &bucket).await?;
        }
        if wanted("large") {
            large(&store, &bucket).await?;
        }
        if wanted("stream") {
            stream(&store, &bucket).await?;
        }
        Ok(())
    })
}

fn open(dir: &Path, shared: &Arc<Shared>) -> Result<ObjectStore> {
    let keyspace = Keyspace::open(&dir.join("keyspace"), shared, Durability::Process)?;
    Ok(ObjectStore::new(keyspace, &dir.join("bodies"), Clock::new(0))?)
}

/// User and system time of the process, in the kernel's ticks of 10 ms.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
    Duration::from_millis(fields.filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * 10)
}

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn opening(dir: &Path) -> Result<()> {
    const COUNT: usize = 200;
    let shared = Shared::new(SharedConfig::default())?;
    let (mut creates, mut opens, mut closes) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..COUNT {
        let start = Instant::now();
        let store = open(&dir.join(format!("open-{n}")), &shared)?;
        creates.push(start.elapsed());
        let start = Instant::now();
        drop(store);
        closes.push(start.elapsed());
    }
    let before = resident();
    let mut all = Vec::new();
    for n in 0..COUNT {
        let start = Instant::now();
        all.push(open(&dir.join(format!("open-{n}")), &shared)?);
        opens.push(start.elapsed());
    }
    let each = (resident() - before) / COUNT as u64 / 1024;
    println!(
        "store: create {:?}, close {:?}, reopen {:?} (wall, medians)",
        median(creates),
        median(closes),
        median(opens)
    );
    println!("store: {each} KiB of memory for each one open");
    Ok(())
}

async fn put(store: &ObjectStore, bucket: &BucketInfo, key: &Key, body: Bytes) -> Result<()> {
    let mut writer = store.writer(Some(body.len() as u64), WantedDigests::default())?;
    let mut rest = body;
    while !rest.is_empty() {
        writer.write(rest.split_to(rest.len().min(256 * 1024))).await?;
    }
    let body = writer.seal().await?;
    store.put(bucket, key, body, PutSpec::default()).await?;
    Ok(())
}

async fn each(name: &str, count: u32, mut one: impl AsyncFnMut(u32) -> Result<()>) -> Result<()> {
    let (wall, start) = (Instant::now(), cpu());
    for n in 0..count {
        one(n).await?;
    }
    let (wall, spent) = (wall.elapsed(), cpu().saturating_sub(start));
    println!(
        "{name}: {:.1} µs CPU, {:.1} µs wall",
        spent.as_secs_f64() * 1e6 / f64::from(count),
        wall.as_secs_f64() * 1e6 / f64::from(count)
    );
    Ok(())
}

async fn small(store: &Arc<ObjectStore>, bucket: &Arc<BucketInfo>) -> Result<()> {
    const COUNT: u32 = 50_000;
    let keys: Vec<Key> =
        (0..COUNT).map(|n| Key::parse(&format!("small/{n:08}"))).collect::<std::result::Result<_, _>>()?;
    let body = Bytes::from(vec![7; SMALL]);
    each("put 4 KiB", COUNT, async |n| put(store, bucket, &keys[n as usize], body.clone()).await).await?;
    each("put 4 KiB over another", COUNT, async |n| put(store, bucket, &keys[(n % 1000) as usize], body.clone()).await)
        .await?;
    each("get 4 KiB", COUNT * 4, async |n| {
        let bucket = store.bucket(NS, "bucket")?;
        let object = store.head(&bucket, &keys[(n.wrapping_mul(7919) % COUNT) as usize])?;
        let whole = store.read(&object, 0..object.size)?.whole();
        anyhow::ensure!(whole.is_some_and(|bytes| bytes.len() == SMALL));
        Ok(())
    })
    .await?;
    each("get 4 KiB, one key", COUNT * 4, async |_| {
        let bucket = store.bucket(NS, "bucket")?;
        let object = store.head(&bucket, &keys[0])?;
        let whole = store.read(&object, 0..object.size)?.whole();
        anyhow::ensure!(whole.is_some_and(|bytes| bytes.len() == SMALL));
        Ok(())
    })
    .await?;
    each("delete 4 KiB", COUNT, async |n| {
        store.delete(bucket, &keys[n as usize], &Conditions::default()).await?;
        Ok(())
    })
    .await
}

async fn listing(store: &Arc<ObjectStore>, bucket: &Arc<BucketInfo>) -> Result<()> {
    for n in 0..100_000u32 {
        let key = Key::parse(&format!("{:04}/{:04}/object", n / 20, n % 20))?;
        put(store, bucket, &key, Bytes::from_static(b"x")).await?;
    }
    for (name, delimiter, prefix) in
        [("plain", None, ""), ("by delimiter", Some("/"), ""), ("narrow", Some("/"), "0001/")]
    {
        let query =
            ListQuery { prefix: prefix.into(), delimiter: delimiter.map(str::to_owned), after: None, limit: 1000 };
        each(&format!("list 1000 {name}"), 200, async |_| {
            store.list(bucket, query.clone()).await?;
            Ok(())
        })
        .await?;
    }
    Ok(())
}

async fn large(store: &Arc<ObjectStore>, bucket: &Arc<BucketInfo>) -> Result<()> {
    let body = Bytes::from(vec![7; LARGE as usize]);
    let megabytes = |wall: Duration| (f64::from(LARGE) / wall.as_secs_f64() / 1e6).round();
    for _ in 0..3 {
        let start = Instant::now();
        let digest = md5::Md5::digest(&body);
        let alone = start.elapsed();
        let start = Instant::now();
        put(store, bucket, &Key::parse("large")?, body.clone()).await?;
        let put = start.elapsed();
        let start = Instant::now();
        let copied: usize = body.chunks(256 * 1024).map(|chunk| std::hint::black_box(chunk.to_vec()).len()).sum();
        let copy = start.elapsed();
        let object = store.head(bucket, &Key::parse("large")?)?;
        let start = Instant::now();
        let mut reader = store.read(&object, 0..object.size)?;
        let mut read = 0;
        while let Some(chunk) = reader.next().await {
            read += chunk?.len();
        }
        anyhow::ensure!(read == copied && digest.len() == 16);
        println!(
            "64 MiB: MD5 alone {} MB/s, put {} MB/s; memcpy {} MB/s, get {} MB/s",
            megabytes(alone),
            megabytes(put),
            megabytes(copy),
            megabytes(start.elapsed()),
        );
    }
    Ok(())
}

/// Memory while a body of 2 GiB goes in and out.
async fn stream(store: &Arc<ObjectStore>, bucket: &Arc<BucketInfo>) -> Result<()> {
    const CHUNKS: u64 = 8192;
    let before = resident();
    let mut peak = before;
    let mut writer = store.writer(None, WantedDigests::default())?;
    for _ in 0..CHUNKS {
        writer.write(Bytes::from(vec![7; 256 * 1024])).await?;
        peak = peak.max(resident());
    }
    let key = Key::parse("stream")?;
    let body = writer.seal().await?;
    let object = store.put(bucket, &key, body, PutSpec::default()).await?;
    let mut reader = store.read(&object, 0..object.size)?;
    while let Some(chunk) = reader.next().await {
        std::hint::black_box(chunk?);
        peak = peak.max(resident());
    }
    println!("2 GiB in and out: memory grew by {} KiB at most", (peak - before) / 1024);
    Ok(())
}
