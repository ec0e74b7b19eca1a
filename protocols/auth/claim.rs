//! The claim a request makes: which key signed it, how, and what it says of its body. Nothing is proved yet.

use std::borrow::Cow;

use http::header::AUTHORIZATION;
use http::request::Parts;
use percent_encoding::percent_decode_str;

use super::error::{AuthError, Place, QueryFlaw, ScopeFlaw};
use super::payload::PayloadHash;
use super::scope::Scope;
use super::stamp::Stamp;
use super::{Verified, VerifyContext, sigv2, sigv4};

pub const ALGORITHM_V4: &str = "AWS4-HMAC-SHA256";
/// Names in `SignedHeaders`; each may cost a copy of a header, so their number is bounded.
const SIGNED_HEADERS_MAX: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    HeaderV4,
    QueryV4,
    HeaderV2,
    QueryV2,
}

/// What a request says of its sender. Borrows from the request.
#[derive(Clone, Debug)]
pub struct Claim<'a> {
    pub access_key: Cow<'a, str>,
    pub signature: Cow<'a, str>,
    /// `x-amz-security-token`, from header or query.
    pub session_token: Option<Cow<'a, str>>,
    pub payload: PayloadHash,
    pub proof: Proof<'a>,
}

/// What the two versions sign beside the request itself.
#[derive(Clone, Debug)]
pub enum Proof<'a> {
    V4(V4<'a>),
    V2 {
        /// Presigned: seconds since the epoch, as spelt in the URL, and as a number.
        expires: Option<(Cow<'a, str>, u64)>,
    },
}

#[derive(Clone, Debug)]
pub struct V4<'a> {
    pub scope: Scope<'a>,
    pub stamp: Stamp,
    /// As sent: `host;x-amz-date`.
    pub signed_headers: Cow<'a, str>,
    /// Presigned: seconds of life, and the payload hash that the URL names.
    pub presigned: Option<(u64, Option<Cow<'a, str>>)>,
}

impl<'a> Claim<'a> {
    /// Reads the claim from the `Authorization` header or the query; `None` for an anonymous request.
    pub fn from_request(parts: &'a Parts) -> Result<Option<Self>, AuthError> {
        let header = parts.headers.get(AUTHORIZATION);
        let query = QueryClaim::read(parts.uri.query().unwrap_or_default());
        let Some(header) = header else {
            return match query.version() {
                None => Ok(None),
                Some(4) => query.v4(parts).map(Some),
                Some(_) => query.v2(parts).map(Some),
            };
        };
        let value = || String::from_utf8_lossy(header.as_bytes()).into_owned();
        if query.version().is_some() {
            return Err(AuthError::SeveralMechanisms { value: value() });
        }
        let Ok(text) = header.to_str() else {
            return Err(AuthError::UnsupportedAuthorization { value: value() });
        };
        let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        match scheme {
            ALGORITHM_V4 => header_v4(rest, parts).map(Some),
            "AWS" => header_v2(rest, parts).map(Some),
            _ if scheme.starts_with("AWS4-") => {
                Err(AuthError::UnsupportedAlgorithm { place: Place::Header, algorithm: scheme.to_owned() })
            }
            _ => Err(AuthError::UnsupportedAuthorization { value: value() }),
        }
    }

    pub const fn scheme(&self) -> Scheme {
        match &self.proof {
            Proof::V4(V4 { presigned: None, .. }) => Scheme::HeaderV4,
            Proof::V4(_) => Scheme::QueryV4,
            Proof::V2 { expires: None } => Scheme::HeaderV2,
            Proof::V2 { .. } => Scheme::QueryV2,
        }
    }

    /// Day, region and service that a version 4 signature names.
    pub const fn scope(&self) -> Option<&Scope<'a>> {
        match &self.proof {
            Proof::V4(v4) => Some(&v4.scope),
            Proof::V2 { .. } => None,
        }
    }

    /// Is the named header under the signature? Version 2 signs `x-amz-…` headers and no others of use.
    pub fn signs_header(&self, name: &str) -> bool {
        match &self.proof {
            Proof::V4(v4) => v4.signed_headers.split(';').any(|signed| signed.eq_ignore_ascii_case(name)),
            Proof::V2 { .. } => name.starts_with("x-amz-"),
        }
    }

    /// Proves that the holder of `context.secret` signed this request, for here and for now.
    pub fn verify(&self, parts: &Parts, context: &VerifyContext<'_>) -> Result<Verified, AuthError> {
        match &self.proof {
            Proof::V4(v4) => sigv4::verify(self, v4, parts, context),
            Proof::V2 { expires } => {
                sigv2::verify(self, expires.as_ref(), parts, context).map(|()| Verified { chunks: None })
            }
        }
    }
}

fn header_v4<'a>(components: &'a str, parts: &'a Parts) -> Result<Claim<'a>, AuthError> {
    let malformed = |why| AuthError::MalformedHeader { why };
    let (mut credential, mut signed_headers, mut signature) = (None, None, None);
    for component in components.split(',') {
        match component.trim().split_once('=') {
            Some(("Credential", value)) => credential.get_or_insert(value),
            Some(("SignedHeaders", value)) => signed_headers.get_or_insert(value),
            Some(("Signature", value)) => signature.get_or_insert(value),
            _ => continue,
        };
    }
    let (Some(credential), Some(signed_headers), Some(signature)) = (credential, signed_headers, signature) else {
        return Err(malformed(
            "the authorization header requires three components: Credential, SignedHeaders, and Signature.",
        ));
    };
    if signed_headers.split(';').count() > SIGNED_HEADERS_MAX {
        return Err(malformed("too many signed headers."));
    }
    if credential.contains([' ', '\t']) {
        let flaw = ScopeFlaw::Malformed { value: credential.to_owned() };
        return Err(AuthError::Scope { place: Place::Header, flaw });
    }
    let (access_key, scope) = Scope::parse(credential.into(), Place::Header)?;
    let stamp = header_text(parts, "x-amz-date")
        .or_else(|| header_text(parts, "date"))
        .and_then(Stamp::parse_any)
        .ok_or(AuthError::MissingDate)?;
    Ok(Claim {
        access_key,
        signature: signature.into(),
        session_token: header_text(parts, "x-amz-security-token").map(Cow::Borrowed),
        payload: PayloadHash::from_headers(&parts.headers)?,
        proof: Proof::V4(V4 { scope, stamp, signed_headers: signed_headers.into(), presigned: None }),
    })
}

fn header_v2<'a>(credential: &'a str, parts: &'a Parts) -> Result<Claim<'a>, AuthError> {
    let (access_key, signature) = credential.trim().rsplit_once(':').ok_or(AuthError::MalformedHeaderV2)?;
    if access_key.is_empty() || signature.is_empty() {
        return Err(AuthError::MalformedHeaderV2);
    }
    Ok(Claim {
        access_key: access_key.into(),
        signature: signature.into(),
        session_token: header_text(parts, "x-amz-security-token").map(Cow::Borrowed),
        payload: PayloadHash::from_headers(&parts.headers)?,
        proof: Proof::V2 { expires: None },
    })
}

fn header_text<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    parts.headers.get(name)?.to_str().ok()
}

/// The parameters of a presigned URL, undecoded.
#[derive(Debug, Default)]
struct QueryClaim<'a> {
    algorithm: Option<&'a str>,
    credential: Option<&'a str>,
    date: Option<&'a str>,
    expires_v4: Option<&'a str>,
    signed_headers: Option<&'a str>,
    signature_v4: Option<&'a str>,
    content_sha256: Option<&'a str>,
    security_token: Option<&'a str>,
    access_key_v2: Option<&'a str>,
    signature_v2: Option<&'a str>,
    expires_v2: Option<&'a str>,
}

impl<'a> QueryClaim<'a> {
    fn read(query: &'a str) -> Self {
        let mut claim = Self::default();
        for parameter in query.split('&') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let place = match name {
                "X-Amz-Algorithm" => &mut claim.algorithm,
                "X-Amz-Credential" => &mut claim.credential,
                "X-Amz-Date" => &mut claim.date,
                "X-Amz-Expires" => &mut claim.expires_v4,
                "X-Amz-SignedHeaders" => &mut claim.signed_headers,
                "X-Amz-Signature" => &mut claim.signature_v4,
                "X-Amz-Content-Sha256" => &mut claim.content_sha256,
                "X-Amz-Security-Token" | "x-amz-security-token" => &mut claim.security_token,
                "AWSAccessKeyId" => &mut claim.access_key_v2,
                "Signature" => &mut claim.signature_v2,
                "Expires" => &mut claim.expires_v2,
                _ => continue,
            };
            place.get_or_insert(value);
        }
        claim
    }

    /// Which version's parameters are there, if any.
    fn version(&self) -> Option<u8> {
        if self.algorithm.is_some() || self.credential.is_some() || self.signature_v4.is_some() {
            Some(4)
        } else if self.access_key_v2.is_some() || self.signature_v2.is_some() {
            Some(2)
        } else {
            None
        }
    }

    fn v4(&self, parts: &'a Parts) -> Result<Claim<'a>, AuthError> {
        let missing = || AuthError::InvalidQuery(QueryFlaw::MissingV4Parameter);
        let algorithm = decode(self.algorithm.ok_or_else(missing)?);
        if algorithm != ALGORITHM_V4 {
            return Err(AuthError::UnsupportedAlgorithm { place: Place::Query, algorithm: algorithm.into_owned() });
        }
        let (Some(credential), Some(signature), Some(date), Some(signed_headers), Some(expires)) =
            (self.credential, self.signature_v4, self.date, self.signed_headers, self.expires_v4)
        else {
            return Err(missing());
        };
        let (access_key, scope) = Scope::parse(decode(credential), Place::Query)?;
        let stamp = Stamp::parse(&decode(date)).ok_or(AuthError::InvalidQuery(QueryFlaw::Date))?;
        let expires_in_s = parse_expires(&decode(expires)).map_err(AuthError::InvalidQuery)?;
        let signed_headers = decode(signed_headers);
        if signed_headers.split(';').count() > SIGNED_HEADERS_MAX {
            return Err(missing());
        }
        let content_sha256 = self.content_sha256.map(decode);
        let payload = match PayloadHash::from_headers(&parts.headers)? {
            PayloadHash::Missing => match &content_sha256 {
                Some(text) => PayloadHash::parse(text.as_bytes())?,
                None => PayloadHash::Unsigned,
            },
            payload => payload,
        };
        Ok(Claim {
            access_key,
            signature: decode(signature),
            session_token: self.security_token.map(decode),
            payload,
            proof: Proof::V4(V4 { scope, stamp, signed_headers, presigned: Some((expires_in_s, content_sha256)) }),
        })
    }

    fn v2(&self, parts: &'a Parts) -> Result<Claim<'a>, AuthError> {
        let (Some(access_key), Some(signature), Some(expires)) =
            (self.access_key_v2, self.signature_v2, self.expires_v2)
        else {
            return Err(AuthError::InvalidQuery(QueryFlaw::MissingV2Parameter));
        };
        let expires = decode(expires);
        let seconds = expires
            .parse()
            .map_err(|_| AuthError::InvalidQuery(QueryFlaw::ExpiresNotSeconds { value: expires.to_string() }))?;
        Ok(Claim {
            access_key: decode(access_key),
            signature: decode(signature),
            session_token: self.security_token.map(decode),
            payload: PayloadHash::from_headers(&parts.headers)?,
            proof: Proof::V2 { expires: Some((expires, seconds)) },
        })
    }
}

fn decode(value: &str) -> Cow<'_, str> {
    percent_decode_str(value).decode_utf8_lossy()
}

fn parse_expires(text: &str) -> Result<u64, QueryFlaw> {
    let (digits, negative) = match text.strip_prefix('-') {
        Some(digits) => (digits, true),
        None => (text, false),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(QueryFlaw::ExpiresNotANumber);
    }
    if negative {
        return Err(QueryFlaw::ExpiresNegative);
    }
    // Digits that do not fit are longer than any limit.
    Ok(digits.parse().unwrap_or(u64::MAX))
}

/// Who a request says it is from and for, at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hint<'a> {
    /// As spelt in the request; a presigned URL may have it percent-encoded.
    pub access_key: &'a str,
    /// Service of the credential scope; version 2 names none.
    pub service: Option<&'a str>,
}

/// Finds the access key and the scope's service without verifying or allocating anything.
pub fn hint(parts: &Parts) -> Option<Hint<'_>> {
    if let Some(header) = parts.headers.get(AUTHORIZATION) {
        let text = header.to_str().ok()?.trim();
        if let Some(credential) = text.strip_prefix("AWS ") {
            let (access_key, _) = credential.trim().rsplit_once(':')?;
            return Some(Hint { access_key, service: None });
        }
        let mut components = text.split([' ', '\t', ',']);
        return components.find_map(|component| hint_of_credential(component.strip_prefix("Credential=")?));
    }
    parts.uri.query()?.split('&').find_map(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match name {
            "X-Amz-Credential" => hint_of_credential(value),
            "AWSAccessKeyId" => Some(Hint { access_key: value, service: None }),
            _ => None,
        }
    })
}

fn hint_of_credential(credential: &str) -> Option<Hint<'_>> {
    let parts = rsplit_slash(credential).and_then(|(rest, _terminal)| {
        let (rest, service) = rsplit_slash(rest)?;
        let (rest, _region) = rsplit_slash(rest)?;
        let (access_key, _date) = rsplit_slash(rest)?;
        Some(Hint { access_key, service: Some(service) })
    });
    // Not a credential, but the router may still know the key; the service will name the flaw.
    parts.or_else(|| {
        let access_key = credential.split(['/', '%']).next().filter(|key| !key.is_empty())?;
        Some(Hint { access_key, service: None })
    })
}

/// Splits at the last slash, plain or percent-encoded.
fn rsplit_slash(text: &str) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    for at in (0..bytes.len()).rev() {
        let length = match bytes[at..] {
            [b'/', ..] => 1,
            [b'%', b'2', b'F' | b'f', ..] => 3,
            _ => continue,
        };
        return Some((&text[..at], &text[at + length..]));
    }
    None
}
