//! Keys of rows. Numbers are big-endian, so that rows order by them.
//!
//! | family | key |
//! |---|---|
//! | Buckets | namespace, 0, name |
//! | Objects | bucket, object key |
//! | Versions | bucket, object key (escaped), 0 0, inverted generation: newest first |
//! | Bodies, Intents | body |
//! | Layouts | table, offset of the part in the object, part number |
//! | Uploads | bucket, object key (escaped), 0 0, upload |
//! | Parts | upload, part number |
//! | Completed | bucket, upload |
//! | References, Garbage | kind, body or table |
//! | Journal | generation |
//!
//! Where something follows an object key, the key is escaped (0 becomes 0 255) so that the order of keys stays that
//! of their bytes. An upload's number is its generation (its time of initiation) and random bits.

use super::body::BodyId;

pub(crate) const FORMAT: &[u8] = b"format";
pub(crate) const NUMBERS: &[u8] = b"numbers";
pub(crate) const GENERATIONS: &[u8] = b"generations";
pub(crate) const TALLY: &[u8] = b"tally";

pub(crate) const BUCKET_BYTES: usize = 8;
pub(crate) const UPLOAD_BYTES: usize = 16;

pub(crate) fn bucket(namespace: &str, name: &str) -> Vec<u8> {
    let mut row = Vec::with_capacity(namespace.len() + 1 + name.len());
    row.extend_from_slice(namespace.as_bytes());
    row.push(0);
    row.extend_from_slice(name.as_bytes());
    row
}

pub(crate) fn object(bucket: u64, key: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(BUCKET_BYTES + key.len());
    row.extend_from_slice(&bucket.to_be_bytes());
    row.extend_from_slice(key);
    row
}

/// The uploads of one key: every one's row starts with this.
pub(crate) fn uploads(bucket: u64, key: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(BUCKET_BYTES + key.len() + 2 + UPLOAD_BYTES);
    row.extend_from_slice(&bucket.to_be_bytes());
    escape(key, &mut row);
    row.extend_from_slice(&[0, 0]);
    row
}

pub(crate) fn upload(bucket: u64, key: &[u8], upload: UploadId) -> Vec<u8> {
    let mut row = uploads(bucket, key);
    row.extend_from_slice(&upload.0);
    row
}

pub(crate) fn escape(key: &[u8], into: &mut Vec<u8>) {
    for &byte in key {
        into.push(byte);
        if byte == 0 {
            into.push(0xff);
        }
    }
}

/// Key and upload of a row of `Uploads` without its bucket.
pub(crate) fn parse_upload(row: &[u8]) -> Option<(Vec<u8>, UploadId)> {
    let (escaped, upload) = row.split_at_checked(row.len().checked_sub(UPLOAD_BYTES)?)?;
    let escaped = escaped.strip_suffix(&[0, 0])?;
    let mut key = Vec::with_capacity(escaped.len());
    let mut bytes = escaped.iter();
    while let Some(&byte) = bytes.next() {
        key.push(byte);
        if byte == 0 && bytes.next() != Some(&0xff) {
            return None;
        }
    }
    Some((key, UploadId(upload.try_into().ok()?)))
}

/// Generation and random bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct UploadId(pub [u8; UPLOAD_BYTES]);

impl UploadId {
    pub fn new(generation: u64, random: u64) -> Self {
        let mut id = [0; UPLOAD_BYTES];
        id[..8].copy_from_slice(&generation.to_be_bytes());
        id[8..].copy_from_slice(&random.to_be_bytes());
        Self(id)
    }

    pub fn parse(text: &str) -> Option<Self> {
        Some(Self(data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).ok()?.try_into().ok()?))
    }

    pub fn text(self) -> String {
        data_encoding::BASE64URL_NOPAD.encode(&self.0)
    }
}

pub(crate) fn part(upload: UploadId, number: u32) -> [u8; UPLOAD_BYTES + 4] {
    let mut row = [0; UPLOAD_BYTES + 4];
    row[..UPLOAD_BYTES].copy_from_slice(&upload.0);
    row[UPLOAD_BYTES..].copy_from_slice(&number.to_be_bytes());
    row
}

pub(crate) fn parse_part(row: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(*row.get(UPLOAD_BYTES..)?.first_chunk()?))
}

pub(crate) fn completed(bucket: u64, upload: UploadId) -> [u8; BUCKET_BYTES + UPLOAD_BYTES] {
    let mut row = [0; BUCKET_BYTES + UPLOAD_BYTES];
    row[..BUCKET_BYTES].copy_from_slice(&bucket.to_be_bytes());
    row[BUCKET_BYTES..].copy_from_slice(&upload.0);
    row
}

/// The part's number keeps empty parts apart from the one that follows them.
pub(crate) fn table_row(table: u64, offset: u64, number: u32) -> [u8; 20] {
    let mut row = [0; 20];
    row[..8].copy_from_slice(&table.to_be_bytes());
    row[8..16].copy_from_slice(&offset.to_be_bytes());
    row[16..].copy_from_slice(&number.to_be_bytes());
    row
}

/// Offset in the object of a row of `Layouts`.
pub(crate) fn parse_table_row(row: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(*row.get(8..)?.first_chunk()?))
}

/// What has owners and is removed when it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Unit {
    Body(BodyId),
    Table(u64),
}

impl Unit {
    const BODY: u8 = 0;
    const TABLE: u8 = 1;

    pub fn row(self) -> [u8; 9] {
        let (kind, number) = match self {
            Self::Body(body) => (Self::BODY, body.row()),
            Self::Table(table) => (Self::TABLE, table.to_be_bytes()),
        };
        let mut row = [kind; 9];
        row[1..].copy_from_slice(&number);
        row
    }

    pub fn from_row(row: &[u8]) -> Option<Self> {
        let (&kind, number) = row.split_first()?;
        match kind {
            Self::BODY => BodyId::from_row(number).map(Self::Body),
            Self::TABLE => Some(Self::Table(u64::from_be_bytes(number.try_into().ok()?))),
            _ => None,
        }
    }
}

/// The least string above every string that starts with `prefix`; `None` where there is none.
pub(crate) fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let kept = prefix.iter().rposition(|&byte| byte != 0xff)?;
    let mut next = prefix[..=kept].to_vec();
    next[kept] += 1;
    Some(next)
}
