//! What an environment has used: requests and bytes per service, what it stores, hours and cost.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use serde::{Deserialize, Serialize};

use super::requests::RequestRecord;

const HOUR_MS: u64 = 3_600_000;
/// Statuses from here on count as errors.
const ERROR_STATUS: u16 = 400;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceUsage {
    pub requests: u64,
    /// Answers with a status of 400 or more.
    pub errors: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Usage {
    pub services: BTreeMap<String, ServiceUsage>,
    pub objects: u64,
    pub stored_bytes: u64,
    /// Hours in state `ready`, by the machine's clock.
    pub hours: f64,
    /// Those hours at the rates that held while they passed.
    pub cost_cents: f64,
}

/// What the registry keeps of an environment's usage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredUsage {
    pub services: BTreeMap<String, ServiceUsage>,
    pub objects: u64,
    pub stored_bytes: u64,
}

/// Hours and cost: what has been settled, and since when the present rate runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meter {
    ran_ms: u64,
    /// In cents times milliseconds of an hourly rate, so that nothing is rounded away.
    cost: u64,
    /// Start of the running stretch, where one runs.
    since_ms: Option<u64>,
}

impl Meter {
    pub fn running_from(now_ms: u64) -> Self {
        Self { since_ms: Some(now_ms), ..Self::default() }
    }

    /// Closes the running stretch at `rate` and, where `running`, begins the next.
    pub fn settle(&mut self, now_ms: u64, rate_cents: u32, running: bool) {
        *self = Self { since_ms: running.then_some(now_ms), ..self.at(now_ms, rate_cents) };
    }

    fn at(self, now_ms: u64, rate_cents: u32) -> Self {
        let passed = self.since_ms.map_or(0, |since| now_ms.saturating_sub(since));
        Self {
            ran_ms: self.ran_ms.saturating_add(passed),
            cost: self.cost.saturating_add(passed.saturating_mul(u64::from(rate_cents))),
            ..self
        }
    }

    /// Hours and cents up to now.
    #[allow(clippy::cast_precision_loss, reason = "figures to be shown")]
    pub fn read(self, now_ms: u64, rate_cents: u32) -> (f64, f64) {
        let now = self.at(now_ms, rate_cents);
        (now.ran_ms as f64 / HOUR_MS as f64, now.cost as f64 / HOUR_MS as f64)
    }
}

#[derive(Default)]
struct ServiceCounters {
    requests: AtomicU64,
    errors: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

impl ServiceCounters {
    fn count(&self, request: &RequestRecord) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.errors.fetch_add(u64::from(request.status >= ERROR_STATUS), Ordering::Relaxed);
        self.bytes_in.fetch_add(request.bytes_in, Ordering::Relaxed);
        self.bytes_out.fetch_add(request.bytes_out, Ordering::Relaxed);
    }

    fn read(&self) -> ServiceUsage {
        ServiceUsage {
            requests: self.requests.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            bytes_out: self.bytes_out.load(Ordering::Relaxed),
        }
    }
}

/// Counters of one environment: the list is locked for reading on a request, for writing when a service is used for
/// the first time.
#[derive(Default)]
pub(super) struct Counters {
    services: RwLock<Vec<(Box<str>, ServiceCounters)>>,
    objects: AtomicU64,
    stored_bytes: AtomicU64,
}

impl Counters {
    pub fn restore(stored: &StoredUsage) -> Self {
        let services = stored.services.iter().map(|(name, used)| {
            let counters = ServiceCounters {
                requests: used.requests.into(),
                errors: used.errors.into(),
                bytes_in: used.bytes_in.into(),
                bytes_out: used.bytes_out.into(),
            };
            (name.as_str().into(), counters)
        });
        Self {
            services: RwLock::new(services.collect()),
            objects: stored.objects.into(),
            stored_bytes: stored.stored_bytes.into(),
        }
    }

    pub fn count(&self, request: &RequestRecord) {
        {
            let services = self.services.read().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, counters)) = services.iter().find(|(name, _)| **name == *request.service) {
                return counters.count(request);
            }
        }
        let mut services = self.services.write().unwrap_or_else(PoisonError::into_inner);
        let at = services.iter().position(|(name, _)| **name == *request.service).unwrap_or_else(|| {
            services.push((request.service.into(), ServiceCounters::default()));
            services.len() - 1
        });
        services[at].1.count(request);
    }

    pub fn set_stored(&self, objects: u64, bytes: u64) {
        self.objects.store(objects, Ordering::Relaxed);
        self.stored_bytes.store(bytes, Ordering::Relaxed);
    }

    pub fn read(&self) -> StoredUsage {
        let services = self.services.read().unwrap_or_else(PoisonError::into_inner);
        StoredUsage {
            services: services.iter().map(|(name, counters)| (name.to_string(), counters.read())).collect(),
            objects: self.objects.load(Ordering::Relaxed),
            stored_bytes: self.stored_bytes.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::float_cmp, reason = "these quotients are exact")]
    fn the_meter_charges_each_hour_at_its_rate() {
        let mut meter = Meter::running_from(0);
        assert_eq!(meter.read(HOUR_MS / 2, 10), (0.5, 5.0));
        meter.settle(HOUR_MS, 10, true);
        assert_eq!(meter.read(2 * HOUR_MS, 30), (2.0, 40.0));
        meter.settle(2 * HOUR_MS, 30, false);
        assert_eq!(meter.read(9 * HOUR_MS, 30), (2.0, 40.0), "stopped");
        meter.settle(10 * HOUR_MS, 30, true);
        assert_eq!(meter.read(11 * HOUR_MS, 30), (3.0, 70.0));
        assert_eq!(meter.read(0, 30), (2.0, 40.0), "a clock that went back charges nothing");
    }

    #[test]
    fn counters_survive_a_round_trip() {
        let counters = Counters::default();
        let request = |service, status| RequestRecord {
            at_ms: 0,
            request_id: String::new(),
            service,
            operation: "GetObject",
            method: String::new(),
            path: String::new(),
            status,
            bytes_in: 3,
            bytes_out: 5,
            duration_us: 0,
            error: None,
        };
        for (service, status) in [("aws_s3", 200), ("aws_s3", 404), ("cloudflare_r2", 304)] {
            counters.count(&request(service, status));
        }
        counters.set_stored(2, 9);
        let stored = counters.read();
        let expected = ServiceUsage { requests: 2, errors: 1, bytes_in: 6, bytes_out: 10 };
        assert_eq!(stored.services["aws_s3"], expected);
        assert_eq!(stored.services["cloudflare_r2"].errors, 0);
        assert_eq!(Counters::restore(&stored).read(), stored);
    }
}
