//! The closed loop: a fixed number of connections, each sending its next request when it has the last reply.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

use crate::client::{Connection, Prepared};
use crate::process::Process;

/// How long a server may finish background work of a round; its CPU time counts to the round.
const SETTLE_LIMIT: Duration = Duration::from_secs(2);

/// Failed requests that a round bears: this many, or one in so many.
const FAILURES_MAX: usize = 5;
const FAILURES_SHARE: usize = 100;

/// What one round sends.
#[derive(Debug)]
pub struct Work {
    pub requests: Vec<Prepared>,
    /// The status each reply must have.
    pub expect: u16,
    pub connections: usize,
    /// Start over when all requests were sent, until the time is up.
    pub repeat: bool,
    pub limit: Duration,
}

/// What one round showed.
#[derive(Clone, Debug)]
pub struct Round {
    pub requests: usize,
    pub seconds: f64,
    /// CPU time of the server in the round, per request, in microseconds.
    pub cpu_us: f64,
    /// Requests that were not answered as they should be; they count for nothing else.
    pub failures: usize,
    /// Microseconds from sending a request to having its whole reply, sorted.
    pub latencies_us: Vec<u32>,
}

impl Round {
    #[allow(clippy::cast_precision_loss)]
    pub fn per_second(&self) -> f64 {
        self.requests as f64 / self.seconds
    }

    /// The latency that `share` (0 to 1) of the requests did not exceed, in microseconds.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn percentile(&self, share: f64) -> f64 {
        let last = self.latencies_us.len().saturating_sub(1);
        let index = (last as f64 * share).round() as usize;
        self.latencies_us.get(index).copied().map_or(f64::NAN, f64::from)
    }
}

/// One thread for all connections: the client must not crowd out the server it measures.
pub fn client_runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("client runtime")
}

/// Runs one round against a server and measures its process.
#[allow(clippy::cast_precision_loss)]
pub fn measure(process: &Process, address: SocketAddr, work: Work) -> Result<Round> {
    let before = process.cpu()?;
    let sent = send(address, work)?;
    process.settle(SETTLE_LIMIT)?;
    let cpu = process.cpu()?.saturating_sub(before);
    let Sent { mut latencies_us, failures, seconds } = sent;
    let requests = latencies_us.len();
    ensure!(requests > 0, "no request ended within the round");
    latencies_us.sort_unstable();
    Ok(Round { requests, failures, seconds, cpu_us: cpu.as_secs_f64() * 1e6 / requests as f64, latencies_us })
}

/// What became of some work.
#[derive(Debug)]
pub struct Sent {
    pub latencies_us: Vec<u32>,
    pub failures: usize,
    pub seconds: f64,
}

/// Sends the work once through, or until its time is up.
pub fn send(address: SocketAddr, work: Work) -> Result<Sent> {
    ensure!(address.ip().is_loopback(), "load goes to loopback addresses only, not to {address}");
    ensure!(!work.requests.is_empty(), "no request to send");
    let runtime = client_runtime()?;
    let connections = work.connections;
    let shared = Rc::new(Shared { next: Cell::new(0), failures: Cell::new(0), end: Instant::now() + work.limit, work });
    let start = Instant::now();
    let latencies_us = LocalSet::new().block_on(&runtime, async {
        let tasks: Vec<_> =
            (0..connections).map(|_| tokio::task::spawn_local(run(address, Rc::clone(&shared)))).collect();
        let mut all = Vec::new();
        for task in tasks {
            all.append(&mut task.await.context("client task")??);
        }
        anyhow::Ok(all)
    })?;
    Ok(Sent { latencies_us, failures: shared.failures.get(), seconds: start.elapsed().as_secs_f64() })
}

struct Shared {
    work: Work,
    next: Cell<usize>,
    failures: Cell<usize>,
    end: Instant,
}

impl Shared {
    fn take(&self) -> Option<&Prepared> {
        let index = self.next.get();
        let count = self.work.requests.len();
        if Instant::now() >= self.end || (index >= count && !self.work.repeat) {
            return None;
        }
        self.next.set(index + 1);
        self.work.requests.get(index % count)
    }
}

impl Shared {
    /// Some failures are a peer's own affair (rclone loses a race now and then); many are no measurement.
    fn failed(&self, error: &anyhow::Error) -> Result<()> {
        self.failures.set(self.failures.get() + 1);
        ensure!(
            self.failures.get() <= FAILURES_MAX.max(self.next.get() / FAILURES_SHARE),
            "{} of {} requests failed, the last with: {error:#}",
            self.failures.get(),
            self.next.get()
        );
        Ok(())
    }
}

async fn run(address: SocketAddr, shared: Rc<Shared>) -> Result<Vec<u32>> {
    let mut connection = Connection::new(address);
    let mut latencies = Vec::new();
    while let Some(request) = shared.take() {
        let start = Instant::now();
        match connection.exchange(request, None).await {
            Ok(reply) if reply.status == shared.work.expect => {
                latencies.push(u32::try_from(start.elapsed().as_micros()).unwrap_or(u32::MAX));
            }
            Ok(reply) => shared.failed(&anyhow!("status {}", reply.status))?,
            Err(error) => shared.failed(&error)?,
        }
    }
    Ok(latencies)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_sorted_latencies() {
        let round = Round { requests: 5, failures: 0, seconds: 2.0, cpu_us: 0.0, latencies_us: vec![1, 2, 3, 4, 100] };
        let check = |share, expected: f64| assert!((round.percentile(share) - expected).abs() < 1e-9, "{share}");
        check(0.0, 1.0);
        check(0.5, 3.0);
        check(1.0, 100.0);
        assert!((round.per_second() - 2.5).abs() < 1e-9);
    }

    #[test]
    fn refuses_foreign_addresses() {
        let work = Work { requests: Vec::new(), expect: 200, connections: 1, repeat: false, limit: Duration::ZERO };
        assert!(send(([192, 0, 2, 1], 80).into(), work).is_err());
    }
}
