//! S3's errors: every code used here with its status and S3's own message, and the one place where an
//! engine's fault becomes one of them.

use http::StatusCode;
use http::header::{CONTENT_RANGE, ETAG, HeaderValue, LAST_MODIFIED};

use crate::fault::{Fault, Kind, WireError};
use storage::fault::Algorithm;

macro_rules! codes {
    ($($name:ident $status:literal $message:literal,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code { $($name,)* }

        impl Code {
            #[cfg(test)]
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            const fn message(self) -> &'static str {
                match self { $(Self::$name => $message,)* }
            }
        }
    };
}

codes! {
    AccessDenied 403 "Access Denied",
    AccessForbidden 403 "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.",
    AuthorizationHeaderMalformed 400 "The authorization header you provided is invalid.",
    AuthorizationQueryParametersError 400 "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
    BadDigest 400 "The Content-MD5 you specified did not match what we received.",
    BadRequest 400 "An error occurred when parsing the HTTP request.",
    BucketAlreadyExists 409 "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.",
    BucketAlreadyOwnedByYou 409 "Your previous request to create the named bucket succeeded and you already own it.",
    BucketNotEmpty 409 "The bucket you tried to delete is not empty",
    ConditionalRequestConflict 409 "The conditional request cannot succeed due to a conflicting operation against this resource.",
    EntityTooLarge 400 "Your proposed upload exceeds the maximum allowed size",
    EntityTooSmall 400 "Your proposed upload is smaller than the minimum allowed size",
    ExpiredToken 400 "The provided token has expired.",
    IllegalLocationConstraintException 400 "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to.",
    IncompleteBody 400 "The request body terminated unexpectedly",
    IncorrectNumberOfFilesInPostRequest 400 "POST requires exactly one file upload per request.",
    InternalError 500 "We encountered an internal error. Please try again.",
    InvalidAccessKeyId 403 "The AWS Access Key Id you provided does not exist in our records.",
    InvalidArgument 400 "Invalid Argument",
    InvalidBucketName 400 "The specified bucket is not valid.",
    InvalidChunkSizeError 403 "Only the last chunk is allowed to have a size less than 8192 bytes",
    InvalidDigest 400 "The Content-MD5 you specified was invalid.",
    InvalidLocationConstraint 400 "The specified location-constraint is not valid",
    InvalidObjectState 403 "The operation is not valid for the object's storage class",
    InvalidPart 400 "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
    InvalidPartNumber 416 "The requested partnumber is not satisfiable",
    InvalidPartOrder 400 "The list of parts was not in ascending order. Parts must be ordered by part number.",
    InvalidPolicyDocument 400 "Invalid Policy: Invalid JSON.",
    InvalidRange 416 "The requested range is not satisfiable",
    InvalidRequest 400 "Invalid Request",
    InvalidStorageClass 400 "The storage class you specified is not valid",
    InvalidTag 400 "The tag provided was not a valid tag. This error can occur if the tag did not pass input validation.",
    InvalidTagError 400 "The TagValue you have provided is invalid",
    InvalidToken 400 "The provided token is malformed or otherwise invalid.",
    InvalidURI 400 "Couldn't parse the specified URI.",
    KeyTooLongError 400 "Your key is too long",
    MalformedACLError 400 "The XML you provided was not well-formed or did not validate against our published schema",
    MalformedPOSTRequest 400 "The body of your POST request is not well-formed multipart/form-data.",
    MalformedTrailerError 400 "The request contained trailing data that was not well-formed or did not conform to our published schema.",
    MalformedXML 400 "The XML you provided was not well-formed or did not validate against our published schema",
    MaxMessageLengthExceeded 400 "Your request was too big.",
    MaxPostPreDataLengthExceeded 400 "Your POST request fields preceeding the upload file was too large.",
    MetadataTooLarge 400 "Your metadata headers exceed the maximum allowed metadata size",
    MethodNotAllowed 405 "The specified method is not allowed against this resource.",
    MissingContentLength 411 "You must provide the Content-Length HTTP header.",
    MissingRequestBodyError 400 "Request Body is empty",
    MissingSecurityHeader 400 "Your request was missing a required header",
    NoSuchBucket 404 "The specified bucket does not exist",
    NoSuchBucketPolicy 404 "The bucket policy does not exist",
    NoSuchCORSConfiguration 404 "The CORS configuration does not exist",
    NoSuchKey 404 "The specified key does not exist.",
    NoSuchLifecycleConfiguration 404 "The lifecycle configuration does not exist",
    NoSuchObjectLockConfiguration 404 "The specified object does not have a ObjectLock configuration",
    NoSuchPublicAccessBlockConfiguration 404 "The public access block configuration was not found",
    NoSuchTagSet 404 "The TagSet does not exist",
    NoSuchUpload 404 "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
    NoSuchVersion 404 "The specified version does not exist.",
    NoSuchWebsiteConfiguration 404 "The specified bucket does not have a website configuration",
    NotImplemented 501 "A header you provided implies functionality that is not implemented",
    NotModified 304 "Not Modified",
    ObjectLockConfigurationNotFoundError 404 "Object Lock configuration does not exist for this bucket",
    OperationAborted 409 "A conflicting conditional operation is currently in progress against this resource. Please try again.",
    OwnershipControlsNotFoundError 404 "The bucket ownership controls were not found",
    PreconditionFailed 412 "At least one of the pre-conditions you specified did not hold",
    QuotaExceeded 403 "The quota set for the resource is exceeded.",
    ReplicationConfigurationNotFoundError 404 "The replication configuration was not found",
    RequestHeaderSectionTooLarge 400 "Your request header section exceeds the maximum allowed size.",
    RequestTimeTooSkewed 403 "The difference between the request time and the current time is too large.",
    RequestTimeout 400 "Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed.",
    ServerSideEncryptionConfigurationNotFoundError 404 "The server side encryption configuration was not found",
    ServiceUnavailable 503 "Service is unable to handle request.",
    SignatureDoesNotMatch 403 "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
    SlowDown 503 "Please reduce your request rate.",
    TooManyBuckets 400 "You have attempted to create more buckets than allowed",
    UserKeyMustBeSpecified 400 "The bucket POST must contain the specified field name. If it is specified, please check the order of the fields.",
    XAmzContentSHA256Mismatch 400 "The provided 'x-amz-content-sha256' header does not match what was computed.",
}

impl Code {
    /// The error with S3's default message.
    pub fn error(self) -> WireError {
        self.say(self.message())
    }

    /// The error with a message of its own.
    pub fn say(self, message: impl Into<std::borrow::Cow<'static, str>>) -> WireError {
        let status = StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        WireError::new(status, self.name(), message)
    }
}

/// `InvalidArgument` about one parameter or header.
pub fn invalid_argument(message: impl Into<std::borrow::Cow<'static, str>>, name: &str, value: &str) -> WireError {
    Code::InvalidArgument.say(message).field("ArgumentName", name).field("ArgumentValue", value)
}

/// A failed condition, named as S3 names it.
pub fn precondition_failed(condition: &str) -> WireError {
    Code::PreconditionFailed.error().field("Condition", condition)
}

/// How S3 says what an engine meant.
pub fn from_fault(fault: &Fault) -> WireError {
    match fault {
        Fault::NotFound { kind, name } => not_found(*kind, name),
        Fault::Exists { kind: Kind::Bucket, name, owned } => {
            let code = if *owned { Code::BucketAlreadyOwnedByYou } else { Code::BucketAlreadyExists };
            code.error().field("BucketName", name)
        }
        Fault::Exists { kind, .. } => Code::OperationAborted.say(format!("The {kind} exists already.")),
        Fault::NotEmpty { name, .. } => Code::BucketNotEmpty.error().field("BucketName", name),
        Fault::Invalid { field, why } => invalid(field, why),
        Fault::Precondition { condition } => precondition_failed(condition),
        Fault::NotModified { etag, last_modified } => not_modified(etag, *last_modified),
        Fault::Conflict { .. } => Code::ConditionalRequestConflict.error(),
        Fault::RangeNotSatisfiable { size } => range_not_satisfiable(None, *size),
        Fault::TooLarge { what: "key", limit, actual } => {
            Code::KeyTooLongError.error().field("Size", actual.to_string()).field("MaxSizeAllowed", limit.to_string())
        }
        Fault::TooLarge { limit, actual, .. } => too_large(*actual, *limit),
        Fault::TooSmall { limit, actual, .. } => Code::EntityTooSmall
            .error()
            .field("ProposedSize", actual.to_string())
            .field("MinSizeAllowed", limit.to_string()),
        Fault::Incomplete { expected, actual } => Code::IncompleteBody
            .error()
            .field("NumberBytesExpected", expected.to_string())
            .field("NumberBytesProvided", actual.to_string()),
        Fault::DigestMismatch { algorithm, declared, actual } => digest_mismatch(*algorithm, declared, actual),
        Fault::PartOrder => Code::InvalidPartOrder.error(),
        Fault::InvalidPart { number, why } => {
            // Only providers that want equal parts refuse one for its size.
            let error = if why.contains("size") {
                Code::InvalidPart.say("All non-trailing parts must have the same length.")
            } else {
                Code::InvalidPart.error()
            };
            error.field("PartNumber", number.to_string())
        }
        Fault::Denied { .. } | Fault::Unauthenticated { .. } => Code::AccessDenied.error(),
        Fault::Throttled { .. } => Code::SlowDown.error(),
        Fault::Quota { .. } => Code::QuotaExceeded.error(),
        Fault::Unsupported { what } => Code::NotImplemented.say(format!("{what} is not implemented")),
        Fault::StorageFull => Code::ServiceUnavailable.error(),
        Fault::Unavailable { why } => {
            Code::ServiceUnavailable.say(format!("Service is unable to handle request: {why}."))
        }
        Fault::Timeout { .. } => {
            let mut error = Code::RequestTimeout.error();
            error.close = true;
            error
        }
        Fault::Corrupt { .. } | Fault::Internal(_) => Code::InternalError.error(),
        Fault::Disconnected => {
            let mut error = Code::IncompleteBody.error();
            error.close = true;
            error
        }
    }
}

pub fn range_not_satisfiable(requested: Option<&str>, size: u64) -> WireError {
    let mut error = Code::InvalidRange.error();
    if let Some(requested) = requested {
        error = error.field("RangeRequested", requested);
    }
    error = error.field("ActualObjectSize", size.to_string());
    if let Ok(value) = HeaderValue::try_from(format!("bytes */{size}")) {
        error.headers.push((CONTENT_RANGE, value));
    }
    error
}

pub fn too_large(actual: u64, limit: u64) -> WireError {
    Code::EntityTooLarge.error().field("ProposedSize", actual.to_string()).field("MaxSizeAllowed", limit.to_string())
}

fn not_found(kind: Kind, name: &str) -> WireError {
    match kind {
        Kind::Bucket => Code::NoSuchBucket.error().field("BucketName", name),
        Kind::Object => Code::NoSuchKey.error().field("Key", name),
        Kind::Version => Code::NoSuchVersion.error().field("VersionId", name),
        Kind::Upload => Code::NoSuchUpload.error().field("UploadId", name),
        Kind::Part => Code::InvalidPart.error().field("PartNumber", name),
        Kind::AccessKey => Code::InvalidAccessKeyId.error().field("AWSAccessKeyId", name),
        Kind::Token => Code::InvalidToken.error(),
        Kind::BucketConfiguration => configuration_not_found(name),
        Kind::Service => {
            WireError::new(StatusCode::NOT_FOUND, "NoSuchService", format!("The environment does not have {name}."))
        }
        Kind::Environment | Kind::Account => {
            WireError::new(StatusCode::NOT_FOUND, "NoSuchEnvironment", format!("There is no {kind} {name}."))
        }
    }
}

fn configuration_not_found(name: &str) -> WireError {
    match name {
        "cors" => Code::NoSuchCORSConfiguration,
        "tagging" => Code::NoSuchTagSet,
        "policy" => Code::NoSuchBucketPolicy,
        "lifecycle" => Code::NoSuchLifecycleConfiguration,
        "website" => Code::NoSuchWebsiteConfiguration,
        "replication" => Code::ReplicationConfigurationNotFoundError,
        "encryption" => Code::ServerSideEncryptionConfigurationNotFoundError,
        "object-lock" => Code::ObjectLockConfigurationNotFoundError,
        "retention" | "legal-hold" => Code::NoSuchObjectLockConfiguration,
        "ownership" => Code::OwnershipControlsNotFoundError,
        "public-access" => Code::NoSuchPublicAccessBlockConfiguration,
        _ => return Code::InvalidRequest.say("The specified configuration does not exist."),
    }
    .error()
}

fn invalid(field: &str, why: &str) -> WireError {
    match field {
        "bucket name" | "bucket" => Code::InvalidBucketName.error(),
        "tag" | "tags" => Code::InvalidTag.say(why.to_owned()),
        "metadata" => Code::MetadataTooLarge.error(),
        "part number" => {
            invalid_argument("Part number must be an integer between 1 and 10000, inclusive", "partNumber", why)
        }
        "object size" => {
            Code::InvalidRequest.say("The provided 'x-amz-mp-object-size' header does not match what was computed.")
        }
        "parts" => Code::InvalidRequest.say(why.to_owned()),
        _ => invalid_argument(format!("{field}: {why}"), field, ""),
    }
}

fn not_modified(etag: &str, modified: storage::Timestamp) -> WireError {
    let mut error = Code::NotModified.error();
    if let Ok(value) = HeaderValue::try_from(format!("\"{etag}\"")) {
        error.headers.push((ETAG, value));
    }
    error.headers.push((LAST_MODIFIED, super::dates::http_date(modified)));
    error
}

fn digest_mismatch(algorithm: Algorithm, declared: &str, actual: &str) -> WireError {
    match super::checksums::name(algorithm) {
        None => Code::BadDigest.error().field("ExpectedDigest", declared).field("CalculatedDigest", actual),
        Some(name) => Code::BadDigest.say(format!("The {name} you specified did not match the calculated checksum.")),
    }
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value)] // expected values stand in the rows
mod tests {
    use storage::Timestamp;

    use super::*;

    fn check(fault: Fault, want: &str) {
        let error = from_fault(&fault);
        let fields: Vec<_> = error.fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let got = format!("{} {} {}", error.status.as_u16(), error.code, fields.join(" "));
        assert_eq!(got.trim_end(), want, "{fault:?}");
    }

    #[test]
    fn faults() {
        check(Fault::not_found(Kind::Bucket, "b"), "404 NoSuchBucket BucketName=b");
        check(Fault::not_found(Kind::Object, "k"), "404 NoSuchKey Key=k");
        check(Fault::not_found(Kind::Version, "v"), "404 NoSuchVersion VersionId=v");
        check(Fault::not_found(Kind::Upload, "u"), "404 NoSuchUpload UploadId=u");
        check(Fault::not_found(Kind::Part, "3"), "400 InvalidPart PartNumber=3");
        check(Fault::not_found(Kind::AccessKey, "A"), "403 InvalidAccessKeyId AWSAccessKeyId=A");
        check(Fault::not_found(Kind::BucketConfiguration, "cors"), "404 NoSuchCORSConfiguration");
        check(Fault::not_found(Kind::BucketConfiguration, "tagging"), "404 NoSuchTagSet");
        check(
            Fault::Exists { kind: Kind::Bucket, name: "b".into(), owned: true },
            "409 BucketAlreadyOwnedByYou BucketName=b",
        );
        check(
            Fault::Exists { kind: Kind::Bucket, name: "b".into(), owned: false },
            "409 BucketAlreadyExists BucketName=b",
        );
        check(Fault::NotEmpty { kind: Kind::Bucket, name: "b".into() }, "409 BucketNotEmpty BucketName=b");
        check(Fault::Precondition { condition: "If-Match" }, "412 PreconditionFailed Condition=If-Match");
        check(Fault::NotModified { etag: "e".into(), last_modified: Timestamp(0) }, "304 NotModified");
        check(Fault::Conflict { why: "lost".into() }, "409 ConditionalRequestConflict");
        check(Fault::RangeNotSatisfiable { size: 3 }, "416 InvalidRange ActualObjectSize=3");
        check(
            Fault::TooLarge { what: "key", limit: 1024, actual: 1025 },
            "400 KeyTooLongError Size=1025 MaxSizeAllowed=1024",
        );
        check(
            Fault::TooLarge { what: "body", limit: 5, actual: 6 },
            "400 EntityTooLarge ProposedSize=6 MaxSizeAllowed=5",
        );
        check(
            Fault::TooSmall { what: "part", limit: 5, actual: 4 },
            "400 EntityTooSmall ProposedSize=4 MinSizeAllowed=5",
        );
        check(
            Fault::Incomplete { expected: 5, actual: 4 },
            "400 IncompleteBody NumberBytesExpected=5 NumberBytesProvided=4",
        );
        check(Fault::PartOrder, "400 InvalidPartOrder");
        check(Fault::InvalidPart { number: 2, why: "etag" }, "400 InvalidPart PartNumber=2");
        check(Fault::Denied { action: "x".into() }, "403 AccessDenied");
        check(Fault::Throttled { retry_ms: 1 }, "503 SlowDown");
        check(Fault::StorageFull, "503 ServiceUnavailable");
        check(Fault::Unavailable { why: "closing".into() }, "503 ServiceUnavailable");
        check(Fault::Unsupported { what: "x".into() }, "501 NotImplemented");
        check(Fault::Corrupt { what: "body".into() }, "500 InternalError");
        check(Fault::Timeout { what: "body" }, "400 RequestTimeout");
        check(Fault::Internal(anyhow::anyhow!("secret text")), "500 InternalError");
    }

    #[test]
    fn internal_text_stays_inside() {
        let error = from_fault(&Fault::Internal(anyhow::anyhow!("secret text")));
        assert!(!error.message.contains("secret"));
    }

    #[test]
    fn every_code_has_a_valid_status() {
        for code in Code::ALL {
            assert_eq!(code.error().status.as_u16(), code.status(), "{}", code.name());
        }
    }
}
