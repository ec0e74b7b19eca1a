//! Why a request is not who it says it is: a closed list, told apart as finely as S3 tells it.
//!
//! Variants carry facts, not replies: each wire family chooses status and code. Where AWS's own wording is
//! known, `Display` is that wording, so that a dialect may pass it on.

use storage::Timestamp;
use thiserror::Error;

/// Where the claim stood; S3 words the same flaw differently for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Header,
    Query,
    Form,
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AuthError {
    #[error("Unsupported Authorization Type")]
    UnsupportedAuthorization { value: String },
    /// SigV4A and whatever else is neither `AWS4-HMAC-SHA256` nor version 2.
    #[error("Unsupported signing algorithm {algorithm}; only AWS4-HMAC-SHA256 is supported")]
    UnsupportedAlgorithm { place: Place, algorithm: String },
    /// A version 2 signature where the service takes version 4 only.
    #[error("The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")]
    Version2Refused,
    #[error(
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified"
    )]
    SeveralMechanisms { value: String },
    /// A version 4 `Authorization` header without its three components.
    #[error("The authorization header is malformed; {why}")]
    MalformedHeader { why: &'static str },
    #[error("AWS authorization header is invalid.  Expected AwsAccessKeyId:signature")]
    MalformedHeaderV2,
    /// A presigned URL whose parameters cannot be read.
    #[error("{0}")]
    InvalidQuery(QueryFlaw),
    /// A credential that cannot be read or is not for here: any version 4 request.
    #[error("{}{flaw}", place.scope_prefix())]
    Scope { place: Place, flaw: ScopeFlaw },
    #[error("AWS authentication requires a valid Date or x-amz-date header")]
    MissingDate,
    #[error("Missing required header for this request: x-amz-content-sha256")]
    MissingContentSha256,
    #[error(
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid sha256 value."
    )]
    InvalidContentSha256 { value: String },
    /// `names` are comma separated: `host, x-amz-acl`.
    #[error("There were headers present in the request which were not signed")]
    UnsignedHeaders { names: String },
    #[error("The difference between the request time and the current time is too large.")]
    RequestTimeTooSkewed { request_time: String, server_time: Timestamp, max_skew_ms: u64 },
    #[error("Request is not valid yet")]
    NotYetValid { valid_from: Timestamp, expires_in_s: u64, now: Timestamp },
    /// `expires_in_s`: what `X-Amz-Expires` said; version 2 has only the moment.
    #[error("Request has expired")]
    Expired { expires: Timestamp, expires_in_s: Option<u64>, now: Timestamp },
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your key and signing method."
    )]
    SignatureDoesNotMatch(Box<Mismatch>),
    /// A POST form with a part of its signature missing.
    #[error(
        "Bucket POST must contain a field named '{name}'.  If it is specified, please check the order of the fields."
    )]
    MissingFormField { name: &'static str },
}

/// What S3 shows someone whose signature is wrong, so that they can find out why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    pub access_key: String,
    pub string_to_sign: Vec<u8>,
    pub signature_provided: String,
    /// Version 4 only.
    pub canonical_request: Option<Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum QueryFlaw {
    #[error(
        "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
    )]
    MissingV4Parameter,
    #[error("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")]
    Date,
    #[error("X-Amz-Expires should be a number")]
    ExpiresNotANumber,
    #[error("X-Amz-Expires must be non-negative")]
    ExpiresNegative,
    #[error(
        "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than {max_s} seconds"
    )]
    ExpiresTooLong { max_s: u64 },
    /// S3 answers this and the next with AccessDenied.
    #[error("Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters")]
    MissingV2Parameter,
    #[error("Invalid date (should be seconds since epoch): {value}")]
    ExpiresNotSeconds { value: String },
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScopeFlaw {
    #[error("the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".")]
    Malformed { value: String },
    #[error("incorrect date format \"{got}\". This date in the credential must be in the format \"yyyyMMdd\".")]
    DateFormat { got: String },
    #[error("incorrect terminal \"{got}\". This endpoint uses \"aws4_request\".")]
    Terminal { got: String },
    #[error("the region '{got}' is wrong; expecting '{expected}'")]
    Region { got: String, expected: String },
    #[error("incorrect service \"{got}\". This endpoint belongs to \"{expected}\".")]
    Service { got: String, expected: String },
    #[error("Invalid credential date \"{credential}\". This date is not the same as X-Amz-Date: \"{request}\".")]
    DateMismatch { credential: String, request: String },
}

impl Place {
    const fn scope_prefix(self) -> &'static str {
        match self {
            Self::Header => "The authorization header is malformed; ",
            Self::Query | Self::Form => "Error parsing the X-Amz-Credential parameter; ",
        }
    }
}
