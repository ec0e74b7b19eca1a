//! Servers as child processes: started, waited for, measured from outside, and ended by their own pid.
//!
//! CPU time is `/proc/<pid>/stat` of the process and all its descendants, kernel time included.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// Unit of `/proc/<pid>/stat`'s times on Linux: USER_HZ, ticks per second.
const TICKS_PER_SECOND: u64 = 100;
/// How long a server may take to end after SIGTERM before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// How often a condition is looked at while waiting.
const POLL: Duration = Duration::from_millis(2);

/// A running server; ended when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts `command` with its output going to `log`.
    pub fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let out = File::create(log).with_context(|| format!("log {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .with_context(|| format!("start {}", command.get_program().display()))?;
        Ok(Self { child })
    }

    /// CPU time used so far by the process and its descendants.
    pub fn cpu(&self) -> Result<Duration> {
        let root = self.child.id();
        let stats = all_stats();
        let mut family = vec![root];
        let mut ticks = 0;
        let mut next = 0;
        while let Some(&pid) = family.get(next) {
            next += 1;
            if let Some(stat) = stats.iter().find(|stat| stat.pid == pid) {
                ticks += stat.ticks;
            } else if pid == root {
                bail!("process {root} has ended");
            }
            family.extend(stats.iter().filter(|stat| stat.parent == pid).map(|stat| stat.pid));
        }
        Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
    }

    /// Waits until `ready` says so; fails when the process ends or the limit passes.
    pub fn wait_until(&mut self, limit: Duration, mut ready: impl FnMut() -> bool) -> Result<()> {
        let start = Instant::now();
        while !ready() {
            if let Some(status) = self.child.try_wait()? {
                bail!("ended with {status} before it was ready");
            }
            if start.elapsed() > limit {
                bail!("not ready after {limit:?}");
            }
            pause(POLL);
        }
        Ok(())
    }

    pub fn memory(&self) -> Result<Memory> {
        Memory::of(self.child.id())
    }

    /// Waits until the process hardly uses CPU any more, so that work left behind by a load is counted with it.
    pub fn settle(&self, limit: Duration) -> Result<()> {
        const WINDOW: Duration = Duration::from_millis(100);
        const QUIET: Duration = Duration::from_millis(10);
        let start = Instant::now();
        let mut before = self.cpu()?;
        while start.elapsed() < limit {
            pause(WINDOW);
            let now = self.cpu()?;
            if now.saturating_sub(before) <= QUIET {
                break;
            }
            before = now;
        }
        Ok(())
    }

    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks the process to end and waits for it; kills it where it does not.
    pub fn stop(&mut self) -> Result<Duration> {
        let start = Instant::now();
        if self.child.try_wait()?.is_none() {
            let pid = Pid::from_child(&self.child);
            kill_process(pid, Signal::TERM)?;
        }
        while self.child.try_wait()?.is_none() {
            if start.elapsed() > STOP_LIMIT {
                self.child.kill()?;
                self.child.wait()?;
                bail!("did not end within {STOP_LIMIT:?}");
            }
            pause(POLL);
        }
        Ok(start.elapsed())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error here leaves nothing to do: the process is gone or was killed.
        let _ = self.stop();
    }
}

/// Lets time pass between two looks at a process.
#[allow(clippy::disallowed_methods)] // a measured process is watched from outside: there is no condition to wait on
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Resident memory, in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    pub resident: u64,
    /// Shared pages divided among those who share them.
    pub proportional: u64,
    /// Pages that belong to no file: what the process itself holds.
    pub anonymous: u64,
}

impl Memory {
    fn of(pid: u32) -> Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).context("smaps_rollup")?;
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
                .unwrap_or_default()
        };
        Ok(Self { resident: field("Rss:"), proportional: field("Pss:"), anonymous: field("Anonymous:") })
    }
}

struct Stat {
    pid: u32,
    parent: u32,
    /// User and kernel time, and that of children waited for.
    ticks: u64,
}

fn all_stats() -> Vec<Stat> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| {
            let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
            parse_stat(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
        })
        .collect()
}

fn parse_stat(pid: u32, text: &str) -> Option<Stat> {
    // The name stands in parentheses and may hold anything; fields are counted after its end.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let parent = fields.get(1)?.parse().ok()?;
    let ticks = fields.get(11..15)?.iter().filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Some(Stat { pid, parent, ticks })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_stat_lines() {
        let line = "7 (a) b) S 3 7 7 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 2 0 99 1 1";
        let stat = parse_stat(7, line).expect("parses");
        assert_eq!((stat.parent, stat.ticks), (3, 100));
        assert!(parse_stat(7, "7 (cut").is_none());
    }
}
