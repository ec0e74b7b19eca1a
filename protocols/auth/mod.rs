//! Who sends a request: the claim a request makes, and the proof of it.
//!
//! The way of a request: the router takes a [`hint()`] to find environment and service; the service reads the
//! [`Claim`], looks up the secret of its access key (an unknown key is the caller's error), and lets
//! [`Claim::verify`] prove it. The body is then read through [`payload::Payload`], which undoes its framing and
//! proves what the headers said of it; a caller that skips the proof (`relaxed`) reads the body the same way.
//! A POST form carries its claim in its fields: [`post_form`], [`post_policy`].
//!
//! Invariants:
//! - Nothing here reads a clock, a key store or a socket; time and secret are handed in.
//! - Signatures are compared in constant time, over the request as the client sent it, routing prefix and all.
//! - Knows no provider: what differs between services is [`Rules`].
//!
//! Specification: AWS "Signature Version 4 signing process" and "Authenticating Requests (S3)";
//! "Signing and authenticating REST requests (Signature Version 2)".

pub mod canonical;
pub mod claim;
pub mod error;
pub mod payload;
pub mod post_form;
pub mod post_policy;
pub mod scope;
pub mod signing_key;
mod sigv2;
mod sigv4;
pub mod stamp;

use storage::Timestamp;

pub use claim::{Claim, Hint, Scheme, hint};
pub use error::{AuthError, Mismatch, Place, QueryFlaw, ScopeFlaw};
pub use payload::{Payload, PayloadHash};

pub use crate::wire::aws_chunked::ChunkKey;

/// AWS's tolerance for S3 and most services, in milliseconds.
pub const SKEW_MS: u64 = 15 * 60 * 1000;
/// Longest life of a version 4 presigned URL, in seconds.
pub const PRESIGN_MAX_S: u64 = 7 * 24 * 60 * 60;

/// What one service holds a signature to.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// Names of the service in a credential scope; the first is named in errors.
    pub services: &'a [&'a str],
    pub regions: Regions<'a>,
    pub path: PathRule,
    /// `x-amz-content-sha256` must be there, and every `x-amz-…` header be signed, as S3 wants it.
    pub strict_amz_headers: bool,
    /// Version 2 signatures are accepted.
    pub version2: bool,
    /// Largest difference between the request's time and ours.
    pub skew_ms: u64,
    pub presign_max_s: u64,
}

impl Rules<'static> {
    /// As AWS S3 has it, in any region.
    pub const S3: Self = Self {
        services: &["s3"],
        regions: Regions::Any,
        path: PathRule::Verbatim,
        strict_amz_headers: true,
        version2: true,
        skew_ms: SKEW_MS,
        presign_max_s: PRESIGN_MAX_S,
    };
}

/// Regions a credential may name.
#[derive(Clone, Copy, Debug)]
pub enum Regions<'a> {
    Any,
    /// `expected` is the one that errors name.
    OneOf {
        accepted: &'a [&'a str],
        expected: &'a str,
    },
}

/// How a service makes a path canonical.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathRule {
    /// S3: each byte of the decoded path encoded once; `.`, `..` and `//` are names.
    Verbatim,
    /// Everyone else: dot segments and empty ones removed, the encoded path encoded once more.
    NormalizedTwice,
}

/// Everything beside the request that a proof needs.
#[derive(Clone, Copy, Debug)]
pub struct VerifyContext<'a> {
    pub secret: &'a str,
    /// The environment's clock.
    pub now: Timestamp,
    /// How far that clock was moved ahead of the machine's. Clients sign with the machine's time, so the age of a
    /// signed header is forgiven by so much; the life of a presigned URL is not.
    pub clock_ahead_ms: u64,
    pub rules: &'a Rules<'a>,
    /// SHA-256 of the whole body, for services that sign it without saying so in `x-amz-content-sha256`.
    /// `None` stands for an empty body.
    pub body_sha256: Option<[u8; 32]>,
    /// Version 2: the bucket that the host named.
    pub bucket_in_host: Option<&'a str>,
    /// Version 2: bytes of the path that only routed the request; some clients leave them out of the signature.
    pub prefix: usize,
}

/// A claim that held.
#[derive(Clone, Debug)]
pub struct Verified {
    /// What the chunks of a signed `aws-chunked` body are verified with; `None` for every other body.
    pub chunks: Option<Box<ChunkKey>>,
}

#[cfg(test)]
mod tests;
