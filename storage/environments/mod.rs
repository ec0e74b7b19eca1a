//! Environments: tenants, each a volume of its own with engines that open on first use and close when idle.
//!
//! - The registry's own records (names, keys, expiry, prices' inputs) live in one small keyspace under
//!   `DIR/registry`; everything a tenant stores lives under `DIR/environments/<id>` and nowhere else.
//! - Look-ups on the way of a request (`get`, `by_access_key`) take no lock that a writer holds for long.
//! - What a provider's credentials look like is the dialect's affair: here they are access keys (for look-up
//!   and signatures) and one opaque JSON document per provider.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::objects::ObjectStore;
use crate::{Clock, Fault, Timestamp};

/// `env-` and 12 characters of lower-case base32, or a chosen name such as `env-default`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EnvironmentId(Arc<str>);

impl EnvironmentId {
    /// `env-` followed by 1 to 40 of `a-z0-9-`.
    pub fn parse(id: &str) -> Option<Self> {
        let rest = id.strip_prefix("env-")?;
        let good = (1..=40).contains(&rest.len())
            && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        good.then(|| Self(id.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How credentials are checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    /// Signatures are verified.
    #[default]
    Strict,
    /// Any credentials are accepted; a 12-digit access key names the account.
    Relaxed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Ready,
    /// Stopped by hand, by idleness or by expiry; it keeps its data and refuses requests until it is started
    /// (expired ones are deleted after a grace time).
    Stopped,
}

/// A key that signs requests.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AccessKey {
    pub id: String,
    pub secret: String,
    /// Account (AWS), project or team the key acts for.
    pub account: String,
    /// Which provider's key it is: the dialect's own short name.
    pub provider: String,
}

/// What an environment is, as kept and as shown.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct EnvironmentRecord {
    pub id: String,
    pub name: String,
    /// As asked for at creation (`multi-cloud`, `aws` …).
    pub provider: String,
    pub services: Vec<String>,
    pub state: State,
    pub auth: AuthMode,
    pub created_ms: u64,
    pub expires_ms: Option<u64>,
    /// Stops after this long without a request, in seconds.
    pub idle_stop_s: Option<u64>,
    pub clock_offset_ms: u64,
    pub keys: Vec<AccessKey>,
    /// Per provider, as handed out: `{"aws": {"access_key_id": …}, …}`.
    pub credentials: BTreeMap<String, serde_json::Value>,
    /// Environment this one was branched from.
    pub parent: Option<String>,
    pub hourly_rate_cents: u32,
}

pub struct Environments {
    _private: (),
}

#[allow(clippy::todo, unused_variables)]
impl Environments {
    /// By id; no lock held.
    pub fn get(&self, id: &str) -> Option<Arc<Environment>> { todo!() }
    /// The environment an access key belongs to, and the key.
    pub fn by_access_key(&self, key_id: &str) -> Option<(Arc<Environment>, Arc<AccessKey>)> { todo!() }
}

pub struct Environment {
    _private: (),
}

/// One request, as `GET /environments/{id}/requests` shows it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct RequestRecord {
    pub at_ms: u64,
    pub request_id: String,
    pub service: &'static str,
    pub operation: &'static str,
    pub method: String,
    pub path: String,
    pub status: u16,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub duration_us: u64,
    /// The wire's error code, where the answer was an error.
    pub error: Option<String>,
}

#[allow(clippy::todo, unused_variables)]
impl Environment {
    pub fn id(&self) -> &EnvironmentId { todo!() }
    pub fn record(&self) -> Arc<EnvironmentRecord> { todo!() }
    pub fn clock(&self) -> &Arc<Clock> { todo!() }
    pub fn key(&self, key_id: &str) -> Option<Arc<AccessKey>> { todo!() }
    pub fn now(&self) -> Timestamp { self.clock().now() }
    /// The object engine, opened if it was closed. Hold the guard for as long as it is used (bodies being
    /// streamed included): an environment closes only when nobody holds it.
    pub async fn objects(&self) -> Result<Arc<ObjectStore>, Fault> { todo!() }
    /// Counts usage and keeps the request for the log; never blocks.
    pub fn observe(&self, request: RequestRecord) { todo!() }
}
