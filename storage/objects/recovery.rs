//! The sweep of a copied directory: body files that no row refers to are removed.

use std::collections::HashSet;

use super::body::{BodyId, Extent, Layout};
use super::records::{PartRecord, ReplacedRecord, TableRow, decode};
use super::store::Inner;
use crate::Fault;
use crate::keyspace::Family;

/// Returns how many files were removed.
pub(super) fn sweep(store: &Inner) -> Result<usize, Fault> {
    let mut referred = HashSet::new();
    let mut keep = |extents: &[Extent]| referred.extend(extents.iter().map(|extent| extent.body));
    each(store, Family::Objects, |value| {
        if let ReplacedRecord { layout: Layout::Body(extent), .. } = decode("object", value)? {
            keep(&[extent]);
        }
        Ok(())
    })?;
    each(store, Family::Layouts, |value| {
        keep(&decode::<TableRow>("part of an object", value)?.extents);
        Ok(())
    })?;
    each(store, Family::Parts, |value| {
        keep(&decode::<PartRecord>("part", value)?.extents);
        Ok(())
    })?;
    let mut removed = 0;
    let unreferred = |body: &BodyId| !referred.contains(body);
    for body in store.files.all()?.into_iter().filter(unreferred) {
        store.files.remove(body)?;
        removed += 1;
    }
    Ok(removed)
}

fn each(store: &Inner, family: Family, mut row: impl FnMut(&[u8]) -> Result<(), Fault>) -> Result<(), Fault> {
    let mut rows = store.keyspace.scan(family, &[], None);
    rows.seek_first();
    while let Some((_, value)) = rows.row() {
        row(value)?;
        rows.advance();
    }
    rows.status()
}
