//! Ordered walks over a family.

use rocksdb::{DB, DBRawIterator, ReadOptions};

use super::{Family, batch, fault};
use crate::Fault;

/// A walk over the rows that were there when it began. It starts nowhere: seek first.
pub struct Scan<'k> {
    iterator: DBRawIterator<'k>,
    family: Family,
}

impl<'k> Scan<'k> {
    pub(super) fn new(db: &'k DB, family: Family, lower: &[u8], upper: Option<&[u8]>) -> Self {
        let mut options = ReadOptions::default();
        batch::with_row(family, lower, |row| options.set_iterate_lower_bound(row));
        match upper {
            Some(upper) => batch::with_row(family, upper, |row| options.set_iterate_upper_bound(row)),
            None => options.set_iterate_upper_bound([family as u8 + 1]),
        }
        Self { iterator: db.raw_iterator_opt(options), family }
    }

    /// To the first row within the bounds.
    pub fn seek_first(&mut self) {
        self.iterator.seek_to_first();
    }

    /// To the last row within the bounds.
    pub fn seek_last(&mut self) {
        self.iterator.seek_to_last();
    }

    /// To the first row with a key not below `key`.
    pub fn seek(&mut self, key: &[u8]) {
        batch::with_row(self.family, key, |row| self.iterator.seek(row));
    }

    /// To the last row with a key not above `key`.
    pub fn seek_back(&mut self, key: &[u8]) {
        batch::with_row(self.family, key, |row| self.iterator.seek_for_prev(row));
    }

    /// To the following row; only from a row.
    pub fn advance(&mut self) {
        self.iterator.next();
    }

    /// Key and value of the row the scan stands on; `None` past the end.
    pub fn row(&self) -> Option<(&[u8], &[u8])> {
        self.iterator.item().map(|(row, value)| (&row[1..], value))
    }

    /// Tells an end from an error: ask it once [`Scan::row`] says `None`.
    pub fn status(&self) -> Result<(), Fault> {
        self.iterator.status().map_err(fault)
    }
}
