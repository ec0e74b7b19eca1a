//! Removal of what has no owner any more, once nobody can be reading it.
//!
//! A commit that takes a unit's last owner away writes a row of `Garbage` in its batch and condemns the unit here. Who
//! looks at an object's record pins the current epoch first; a unit condemned in an epoch is removed when that epoch
//! and all before it have no pin left. So a reader finishes what it began though the object is gone, and no read takes
//! a lock. What a crash leaves in `Garbage` and `Intents` is removed at the next opening.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::body::BodyId;
use super::commit::Ledger;
use super::keys::{self, Unit};
use super::records::{TableRow, decode};
use super::store::Inner;
use crate::Fault;
use crate::keyspace::{Batch, Family};

/// Deletions gathered before they are carried out together.
const DELAY: Duration = Duration::from_millis(20);
/// Rows removed per commit.
const ROWS_PER_BATCH: usize = 256;

/// Keeps bodies that were owned when it was taken from being removed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pin(#[allow(dead_code)] Option<Arc<Epoch>>);

#[derive(Debug)]
pub(crate) struct Epoch(Weak<Inner>);

impl Drop for Epoch {
    fn drop(&mut self) {
        if let Some(store) = self.0.upgrade() {
            store.reclaim.wake();
        }
    }
}

pub(crate) struct Reclaim {
    store: Weak<Inner>,
    current: ArcSwap<Epoch>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Condemned in the current epoch.
    condemned: Vec<Unit>,
    /// Earlier epochs, oldest first, and what was condemned in each.
    waiting: VecDeque<(Weak<Epoch>, Vec<Unit>)>,
    /// Body files whose writers gave up.
    abandoned: Vec<BodyId>,
    /// A pass is on its way or running.
    scheduled: bool,
    closing: bool,
}

impl State {
    fn is_idle(&self) -> bool {
        self.condemned.is_empty() && self.waiting.is_empty() && self.abandoned.is_empty()
    }
}

impl Reclaim {
    pub fn new(store: Weak<Inner>) -> Self {
        let current = ArcSwap::from_pointee(Epoch(store.clone()));
        Self { store, current, state: Mutex::default() }
    }

    /// Take it before reading a record whose bytes may be wanted.
    pub fn pin(&self) -> Pin {
        Pin(Some(self.current.load_full()))
    }

    /// After the commit that left `units` without an owner.
    pub fn condemn(&self, units: Vec<Unit>) {
        if !units.is_empty() {
            self.state().condemned.extend(units);
            self.wake();
        }
    }

    /// A file that was announced and will not be named.
    pub fn abandon(&self, body: BodyId) {
        self.state().abandoned.push(body);
        self.wake();
    }

    /// No further pass begins.
    pub fn close(&self) {
        self.state().closing = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            // Outside the runtime: the next commit or the next opening sees to it.
            return;
        };
        let mut state = self.state();
        if state.scheduled || state.closing || state.is_idle() {
            return;
        }
        state.scheduled = true;
        drop(state);
        let store = self.store.clone();
        runtime.spawn(async move {
            tokio::time::sleep(DELAY).await;
            let pass = tokio::task::spawn_blocking(move || {
                if let Some(store) = store.upgrade() {
                    store.reclaim.pass(&store);
                }
            });
            // A pass that panicked has been reported by the panic itself.
            let _ = pass.await;
        });
    }

    /// Removes what can be removed now. Blocks.
    pub fn pass(&self, store: &Inner) {
        loop {
            let ended = self.turn();
            drop(ended);
            let (units, abandoned) = {
                let mut state = self.state();
                let units = removable(&mut state);
                if state.closing || (units.is_empty() && state.abandoned.is_empty()) {
                    // In the same breath as finding nothing: a pin dropped from here on wakes another pass.
                    state.scheduled = false;
                    return;
                }
                (units, std::mem::take(&mut state.abandoned))
            };
            let Ok(_commits) = store.commits.try_read() else {
                // Frozen, or about to be: not now.
                let mut state = self.state();
                state.abandoned.extend(abandoned);
                state.condemned.extend(units);
                state.scheduled = false;
                drop(state);
                return self.wake();
            };
            for result in [remove_files(store, &abandoned), store.remove_units(&units)] {
                if let Err(fault) = result {
                    // The rows stay: the next opening tries again.
                    tracing::warn!(%fault, "garbage not removed");
                }
            }
        }
    }

    /// Ends the current epoch if something was condemned in it. Drop what comes back without the lock: the last one
    /// to let go of an epoch wakes a pass.
    fn turn(&self) -> Option<Arc<Epoch>> {
        let mut state = self.state();
        if state.condemned.is_empty() {
            return None;
        }
        let ended = self.current.swap(Arc::new(Epoch(self.store.clone())));
        let condemned = std::mem::take(&mut state.condemned);
        state.waiting.push_back((Arc::downgrade(&ended), condemned));
        Some(ended)
    }
}

fn removable(state: &mut State) -> Vec<Unit> {
    let mut units = Vec::new();
    while state.waiting.front().is_some_and(|(epoch, _)| epoch.strong_count() == 0) {
        units.extend(state.waiting.pop_front().into_iter().flat_map(|(_, units)| units));
    }
    units
}

fn remove_files(store: &Inner, bodies: &[BodyId]) -> Result<(), Fault> {
    for bodies in bodies.chunks(ROWS_PER_BATCH) {
        let mut batch = Batch::new();
        for &body in bodies {
            store.files.remove(body)?;
            batch.delete(Family::Intents, &body.row());
        }
        store.keyspace.commit_blocking(batch)?;
    }
    Ok(())
}

impl Inner {
    /// Removes units that have no owner and no reader, and their rows of `Garbage`.
    pub(super) fn remove_units(&self, units: &[Unit]) -> Result<(), Fault> {
        for units in units.chunks(ROWS_PER_BATCH) {
            let mut batch = Batch::new();
            for &unit in units {
                match unit {
                    Unit::Body(body) if body.in_file() => self.files.remove(body)?,
                    Unit::Body(body) => batch.delete(Family::Bodies, &body.row()),
                    Unit::Table(table) => self.remove_table(table)?,
                }
                batch.delete(Family::Garbage, &unit.row());
            }
            self.keyspace.commit_blocking(batch)?;
        }
        Ok(())
    }

    /// Lets go of what a table's parts own, some rows at a time: a crash in between resumes where it stopped.
    fn remove_table(&self, table: u64) -> Result<(), Fault> {
        loop {
            let mut batch = Batch::new();
            let mut ledger = Ledger::default();
            {
                let end = keys::table_row(table, u64::MAX, 0);
                let mut rows = self.keyspace.scan(Family::Layouts, &keys::table_row(table, 0, 0), Some(&end));
                rows.seek_first();
                while let Some((row, value)) = rows.row() {
                    let part: TableRow = decode("part of an object", value)?;
                    ledger.disown_extents(&part.extents);
                    batch.delete(Family::Layouts, row);
                    if batch.len() >= ROWS_PER_BATCH {
                        break;
                    }
                    rows.advance();
                }
                rows.status()?;
            }
            if batch.is_empty() {
                return Ok(());
            }
            let _units = self.locks.units_blocking(ledger.units());
            let condemned = self.settle(&ledger, &mut batch)?;
            self.keyspace.commit_blocking(batch)?;
            // Not removed at once: who reads them through another owner, gone since, has pinned a later epoch.
            self.reclaim.state().condemned.extend(condemned);
        }
    }

    /// At opening, when nobody reads or writes: everything in `Garbage` and `Intents` goes.
    pub(super) fn remove_leftovers(&self) -> Result<(), Fault> {
        let intents = self.rows(Family::Intents, BodyId::from_row)?;
        remove_files(self, &intents)?;
        loop {
            let garbage = self.rows(Family::Garbage, Unit::from_row)?;
            if garbage.is_empty() {
                self.reclaim.state().condemned.clear();
                return Ok(());
            }
            self.remove_units(&garbage)?;
        }
    }

    fn rows<T>(&self, family: Family, parse: fn(&[u8]) -> Option<T>) -> Result<Vec<T>, Fault> {
        let mut found = Vec::new();
        let mut rows = self.keyspace.scan(family, &[], None);
        rows.seek_first();
        while let Some((row, _)) = rows.row() {
            found.push(parse(row).ok_or_else(|| Fault::Corrupt { what: format!("a row of {family:?}") })?);
            rows.advance();
        }
        rows.status()?;
        Ok(found)
    }
}
