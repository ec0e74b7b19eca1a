//! The way to a stop: the first request drains, the second ends at once.
//!
//! pingora's own graceful stop sleeps for a fixed time and then drops whatever runs. Here the waiting is done before
//! pingora hears of it: accepting ends, idle connections close, requests in flight finish (up to a bound); what is left
//! for pingora is to end an idle runtime.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::connection::Connections;

/// Whether the process's signals stop the edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signals {
    /// SIGTERM and SIGINT.
    Process,
    /// Only [`EdgeHandle::stop`].
    Ignored,
}

/// Stops a running edge from elsewhere.
#[derive(Clone)]
pub struct EdgeHandle {
    asked: watch::Sender<u32>,
}

impl EdgeHandle {
    pub(crate) fn new() -> Self {
        Self { asked: watch::Sender::new(0) }
    }

    /// Drains; called again, ends at once.
    pub fn stop(&self) {
        self.asked.send_modify(|times| *times = times.saturating_add(1));
    }
}

pub(crate) struct Stop {
    pub connections: Arc<Connections>,
    /// What listeners and connections watch.
    pub stopping: watch::Sender<bool>,
    /// True when a signal is heard: before, it would end the process where it stands.
    pub listening: watch::Sender<bool>,
    pub handle: EdgeHandle,
    pub signals: Signals,
    pub drain: Duration,
}

#[async_trait]
impl ShutdownSignalWatch for Stop {
    async fn recv(&self) -> ShutdownSignal {
        let mut requests = Requests::new(&self.handle, self.signals);
        self.listening.send_replace(true);
        requests.next().await;
        tracing::info!(connections = self.connections.count(), "stopping");
        self.connections.stop();
        self.stopping.send_replace(true);
        let drained = tokio::select! {
            drained = timeout(self.drain, self.connections.all_closed()) => drained.is_ok(),
            () = requests.next() => false,
        };
        if drained {
            // Tasks are gone but for what blocks on disks, which gets a moment to end (see `RUNTIME_END_TIMEOUT`).
            return ShutdownSignal::GracefulTerminate;
        }
        tracing::warn!(connections = self.connections.count(), "stopped before all requests had ended");
        ShutdownSignal::FastShutdown
    }
}

/// Requests to stop, from wherever they come.
struct Requests {
    asked: watch::Receiver<u32>,
    answered: u32,
    terminate: Option<Signal>,
    interrupt: Option<Signal>,
}

impl Requests {
    fn new(handle: &EdgeHandle, signals: Signals) -> Self {
        let listen = |kind| {
            (signals == Signals::Process).then(|| signal(kind)).and_then(|outcome| {
                outcome.inspect_err(|error| tracing::error!(%error, "signals can't be listened to")).ok()
            })
        };
        Self {
            asked: handle.asked.subscribe(),
            answered: 0,
            terminate: listen(SignalKind::terminate()),
            interrupt: listen(SignalKind::interrupt()),
        }
    }

    /// Each request counts, however fast they follow each other and whether or not the edge ran already.
    async fn next(&mut self) {
        let Self { asked, answered, terminate, interrupt } = self;
        let handle = async {
            if asked.wait_for(|times| *times > *answered).await.is_err() {
                std::future::pending::<()>().await;
            }
            *answered += 1;
        };
        tokio::select! {
            () = handle => {}
            () = received(terminate) => {}
            () = received(interrupt) => {}
        }
    }
}

async fn received(signal: &mut Option<Signal>) {
    let came = match signal {
        Some(signal) => signal.recv().await.is_some(),
        None => false,
    };
    if !came {
        std::future::pending::<()>().await;
    }
}
