//! What an environment is, as kept in the registry and as shown; and what a caller may ask to change.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How credentials are checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    /// Signatures are verified.
    #[default]
    Strict,
    /// Any credentials are accepted; a 12-digit access key names the account.
    Relaxed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Ready,
    /// Stopped by hand, by idleness or by expiry; it keeps its data and refuses requests until it is started
    /// (expired ones are deleted after a grace time).
    Stopped,
}

/// Why an environment is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StopReason {
    Asked,
    Idle,
    Expired,
}

/// A key that signs requests.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKey {
    pub id: String,
    pub secret: String,
    /// Account (AWS), project or team the key acts for.
    pub account: String,
    /// Which provider's key it is: the dialect's own short name.
    pub provider: String,
}

/// Secrets stay out of logs.
impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessKey")
            .field("id", &self.id)
            .field("account", &self.account)
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}

/// What an environment is, as kept and as shown.
#[derive(Clone, Serialize, Deserialize)]
pub struct EnvironmentRecord {
    pub id: String,
    pub name: String,
    /// As asked for at creation (`multi-cloud`, `aws` …).
    pub provider: String,
    pub services: Vec<String>,
    pub state: State,
    /// Why it is stopped, and since when by the machine's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<(StopReason, u64)>,
    pub auth: AuthMode,
    /// By the machine's clock.
    pub created_ms: u64,
    /// By the environment's own clock: moving that past it expires the environment.
    pub expires_ms: Option<u64>,
    /// Stops after this long without a request, in seconds by the machine's clock.
    pub idle_stop_s: Option<u64>,
    pub clock_offset_ms: u64,
    pub keys: Vec<AccessKey>,
    /// Per provider, as handed out: `{"aws": {"access_key_id": …}, …}`.
    pub credentials: BTreeMap<String, serde_json::Value>,
    /// Environment this one was branched from.
    pub parent: Option<String>,
    pub hourly_rate_cents: u32,
}

impl std::fmt::Debug for EnvironmentRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnvironmentRecord")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("state", &self.state)
            .field("services", &self.services)
            .finish_non_exhaustive()
    }
}

/// What a caller decides about a new environment, or about a new branch of one.
#[derive(Clone, Default)]
pub struct NewEnvironment {
    /// A chosen id; else a random one. Take [`super::EnvironmentId::random`] where credentials hold it.
    pub id: Option<super::EnvironmentId>,
    pub name: String,
    pub provider: String,
    pub services: Vec<String>,
    pub auth: AuthMode,
    /// No other environment may have a key of the same id. A branch's keys should act for its parent's
    /// accounts, since what it copies belongs to them.
    pub keys: Vec<AccessKey>,
    pub credentials: BTreeMap<String, serde_json::Value>,
    /// By the environment's own clock.
    pub expires_ms: Option<u64>,
    pub idle_stop_s: Option<u64>,
    pub hourly_rate_cents: u32,
}

/// Changes to an environment; what is `None` stays. For a field that may be unset, `Some(None)` unsets it.
#[derive(Clone, Default)]
pub struct EnvironmentPatch {
    pub name: Option<String>,
    pub provider: Option<String>,
    pub services: Option<Vec<String>>,
    pub auth: Option<AuthMode>,
    /// Replaces all keys.
    pub keys: Option<Vec<AccessKey>>,
    /// Added to the keys there are (after `keys` has replaced them, where both are given).
    pub add_keys: Vec<AccessKey>,
    /// Set for the providers named; other providers' credentials stay.
    pub credentials: BTreeMap<String, serde_json::Value>,
    pub expires_ms: Option<Option<u64>>,
    pub idle_stop_s: Option<Option<u64>>,
    pub hourly_rate_cents: Option<u32>,
    /// `Ready` starts a stopped environment; one that has expired needs a later `expires_ms` as well.
    pub state: Option<State>,
}
