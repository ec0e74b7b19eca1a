//! Changes: a batch with all that must happen together, made under the locks of what it touches.
//!
//! A change may be dropped at any await: before [`Change::commit`] it has done nothing, and from there on it runs to
//! its end even if the one who asked for it is gone.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::OwnedRwLockReadGuard;

use super::body::{BodyId, Extent, Layout};
use super::keys::{self, Unit};
use super::locks::Guard;
use super::model::{BucketInfo, Key};
use super::records::{JournalRecord, Mutation, Residence, UnitRecord, decode, encode};
use super::store::Inner;
use super::tally::Delta;
use super::writer::StoredBody;
use crate::fault::Kind;
use crate::keyspace::{Batch, Family, blocking};
use crate::{Fault, Timestamp};

/// Owners that units gain and lose in one change.
#[derive(Default)]
pub(crate) struct Ledger(Vec<(Unit, i64)>);

impl Ledger {
    pub fn own(&mut self, layout: &Layout) {
        self.count(layout, 1);
    }

    pub fn disown(&mut self, layout: &Layout) {
        self.count(layout, -1);
    }

    pub fn own_extents(&mut self, extents: &[Extent]) {
        self.0.extend(bodies(extents).map(|body| (Unit::Body(body), 1)));
    }

    pub fn disown_extents(&mut self, extents: &[Extent]) {
        self.0.extend(bodies(extents).map(|body| (Unit::Body(body), -1)));
    }

    fn count(&mut self, layout: &Layout, by: i64) {
        match layout {
            Layout::Empty => {}
            Layout::Body(extent) => self.0.push((Unit::Body(extent.body), by)),
            Layout::Table(table) => self.0.push((Unit::Table(*table), by)),
        }
    }

    pub fn units(&self) -> impl Iterator<Item = Unit> {
        self.0.iter().map(|(unit, _)| *unit)
    }

    /// Each unit once, with what it gains in the end.
    fn sums(&self) -> Vec<(Unit, i64)> {
        let mut sums = self.0.clone();
        sums.sort_unstable();
        sums.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 += next.1;
            }
            same
        });
        sums.retain(|(_, by)| *by != 0);
        sums
    }
}

/// Each body that the extents of one owner refer to: it is owned once, however often it appears.
fn bodies(extents: &[Extent]) -> impl Iterator<Item = BodyId> {
    let mut bodies: Vec<_> = extents.iter().map(|extent| extent.body).collect();
    bodies.sort_unstable();
    bodies.dedup();
    bodies.into_iter()
}

/// A change being put together. Holds the locks of its keys.
pub(crate) struct Change {
    store: Arc<Inner>,
    guards: Vec<Guard>,
    commits: OwnedRwLockReadGuard<()>,
    pub batch: Batch,
    pub ledger: Ledger,
    pub delta: Delta,
    condemned: Vec<Unit>,
    body: Option<StoredBody>,
}

impl Change {
    /// Fails where the bucket is gone. `guards`: of the keys it will touch.
    pub async fn begin(store: &Arc<Inner>, bucket: &BucketInfo, guards: Vec<Guard>) -> Result<Self, Fault> {
        let commits = Arc::clone(&store.commits).read_owned().await;
        if store.buckets.is_gone(bucket.id) {
            return Err(Fault::not_found(Kind::Bucket, &bucket.name));
        }
        Ok(Self {
            store: Arc::clone(store),
            guards,
            commits,
            batch: Batch::new(),
            ledger: Ledger::default(),
            delta: Delta::default(),
            condemned: Vec::new(),
            body: None,
        })
    }

    /// A generation and time for what this change makes.
    pub fn stamp(&self) -> Result<(u64, Timestamp), Fault> {
        let now = self.store.clock.now();
        Ok((self.store.next_generation(now)?, now))
    }

    /// Makes the body part of the store; where its bytes will be.
    pub fn add_body(&mut self, body: StoredBody) -> Result<Layout, Fault> {
        let layout = body.stage(&self.store, &mut self.batch)?;
        self.body = Some(body);
        Ok(layout)
    }

    /// The entry for a remote tier, where one is kept.
    pub fn journal(
        &mut self,
        mutation: Mutation,
        bucket: &BucketInfo,
        key: &Key,
        generation: u64,
        layout: Option<&Layout>,
    ) {
        if !self.store.journal.load(Ordering::Relaxed) {
            return;
        }
        let record = JournalRecord {
            mutation,
            bucket: bucket.id,
            key: key.as_str().to_owned(),
            layout: layout.cloned(),
            generation,
        };
        // A change that makes no generation of its own still needs a place in the order.
        let at = self.store.next_generation(self.store.clock.now()).unwrap_or(generation);
        self.batch.put(Family::Journal, &at.to_be_bytes(), &encode(&record));
    }

    /// Locks the units that gain or lose owners. `Ok(false)`: one that was to gain an owner is being removed already.
    pub async fn count_owners(&mut self) -> Result<bool, Fault> {
        if self.ledger.0.is_empty() {
            return Ok(true);
        }
        self.guards.extend(self.store.locks.units(self.ledger.units()).await);
        for (unit, by) in &self.ledger.0 {
            if *by > 0 && self.store.keyspace.get(Family::Garbage, &unit.row())?.is_some() {
                return Ok(false);
            }
        }
        self.condemned = self.store.settle(&self.ledger, &mut self.batch)?;
        Ok(true)
    }

    /// Makes the change. Call [`Change::count_owners`] first where the ledger has entries.
    pub async fn commit(mut self) -> Result<(), Fault> {
        self.store.tally.stage(&mut self.batch);
        match self.store.keyspace.commit_now(std::mem::take(&mut self.batch)) {
            Ok(Ok(())) => {
                self.finish();
                Ok(())
            }
            Ok(Err(batch)) => {
                blocking(move || match self.store.keyspace.commit_blocking(batch) {
                    Ok(()) => {
                        self.finish();
                        Ok(())
                    }
                    Err(fault) => Err(self.fail(fault)),
                })
                .await
            }
            Err(fault) => Err(self.fail(fault)),
        }
    }

    fn finish(self) {
        if let Some(body) = self.body {
            body.named();
        }
        self.store.tally.apply(self.delta);
        self.store.reclaim.condemn(self.condemned);
        drop((self.guards, self.commits));
    }

    /// A failed commit may have reached the log all the same: the next opening knows, so nothing is undone here.
    fn fail(self, fault: Fault) -> Fault {
        if let Some(body) = self.body {
            body.named();
        }
        fault
    }
}

impl Inner {
    /// Writes the owners that the ledger leaves, and says which units have none. The units must be locked.
    pub(super) fn settle(&self, ledger: &Ledger, batch: &mut Batch) -> Result<Vec<Unit>, Fault> {
        let mut condemned = Vec::new();
        for (unit, by) in ledger.sums() {
            let row = unit.row();
            let found = match self.keyspace.get(Family::References, &row)? {
                Some(value) => Some(decode::<UnitRecord>("owners", &value)?),
                None => None,
            };
            let known = found.is_some();
            let mut record = found.unwrap_or_default();
            record.owners = record.owners.saturating_add_signed(by);
            if record.owners == 0 {
                batch.put(Family::Garbage, &row, &[]);
                condemned.push(unit);
            }
            if record.owners > 1 || (record.owners == 1 && record.residence != Residence::Dirty) {
                batch.put(Family::References, &row, &encode(&record));
            } else if known {
                batch.delete(Family::References, &row);
            }
        }
        Ok(condemned)
    }

    /// The row and record of an object, for a change or a look at it.
    pub(super) fn object_row(bucket: &BucketInfo, key: &Key) -> Vec<u8> {
        keys::object(bucket.id, key.bytes())
    }
}
