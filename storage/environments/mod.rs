//! Environments: tenants, each a volume of its own with engines that open on first use and close when idle.
//!
//! - The registry's own records (names, keys, expiry, prices' inputs) live in one append-only file under
//!   `DIR/registry`; everything a tenant stores lives in its volume under `DIR/environments` and nowhere else.
//! - Look-ups on the way of a request (`get`, `by_access_key`) take no lock that a writer holds for long.
//! - What a provider's credentials look like is the dialect's affair: here they are access keys (for look-up
//!   and signatures) and one opaque JSON document per provider.

mod id;
mod record;
mod requests;
mod usage;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::objects::ObjectStore;
use crate::volumes::Description;
use crate::{Clock, Fault, Timestamp};

pub use id::EnvironmentId;
pub use record::{AccessKey, AuthMode, EnvironmentPatch, EnvironmentRecord, NewEnvironment, State, StopReason};
pub use requests::{LoggedRequest, RequestPage, RequestRecord};
pub use usage::{ServiceUsage, Usage};

/// Where environments live and how they are kept.
#[derive(Clone, Debug)]
pub struct EnvironmentsConfig {
    /// The appliance's data directory.
    pub dir: PathBuf,
    /// Acknowledged writes survive power loss, not only the death of the process.
    pub power_safe: bool,
    /// An environment nobody has used for this long is closed.
    pub idle_close: Duration,
}

impl EnvironmentsConfig {
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), power_safe: false, idle_close: Duration::from_secs(30) }
    }
}

pub struct Environments {
    _private: (),
}

#[allow(clippy::todo, clippy::unused_async, unused_variables)]
impl Environments {
    /// Reads the registry; opens no engine. What a crash left behind is cleaned up by the first [`Self::tick`].
    pub fn open(config: EnvironmentsConfig) -> Result<Arc<Self>, Fault> {
        todo!()
    }
    /// By id; no lock held.
    pub fn get(&self, id: &str) -> Option<Arc<Environment>> {
        todo!()
    }
    /// The environment an access key belongs to, and the key.
    pub fn by_access_key(&self, key_id: &str) -> Option<(Arc<Environment>, Arc<AccessKey>)> {
        todo!()
    }
    /// All, oldest first.
    pub fn list(&self) -> Vec<Arc<Environment>> {
        todo!()
    }
    pub async fn create(self: &Arc<Self>, new: NewEnvironment) -> Result<Arc<Environment>, Fault> {
        todo!()
    }
    pub async fn update(self: &Arc<Self>, id: &str, patch: EnvironmentPatch) -> Result<Arc<Environment>, Fault> {
        todo!()
    }
    /// Nobody finds it any more when this returns; its disk is given back in the background, see [`Self::settle`].
    pub async fn delete(self: &Arc<Self>, id: &str) -> Result<(), Fault> {
        todo!()
    }
    /// A copy of the whole environment with keys of its own. Empty `name`, `provider` or `services` are the parent's.
    pub async fn branch(self: &Arc<Self>, id: &str, new: NewEnvironment) -> Result<Arc<Environment>, Fault> {
        todo!()
    }
    /// Back to empty, or to the state it was branched in. Keys, clock and usage stay.
    pub async fn reset(self: &Arc<Self>, id: &str) -> Result<Arc<Environment>, Fault> {
        todo!()
    }
    /// Moves the environment's clock forward; returns its new time.
    pub async fn advance_clock(self: &Arc<Self>, id: &str, by_ms: u64) -> Result<Timestamp, Fault> {
        todo!()
    }
    pub async fn start(self: &Arc<Self>, id: &str) -> Result<Arc<Environment>, Fault> {
        todo!()
    }
    pub async fn stop(self: &Arc<Self>, id: &str) -> Result<Arc<Environment>, Fault> {
        todo!()
    }
    /// Where and how environments are stored, for `doctor` and the log.
    pub fn describe(&self) -> &Description {
        todo!()
    }
    /// Expiry, idle stop, closing of idle engines, persistence of usage. The caller runs it each second.
    pub async fn tick(self: &Arc<Self>, now: Timestamp) {
        todo!()
    }
    /// Waits until no removal and no recovery is under way.
    pub async fn settle(&self) {
        todo!()
    }
    /// Closes every engine and writes what is still in memory.
    pub async fn shutdown(self: &Arc<Self>) {
        todo!()
    }
}

pub struct Environment {
    _private: (),
}

#[allow(clippy::todo, clippy::unused_async, unused_variables)]
impl Environment {
    pub fn id(&self) -> &EnvironmentId {
        todo!()
    }
    pub fn record(&self) -> Arc<EnvironmentRecord> {
        todo!()
    }
    pub fn clock(&self) -> &Arc<Clock> {
        todo!()
    }
    pub fn key(&self, key_id: &str) -> Option<Arc<AccessKey>> {
        todo!()
    }
    pub fn now(&self) -> Timestamp {
        self.clock().now()
    }
    /// The object engine, opened if it was closed. Hold the guard for as long as it is used (bodies being
    /// streamed included): an environment closes only when nobody holds it.
    /// A stopped environment refuses: `Fault::Unavailable`.
    pub async fn objects(&self) -> Result<Arc<ObjectStore>, Fault> {
        todo!()
    }
    /// Counts usage and keeps the request for the log; never blocks.
    pub fn observe(&self, request: RequestRecord) {
        todo!()
    }
    /// What it has used up to `now` (the machine's time); opens nothing.
    pub fn usage(&self, now: Timestamp) -> Usage {
        todo!()
    }
    /// Requests logged after the cursor `after` (0: from the oldest kept), oldest first. Kept in memory only.
    pub fn requests(&self, after: u64, limit: usize) -> RequestPage {
        todo!()
    }
}
