//! Counters per service, operation and status, with handles kept so that a request costs no registration.

use std::collections::HashMap;
use std::sync::{OnceLock, PoisonError, RwLock};

use metrics::Counter;
use storage::environments::RequestRecord;

struct Handles {
    requests: Counter,
    microseconds: Counter,
    bytes_in: Counter,
    bytes_out: Counter,
}

type Key = (&'static str, &'static str, u16);

pub fn count(request: &RequestRecord) {
    static METERS: OnceLock<RwLock<HashMap<Key, Handles>>> = OnceLock::new();
    let meters = METERS.get_or_init(RwLock::default);
    let key = (request.service, request.operation, request.status);
    if let Some(handles) = meters.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return handles.add(request);
    }
    // Bounded: services and operations are static, and a status is one of a few.
    meters.write().unwrap_or_else(PoisonError::into_inner).entry(key).or_insert_with(|| register(key)).add(request);
}

impl Handles {
    fn add(&self, request: &RequestRecord) {
        self.requests.increment(1);
        self.microseconds.increment(request.duration_us);
        self.bytes_in.increment(request.bytes_in);
        self.bytes_out.increment(request.bytes_out);
    }
}

fn register((service, operation, status): Key) -> Handles {
    let operation = if operation.is_empty() { "unknown" } else { operation };
    let labels = [("service", service.to_owned()), ("operation", operation.to_owned()), ("status", status.to_string())];
    Handles {
        requests: metrics::counter!("mockfactory_requests_total", &labels),
        microseconds: metrics::counter!("mockfactory_request_microseconds_total", &labels),
        bytes_in: metrics::counter!("mockfactory_request_bytes_total", &labels),
        bytes_out: metrics::counter!("mockfactory_response_bytes_total", &labels),
    }
}
