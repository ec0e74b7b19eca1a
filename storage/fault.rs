//! The closed set of ways an engine fails.
//!
//! A fault carries facts, not wording for a client: each wire family in `protocols` has one place that
//! turns a fault into its provider's status, code and message. `Internal`'s text is for the log alone.

use std::fmt;

use minicbor::{Decode, Encode};

/// What a fault is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Environment,
    Service,
    Account,
    AccessKey,
    Token,
    Bucket,
    /// A named configuration of a bucket (CORS, policy …) that is not set.
    BucketConfiguration,
    Object,
    Version,
    Upload,
    Part,
}

impl Kind {
    pub const ALL: &'static [Self] = &[
        Self::Environment,
        Self::Service,
        Self::Account,
        Self::AccessKey,
        Self::Token,
        Self::Bucket,
        Self::BucketConfiguration,
        Self::Object,
        Self::Version,
        Self::Upload,
        Self::Part,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::Service => "service",
            Self::Account => "account",
            Self::AccessKey => "access key",
            Self::Token => "token",
            Self::Bucket => "bucket",
            Self::BucketConfiguration => "bucket configuration",
            Self::Object => "object",
            Self::Version => "version",
            Self::Upload => "upload",
            Self::Part => "part",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A digest or checksum algorithm. The numbers are on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Algorithm {
    #[n(0)]
    Md5,
    #[n(1)]
    Crc32,
    #[n(2)]
    Crc32c,
    #[n(3)]
    Crc64Nvme,
    #[n(4)]
    Sha1,
    #[n(5)]
    Sha256,
}

#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("no such {kind}: {name}")]
    NotFound { kind: Kind, name: String },
    /// `owned`: the caller's own account already holds it (S3 tells the two apart).
    #[error("{kind} exists: {name}")]
    Exists { kind: Kind, name: String, owned: bool },
    #[error("{kind} is not empty: {name}")]
    NotEmpty { kind: Kind, name: String },
    /// A value the engine refuses; `field` is the engine's name for it.
    #[error("invalid {field}: {why}")]
    Invalid { field: &'static str, why: String },
    /// A condition on a write, or on a read that must not be answered 304, did not hold.
    #[error("precondition failed: {condition}")]
    Precondition { condition: &'static str },
    /// A conditional read found what the client already has.
    #[error("not modified")]
    NotModified { etag: String, last_modified: crate::Timestamp },
    /// Another operation on the same thing won.
    #[error("conflict: {why}")]
    Conflict { why: String },
    #[error("range not satisfiable for {size} bytes")]
    RangeNotSatisfiable { size: u64 },
    #[error("{what} is larger than {limit}")]
    TooLarge { what: &'static str, limit: u64, actual: u64 },
    #[error("{what} is smaller than {limit}")]
    TooSmall { what: &'static str, limit: u64, actual: u64 },
    /// The body ended early or went on too long.
    #[error("body has {actual} bytes where {expected} were declared")]
    Incomplete { expected: u64, actual: u64 },
    /// The body does not have the digest its sender declared.
    #[error("{algorithm:?} does not match")]
    DigestMismatch { algorithm: Algorithm, declared: String, actual: String },
    /// Parts named at completion are not in ascending order.
    #[error("parts out of order")]
    PartOrder,
    /// A part named at completion was not uploaded, or differs from what was.
    #[error("part {number}: {why}")]
    InvalidPart { number: u32, why: &'static str },
    #[error("denied: {action}")]
    Denied { action: String },
    #[error("not authenticated: {why}")]
    Unauthenticated { why: String },
    #[error("slow down, retry in {retry_ms} ms")]
    Throttled { retry_ms: u64 },
    #[error("quota exceeded: {what}")]
    Quota { what: &'static str },
    #[error("no space left")]
    StorageFull,
    #[error("not supported: {what}")]
    Unsupported { what: String },
    #[error("unavailable: {why}")]
    Unavailable { why: String },
    /// What is on disk does not have the digest recorded for it.
    #[error("corrupt: {what}")]
    Corrupt { what: String },
    /// The client went away; nobody reads the answer.
    #[error("client gone")]
    Disconnected,
    /// The client was too slow in sending its body.
    #[error("timed out: {what}")]
    Timeout { what: &'static str },
    /// A defect or a failing disk. The text goes to the log, never to a client.
    #[error("internal: {0:#}")]
    Internal(#[from] anyhow::Error),
}

impl Fault {
    pub fn not_found(kind: Kind, name: impl Into<String>) -> Self {
        Self::NotFound { kind, name: name.into() }
    }

    pub fn invalid(field: &'static str, why: impl Into<String>) -> Self {
        Self::Invalid { field, why: why.into() }
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::StorageFull,
            _ => Self::Internal(error.into()),
        }
    }
}
