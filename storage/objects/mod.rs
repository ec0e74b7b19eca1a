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

// see the API sketch in this file; helper fills

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::fault::Algorithm;
use crate::keyspace::Keyspace;
use crate::{Clock, Fault, Timestamp};

/// Bodies up to this many bytes lie in the keyspace; above it a second write to a file of its own is cheaper
/// than writing the bytes twice (log and table).
pub const INLINE_MAX: u64 = 32 * 1024;
/// Longest object key, in bytes of UTF-8 (S3, GCS; R2 and Spaces the same).
pub const KEY_BYTES_MAX: usize = 1024;
/// Largest part number and most parts of an upload (S3).
pub const PARTS_MAX: u32 = 10_000;

/// A separate set of bucket names inside an environment; the dialect says which one it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Namespace(pub &'static str);

/// An object's name: 1 to [`KEY_BYTES_MAX`] bytes of UTF-8, taken literally (no path semantics).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Arc<str>);

impl Key {
    pub fn parse(key: &str) -> Result<Self, Fault> {
        if key.is_empty() {
            return Err(Fault::invalid("key", "empty"));
        }
        if key.len() > KEY_BYTES_MAX {
            return Err(Fault::TooLarge { what: "key", limit: KEY_BYTES_MAX as u64, actual: key.len() as u64 });
        }
        Ok(Self(key.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Digests of a body. MD5, CRC32C and CRC64NVME are computed for every body; the rest on request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digests {
    pub md5: [u8; 16],
    pub crc32c: u32,
    pub crc64nvme: u64,
    pub crc32: Option<u32>,
    pub sha1: Option<[u8; 20]>,
    pub sha256: Option<[u8; 32]>,
}

/// Digests to compute beside those every body gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WantedDigests {
    pub crc32: bool,
    pub sha1: bool,
    pub sha256: bool,
}

/// How a checksum covers a multipart object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// Over all the bytes, however they were uploaded.
    FullObject,
    /// Over the parts' checksums, written with `-N`.
    Composite { parts: u32 },
}

/// The checksum an object carries for its readers (S3's `x-amz-checksum-*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    pub algorithm: Algorithm,
    /// Big-endian bytes, as the wire's base64 holds them.
    pub value: Vec<u8>,
    pub coverage: Coverage,
}

/// The standard headers and user metadata a writer sets; the engine keeps and returns them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    pub content_type: Option<String>,
    pub cache_control: Option<String>,
    pub content_disposition: Option<String>,
    pub content_encoding: Option<String>,
    pub content_language: Option<String>,
    /// As sent: S3 returns it verbatim.
    pub expires: Option<String>,
    pub storage_class: Option<String>,
    pub website_redirect: Option<String>,
    /// User metadata; keys in lower case without the provider's prefix.
    pub metadata: BTreeMap<String, String>,
    /// What one dialect keeps and the others pass by (encryption settings, ACL …), by the dialect's own names.
    pub extra: BTreeMap<String, String>,
}

pub type Tags = BTreeMap<String, String>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketInfo {
    /// Unique in the environment's life: a bucket deleted and made again is another.
    pub id: u64,
    pub namespace: String,
    pub name: String,
    pub created: Timestamp,
    /// Account that owns it.
    pub owner: String,
    pub region: String,
    /// Named configurations (`cors`, `tagging`, `acl` …) in the dialect's own encoding.
    pub configurations: BTreeMap<String, Vec<u8>>,
}

#[derive(Clone, Debug, Default)]
pub struct NewBucket {
    pub owner: String,
    pub region: String,
    pub configurations: BTreeMap<String, Vec<u8>>,
}

/// One stored object (its current version).
#[derive(Clone, Debug)]
pub struct ObjectInfo {
    pub key: Key,
    pub size: u64,
    /// Without quotes: 32 hex digits, or `<hex>-<parts>` for a multipart object.
    pub etag: String,
    pub modified: Timestamp,
    /// Monotonic in the environment (microseconds or later): GCS's generation, the seed of version ids.
    pub generation: u64,
    pub owner: String,
    pub attributes: Attributes,
    pub checksum: Option<Checksum>,
    /// MD5 over the whole body where it is known (not for multipart).
    pub md5: Option<[u8; 16]>,
    pub crc32c: Option<u32>,
    pub tags: Tags,
    /// How many parts a multipart object was made of; 0 for others. They are read by [`ObjectStore::object_parts`].
    pub part_count: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectPart {
    pub number: u32,
    pub size: u64,
    pub checksum: Option<Checksum>,
}

/// Conditions evaluated under the key's lock, against its current state.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// Any of these ETags (without quotes); `*` stands for any existing object.
    pub if_match: Option<Vec<String>>,
    pub if_none_match: Option<Vec<String>>,
    /// Whole seconds count.
    pub if_modified_since: Option<Timestamp>,
    pub if_unmodified_since: Option<Timestamp>,
    pub if_size: Option<u64>,
}

#[allow(clippy::todo, unused_variables)]
impl Conditions {
    /// For GET, HEAD and the source of a copy: If-Match decides over If-Unmodified-Since, If-None-Match over
    /// If-Modified-Since.
    pub fn check_read(&self, object: &ObjectInfo) -> Result<(), Fault> { todo!() }
}

#[derive(Clone, Debug, Default)]
pub struct PutSpec {
    pub owner: String,
    pub attributes: Attributes,
    pub tags: Tags,
    pub checksum: Option<Checksum>,
    pub conditions: Conditions,
}

#[derive(Clone, Debug)]
pub struct CopySpec {
    pub owner: String,
    /// `None` keeps the source's.
    pub attributes: Option<Attributes>,
    pub tags: Option<Tags>,
    /// Checksum algorithm of the copy where it shall differ from the source's.
    pub checksum: Option<Algorithm>,
    pub conditions: Conditions,
}

#[derive(Clone, Debug)]
pub struct UploadSpec {
    pub owner: String,
    pub attributes: Attributes,
    pub tags: Tags,
    /// Algorithm and coverage asked for at creation.
    pub checksum: Option<(Algorithm, bool /* full object */)>,
}

#[derive(Clone, Debug)]
pub struct UploadInfo {
    pub id: String,
    pub key: Key,
    pub initiated: Timestamp,
    pub spec: UploadSpec,
}

#[derive(Clone, Debug)]
pub struct PartInfo {
    pub number: u32,
    pub size: u64,
    pub etag: String,
    pub modified: Timestamp,
    pub checksum: Option<Checksum>,
}

/// A part as named by the request that completes an upload.
#[derive(Clone, Debug)]
pub struct CompletedPart {
    pub number: u32,
    pub etag: String,
    /// Checked against the part's own where given.
    pub checksum: Option<(Algorithm, Vec<u8>)>,
}

#[derive(Clone, Debug, Default)]
pub struct CompleteSpec {
    pub conditions: Conditions,
    /// Smallest size of any part but the last, in bytes (S3: 5 MiB).
    pub part_size_min: u64,
    /// All parts but the last must have the same size (R2).
    pub equal_parts: bool,
    /// Full-object checksum declared by the client, verified.
    pub declared: Option<(Algorithm, Vec<u8>)>,
    /// Object size declared by the client (`x-amz-mp-object-size`), verified.
    pub declared_size: Option<u64>,
}

#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    pub prefix: String,
    pub delimiter: Option<String>,
    /// List what orders after this key or common prefix (exclusive). A marker that is itself a common prefix
    /// skips everything under it.
    pub after: Option<String>,
    /// Entries (objects and prefixes together).
    pub limit: usize,
}

#[derive(Clone, Debug)]
pub enum ListEntry<T> {
    Item(T),
    /// Common prefix, delimiter included.
    Prefix(String),
}

#[derive(Clone, Debug)]
pub struct ListPage<T> {
    pub entries: Vec<ListEntry<T>>,
    /// The last entry of this page, where more follow: hand it back as `after`.
    pub next: Option<String>,
}

/// What an environment's objects take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub buckets: u64,
    pub objects: u64,
    /// Sum of the objects' sizes.
    pub bytes: u64,
}

/// How a store's directory came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Written by this appliance, or an atomic snapshot of such a directory.
    Own,
    /// Copied file by file under [`ObjectStore::freeze`]: may hold body files that nothing refers to.
    Clone,
}

/// While it is held, no commit happens and no body file is removed.
pub struct Frozen {
    _private: (),
}

pub struct ObjectStore {
    _private: (),
}

#[allow(clippy::todo, clippy::unused_async, unused_variables)]
impl ObjectStore {
    /// Opens the store whose records are in `keyspace` and whose large bodies are files under `bodies`; what a crash
    /// left half-done is removed. Closed when dropped; readers and writers of bodies must be gone by then.
    pub fn new(keyspace: Arc<Keyspace>, bodies: &Path, clock: Arc<Clock>) -> Result<Self, Fault> { todo!() }
    pub fn clock(&self) -> &Arc<Clock> { todo!() }
    pub async fn freeze(&self) -> Frozen { todo!() }
    /// What `new` did, and for a clone a sweep of unreferenced files: needed once. Blocks.
    pub fn recover(&self, origin: Origin) -> Result<(), Fault> { todo!() }
    /// Cheap but for the first call after a crash, which counts.
    pub async fn usage(&self) -> Result<Usage, Fault> { todo!() }

    // Buckets.
    pub async fn create_bucket(&self, ns: Namespace, name: &str, new: NewBucket) -> Result<Arc<BucketInfo>, Fault> { todo!() }
    /// Cached; cheap on the hot path.
    pub fn bucket(&self, ns: Namespace, name: &str) -> Result<Arc<BucketInfo>, Fault> { todo!() }
    /// In order of name, those after `after`, of any owner.
    pub fn buckets(&self, ns: Namespace, prefix: &str, after: Option<&str>, limit: usize) -> Result<ListPage<Arc<BucketInfo>>, Fault> { todo!() }
    /// `Fault::NotEmpty` while it holds objects (uploads in progress are discarded with it).
    pub async fn delete_bucket(&self, ns: Namespace, name: &str) -> Result<(), Fault> { todo!() }
    /// `None` removes. Read it in [`BucketInfo::configurations`].
    pub async fn configure_bucket(&self, ns: Namespace, name: &str, configuration: &str, value: Option<Vec<u8>>) -> Result<(), Fault> { todo!() }

    // Bodies.
    /// `size`: what the client declared, if it did; a body known to be small is buffered and never touches a file.
    pub fn writer(&self, size: Option<u64>, wanted: WantedDigests) -> Result<BodyWriter, Fault> { todo!() }
    /// The whole body or a range of it, clamped by the caller to the object's size.
    pub fn read(&self, object: &ObjectInfo, range: Range<u64>) -> Result<BodyReader, Fault> { todo!() }

    // Objects.
    pub fn head(&self, bucket: &BucketInfo, key: &Key) -> Result<ObjectInfo, Fault> { todo!() }
    pub async fn put(&self, bucket: &BucketInfo, key: &Key, body: StoredBody, spec: PutSpec) -> Result<ObjectInfo, Fault> { todo!() }
    /// `Ok(false)` where there was nothing.
    pub async fn delete(&self, bucket: &BucketInfo, key: &Key, conditions: &Conditions) -> Result<bool, Fault> { todo!() }
    pub async fn copy(&self, source: &ObjectInfo, bucket: &BucketInfo, key: &Key, spec: CopySpec) -> Result<ObjectInfo, Fault> { todo!() }
    /// Bumps nothing but the tags: ETag and modification time stay.
    pub async fn set_tags(&self, bucket: &BucketInfo, key: &Key, tags: Tags) -> Result<ObjectInfo, Fault> { todo!() }
    /// Changes attributes in place (`extra` such as an ACL); ETag and modification time stay.
    pub async fn set_extra(&self, bucket: &BucketInfo, key: &Key, name: &str, value: Option<String>) -> Result<ObjectInfo, Fault> { todo!() }
    /// The parts a multipart object was made of, in order; empty for other objects.
    pub async fn object_parts(&self, object: &ObjectInfo) -> Result<Vec<ObjectPart>, Fault> { todo!() }
    /// Entries carry no metadata and no tags.
    pub async fn list(&self, bucket: &BucketInfo, query: ListQuery) -> Result<ListPage<ObjectInfo>, Fault> { todo!() }

    // Uploads.
    pub async fn create_upload(&self, bucket: &BucketInfo, key: &Key, spec: UploadSpec) -> Result<UploadInfo, Fault> { todo!() }
    pub fn upload(&self, bucket: &BucketInfo, key: &Key, id: &str) -> Result<UploadInfo, Fault> { todo!() }
    pub async fn put_part(&self, bucket: &BucketInfo, upload: &UploadInfo, number: u32, body: StoredBody, checksum: Option<Checksum>) -> Result<PartInfo, Fault> { todo!() }
    /// A part that shares the source's bytes (UploadPartCopy): nothing is read but for its digests.
    pub async fn copy_part(&self, bucket: &BucketInfo, upload: &UploadInfo, number: u32, source: &ObjectInfo, range: Range<u64>) -> Result<PartInfo, Fault> { todo!() }
    /// Parts with numbers above `after`; the flag says whether more follow.
    pub async fn parts(&self, bucket: &BucketInfo, upload: &UploadInfo, after: u32, limit: usize) -> Result<(Vec<PartInfo>, bool), Fault> { todo!() }
    /// Ordered by key, then by time of initiation. `after_id` continues inside the key `after`.
    pub async fn uploads(&self, bucket: &BucketInfo, query: ListQuery, after_id: Option<&str>) -> Result<ListPage<UploadInfo>, Fault> { todo!() }
    pub async fn complete_upload(&self, bucket: &BucketInfo, upload: &UploadInfo, parts: Vec<CompletedPart>, spec: CompleteSpec) -> Result<ObjectInfo, Fault> { todo!() }
    /// What completing the upload answered, where it was completed with the same parts not long ago: S3 lets a
    /// client repeat a completion. Ask when [`ObjectStore::upload`] says that there is no such upload.
    pub fn completed_upload(&self, bucket: &BucketInfo, key: &Key, id: &str, parts: &[CompletedPart]) -> Result<Option<ObjectInfo>, Fault> { todo!() }
    pub async fn abort_upload(&self, bucket: &BucketInfo, upload: &UploadInfo) -> Result<(), Fault> { todo!() }
}

/// Takes a body in, hashing as it goes. Dropped unsealed, it leaves nothing.
pub struct BodyWriter { _private: () }

#[allow(clippy::todo, clippy::unused_async, unused_variables)]
impl BodyWriter {
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), Fault> { todo!() }
    pub fn written(&self) -> u64 { todo!() }
    pub async fn seal(self) -> Result<StoredBody, Fault> { todo!() }
}

/// A body with its digests that has no name yet.
pub struct StoredBody { _private: () }

#[allow(clippy::todo)]
impl StoredBody {
    pub fn size(&self) -> u64 { todo!() }
    pub fn digests(&self) -> &Digests { todo!() }
}

/// Reads an object's bytes in chunks.
pub struct BodyReader { _private: () }

#[allow(clippy::todo, clippy::unused_async)]
impl BodyReader {
    /// Bytes left to read.
    pub fn remaining(&self) -> u64 { todo!() }
    /// Small bodies come whole, without waiting: try this before [`BodyReader::next`].
    pub fn whole(&mut self) -> Option<Bytes> { todo!() }
    pub async fn next(&mut self) -> Option<Result<Bytes, Fault>> { todo!() }
}
