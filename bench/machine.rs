//! What machine and what moment the figures belong to.

use std::fs;

/// A line for the table's head: processor, cores, kernel, load.
pub fn describe() -> String {
    let cpu = read("/proc/cpuinfo");
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown processor", |(_, model)| model.trim());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{cores} × {model}, Linux {}", kernel.trim())
}

/// Processes that ran or wanted to run, averaged over the last minute.
pub fn load() -> String {
    read("/proc/loadavg").split(' ').next().unwrap_or("?").to_owned()
}

/// Bytes the file system of `path` has in use; what one process deletes, another sees.
pub fn used_bytes(path: &std::path::Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some((stat.f_blocks - stat.f_bfree) * stat.f_frsize)
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
