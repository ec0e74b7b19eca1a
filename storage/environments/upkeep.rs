//! What happens by itself: expiry, idle stop, closing of idle engines, and cleaning up after a crash.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::environment::Environment;
use super::host::{Host, blocking, release_memory, whole};
use super::lifecycle::{Step, step};
use super::record::StopReason;
use super::registry::Registry;
use super::{Environments, engine};
use crate::{Fault, Timestamp};

/// Usage counters are written this often, in milliseconds; what a crash takes is that much of them.
const USAGE_WRITTEN_MS: u64 = 30_000;
/// The request log of an environment shrinks when nobody has used it for this long, in milliseconds.
const SHRINK_AFTER_MS: u64 = 600_000;
/// What a volume of ours, or a try of what the disk offers, is called like.
const OUR_NAMES: [&str; 2] = ["env-", ".mockfactory-probe-"];

/// What an earlier run left: found at the start, cleaned up by the first tick.
#[derive(Default)]
pub(super) struct Leftovers {
    /// Volumes without a record.
    strays: Vec<String>,
    /// Environments that were open.
    unclosed: Vec<Arc<Environment>>,
}

impl Leftovers {
    pub fn find(
        host: &Host,
        registry: &Registry,
        get: impl Fn(&str) -> Option<Arc<Environment>>,
    ) -> Result<Self, Fault> {
        let known = |name: &str| registry.all().any(|(k, _)| k.volume == name || k.base.as_deref() == Some(name));
        let mut left = Self::default();
        // Sorted once instead of asked for each: there may be thousands of both.
        let mut recorded: Vec<&str> = registry
            .all()
            .flat_map(|(kept, _)| std::iter::once(kept.volume.as_str()).chain(kept.base.as_deref()))
            .collect();
        recorded.sort_unstable();
        for name in host.volumes.names()? {
            let ours = OUR_NAMES.iter().any(|prefix| name.starts_with(prefix));
            if ours && recorded.binary_search(&name.as_str()).is_err() {
                left.strays.push(name);
            }
        }
        if registry.fresh && !left.strays.is_empty() {
            tracing::warn!(volumes = left.strays.len(), "volumes without a registry are left alone");
            left.strays.clear();
        }
        for name in host.marks.volumes()? {
            let id = name.split('.').next().unwrap_or_default();
            match get(id) {
                Some(environment) if environment.kept().volume == name => left.unclosed.push(environment),
                // The base of a branch, recovered in its clones.
                _ if known(&name) => {}
                _ if registry.fresh => {}
                _ => host.marks.clear(&name)?,
            }
        }
        Ok(left)
    }

    async fn clean_up(self, host: Arc<Host>) {
        for volume in self.strays {
            tracing::info!(%volume, "removing what an unfinished change left");
            engine::remove_volume(&host, volume).await;
        }
        for environment in self.unclosed {
            if let Err(error) = recover(&environment).await {
                tracing::error!(environment = %environment.id(), %error, "recovery failed");
            }
        }
    }
}

/// Opening recovers; nobody may ever come to use it, so it is closed again.
async fn recover(environment: &Arc<Environment>) -> Result<(), Fault> {
    let mut slot = environment.engine.enter().await;
    drop(environment.engine.open(&mut slot).await?);
    environment.refresh_stored().await;
    environment.engine.close(&mut slot, Duration::ZERO).await.map(drop)
}

impl Environments {
    /// Expiry, idle stop, closing of idle engines, persistence of usage. The caller runs it each second; `now` is the
    /// machine's time.
    pub async fn tick(self: &Arc<Self>, now: Timestamp) {
        let Ok(_turn) = self.turn.try_lock() else { return };
        let leftovers = self.leftovers.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(leftovers) = leftovers {
            self.host.background.spawn(leftovers.clean_up(Arc::clone(&self.host)));
        }
        let mut closed = 0;
        let mut used = false;
        for environment in self.by_id.values() {
            used |= environment.engine.is_touched();
            match self.take_step(&environment, now).await {
                Ok(true) => closed += 1,
                Ok(false) => {}
                Err(error) => tracing::error!(environment = %environment.id(), %error, "upkeep failed"),
            }
        }
        if closed > 0 {
            tracing::debug!(closed, "idle environments closed");
            let _ = tokio::task::spawn_blocking(release_memory).await;
        }
        if used {
            self.write_back();
        }
        if self.host.removed.swap(false, Ordering::AcqRel) {
            self.free_removed();
        }
        let written = self.usage_written_ms.load(Ordering::Relaxed);
        if now.0.saturating_sub(written) >= USAGE_WRITTEN_MS {
            self.usage_written_ms.store(now.0, Ordering::Relaxed);
            self.write_usage().await;
        }
    }

    /// The next tick looks again while there is something left to free.
    fn free_removed(&self) {
        let host = Arc::clone(&self.host);
        self.host.background.spawn(async move {
            let waking = Arc::clone(&host);
            match blocking(move || waking.volumes.wake_cleaner()).await {
                Ok(true) => {}
                Ok(false) => host.removed.store(true, Ordering::Release),
                Err(error) => tracing::warn!(%error, "the disk's cleaner cannot be woken"),
            }
        });
    }

    /// Where cloning has to write back first: keeps what is only in memory to about a second's writes, so that a
    /// branch of much that was just written is as quick as one of little.
    fn write_back(&self) {
        let host = Arc::clone(&self.host);
        if !host.volumes.writes_back_to_clone() || host.writing_back.swap(true, Ordering::AcqRel) {
            return;
        }
        self.host.background.spawn(async move {
            let writing = Arc::clone(&host);
            if let Err(error) = blocking(move || writing.volumes.write_back()).await {
                tracing::warn!(%error, "the disk cannot be written back");
            }
            host.writing_back.store(false, Ordering::Release);
        });
    }

    /// `true` where engines were closed.
    async fn take_step(self: &Arc<Self>, environment: &Arc<Environment>, now: Timestamp) -> Result<bool, Fault> {
        let situation = environment.situation(now, self.idle_close);
        match step(&situation, now.0) {
            Step::Nothing => {}
            Step::Close => return close_idle(environment).await,
            Step::Stop(reason) => drop(self.stop_because(environment.id().as_str(), reason, now).await?),
            Step::Delete => {
                let (this, id) = (Arc::clone(self), environment.id().clone());
                // It waits for requests in flight; the other environments do not.
                self.host.background.spawn(async move {
                    match this.delete(id.as_str()).await {
                        Ok(()) => tracing::info!(environment = %id, reason = ?StopReason::Expired, "deleted"),
                        Err(Fault::NotFound { .. }) => {}
                        Err(error) => tracing::error!(environment = %id, %error, "deletion failed"),
                    }
                });
            }
        }
        let idle_ms = now.0.saturating_sub(situation.last_used_ms);
        if idle_ms >= SHRINK_AFTER_MS {
            environment.shrink();
        }
        Ok(false)
    }

    /// Keeps the counters that changed.
    async fn write_usage(self: &Arc<Self>) {
        let all = self.by_id.values();
        for environment in &all {
            environment.refresh_stored().await;
        }
        let this = Arc::clone(self);
        let written =
            blocking(move || all.iter().try_for_each(|e| this.registry().put_usage(e.id().as_str(), e.used())));
        if let Err(error) = written.await {
            tracing::warn!(%error, "usage was not written");
        }
    }

    /// Waits until no removal and no recovery is under way, and removed volumes have given back their disk.
    pub async fn settle(&self) {
        self.host.background.settle().await;
        let host = Arc::clone(&self.host);
        if let Err(error) = blocking(move || host.volumes.wait_for_cleaner()).await {
            tracing::warn!(%error, "the disk's cleaner cannot be awaited");
        }
    }

    /// Closes every engine and writes what is still in memory. Nothing opens afterwards.
    pub async fn shutdown(self: &Arc<Self>) {
        self.host.ending.store(true, Ordering::Release);
        self.write_usage().await;
        let this = Arc::clone(self);
        let closed = whole(async move {
            let mut all_closed = true;
            for environment in this.by_id.values() {
                let mut slot = environment.engine.enter().await;
                all_closed &= environment.engine.close(&mut slot, this.host.drain).await?;
            }
            Ok(all_closed)
        });
        match closed.await {
            Ok(true) => {}
            Ok(false) => tracing::warn!("requests still use some environments: they are recovered at the next start"),
            Err(error) => tracing::error!(%error, "environments were not closed"),
        }
        self.host.background.settle().await;
        let host = Arc::clone(&self.host);
        if let Err(error) = blocking(move || host.volumes.unmount()).await {
            tracing::warn!(%error, "the volume image stays mounted");
        }
    }
}

async fn close_idle(environment: &Arc<Environment>) -> Result<bool, Fault> {
    environment.refresh_stored().await;
    // Whoever is at the gate has use for it.
    let Some(mut slot) = environment.engine.try_enter() else { return Ok(false) };
    environment.engine.close(&mut slot, Duration::ZERO).await
}
