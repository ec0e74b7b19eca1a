//! Who asks: a request's claim proved against the environment's keys, and S3's words for why it fails.
//!
//! Strict environments verify; relaxed ones take any key, or none, and let a 12-digit one name the account.
//! A strict environment's request without credentials is anonymous: it reaches what an ACL makes public.

use std::fmt::Write as _;
use std::sync::Arc;

use storage::environments::{AccessKey, AuthMode, Environment, EnvironmentRecord};

use super::dates;
use super::dialect::Dialect;
use super::error::{Code, invalid_argument};
use super::target::Target;
use crate::auth::{
    AuthError, ChunkKey, Claim, Mismatch, PayloadHash, Place, QueryFlaw, Rules, ScopeFlaw, VerifyContext,
};
use crate::fault::WireError;
use crate::service::Call;

/// Digits of an AWS account id.
const ACCOUNT_DIGITS: usize = 12;
/// The account of a relaxed environment that holds no key of the provider.
const FALLBACK_ACCOUNT: &str = "000000000000";

/// Who sent a request.
#[derive(Clone, Debug)]
pub struct Sender {
    who: Who,
    /// Region of a version 4 signature.
    pub region: Option<String>,
}

#[derive(Clone, Debug)]
enum Who {
    Anonymous,
    Key(Arc<AccessKey>),
    /// A relaxed environment took the key's word for it.
    Claimed {
        access_key: String,
        account: String,
    },
}

impl Sender {
    pub const ANONYMOUS: Self = Self { who: Who::Anonymous, region: None };

    pub fn of_key(key: Arc<AccessKey>, region: Option<String>) -> Self {
        Self { who: Who::Key(key), region }
    }

    pub fn account(&self) -> Option<&str> {
        match &self.who {
            Who::Anonymous => None,
            Who::Key(key) => Some(&key.account),
            Who::Claimed { account, .. } => Some(account),
        }
    }

    pub fn access_key(&self) -> Option<&str> {
        match &self.who {
            Who::Anonymous => None,
            Who::Key(key) => Some(&key.id),
            Who::Claimed { access_key, .. } => Some(access_key),
        }
    }

    pub fn is_known(&self) -> bool {
        !matches!(self.who, Who::Anonymous)
    }
}

/// How a body is framed and what was signed of it.
#[derive(Clone, Debug)]
pub struct PayloadClaim {
    pub hash: PayloadHash,
    pub chunks: Option<Box<ChunkKey>>,
}

/// Proves the request's claim, or lets it pass as the environment's mode says.
pub fn authenticate(
    dialect: &Dialect,
    call: &Call<'_>,
    target: &Target<'_>,
) -> Result<(Sender, PayloadClaim), WireError> {
    let parts = &call.parts;
    let Some(claim) = Claim::from_request(parts).map_err(|error| refuse(&error))? else {
        let hash = PayloadHash::from_headers(&parts.headers).map_err(|error| refuse(&error))?;
        let sender = unsigned(dialect, &call.environment, &call.record);
        return Ok((sender, PayloadClaim { hash, chunks: None }));
    };
    let region = claim.scope().map(|scope| scope.region.to_string());
    if call.record.auth == AuthMode::Relaxed {
        let sender = relaxed(dialect, &call.environment, &call.record, &claim.access_key, region);
        return Ok((sender, PayloadClaim { hash: claim.payload, chunks: None }));
    }
    let key = key_of(dialect, &call.environment, &claim.access_key)?;
    let context = VerifyContext {
        secret: &key.secret,
        now: call.environment.now(),
        clock_ahead_ms: call.environment.clock().offset_ms(),
        rules: &rules(dialect),
        body_sha256: None,
        bucket_in_host: target.bucket.as_deref().filter(|_| target.virtual_host),
        prefix: call.prefix,
    };
    let verified = claim.verify(parts, &context).map_err(|error| refuse(&error))?;
    if let Some(region) = &region
        && !dialect.regions.may_sign(region)
    {
        return Err(region_refused(dialect, region));
    }
    let payload = PayloadClaim { hash: claim.payload, chunks: verified.chunks };
    Ok((Sender::of_key(key, region), payload))
}

pub fn rules(dialect: &Dialect) -> Rules<'static> {
    Rules { version2: dialect.signature_v2, ..Rules::S3 }
}

/// The environment's key by its id, if it is one of this provider's.
pub fn key_of(dialect: &Dialect, environment: &Environment, id: &str) -> Result<Arc<AccessKey>, WireError> {
    environment
        .key(id)
        .filter(|key| key.provider == dialect.key_provider)
        .ok_or_else(|| Code::InvalidAccessKeyId.error().field("AWSAccessKeyId", id))
}

/// Who sends a request without credentials: in a relaxed environment its owner, as other emulators have it.
pub fn unsigned(dialect: &Dialect, environment: &Environment, record: &EnvironmentRecord) -> Sender {
    match record.auth {
        AuthMode::Strict => Sender::ANONYMOUS,
        AuthMode::Relaxed => relaxed(dialect, environment, record, "", None),
    }
}

/// Whoever a relaxed environment takes the holder of `id` to be.
pub fn relaxed(
    dialect: &Dialect,
    environment: &Environment,
    record: &EnvironmentRecord,
    id: &str,
    region: Option<String>,
) -> Sender {
    if let Ok(key) = key_of(dialect, environment, id) {
        return Sender::of_key(key, region);
    }
    let account = if id.len() == ACCOUNT_DIGITS && id.bytes().all(|b| b.is_ascii_digit()) {
        id.to_owned()
    } else {
        let own = record.keys.iter().find(|key| key.provider == dialect.key_provider);
        own.map_or(FALLBACK_ACCOUNT, |key| key.account.as_str()).to_owned()
    };
    Sender { who: Who::Claimed { access_key: id.to_owned(), account }, region }
}

fn region_refused(dialect: &Dialect, region: &str) -> WireError {
    WireError::new(
        http::StatusCode::BAD_REQUEST,
        "InvalidRegionName",
        format!("The region name '{region}' is not valid. Must be one of: {}", dialect.regions.locations.join(", ")),
    )
}

/// S3's answer to each way a claim fails.
pub fn refuse(error: &AuthError) -> WireError {
    let text = error.to_string();
    match error {
        AuthError::UnsupportedAuthorization { value } | AuthError::SeveralMechanisms { value } => {
            invalid_argument(text, "Authorization", value)
        }
        AuthError::UnsupportedAlgorithm { place: Place::Header, algorithm } => {
            Code::NotImplemented.say(text).field("Header", algorithm)
        }
        AuthError::UnsupportedAlgorithm { .. } => Code::AuthorizationQueryParametersError
            .say("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256\""),
        AuthError::Version2Refused | AuthError::MissingContentSha256 => Code::InvalidRequest.say(text),
        AuthError::MalformedHeader { .. } => Code::AuthorizationHeaderMalformed.say(text),
        AuthError::MalformedHeaderV2 => invalid_argument(text, "Authorization", ""),
        AuthError::InvalidQuery(QueryFlaw::MissingV2Parameter | QueryFlaw::ExpiresNotSeconds { .. }) => {
            Code::AccessDenied.say(text)
        }
        AuthError::InvalidQuery(_) => Code::AuthorizationQueryParametersError.say(text),
        AuthError::Scope { place, flaw } => {
            let code = match place {
                Place::Header => Code::AuthorizationHeaderMalformed,
                Place::Query | Place::Form => Code::AuthorizationQueryParametersError,
            };
            match flaw {
                ScopeFlaw::Region { expected, .. } => code.say(text).field("Region", expected),
                _ => code.say(text),
            }
        }
        AuthError::MissingDate => Code::AccessDenied.say(text),
        AuthError::InvalidContentSha256 { value } => invalid_argument(text, "x-amz-content-sha256", value),
        AuthError::UnsignedHeaders { names } => Code::AccessDenied.say(text).field("HeadersNotSigned", names),
        AuthError::RequestTimeTooSkewed { request_time, server_time, max_skew_ms } => Code::RequestTimeTooSkewed
            .error()
            .field("RequestTime", request_time)
            .field("ServerTime", seconds(*server_time))
            .field("MaxAllowedSkewMilliseconds", max_skew_ms.to_string()),
        AuthError::NotYetValid { valid_from, expires_in_s, now } => Code::AccessDenied
            .say(text)
            .field("X-Amz-Expires", expires_in_s.to_string())
            .field("ValidFrom", seconds(*valid_from))
            .field("ServerTime", seconds(*now)),
        AuthError::Expired { expires, expires_in_s, now } => {
            let mut refusal = Code::AccessDenied.say(text);
            if let Some(life) = expires_in_s {
                refusal = refusal.field("X-Amz-Expires", life.to_string());
            }
            refusal.field("Expires", seconds(*expires)).field("ServerTime", seconds(*now))
        }
        AuthError::SignatureDoesNotMatch(mismatch) => mismatched(mismatch),
        AuthError::MissingFormField { name } => invalid_argument(text, name, ""),
    }
}

fn mismatched(mismatch: &Mismatch) -> WireError {
    let mut error = Code::SignatureDoesNotMatch
        .error()
        .field("AWSAccessKeyId", &mismatch.access_key)
        .field("StringToSign", String::from_utf8_lossy(&mismatch.string_to_sign))
        .field("SignatureProvided", &mismatch.signature_provided)
        .field("StringToSignBytes", hex_bytes(&mismatch.string_to_sign));
    if let Some(request) = &mismatch.canonical_request {
        error = error
            .field("CanonicalRequest", String::from_utf8_lossy(request))
            .field("CanonicalRequestBytes", hex_bytes(request));
    }
    error
}

/// `41 57 53 34 …`
fn hex_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 3);
    for (at, byte) in bytes.iter().enumerate() {
        let space = if at == 0 { "" } else { " " };
        // Writing to a String can't fail.
        let _ = write!(out, "{space}{byte:02x}");
    }
    out
}

/// RFC 3339 without a fraction.
fn seconds(at: storage::Timestamp) -> String {
    let mut text = dates::iso(at);
    text.truncate("2026-11-22T19:38:42".len());
    text.push('Z');
    text
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value)] // expected values stand in the rows
mod tests {
    use storage::Timestamp;

    use super::*;

    fn check(error: AuthError, want: &str) {
        let got = refuse(&error);
        let fields: Vec<_> = got.fields.iter().map(|(name, _)| *name).collect();
        assert_eq!(format!("{} {} {}", got.status.as_u16(), got.code, fields.join(",")).trim_end(), want, "{error:?}");
    }

    #[test]
    fn refusals() {
        let text = || "x".to_owned();
        check(AuthError::UnsupportedAuthorization { value: text() }, "400 InvalidArgument ArgumentName,ArgumentValue");
        check(AuthError::SeveralMechanisms { value: text() }, "400 InvalidArgument ArgumentName,ArgumentValue");
        check(AuthError::Version2Refused, "400 InvalidRequest");
        check(AuthError::MalformedHeader { why: "x" }, "400 AuthorizationHeaderMalformed");
        check(AuthError::InvalidQuery(QueryFlaw::MissingV4Parameter), "400 AuthorizationQueryParametersError");
        check(AuthError::InvalidQuery(QueryFlaw::MissingV2Parameter), "403 AccessDenied");
        check(
            AuthError::Scope { place: Place::Header, flaw: ScopeFlaw::Region { got: text(), expected: text() } },
            "400 AuthorizationHeaderMalformed Region",
        );
        check(
            AuthError::Scope { place: Place::Query, flaw: ScopeFlaw::Terminal { got: text() } },
            "400 AuthorizationQueryParametersError",
        );
        check(AuthError::MissingContentSha256, "400 InvalidRequest");
        check(AuthError::UnsignedHeaders { names: text() }, "403 AccessDenied HeadersNotSigned");
        let now = Timestamp(0);
        check(
            AuthError::RequestTimeTooSkewed { request_time: text(), server_time: now, max_skew_ms: 900_000 },
            "403 RequestTimeTooSkewed RequestTime,ServerTime,MaxAllowedSkewMilliseconds",
        );
        check(
            AuthError::Expired { expires: now, expires_in_s: Some(1), now },
            "403 AccessDenied X-Amz-Expires,Expires,ServerTime",
        );
        check(AuthError::Expired { expires: now, expires_in_s: None, now }, "403 AccessDenied Expires,ServerTime");
        check(
            AuthError::SignatureDoesNotMatch(Box::new(Mismatch {
                access_key: text(),
                string_to_sign: vec![1],
                signature_provided: text(),
                canonical_request: Some(vec![2]),
            })),
            "403 SignatureDoesNotMatch AWSAccessKeyId,StringToSign,SignatureProvided,StringToSignBytes,CanonicalRequest,CanonicalRequestBytes",
        );
    }

    #[test]
    fn bytes_and_times() {
        assert_eq!(hex_bytes(b"AWS"), "41 57 53");
        assert_eq!(seconds(Timestamp(951_782_400_123)), "2000-02-29T00:00:00Z");
    }
}
