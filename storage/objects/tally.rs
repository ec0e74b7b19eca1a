//! How many objects there are and how large: kept in memory, written at a clean close, counted again after a crash.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use super::keys;
use super::records::{ReplacedRecord, TallyRecord, decode, encode};
use crate::Fault;
use crate::keyspace::{Batch, Family, Keyspace};

/// What a change adds to the tally.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Delta {
    pub objects: i64,
    pub bytes: i64,
}

impl Delta {
    pub fn add(&mut self, size: u64) {
        self.objects += 1;
        self.bytes = self.bytes.saturating_add_unsigned(size);
    }

    pub fn remove(&mut self, size: u64) {
        self.objects -= 1;
        self.bytes = self.bytes.saturating_sub_unsigned(size);
    }
}

#[derive(Default)]
pub(crate) struct Tally {
    objects: AtomicI64,
    bytes: AtomicI64,
    /// The numbers are those of the store, not only what was added since it was opened.
    known: AtomicBool,
    /// The row of the last clean close is gone, as it must be before anything changes.
    open: AtomicBool,
}

impl Tally {
    /// `fresh`: the store is new and holds nothing.
    pub fn load(keyspace: &Keyspace, fresh: bool) -> Result<Self, Fault> {
        let tally = Self::default();
        let closed = keyspace.get(Family::Meta, keys::TALLY)?;
        if let Some(value) = &closed {
            tally.apply_record(decode("tally", value)?);
        }
        tally.known.store(fresh || closed.is_some(), Ordering::Relaxed);
        tally.open.store(closed.is_none(), Ordering::Relaxed);
        Ok(tally)
    }

    fn apply_record(&self, record: TallyRecord) {
        let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.apply(Delta { objects: signed(record.objects), bytes: signed(record.bytes) });
    }

    /// Into the batch of the first change.
    pub fn stage(&self, batch: &mut Batch) {
        if !self.open.load(Ordering::Relaxed) {
            batch.delete(Family::Meta, keys::TALLY);
        }
    }

    /// After the commit.
    pub fn apply(&self, delta: Delta) {
        self.objects.fetch_add(delta.objects, Ordering::Relaxed);
        self.bytes.fetch_add(delta.bytes, Ordering::Relaxed);
        self.open.store(true, Ordering::Relaxed);
    }

    pub fn known(&self) -> bool {
        self.known.load(Ordering::Acquire)
    }

    pub fn numbers(&self) -> (u64, u64) {
        let number = |n: &AtomicI64| u64::try_from(n.load(Ordering::Relaxed)).unwrap_or(0);
        (number(&self.objects), number(&self.bytes))
    }

    /// Counts what is there. Nothing may be committed meanwhile.
    pub fn count(&self, keyspace: &Keyspace) -> Result<(), Fault> {
        let mut record = TallyRecord::default();
        let mut rows = keyspace.scan(Family::Objects, &[], None);
        rows.seek_first();
        while let Some((_, value)) = rows.row() {
            let object: ReplacedRecord = decode("object", value)?;
            record.objects += 1;
            record.bytes += object.size;
            rows.advance();
        }
        rows.status()?;
        self.objects.store(0, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
        let open = self.open.load(Ordering::Relaxed);
        self.apply_record(record);
        self.open.store(open, Ordering::Relaxed);
        self.known.store(true, Ordering::Release);
        Ok(())
    }

    /// At a clean close.
    pub fn save(&self, keyspace: &Keyspace) -> Result<(), Fault> {
        if !self.known() || !self.open.load(Ordering::Relaxed) {
            return Ok(());
        }
        let (objects, bytes) = self.numbers();
        let mut batch = Batch::new();
        batch.put(Family::Meta, keys::TALLY, &encode(&TallyRecord { objects, bytes }));
        keyspace.note(batch)
    }
}
