//! The object engine: buckets, objects, uploads. Six providers' object stores are dialects of it.
//!
//! - Records live in the environment's keyspace; a body of up to [`INLINE_MAX`] bytes lies in the keyspace
//!   too, a larger one in an immutable file beside it. One write batch makes a change visible, so a crash
//!   leaves the old state or the new one.
//! - A body is written first ([`ObjectStore::writer`]), sealed with its digests ([`BodyWriter::seal`]), and
//!   only then given a name ([`ObjectStore::put`], [`ObjectStore::put_part`]). A [`StoredBody`] that is
//!   dropped unnamed leaves nothing behind, not even after `kill -9`.
//! - Copy and multipart completion move no bytes: an object's body is a list of extents of shared,
//!   reference-counted bodies.
//! - Records know versions, and whether a body is only here (dirty) or also in a remote store (clean), though
//!   neither versioning nor the remote tier exists yet: a mutation writes its journal entry in the same batch.
//! - Keys order as raw bytes, which is S3's listing order.
//! - What is being read stays until it has been read, though it is deleted meanwhile (`reclaim`).

mod body;
mod buckets;
mod commit;
mod complete;
mod conditions;
mod copy;
mod digests;
mod keys;
mod lane;
mod listing;
mod locks;
mod model;
mod reader;
mod reclaim;
mod records;
mod recovery;
mod single;
mod store;
mod tally;
#[cfg(test)]
mod tests;
mod uploads;
mod writer;

use std::sync::Arc;

pub use model::{
    Attributes, BucketInfo, Checksum, CompleteSpec, CompletedPart, Conditions, CopySpec, Coverage, Digests, Key,
    ListEntry, ListPage, ListQuery, Namespace, NewBucket, ObjectInfo, ObjectPart, PartInfo, PutSpec, Tags, UploadInfo,
    UploadSpec, Usage, WantedDigests,
};
pub use reader::BodyReader;
pub use store::{Frozen, ObjectStore, Origin};
pub use writer::{BodyWriter, StoredBody};

use crate::Fault;

/// Bodies up to this many bytes lie in the keyspace; above it a second write to a file of its own is cheaper
/// than writing the bytes twice (log and table).
pub const INLINE_MAX: u64 = 32 * 1024;
/// Longest object key, in bytes of UTF-8 (S3, GCS; R2 and Spaces the same).
pub const KEY_BYTES_MAX: usize = 1024;
/// Largest part number and most parts of an upload (S3).
pub const PARTS_MAX: u32 = 10_000;

impl ObjectStore {
    /// `size`: what the client declared, if it did; a body that turns out small never touches a file either way.
    pub fn writer(&self, size: Option<u64>, wanted: WantedDigests) -> Result<BodyWriter, Fault> {
        // Sizes are taken as they come: the body is buffered up to INLINE_MAX whatever was declared.
        let _ = size;
        Ok(BodyWriter::new(Arc::clone(&self.inner), wanted))
    }
}
