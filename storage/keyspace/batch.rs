//! Batches of rows, and how a row's key is made: the family's tag, then the key.

use rocksdb::WriteBatch;

use super::Family;

/// Keys up to this long are put together on the stack.
const STACK_KEY_BYTES: usize = 255;

/// Changes that become visible together.
#[derive(Default)]
pub struct Batch(WriteBatch);

impl Batch {
    pub fn new() -> Self {
        Self::default()
    }

    /// `bytes`: what is about to be put in, to save growing.
    pub fn with_capacity(bytes: usize) -> Self {
        Self(WriteBatch::with_capacity_bytes(bytes))
    }

    pub fn put(&mut self, family: Family, key: &[u8], value: &[u8]) {
        with_row(family, key, |row| self.0.put(row, value));
    }

    pub fn delete(&mut self, family: Family, key: &[u8]) {
        with_row(family, key, |row| self.0.delete(row));
    }

    /// Removes the keys from `from` (inclusive) to `to` (exclusive).
    pub fn delete_range(&mut self, family: Family, from: &[u8], to: &[u8]) {
        with_row(family, from, |from| with_row(family, to, |to| self.0.delete_range(from, to)));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Rows changed so far.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn twin(&self) -> Self {
        Self(WriteBatch::from_data(self.0.data()))
    }

    pub(super) fn into_inner(self) -> WriteBatch {
        self.0
    }
}

pub(super) fn with_row<T>(family: Family, key: &[u8], then: impl FnOnce(&[u8]) -> T) -> T {
    if key.len() <= STACK_KEY_BYTES {
        let mut row = [0; STACK_KEY_BYTES + 1];
        row[0] = family as u8;
        row[1..=key.len()].copy_from_slice(key);
        then(&row[..=key.len()])
    } else {
        let mut row = Vec::with_capacity(1 + key.len());
        row.push(family as u8);
        row.extend_from_slice(key);
        then(&row)
    }
}
