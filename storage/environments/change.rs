//! Changes to environments: each is decided and written under the registry's lock, then shown to requests.
//!
//! What is on disk follows the registry: a volume is made before its record is written and removed after the record
//! is gone, so that a crash in between leaves a volume without a record, which the next start removes.

use std::sync::Arc;

use super::Environments;
use super::engine;
use super::environment::Environment;
use super::host::{blocking, whole};
use super::id::{EnvironmentId, random_characters};
use super::record::{AccessKey, EnvironmentPatch, EnvironmentRecord, NewEnvironment, State, StopReason};
use super::registry::{Kept, Registry};
use super::usage::{Meter, StoredUsage};
use crate::clock::system_now;
use crate::{Fault, Kind, Timestamp};

/// Most keys of one environment: they are looked through one by one.
const KEYS_MAX: usize = 1000;
/// A clock may be this far ahead of the machine's, in milliseconds (100 years): its dates must fit every format.
const CLOCK_OFFSET_MAX_MS: u64 = 100 * 365 * 24 * 3_600_000;
/// Characters that tell an environment's volumes apart; no name is used twice.
const VOLUME_CHARACTERS: usize = 10;

/// Names taken while an environment is being made; given back when dropped.
struct Reservation {
    environments: Arc<Environments>,
    id: EnvironmentId,
    names: Vec<String>,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut registry = self.environments.registry();
        self.names.iter().for_each(|name| registry.release(name));
    }
}

impl Environments {
    pub async fn create(self: &Arc<Self>, new: NewEnvironment) -> Result<Arc<Environment>, Fault> {
        let this = Arc::clone(self);
        whole(blocking(move || {
            let reservation = this.reserve(&new)?;
            let volume = volume_name(&reservation.id)?;
            this.host.volumes.create(&volume)?;
            this.host.volumes.persist()?;
            let kept = first_record(&reservation.id, new, None, volume);
            this.register(&reservation, kept)
        }))
        .await
    }

    /// A copy of the whole environment with keys of its own. Empty `name`, `provider` or `services` are the parent's.
    pub async fn branch(self: &Arc<Self>, id: &str, new: NewEnvironment) -> Result<Arc<Environment>, Fault> {
        let (this, parent) = (Arc::clone(self), self.find(id)?);
        whole(async move {
            let reservation = this.reserve(&new)?;
            let volume = volume_name(&reservation.id)?;
            let base = base_name(&volume);
            let made = this.clone_parent(&parent, &volume, &base).await;
            let made = made.map(|()| {
                let record = first_record(&reservation.id, new, Some(&parent), volume.clone());
                Kept { base: Some(base.clone()), ..record }
            });
            let registering = Arc::clone(&this);
            let registered = match made {
                Ok(kept) => blocking(move || registering.register(&reservation, kept)).await,
                Err(error) => Err(error),
            };
            match registered {
                Ok(environment) => {
                    let used = parent.used();
                    environment.set_stored(used.objects, used.stored_bytes);
                    Ok(environment)
                }
                Err(error) => {
                    engine::remove_volume(&this.host, volume).await;
                    engine::remove_volume(&this.host, base).await;
                    Err(error)
                }
            }
        })
        .await
    }

    async fn clone_parent(self: &Arc<Self>, parent: &Environment, volume: &str, base: &str) -> Result<(), Fault> {
        parent.refresh_stored().await;
        let slot = parent.engine.enter().await;
        parent.engine.clone_volume(&slot, volume).await?;
        drop(slot);
        self.clone_closed(volume, base).await
    }

    /// Clones a volume that nobody has opened yet, or that is kept for that.
    async fn clone_closed(self: &Arc<Self>, from: &str, to: &str) -> Result<(), Fault> {
        let (host, from, to) = (Arc::clone(&self.host), from.to_owned(), to.to_owned());
        blocking(move || {
            if let Some(mark) = host.marks.get(&from)? {
                host.marks.set(&to, mark)?;
            }
            host.volumes.clone(&from, &to, &[], engine::immutable)?;
            host.volumes.persist()
        })
        .await
    }

    pub async fn update(self: &Arc<Self>, id: &str, patch: EnvironmentPatch) -> Result<Arc<Environment>, Fault> {
        self.change(id, system_now(), move |kept, now, offset_ms| apply(patch, kept, now, offset_ms)).await
    }

    pub async fn start(self: &Arc<Self>, id: &str) -> Result<Arc<Environment>, Fault> {
        self.update(id, EnvironmentPatch { state: Some(State::Ready), ..EnvironmentPatch::default() }).await
    }

    pub async fn stop(self: &Arc<Self>, id: &str) -> Result<Arc<Environment>, Fault> {
        self.stop_because(id, StopReason::Asked, system_now()).await
    }

    pub(super) async fn stop_because(
        self: &Arc<Self>,
        id: &str,
        reason: StopReason,
        now: Timestamp,
    ) -> Result<Arc<Environment>, Fault> {
        self.change(id, now, move |record, now, _| {
            if record.state == State::Ready || reason == StopReason::Expired {
                record.state = State::Stopped;
                record.stopped = Some((reason, now.0));
            }
            Ok(())
        })
        .await
    }

    /// Moves the environment's clock forward; returns its new time.
    pub async fn advance_clock(self: &Arc<Self>, id: &str, by_ms: u64) -> Result<Timestamp, Fault> {
        let environment = self
            .change(id, system_now(), move |record, now, _| {
                let offset_ms = record.clock_offset_ms.saturating_add(by_ms);
                if offset_ms > CLOCK_OFFSET_MAX_MS {
                    return Err(Fault::TooLarge {
                        what: "clock offset",
                        limit: CLOCK_OFFSET_MAX_MS,
                        actual: offset_ms,
                    });
                }
                record.clock_offset_ms = offset_ms;
                // At once, not at the next tick: whoever moves the clock looks at what comes of it.
                let expired = record.expires_ms.is_some_and(|at| now.plus_millis(offset_ms).0 >= at);
                if expired && record.state == State::Ready {
                    (record.state, record.stopped) = (State::Stopped, Some((StopReason::Expired, now.0)));
                }
                Ok(())
            })
            .await?;
        Ok(environment.now())
    }

    /// Nobody finds it any more when this returns; its disk is given back in the background, see [`Self::settle`].
    pub async fn delete(self: &Arc<Self>, id: &str) -> Result<(), Fault> {
        let (this, environment) = (Arc::clone(self), self.find(id)?);
        whole(async move {
            let deleting = Arc::clone(&this);
            let found = Arc::clone(&environment);
            let kept = blocking(move || deleting.unregister(&found)).await?;
            let slot = environment.engine.enter().await;
            environment.engine.abandon_volume(slot, None, kept.base.clone()).await;
            Ok(())
        })
        .await
    }

    /// Back to empty, or to the state it was branched in. Keys, clock, usage and request log stay.
    pub async fn reset(self: &Arc<Self>, id: &str) -> Result<Arc<Environment>, Fault> {
        let (this, environment) = (Arc::clone(self), self.find(id)?);
        whole(async move {
            let slot = environment.engine.enter().await;
            environment.engine.check_present(&slot)?;
            let volume = volume_name(environment.id())?;
            let made = this.remake(&environment, &volume).await;
            if let Err(error) = made {
                engine::remove_volume(&this.host, volume).await;
                return Err(error);
            }
            environment.engine.abandon_volume(slot, Some(volume), None).await;
            if environment.kept().base.is_none() {
                environment.set_stored(0, 0);
            }
            Ok(environment)
        })
        .await
    }

    /// Makes the environment's next volume and records it.
    async fn remake(self: &Arc<Self>, environment: &Arc<Environment>, volume: &str) -> Result<(), Fault> {
        if let Some(base) = &environment.kept().base {
            self.clone_closed(base, volume).await?;
        } else {
            let (host, volume) = (Arc::clone(&self.host), volume.to_owned());
            blocking(move || host.volumes.create(&volume).and_then(|()| host.volumes.persist())).await?;
        }
        let (this, environment, volume) = (Arc::clone(self), Arc::clone(environment), volume.to_owned());
        blocking(move || {
            let mut registry = this.registry();
            let old = registry.get(environment.id().as_str()).ok_or_else(|| gone(environment.id().as_str()))?;
            let kept = Arc::new(Kept { volume, ..Kept::clone(old) });
            registry.put(Arc::clone(&kept))?;
            environment.set(kept);
            Ok(())
        })
        .await
    }

    fn find(&self, id: &str) -> Result<Arc<Environment>, Fault> {
        self.get(id).ok_or_else(|| gone(id))
    }

    fn reserve(self: &Arc<Self>, new: &NewEnvironment) -> Result<Reservation, Fault> {
        let id = match &new.id {
            Some(id) => id.clone(),
            None => EnvironmentId::random()?,
        };
        let mut registry = self.registry();
        if !registry.reserve(id.as_str()) {
            return Err(Fault::Exists { kind: Kind::Environment, name: id.to_string(), owned: true });
        }
        let mut names = vec![id.to_string()];
        let taken = self.check_keys(&registry, id.as_str(), &new.keys);
        if taken.is_ok() {
            names.extend(new.keys.iter().filter(|key| registry.reserve(&key.id)).map(|key| key.id.clone()));
        }
        drop(registry);
        let reservation = Reservation { environments: Arc::clone(self), id, names };
        taken.map(|()| reservation)
    }

    /// No other environment may have a key of the same id.
    fn check_keys(&self, registry: &Registry, id: &str, keys: &[AccessKey]) -> Result<(), Fault> {
        if keys.len() > KEYS_MAX {
            return Err(Fault::TooLarge { what: "keys", limit: KEYS_MAX as u64, actual: keys.len() as u64 });
        }
        for key in keys {
            let elsewhere = self.by_access_key(&key.id).is_some_and(|(other, _)| other.id().as_str() != id);
            if elsewhere || registry.is_reserved(&key.id) {
                return Err(Fault::Exists { kind: Kind::AccessKey, name: key.id.clone(), owned: false });
            }
        }
        Ok(())
    }

    /// Records a new environment whose volume is made, and shows it.
    fn register(&self, reservation: &Reservation, kept: Kept) -> Result<Arc<Environment>, Fault> {
        let kept = Arc::new(kept);
        let used = StoredUsage::default();
        let environment = Arc::new(Environment::new(&self.host, Arc::clone(&kept), &used, system_now())?);
        self.registry().put(kept)?;
        self.by_id.insert(reservation.id.as_str(), Arc::clone(&environment));
        self.show_keys(&environment, &[]);
        Ok(environment)
    }

    /// Forgets an environment and hides it; its volume is still there.
    fn unregister(&self, environment: &Arc<Environment>) -> Result<Arc<Kept>, Fault> {
        let id = environment.id().as_str();
        let mut registry = self.registry();
        let kept = Arc::clone(registry.get(id).ok_or_else(|| gone(id))?);
        registry.delete(id)?;
        self.by_id.remove(id);
        for key in environment.keys() {
            self.by_key.remove(&key.id);
        }
        Ok(kept)
    }

    /// Decides a change on the record as it is, writes it, and shows it. `decide` gets the machine's time and the
    /// offset of the environment's clock.
    pub(super) async fn change(
        self: &Arc<Self>,
        id: &str,
        now: Timestamp,
        decide: impl FnOnce(&mut EnvironmentRecord, Timestamp, u64) -> Result<(), Fault> + Send + 'static,
    ) -> Result<Arc<Environment>, Fault> {
        let (this, environment) = (Arc::clone(self), self.find(id)?);
        whole(blocking(move || {
            let mut registry = this.registry();
            let id = environment.id().as_str();
            let old = Arc::clone(registry.get(id).ok_or_else(|| gone(id))?);
            let mut record = EnvironmentRecord::clone(&old.record);
            decide(&mut record, now, old.record.clock_offset_ms)?;
            this.check_keys(&registry, id, &record.keys)?;
            let mut meter = old.meter;
            if (record.state, record.hourly_rate_cents) != (old.record.state, old.record.hourly_rate_cents) {
                meter.settle(now.0, old.record.hourly_rate_cents, record.state == State::Ready);
            }
            let started = record.state == State::Ready && old.record.state == State::Stopped;
            let further_ms = record.clock_offset_ms - old.record.clock_offset_ms;
            let kept = Arc::new(Kept { record: Arc::new(record), meter, ..Kept::clone(&old) });
            registry.put(Arc::clone(&kept))?;
            let before = environment.keys();
            environment.set(kept);
            environment.clock().advance(further_ms);
            if started {
                environment.touch(now);
            }
            this.show_keys(&environment, &before);
            drop(registry);
            Ok(environment)
        }))
        .await
    }

    /// Makes an environment's keys found, and no longer those among `before` that it has lost. Under the registry's
    /// lock, but for an environment nobody knows yet.
    fn show_keys(&self, environment: &Arc<Environment>, before: &[Arc<AccessKey>]) {
        let keys = environment.keys();
        for key in before.iter().filter(|old| keys.iter().all(|key| key.id != old.id)) {
            self.by_key.remove(&key.id);
        }
        // Of two keys with one id (the same for two providers) the first is found.
        for key in keys.iter().rev() {
            self.by_key.insert(&key.id, (Arc::clone(environment), Arc::clone(key)));
        }
    }

    /// At the start: shows what the registry holds.
    pub(super) fn show(&self, environment: &Arc<Environment>) {
        self.by_id.insert(environment.id().as_str(), Arc::clone(environment));
        self.show_keys(environment, &[]);
    }
}

fn gone(id: &str) -> Fault {
    Fault::not_found(Kind::Environment, id)
}

/// `<id>.<random>`: no id has a dot in it.
fn volume_name(id: &EnvironmentId) -> Result<String, Fault> {
    Ok(format!("{id}.{}", random_characters::<VOLUME_CHARACTERS>()?))
}

fn base_name(volume: &str) -> String {
    format!("{volume}.base")
}

fn first_record(id: &EnvironmentId, new: NewEnvironment, parent: Option<&Environment>, volume: String) -> Kept {
    let now = system_now();
    let origin = parent.map(Environment::record);
    let or_parents = |own: String, parents: fn(&EnvironmentRecord) -> &String| match &origin {
        Some(record) if own.is_empty() => parents(record).clone(),
        _ => own,
    };
    let services = match &origin {
        Some(record) if new.services.is_empty() => record.services.clone(),
        _ => new.services,
    };
    let record = EnvironmentRecord {
        id: id.to_string(),
        name: or_parents(new.name, |r| &r.name),
        provider: or_parents(new.provider, |r| &r.provider),
        services,
        state: State::Ready,
        stopped: None,
        auth: new.auth,
        created_ms: now.0,
        expires_ms: new.expires_ms,
        idle_stop_s: new.idle_stop_s,
        clock_offset_ms: parent.map_or(0, |p| p.clock().offset_ms()),
        keys: new.keys,
        credentials: new.credentials,
        parent: origin.as_ref().map(|r| r.id.clone()),
        hourly_rate_cents: new.hourly_rate_cents,
    };
    Kept { record: Arc::new(record), volume, base: None, meter: Meter::running_from(now.0) }
}

fn apply(patch: EnvironmentPatch, record: &mut EnvironmentRecord, now: Timestamp, offset_ms: u64) -> Result<(), Fault> {
    fn set<T>(field: &mut T, value: Option<T>) {
        if let Some(value) = value {
            *field = value;
        }
    }
    set(&mut record.name, patch.name);
    set(&mut record.provider, patch.provider);
    set(&mut record.services, patch.services);
    set(&mut record.auth, patch.auth);
    set(&mut record.keys, patch.keys);
    record.keys.extend(patch.add_keys);
    record.credentials.extend(patch.credentials);
    set(&mut record.expires_ms, patch.expires_ms);
    set(&mut record.idle_stop_s, patch.idle_stop_s);
    set(&mut record.hourly_rate_cents, patch.hourly_rate_cents);
    let expired = record.expires_ms.is_some_and(|at| now.plus_millis(offset_ms).0 >= at);
    match patch.state {
        Some(State::Ready) if expired => {
            return Err(Fault::invalid("state", "the environment has expired: give it a later expiry as well"));
        }
        Some(State::Ready) => (record.state, record.stopped) = (State::Ready, None),
        Some(State::Stopped) if record.state == State::Ready => {
            (record.state, record.stopped) = (State::Stopped, Some((StopReason::Asked, now.0)));
        }
        Some(State::Stopped) | None => {}
    }
    // A later expiry takes an expired environment off the way to its deletion, started or not.
    if !expired && let Some((StopReason::Expired, since)) = record.stopped {
        record.stopped = Some((StopReason::Asked, since));
    }
    Ok(())
}
