//! What no peer has: the cost of an environment. Start, idle memory, and environments made, touched, branched, deleted.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use jiff::Timestamp;
use rustix::mount::{UnmountFlags, unmount};

use crate::appliance::{Api, Appliance, Environment};
use crate::client::Prepared;
use crate::peers::Place;
use crate::process::pause;
use crate::report::{Figure, median};
use crate::signer::Payload;

/// Starts measured, the first on an empty directory.
const STARTS: usize = 7;
/// Time from ready to the look at idle memory.
const IDLE: Duration = Duration::from_secs(2);
/// Memory of idle environments is looked at until it has not fallen for `STEADY`, at most for `CLOSING_LIMIT`.
const STEADY: Duration = Duration::from_secs(45);
const CLOSING_LIMIT: Duration = Duration::from_mins(3);
/// Environments deleted one by one for the median.
const DELETES: usize = 50;
/// How long deleted data may take to leave the disk.
const DELETE_LIMIT: Duration = Duration::from_mins(1);
const BRANCHES: u32 = 5;
const MIB: usize = 1024 * 1024;
const OBJECT_PATH: &str = "/bucket/object";

/// Start to ready, stop, and memory with nothing to do.
pub fn starts(place: &Place) -> Result<Vec<Figure>> {
    let (data, log) = place.directory("starts")?;
    let (mut first, mut again, mut stops) = (0.0, Vec::new(), Vec::new());
    let mut figures = Vec::new();
    for round in 0..STARTS {
        let mut appliance = Appliance::start(place, &data, &log, &[])?;
        let ready = milliseconds(appliance.ready);
        if round == 0 {
            first = ready;
        } else {
            again.push(ready);
        }
        if round + 1 == STARTS {
            pause(IDLE);
            let memory = appliance.process.memory()?;
            figures.push(Figure::new(
                "idle-rss",
                "idle memory, resident (env-default there, untouched)",
                mib(memory.resident),
                "MiB",
            ));
            figures.push(Figure::new("idle-anonymous", "of it not backed by files", mib(memory.anonymous), "MiB"));
        }
        stops.push(milliseconds(appliance.process.stop()?));
    }
    figures.insert(0, Figure::new("start-first", "first start to ready (empty directory)", first, "ms"));
    figures.insert(1, Figure::new("start", "start to ready", median(&mut again), "ms"));
    figures.insert(2, Figure::new("stop", "stop when idle", median(&mut stops), "ms"));
    Ok(figures)
}

/// Environments made, touched once, left alone, deleted.
pub fn environments(place: &Place, count: usize) -> Result<Vec<Figure>> {
    let (data, log) = place.directory("environments")?;
    let appliance = Appliance::start(place, &data, &log, &[])?;
    let mut api = appliance.api()?;
    let (mut creates, mut touches, mut made) = (Vec::new(), Vec::new(), Vec::new());
    for index in 0..count {
        let start = Instant::now();
        let environment = api.create(&format!("bench-{index}"))?;
        creates.push(milliseconds(start.elapsed()));
        let start = Instant::now();
        touch(&mut api, &environment)?;
        touches.push(milliseconds(start.elapsed()));
        made.push(environment);
    }
    let busy = appliance.process.memory()?.resident;
    let idle = memory_when_closed(&appliance)?;
    let full = disk_bytes(&data.join("environments"));
    let mut deletes = Vec::new();
    let all = Instant::now();
    for environment in &made {
        let start = Instant::now();
        api.delete(&environment.id)?;
        deletes.push(milliseconds(start.elapsed()));
    }
    deletes.truncate(DELETES);
    let left = wait_for_deletion(&data.join("environments"), full / 100);
    Ok(vec![
        Figure::new("create", "create an environment (S3), median", median(&mut creates), "ms"),
        Figure::new("touch", "its first use: bucket, 4 KiB PUT and GET, median", median(&mut touches), "ms"),
        Figure::new("touched-busy", format!("memory right after {count} environments were touched"), mib(busy), "MiB"),
        Figure::new("touched-idle", format!("memory with {count} touched environments idle"), mib(idle), "MiB"),
        Figure::new("delete", "delete an environment, median", median(&mut deletes), "ms"),
        Figure::new("delete-all", format!("delete all {count}, disk returned"), milliseconds(all.elapsed()), "ms"),
        Figure::new("delete-left", "of their disk still in use", share(left, full), "%"),
    ])
}

/// Branches of a small and of a large environment on btrfs; `large` in GiB of real data.
pub fn branches(place: &Place, large: usize) -> Result<Vec<Figure>> {
    let (data, log) = place.directory("branches")?;
    let _mount = Mount { dir: data.join("environments") };
    // Room for the data, its metadata, and what is rewritten.
    let image = format!("{}G", large * 2 + 4);
    let appliance = Appliance::start(place, &data, &log, &["--volume-image", &image])?;
    let mut api = appliance.api()?;
    let mut figures = Vec::new();
    for (id, delete_id, name, objects, object_bytes) in [
        ("branch-small", "branch-small-delete", "10 MB".to_owned(), 10, MIB),
        ("branch-large", "branch-large-delete", format!("{large} GiB"), large * 16, 64 * MIB),
    ] {
        let environment = api.create(id)?;
        store(&mut api, &environment, objects, object_bytes)?;
        let (mut times, mut branches) = (Vec::new(), Vec::new());
        for index in 0..BRANCHES {
            let start = Instant::now();
            let branch = api.branch(&environment.id, &format!("{id}-{index}"))?;
            times.push(milliseconds(start.elapsed()));
            let path = format!("{OBJECT_PATH}-{}", objects - 1);
            let (status, bytes) = s3(&mut api, &branch, "GET", &path, &Bytes::new())?;
            ensure!(status == 200 && bytes == object_bytes, "branch {}: {status}, {bytes} bytes", branch.id);
            branches.push(branch);
        }
        figures.push(Figure::new(
            id,
            format!("branch an environment of {name} (btrfs), median"),
            median(&mut times),
            "ms",
        ));
        let start = Instant::now();
        for doomed in branches.iter().chain([&environment]) {
            api.delete(&doomed.id)?;
        }
        let each = milliseconds(start.elapsed()) / f64::from(BRANCHES + 1);
        figures.push(Figure::new(delete_id, format!("delete an environment of {name} (btrfs), mean"), each, "ms"));
    }
    Ok(figures)
}

/// The volume that the appliance mounts: off again at the end, also where the appliance did not end as it should.
struct Mount {
    dir: PathBuf,
}

impl Drop for Mount {
    fn drop(&mut self) {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let dir = self.dir.to_string_lossy();
        if mounts.lines().any(|line| line.split(' ').nth(1) == Some(&*dir)) {
            eprintln!("bench: the appliance left {dir} mounted");
            if let Err(error) = unmount(&self.dir, UnmountFlags::DETACH) {
                eprintln!("bench: {dir}: {error}");
            }
        }
    }
}

fn touch(api: &mut Api<'_>, environment: &Environment) -> Result<()> {
    store(api, environment, 1, 4096)?;
    let (status, bytes) = s3(api, environment, "GET", &format!("{OBJECT_PATH}-0"), &Bytes::new())?;
    ensure!(status == 200 && bytes == 4096, "{}: read back {status}, {bytes} bytes", environment.id);
    Ok(())
}

/// Stores objects whose bytes differ from each other in every block, so that nothing is shared or sparse.
fn store(api: &mut Api<'_>, environment: &Environment, objects: usize, bytes: usize) -> Result<()> {
    let (status, _) = s3(api, environment, "PUT", "/bucket", &Bytes::new())?;
    ensure!(status == 200, "{}: bucket: {status}", environment.id);
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for index in 0..objects {
        let mut body = Vec::with_capacity(bytes);
        while body.len() < bytes {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            body.extend_from_slice(&state.rotate_left(23).to_le_bytes());
        }
        let (status, _) = s3(api, environment, "PUT", &format!("{OBJECT_PATH}-{index}"), &body.into())?;
        ensure!(status == 200, "{}: object {index}: {status}", environment.id);
    }
    Ok(())
}

fn s3(api: &mut Api<'_>, environment: &Environment, method: &str, path: &str, body: &Bytes) -> Result<(u16, usize)> {
    let payload = if body.is_empty() { Payload::Empty } else { Payload::Unsigned { len: body.len() } };
    let head = environment.signer.at(Timestamp::now()).head(method, path, &[], &payload);
    let (reply, answer) = api.exchange(&Prepared { head, body: body.clone() })?;
    Ok((reply.status, answer.len()))
}

/// Resident KiB once the idle environments have been closed: the lowest seen when it falls no more.
fn memory_when_closed(appliance: &Appliance) -> Result<u64> {
    let start = Instant::now();
    let mut lowest = appliance.process.memory()?.resident;
    let mut fell = Instant::now();
    while fell.elapsed() < STEADY && start.elapsed() < CLOSING_LIMIT {
        pause(Duration::from_millis(500));
        let now = appliance.process.memory()?.resident;
        if now < lowest - lowest / 100 {
            lowest = now;
            fell = Instant::now();
        }
    }
    Ok(appliance.process.memory()?.resident)
}

fn wait_for_deletion(dir: &Path, enough: u64) -> u64 {
    let start = Instant::now();
    loop {
        let left = disk_bytes(dir);
        if left <= enough || start.elapsed() > DELETE_LIMIT {
            return left;
        }
        pause(Duration::from_millis(20));
    }
}

/// Disk blocks of all files under `dir`, in bytes.
fn disk_bytes(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries
        .flatten()
        .filter_map(|entry| {
            let meta = fs::symlink_metadata(entry.path()).ok()?;
            Some(if meta.is_dir() { disk_bytes(&entry.path()) } else { meta.blocks() * 512 })
        })
        .sum()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[allow(clippy::cast_precision_loss)]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

#[allow(clippy::cast_precision_loss)]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 * 100.0 }
}
