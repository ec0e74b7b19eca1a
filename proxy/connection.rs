//! Connections: how many there are, which tenants they serve, and what each is doing.

use std::any::Any;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::meter::Meter;

/// How a request came in.
#[derive(Clone)]
pub struct Arrival {
    pub https: bool,
    pub peer: SocketAddr,
    pub connection: Arc<Connection>,
}

/// One open connection. It counts as open until the last clone of its `Arc` is gone, so that whoever takes an upgraded
/// connection over keeps it counted by keeping this.
pub struct Connection {
    connections: Arc<Connections>,
    /// The tenants it has served; nearly always one.
    tenants: Mutex<Vec<Arc<str>>>,
    requests: AtomicU64,
    in_flight: AtomicU32,
    /// Bytes have come since the last request was complete.
    reading: AtomicBool,
    /// The body of the last request was not read to its end.
    unread: AtomicBool,
}

impl Connection {
    /// Counts the connection for a tenant, once. False when the tenant has as many connections as it may have.
    pub fn attribute(&self, tenant: &str) -> bool {
        let mut tenants = lock(&self.tenants);
        if tenants.iter().rev().any(|known| &**known == tenant) {
            return true;
        }
        let Some(tenant) = self.connections.join(tenant) else { return false };
        tenants.push(tenant);
        true
    }

    /// Counts a request until the guard is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> InFlight {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.reading.store(false, Ordering::Relaxed);
        InFlight(self.clone())
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn note_read(&self) {
        self.reading.store(true, Ordering::Relaxed);
    }

    /// Whether a header section has begun and not ended.
    pub(crate) fn is_reading_head(&self) -> bool {
        self.reading.load(Ordering::Relaxed) && !self.is_busy()
    }

    pub(crate) fn set_unread(&self, unread: bool) {
        self.unread.store(unread, Ordering::Relaxed);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.connections.stopping.load(Ordering::Relaxed)
    }

    pub(crate) fn note_timeout(&self) {
        self.connections.meter.timeouts.increment(1);
    }

    pub(crate) fn report_panic(&self, panic: &(dyn Any + Send)) {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text");
        tracing::error!(panic = text, "a request ended in a panic");
        self.connections.meter.panics.increment(1);
    }

    /// Whether the peer may still be sending what nobody is going to read.
    pub(crate) fn has_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed) || self.is_reading_head()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let tenants = std::mem::take(self.tenants.get_mut().unwrap_or_else(PoisonError::into_inner));
        self.connections.leave(&tenants);
    }
}

/// A request that is being answered.
pub(crate) struct InFlight(Arc<Connection>);

impl InFlight {
    pub fn connection(&self) -> &Connection {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.reading.store(false, Ordering::Relaxed);
        }
    }
}

/// All open connections.
pub(crate) struct Connections {
    open: AtomicUsize,
    max: usize,
    per_tenant_max: usize,
    /// Touched when a connection serves a tenant for the first time and when it closes.
    tenants: Mutex<HashMap<Arc<str>, usize>>,
    closed: Notify,
    stopping: AtomicBool,
    pub meter: Meter,
}

impl Connections {
    pub fn new(max: usize, per_tenant_max: usize, meter: Meter) -> Arc<Self> {
        Arc::new(Self {
            open: AtomicUsize::new(0),
            max,
            per_tenant_max,
            tenants: Mutex::default(),
            closed: Notify::new(),
            stopping: AtomicBool::new(false),
            meter,
        })
    }

    /// `None` when there are as many as there may be.
    pub fn open(self: &Arc<Self>) -> Option<Arc<Connection>> {
        if self.open.fetch_add(1, Ordering::AcqRel) >= self.max {
            self.open.fetch_sub(1, Ordering::AcqRel);
            self.meter.connections_refused.increment(1);
            return None;
        }
        self.meter.connections_total.increment(1);
        self.meter.connections_open.increment(1.0);
        Some(Arc::new(Connection {
            connections: self.clone(),
            tenants: Mutex::default(),
            requests: AtomicU64::new(0),
            in_flight: AtomicU32::new(0),
            reading: AtomicBool::new(false),
            unread: AtomicBool::new(false),
        }))
    }

    /// Lets the connections see that they are to come to their end.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub fn count(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// Waits until there is none.
    pub async fn all_closed(&self) {
        loop {
            let closed = self.closed.notified();
            if self.open.load(Ordering::Acquire) == 0 {
                return;
            }
            closed.await;
        }
    }

    fn join(&self, tenant: &str) -> Option<Arc<str>> {
        let mut tenants = lock(&self.tenants);
        if let Some((name, count)) = tenants.get_key_value(tenant).map(|(name, count)| (name.clone(), *count)) {
            if count >= self.per_tenant_max {
                return None;
            }
            tenants.insert(name.clone(), count + 1);
            return Some(name);
        }
        let name: Arc<str> = tenant.into();
        tenants.insert(name.clone(), 1);
        Some(name)
    }

    fn leave(&self, served: &[Arc<str>]) {
        if !served.is_empty() {
            let mut tenants = lock(&self.tenants);
            for tenant in served {
                if let Some(count) = tenants.get_mut(tenant) {
                    *count -= 1;
                    if *count == 0 {
                        tenants.remove(tenant);
                    }
                }
            }
        }
        self.meter.connections_open.decrement(1.0);
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.closed.notify_waiters();
        }
    }
}

/// No panic can leave these counts half changed, so a poisoned lock is as good as a clean one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_counts_once_for_each_tenant_and_until_it_is_gone() {
        let connections = Connections::new(3, 2, Meter::new());
        let first = connections.open().expect("room");
        let second = connections.open().expect("room");
        let third = connections.open().expect("room");
        assert!(connections.open().is_none());
        assert!(first.attribute("a") && first.attribute("a") && second.attribute("a"));
        assert!(!third.attribute("a"));
        assert!(third.attribute("b"));
        drop(first);
        assert!(third.attribute("a"));
        drop((second, third));
        assert!(lock(&connections.tenants).is_empty());
        assert_eq!(connections.open.load(Ordering::Relaxed), 0);
    }
}
