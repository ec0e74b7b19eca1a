//! Time as an input: every engine reads its environment's clock, which a user can move forward.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use minicbor::{Decode, Encode};

/// Milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Timestamp(#[n(0)] pub u64);

impl Timestamp {
    /// Whole seconds since the epoch; HTTP dates and S3's conditions know no finer grain.
    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }

    #[must_use]
    pub const fn plus_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

/// An environment's clock: the system's time plus an offset that only grows.
#[derive(Debug, Default)]
pub struct Clock {
    offset_ms: AtomicU64,
}

impl Clock {
    pub fn new(offset_ms: u64) -> Arc<Self> {
        Arc::new(Self { offset_ms: AtomicU64::new(offset_ms) })
    }

    pub fn now(&self) -> Timestamp {
        system_now().plus_millis(self.offset_ms())
    }

    pub fn offset_ms(&self) -> u64 {
        self.offset_ms.load(Ordering::Relaxed)
    }

    /// Moves the clock forward; returns the new offset in milliseconds.
    pub fn advance(&self, by_ms: u64) -> u64 {
        self.offset_ms.fetch_add(by_ms, Ordering::Relaxed).saturating_add(by_ms)
    }
}

/// The machine's own time: for logs and the control plane; engines use [`Clock::now`].
pub fn system_now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
