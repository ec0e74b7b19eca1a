//! Environments: tenants, each a volume of its own with engines that open on first use and close when idle.
//!
//! - The registry's own records (names, keys, expiry, prices' inputs) live in one append-only file under
//!   `DIR/registry`; everything a tenant stores lives in its volume under `DIR/environments` and nowhere else. A
//!   volume is called `<id>.<random>`: a name is used once, so a late writer can never reach its successor.
//! - The registry decides: a volume that it does not name is removed at the next start. So each change (create,
//!   branch, reset, delete) is there whole or not at all after a crash.
//! - Look-ups on the way of a request (`get`, `by_access_key`, `objects` of an open environment) take no lock that a
//!   writer holds for long.
//! - What a provider's credentials look like is the dialect's affair: here they are access keys (for look-up
//!   and signatures) and one opaque JSON document per provider.

mod change;
mod engine;
mod environment;
mod host;
mod id;
mod lifecycle;
mod record;
mod registry;
mod requests;
mod sharded;
#[cfg(test)]
mod tests;
mod upkeep;
mod usage;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::Fault;
use crate::clock::system_now;
use crate::keyspace::{Durability, Shared, SharedConfig};
use crate::volumes::{Description, Volumes};

pub use environment::Environment;
pub use id::EnvironmentId;
pub use record::{AccessKey, AuthMode, EnvironmentPatch, EnvironmentRecord, NewEnvironment, State, StopReason};
pub use requests::{LoggedRequest, RequestPage, RequestRecord};
pub use usage::{ServiceUsage, Usage};

use host::{Background, Host, Marks};
use registry::Registry;
use sharded::Sharded;
use upkeep::Leftovers;

const REGISTRY_DIR: &str = "registry";
/// Marks of open volumes, inside the registry's directory.
const MARKS_DIR: &str = "open";

/// Where environments live and how they are kept.
#[derive(Clone, Debug)]
pub struct EnvironmentsConfig {
    /// The appliance's data directory.
    pub dir: PathBuf,
    /// Acknowledged writes survive power loss, not only the death of the process.
    pub power_safe: bool,
    /// An environment nobody has used for this long is closed.
    pub idle_close: Duration,
    /// Requests in flight may take this long to end when their environment is reset or deleted, or all end.
    pub drain: Duration,
    /// Memory that the engines of all environments share.
    pub memory: SharedConfig,
}

impl EnvironmentsConfig {
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            power_safe: false,
            idle_close: Duration::from_secs(30),
            drain: Duration::from_secs(5),
            memory: SharedConfig::default(),
        }
    }
}

pub struct Environments {
    host: Arc<Host>,
    /// Held while a change is decided and written, never on the way of a request.
    registry: Mutex<Registry>,
    by_id: Sharded<Arc<Environment>>,
    by_key: Sharded<(Arc<Environment>, Arc<AccessKey>)>,
    idle_close: Duration,
    /// One tick at a time.
    turn: tokio::sync::Mutex<()>,
    leftovers: Mutex<Option<Leftovers>>,
    usage_written_ms: AtomicU64,
}

impl Environments {
    /// Reads the registry; opens no engine. What a crash left behind is cleaned up by the first [`Self::tick`].
    pub fn open(config: EnvironmentsConfig) -> Result<Arc<Self>, Fault> {
        let EnvironmentsConfig { dir, power_safe, idle_close, drain, memory } = config;
        let durability = if power_safe { Durability::Power } else { Durability::Process };
        let registry_dir = dir.join(REGISTRY_DIR);
        let registry = Registry::open(&registry_dir, power_safe)?;
        let host = Arc::new(Host {
            volumes: Volumes::open(&dir, power_safe)?,
            shared: Shared::new(memory)?,
            durability,
            marks: Marks::open(&registry_dir.join(MARKS_DIR), power_safe)?,
            background: Arc::new(Background::default()),
            drain,
            writing_back: AtomicBool::new(false),
            removed: AtomicBool::new(false),
            ending: AtomicBool::new(false),
        });
        let now = system_now();
        let this = Self {
            host,
            registry: Mutex::new(registry),
            by_id: Sharded::default(),
            by_key: Sharded::default(),
            idle_close,
            turn: tokio::sync::Mutex::default(),
            leftovers: Mutex::default(),
            usage_written_ms: AtomicU64::new(now.0),
        };
        for (kept, used) in this.registry().all() {
            this.show(&Arc::new(Environment::new(&this.host, Arc::clone(kept), used, now)?));
        }
        let leftovers = Leftovers::find(&this.host, &this.registry(), |id| this.get(id))?;
        *this.leftovers.lock().unwrap_or_else(PoisonError::into_inner) = Some(leftovers);
        Ok(Arc::new(this))
    }

    /// By id.
    pub fn get(&self, id: &str) -> Option<Arc<Environment>> {
        self.by_id.get(id)
    }

    /// The environment an access key belongs to, and the key.
    pub fn by_access_key(&self, key_id: &str) -> Option<(Arc<Environment>, Arc<AccessKey>)> {
        self.by_key.get(key_id)
    }

    /// All, oldest first.
    pub fn list(&self) -> Vec<Arc<Environment>> {
        let mut all = self.by_id.values();
        all.sort_by_cached_key(|e| (e.record().created_ms, e.id().clone()));
        all
    }

    /// Where and how environments are stored, for `doctor` and the log.
    pub fn describe(&self) -> &Description {
        self.host.volumes.describe()
    }

    /// A panic under the lock leaves the registry as it was before the change that panicked.
    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
