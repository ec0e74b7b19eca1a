//! What lies in the rows: numbered CBOR fields, so that a field can be added without a new format. A reader skips the
//! numbers that it does not know; a number is never used again for something else.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use super::body::{Extent, Layout};
use super::digests::Known;
use super::model::{Attributes, Checksum, Digests, Key, ObjectInfo, Tags, UploadInfo, UploadSpec};
use super::reclaim::Pin;
use crate::fault::Algorithm;
use crate::{Fault, Timestamp};

/// Version of the whole format, in `Meta`: raised only by what an older reader would misread.
pub(crate) const FORMAT: u32 = 1;
/// Room that most records fit in, in bytes.
const RECORD_BYTES: usize = 384;

pub(crate) fn encode<T: Encode<()>>(record: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(RECORD_BYTES);
    // Writing to a vector cannot fail.
    let _: Result<(), minicbor::encode::Error<std::convert::Infallible>> = minicbor::encode(record, &mut bytes);
    bytes
}

pub(crate) fn decode<'b, T: Decode<'b, ()>>(what: &'static str, bytes: &'b [u8]) -> Result<T, Fault> {
    minicbor::decode(bytes).map_err(|error| Fault::Corrupt { what: format!("{what}: {error}") })
}

#[derive(Clone, Debug, Default, Encode, Decode)]
#[cbor(map)]
pub(crate) struct BucketRecord {
    #[n(0)]
    pub id: u64,
    #[n(1)]
    pub created: Timestamp,
    #[n(2)]
    pub owner: String,
    #[n(3)]
    pub region: String,
    #[n(4)]
    pub configurations: BTreeMap<String, minicbor::bytes::ByteVec>,
}

/// An object. Numbers kept for later: 13 encryption, 14 lock and retention, 15 access control, 16 delete marker,
/// 17 version id as shown.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct ObjectRecord {
    #[n(0)]
    pub generation: u64,
    #[n(1)]
    pub size: u64,
    /// MD5 of the body, or of the parts' MD5s where there are parts: the ETag.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub digest: [u8; 16],
    #[cbor(n(3), skip_if = "is_zero")]
    pub part_count: u32,
    #[n(4)]
    pub modified: Timestamp,
    #[cbor(n(5), skip_if = "String::is_empty")]
    pub owner: String,
    #[n(6)]
    pub layout: Layout,
    #[n(7)]
    pub checksum: Option<Checksum>,
    #[n(8)]
    pub known: Known,
    #[cbor(n(9), skip_if = "is_default")]
    pub attributes: Attributes,
    #[cbor(n(10), skip_if = "BTreeMap::is_empty")]
    pub tags: Tags,
    /// Counts changes that leave the generation: tags, ACL.
    #[cbor(n(11), skip_if = "is_zero")]
    pub metageneration: u32,
}

/// The fields of [`ObjectRecord`] that a listing shows: the rest is skipped, not decoded.
#[derive(Debug, Decode)]
#[cbor(map)]
struct ListedRecord {
    #[n(0)]
    generation: u64,
    #[n(1)]
    size: u64,
    #[cbor(n(2), with = "minicbor::bytes")]
    digest: [u8; 16],
    #[cbor(n(3), default)]
    part_count: u32,
    #[n(4)]
    modified: Timestamp,
    #[cbor(n(5), default)]
    owner: String,
    #[n(6)]
    layout: Layout,
    #[n(7)]
    checksum: Option<Checksum>,
    #[cbor(n(9), default)]
    attributes: ListedAttributes,
}

#[derive(Debug, Default, Decode)]
#[cbor(map)]
struct ListedAttributes {
    #[n(6)]
    storage_class: Option<String>,
}

/// The fields of [`ObjectRecord`] that matter when it is replaced or removed.
#[derive(Debug, Decode)]
#[cbor(map)]
pub(crate) struct ReplacedRecord {
    #[n(0)]
    pub generation: u64,
    #[n(1)]
    pub size: u64,
    #[n(6)]
    pub layout: Layout,
}

impl ObjectRecord {
    pub fn into_info(self, key: Key, pin: Pin) -> ObjectInfo {
        ObjectInfo {
            key,
            size: self.size,
            etag: etag(&self.digest, self.part_count),
            modified: self.modified,
            generation: self.generation,
            owner: self.owner,
            attributes: self.attributes,
            checksum: self.checksum,
            md5: (self.part_count == 0).then_some(self.digest),
            crc32c: self.known.crc32c,
            tags: self.tags,
            part_count: self.part_count,
            layout: self.layout,
            known: self.known,
            pin,
        }
    }
}

/// An entry of a listing, from an object's row.
pub(crate) fn listed(key: &[u8], record: &[u8], pin: &Pin) -> Result<ObjectInfo, Fault> {
    let record: ListedRecord = decode("object", record)?;
    let attributes = Attributes { storage_class: record.attributes.storage_class, ..Attributes::default() };
    Ok(ObjectInfo {
        key: Key::stored(key)?,
        size: record.size,
        etag: etag(&record.digest, record.part_count),
        modified: record.modified,
        generation: record.generation,
        owner: record.owner,
        attributes,
        checksum: record.checksum,
        md5: (record.part_count == 0).then_some(record.digest),
        crc32c: None,
        tags: Tags::new(),
        part_count: record.part_count,
        layout: record.layout,
        known: Known::default(),
        pin: pin.clone(),
    })
}

pub(crate) fn etag(digest: &[u8; 16], part_count: u32) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(38);
    for byte in digest {
        text.push(char::from(HEX[usize::from(byte >> 4)]));
        text.push(char::from(HEX[usize::from(byte & 15)]));
    }
    if part_count > 0 {
        text.push('-');
        text.push_str(&part_count.to_string());
    }
    text
}

/// The digest and number of parts that an ETag was made of.
pub(crate) fn parse_etag(etag: &str) -> Option<([u8; 16], u32)> {
    let (digest, parts) = etag.split_once('-').unwrap_or((etag, "0"));
    let digest = data_encoding::HEXLOWER_PERMISSIVE.decode(digest.as_bytes()).ok()?;
    Some((digest.try_into().ok()?, parts.parse().ok()?))
}

#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct UploadRecord {
    #[n(0)]
    pub initiated: Timestamp,
    #[n(1)]
    pub owner: String,
    #[cbor(n(2), skip_if = "is_default")]
    pub attributes: Attributes,
    #[cbor(n(3), skip_if = "BTreeMap::is_empty")]
    pub tags: Tags,
    #[n(4)]
    pub algorithm: Option<Algorithm>,
    #[cbor(n(5), default)]
    pub full_object: bool,
}

impl UploadRecord {
    pub fn new(spec: &UploadSpec, initiated: Timestamp) -> Self {
        Self {
            initiated,
            owner: spec.owner.clone(),
            attributes: spec.attributes.clone(),
            tags: spec.tags.clone(),
            algorithm: spec.checksum.map(|(algorithm, _)| algorithm),
            full_object: spec.checksum.is_some_and(|(_, full_object)| full_object),
        }
    }

    pub fn into_info(self, key: Key, id: String) -> UploadInfo {
        let checksum = self.algorithm.map(|algorithm| (algorithm, self.full_object));
        let spec = UploadSpec { owner: self.owner, attributes: self.attributes, tags: self.tags, checksum };
        UploadInfo { id, key, initiated: self.initiated, spec }
    }
}

#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct PartRecord {
    #[n(0)]
    pub size: u64,
    #[n(1)]
    pub modified: Timestamp,
    #[n(2)]
    pub digests: Digests,
    #[n(3)]
    pub checksum: Option<Checksum>,
    #[n(4)]
    pub extents: Vec<Extent>,
}

/// A part of a completed object.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct TableRow {
    #[n(0)]
    pub number: u32,
    #[n(1)]
    pub size: u64,
    #[n(2)]
    pub checksum: Option<Checksum>,
    #[n(3)]
    pub extents: Vec<Extent>,
}

#[derive(Clone, Debug, Encode, Decode)]
#[cbor(map)]
pub(crate) struct CompletedRecord {
    /// Over the parts as the client named them.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub parts: [u8; 16],
    #[n(1)]
    pub at: Timestamp,
    #[n(2)]
    pub object: ObjectRecord,
    #[n(3)]
    pub key: String,
}

/// Whether a body is only here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Residence {
    /// Here alone: a remote tier, if there is one, has yet to receive it.
    #[default]
    #[n(0)]
    Dirty,
    /// Here and in the remote tier: may be evicted.
    #[n(1)]
    Clean,
    /// In the remote tier alone.
    #[n(2)]
    Evicted,
}

/// Owners of a body or table, and its residence. A unit without a row has one owner and is dirty: the common case
/// costs nothing.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct UnitRecord {
    #[n(0)]
    pub owners: u64,
    #[cbor(n(1), default)]
    pub residence: Residence,
}

impl Default for UnitRecord {
    fn default() -> Self {
        Self { owners: 1, residence: Residence::Dirty }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Mutation {
    #[n(0)]
    Put,
    #[n(1)]
    Delete,
    #[n(2)]
    Update,
}

/// What a remote tier has yet to see, in the batch of the mutation itself.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct JournalRecord {
    #[n(0)]
    pub mutation: Mutation,
    #[n(1)]
    pub bucket: u64,
    #[n(2)]
    pub key: String,
    /// Where the bytes are, for a put.
    #[n(3)]
    pub layout: Option<Layout>,
    /// Generation of the object that was put or changed.
    #[n(4)]
    pub generation: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct TallyRecord {
    #[n(0)]
    pub objects: u64,
    #[n(1)]
    pub bytes: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(value: &u32) -> bool {
    *value == 0
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
