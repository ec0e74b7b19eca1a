//! What callers of the engine see: buckets, objects, uploads, and what is asked of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use minicbor::{Decode, Encode};

use super::body::Layout;
use super::reclaim::Pin;
use super::{KEY_BYTES_MAX, digests};
use crate::fault::Algorithm;
use crate::{Fault, Timestamp};

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

    /// A key as it was stored.
    pub(crate) fn stored(key: &[u8]) -> Result<Self, Fault> {
        let key = std::str::from_utf8(key).map_err(|_| Fault::Corrupt { what: "an object's key".into() })?;
        Ok(Self(key.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Digests of a body. MD5, CRC32C and CRC64NVME are computed for every body; the rest on request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Digests {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub md5: [u8; 16],
    #[n(1)]
    pub crc32c: u32,
    #[n(2)]
    pub crc64nvme: u64,
    #[n(3)]
    pub crc32: Option<u32>,
    #[cbor(n(4), with = "minicbor::bytes")]
    pub sha1: Option<[u8; 20]>,
    #[cbor(n(5), with = "minicbor::bytes")]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Coverage {
    /// Over all the bytes, however they were uploaded.
    #[n(0)]
    FullObject,
    /// Over the parts' checksums, written with `-N`.
    #[n(1)]
    Composite {
        #[n(0)]
        parts: u32,
    },
}

/// The checksum an object carries for its readers (S3's `x-amz-checksum-*`).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Checksum {
    #[n(0)]
    pub algorithm: Algorithm,
    /// Big-endian bytes, as the wire's base64 holds them.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub value: Vec<u8>,
    #[n(2)]
    pub coverage: Coverage,
}

/// The standard headers and user metadata a writer sets; the engine keeps and returns them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Attributes {
    #[n(0)]
    pub content_type: Option<String>,
    #[n(1)]
    pub cache_control: Option<String>,
    #[n(2)]
    pub content_disposition: Option<String>,
    #[n(3)]
    pub content_encoding: Option<String>,
    #[n(4)]
    pub content_language: Option<String>,
    /// As sent: S3 returns it verbatim.
    #[n(5)]
    pub expires: Option<String>,
    #[n(6)]
    pub storage_class: Option<String>,
    #[n(7)]
    pub website_redirect: Option<String>,
    /// User metadata; keys in lower case without the provider's prefix.
    #[cbor(n(8), skip_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// What one dialect keeps and the others pass by (encryption settings, ACL …), by the dialect's own names.
    #[cbor(n(9), skip_if = "BTreeMap::is_empty")]
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
    /// How many parts a multipart object was made of; 0 for others. They are read by
    /// [`ObjectStore::object_parts`](super::ObjectStore::object_parts).
    pub part_count: u32,
    pub(crate) layout: Layout,
    pub(crate) known: digests::Known,
    /// Keeps the bytes from being removed while this description of them is in use.
    pub(crate) pin: Pin,
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
    /// Of an object made of parts the copy is made of one: its ETag is its MD5, its checksum the full object's. The
    /// bytes are read for that, though still shared.
    pub as_one: bool,
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
