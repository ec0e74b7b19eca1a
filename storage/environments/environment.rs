//! One environment as requests see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::engine::Engine;
use super::host::Host;
use super::id::EnvironmentId;
use super::lifecycle::Situation;
use super::record::{AccessKey, EnvironmentRecord, State};
use super::registry::Kept;
use super::requests::{RequestLog, RequestPage, RequestRecord};
use super::usage::{Counters, StoredUsage, Usage};
use crate::objects::ObjectStore;
use crate::{Clock, Fault, Timestamp};

pub struct Environment {
    id: EnvironmentId,
    facts: ArcSwap<Facts>,
    clock: Arc<Clock>,
    pub(super) engine: Arc<Engine>,
    counters: Counters,
    requests: RequestLog,
    /// By the machine's clock, as fine as the ticks.
    last_used_ms: AtomicU64,
}

/// What a change replaces as one.
struct Facts {
    kept: Arc<Kept>,
    keys: Vec<Arc<AccessKey>>,
}

impl Facts {
    fn new(kept: Arc<Kept>) -> Self {
        let keys = kept.record.keys.iter().cloned().map(Arc::new).collect();
        Self { kept, keys }
    }
}

impl Environment {
    pub(super) fn new(host: &Arc<Host>, kept: Arc<Kept>, used: &StoredUsage, now: Timestamp) -> Result<Self, Fault> {
        let record = &kept.record;
        let id = EnvironmentId::parse(&record.id)
            .ok_or_else(|| Fault::Corrupt { what: format!("the registry names an environment {:?}", record.id) })?;
        let clock = Clock::new(record.clock_offset_ms);
        let engine = Engine::new(id.clone(), Arc::clone(&clock), Arc::clone(host), kept.volume.clone());
        Ok(Self {
            id,
            facts: ArcSwap::from_pointee(Facts::new(kept)),
            clock,
            engine,
            counters: Counters::restore(used),
            // Above what an earlier run can have counted to: fewer than 1,000 requests in a millisecond.
            requests: RequestLog::new(now.0.saturating_mul(1000)),
            last_used_ms: now.0.into(),
        })
    }

    pub fn id(&self) -> &EnvironmentId {
        &self.id
    }

    pub fn record(&self) -> Arc<EnvironmentRecord> {
        Arc::clone(&self.facts.load().kept.record)
    }

    pub fn clock(&self) -> &Arc<Clock> {
        &self.clock
    }

    /// The environment's own time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn key(&self, key_id: &str) -> Option<Arc<AccessKey>> {
        self.facts.load().keys.iter().find(|key| key.id == key_id).cloned()
    }

    /// The object engine, opened if it was closed. Hold the guard for as long as it is used (bodies being
    /// streamed included): an environment closes only when nobody holds it.
    /// A stopped environment refuses: `Fault::Unavailable`.
    pub async fn objects(&self) -> Result<Arc<ObjectStore>, Fault> {
        if self.facts.load().kept.record.state == State::Stopped {
            return Err(Fault::Unavailable { why: format!("environment {} is stopped", self.id) });
        }
        self.engine.objects().await
    }

    /// Counts usage and keeps the request for the log; never blocks.
    pub fn observe(&self, request: RequestRecord) {
        self.counters.count(&request);
        self.requests.push(request);
    }

    /// What it has used up to `now` (the machine's time); opens nothing.
    pub async fn usage(&self, now: Timestamp) -> Usage {
        self.refresh_stored().await;
        let stored = self.counters.read();
        let facts = self.facts.load();
        let (hours, cost_cents) = facts.kept.meter.read(now.0, facts.kept.record.hourly_rate_cents);
        Usage {
            services: stored.services,
            objects: stored.objects,
            stored_bytes: stored.stored_bytes,
            hours,
            cost_cents,
        }
    }

    /// Requests logged after the cursor `after` (0: from the oldest kept), oldest first. Kept in memory only.
    pub fn requests(&self, after: u64, limit: usize) -> RequestPage {
        self.requests.page(after, limit)
    }

    pub(super) fn kept(&self) -> Arc<Kept> {
        Arc::clone(&self.facts.load().kept)
    }

    pub(super) fn keys(&self) -> Vec<Arc<AccessKey>> {
        self.facts.load().keys.clone()
    }

    pub(super) fn set(&self, kept: Arc<Kept>) {
        self.facts.store(Arc::new(Facts::new(kept)));
    }

    /// Asks the open engine what it stores; a closed one has not changed since it was asked last.
    pub(super) async fn refresh_stored(&self) {
        if let Some(usage) = self.engine.stored().await {
            self.counters.set_stored(usage.objects, usage.bytes);
        }
    }

    pub(super) fn set_stored(&self, objects: u64, bytes: u64) {
        self.counters.set_stored(objects, bytes);
    }

    pub(super) fn used(&self) -> StoredUsage {
        self.counters.read()
    }

    pub(super) fn last_used_ms(&self) -> u64 {
        self.last_used_ms.load(Ordering::Relaxed)
    }

    /// It counts as used from now on.
    pub(super) fn touch(&self, now: Timestamp) {
        self.last_used_ms.store(now.0, Ordering::Relaxed);
    }

    pub(super) fn shrink(&self) {
        self.requests.shrink();
    }

    /// What is known of it at `now`; uses since the last call count as of now.
    pub(super) fn situation(&self, now: Timestamp, idle_close: Duration) -> Situation {
        let held = self.engine.is_held();
        if self.engine.take_touched() || held {
            self.touch(now);
        }
        let facts = self.facts.load();
        let record = &facts.kept.record;
        Situation {
            state: record.state,
            stopped: record.stopped,
            expires_ms: record.expires_ms,
            clock_offset_ms: self.clock.offset_ms(),
            idle_stop_s: record.idle_stop_s,
            last_used_ms: self.last_used_ms(),
            open: self.engine.is_open(),
            held,
            idle_close_ms: u64::try_from(idle_close.as_millis()).unwrap_or(u64::MAX),
        }
    }
}
