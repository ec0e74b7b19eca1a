//! Signature Version 4, HMAC-SHA256: the proof of a header or of a presigned URL, for any service.
//!
//! Clients differ in what they sign where a URL has several spellings. The canonical spelling is tried first; only
//! where the request was spelt otherwise, that spelling is tried too. None of them names another resource.

use std::cell::RefCell;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::{constant_time, hmac};
use http::request::Parts;

use super::canonical::{self, Parameters, Plus};
use super::claim::{ALGORITHM_V4, Claim, V4};
use super::error::{AuthError, Mismatch, Place, QueryFlaw};
use super::payload::{EMPTY_SHA256, PayloadHash, UNSIGNED_PAYLOAD};
use super::scope::Scope;
use super::stamp::Stamp;
use super::{PathRule, Rules, Verified, VerifyContext, signing_key};
use crate::wire::aws_chunked::ChunkKey;

const MS_PER_SECOND: u64 = 1000;

/// Memory for canonical texts, kept per thread.
#[derive(Default)]
struct Scratch {
    request: Vec<u8>,
    string_to_sign: Vec<u8>,
    parameters: Parameters,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

/// Largest canonical request whose memory is kept for the next.
const SCRATCH_BYTES_KEPT: usize = 16 * 1024;

/// One way to spell the parts of a request that have several spellings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spelling {
    path_as_sent: bool,
    plus: Plus,
}

const CANONICAL: Spelling = Spelling { path_as_sent: false, plus: Plus::Space };

pub(super) fn verify(
    claim: &Claim<'_>,
    v4: &V4<'_>,
    parts: &Parts,
    context: &VerifyContext<'_>,
) -> Result<Verified, AuthError> {
    let place = if v4.presigned.is_some() { Place::Query } else { Place::Header };
    let rules = context.rules;
    v4.scope.check(rules, &v4.stamp, place)?;
    match v4.presigned {
        Some((expires_in_s, _)) => check_life(&v4.stamp, expires_in_s, context)?,
        None => check_skew(&v4.stamp, context)?,
    }
    if rules.strict_amz_headers {
        if claim.payload == PayloadHash::Missing {
            return Err(AuthError::MissingContentSha256);
        }
        let unsigned = canonical::unsigned_headers(&parts.headers, &v4.signed_headers, v4.presigned.is_some());
        if !unsigned.is_empty() {
            return Err(AuthError::UnsignedHeaders { names: unsigned.join(", ") });
        }
    }
    let chunks = check_signature(claim, v4, parts, context)?;
    Ok(Verified { chunks })
}

fn check_signature(
    claim: &Claim<'_>,
    v4: &V4<'_>,
    parts: &Parts,
    context: &VerifyContext<'_>,
) -> Result<Option<Box<ChunkKey>>, AuthError> {
    let body_hash = canonical::hex32(context.body_sha256.as_ref().unwrap_or(&EMPTY_SHA256));
    let payload = payload_text(v4, parts, context.rules, &body_hash);
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.write(v4, parts, context.rules.path, payload, CANONICAL);
        let key = signing_key::with(context.secret, &v4.scope, |key| {
            let mut matches = is_signed(key, &scratch.string_to_sign, &claim.signature);
            if !matches {
                matches = scratch.other_spelling_is_signed(claim, v4, parts, context, payload, key);
            }
            matches.then(|| matches!(claim.payload, PayloadHash::Streaming { signed: true, .. }).then(|| key.clone()))
        });
        let result = match key {
            Some(key) => Ok(key.map(|key| chunk_key(key, v4, &claim.signature))),
            None => Err(AuthError::SignatureDoesNotMatch(Box::new(Mismatch {
                access_key: claim.access_key.to_string(),
                string_to_sign: scratch.string_to_sign.clone(),
                signature_provided: claim.signature.to_string(),
                canonical_request: Some(scratch.request.clone()),
            }))),
        };
        scratch.trim();
        result
    })
}

fn chunk_key(key: hmac::Key, v4: &V4<'_>, signature: &str) -> Box<ChunkKey> {
    let mut scope = Vec::with_capacity(64);
    scope.extend_from_slice(v4.stamp.as_bytes());
    scope.push(b'\n');
    v4.scope.write(&mut scope);
    Box::new(ChunkKey::new(key, scope, signature))
}

/// Signature in lower-case hexadecimal over `text`, compared in constant time.
pub(super) fn is_signed(key: &hmac::Key, text: &[u8], signature: &str) -> bool {
    let tag = hmac::sign(key, text);
    constant_time::verify_slices_are_equal(&canonical::hex32(tag.as_ref()), signature.as_bytes()).is_ok()
}

impl Scratch {
    fn write(&mut self, v4: &V4<'_>, parts: &Parts, path: PathRule, payload: &[u8], spelling: Spelling) {
        let out = &mut self.request;
        out.clear();
        out.extend_from_slice(parts.method.as_str().as_bytes());
        out.push(b'\n');
        match (path, spelling.path_as_sent) {
            (PathRule::Verbatim, false) => canonical::path_verbatim(parts.uri.path(), out),
            (PathRule::Verbatim, true) => out.extend_from_slice(parts.uri.path().as_bytes()),
            (PathRule::NormalizedTwice, as_sent) => canonical::path_twice(parts.uri.path(), !as_sent, out),
        }
        out.push(b'\n');
        if let Some(query) = parts.uri.query() {
            let without = v4.presigned.is_some().then_some("X-Amz-Signature");
            self.parameters.write(query, without, spelling.plus, out);
        }
        out.push(b'\n');
        for name in v4.signed_headers.split(';') {
            canonical::header(parts, name, out);
        }
        out.push(b'\n');
        out.extend_from_slice(v4.signed_headers.as_bytes());
        out.push(b'\n');
        out.extend_from_slice(payload);
        write_string_to_sign(&v4.stamp, &v4.scope, out, &mut self.string_to_sign);
    }

    /// Tries the spellings that differ from the canonical one for this request; leaves the canonical one behind.
    fn other_spelling_is_signed(
        &mut self,
        claim: &Claim<'_>,
        v4: &V4<'_>,
        parts: &Parts,
        context: &VerifyContext<'_>,
        payload: &[u8],
        key: &hmac::Key,
    ) -> bool {
        let rule = context.rules.path;
        let has_plus = parts.uri.query().is_some_and(|query| query.contains('+'));
        let paths: &[bool] = if path_has_other_spelling(parts.uri.path(), rule) { &[false, true] } else { &[false] };
        let pluses: &[Plus] = if has_plus { &[Plus::Space, Plus::Literal] } else { &[Plus::Space] };
        for &path_as_sent in paths {
            for &plus in pluses {
                let spelling = Spelling { path_as_sent, plus };
                if spelling == CANONICAL {
                    continue;
                }
                self.write(v4, parts, rule, payload, spelling);
                if is_signed(key, &self.string_to_sign, &claim.signature) {
                    return true;
                }
            }
        }
        if paths.len() * pluses.len() > 1 {
            self.write(v4, parts, rule, payload, CANONICAL);
        }
        false
    }

    fn trim(&mut self) {
        if self.request.capacity() > SCRATCH_BYTES_KEPT {
            *self = Self::default();
        }
    }
}

fn path_has_other_spelling(raw: &str, rule: PathRule) -> bool {
    let mut canonical = Vec::with_capacity(raw.len());
    let mut as_sent = Vec::new();
    match rule {
        PathRule::Verbatim => {
            canonical::path_verbatim(raw, &mut canonical);
            as_sent.extend_from_slice(raw.as_bytes());
        }
        PathRule::NormalizedTwice => {
            canonical::path_twice(raw, true, &mut canonical);
            canonical::path_twice(raw, false, &mut as_sent);
        }
    }
    canonical != as_sent
}

fn write_string_to_sign(stamp: &Stamp, scope: &Scope<'_>, request: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(ALGORITHM_V4.as_bytes());
    out.push(b'\n');
    out.extend_from_slice(stamp.as_bytes());
    out.push(b'\n');
    scope.write(out);
    out.push(b'\n');
    canonical::push_hex(digest(&SHA256, request).as_ref(), out);
}

/// The last line of the canonical request.
fn payload_text<'t>(v4: &'t V4<'_>, parts: &'t Parts, rules: &Rules<'_>, body_hash: &'t [u8]) -> &'t [u8] {
    let header = parts.headers.get("x-amz-content-sha256").map(http::HeaderValue::as_bytes);
    match (&v4.presigned, header) {
        (None, Some(text)) => text.trim_ascii(),
        (Some(_), Some(text)) if v4.signed_headers.split(';').any(|name| name == "x-amz-content-sha256") => {
            text.trim_ascii()
        }
        (Some((_, Some(text))), _) => text.as_bytes(),
        (Some(_), _) if rules.strict_amz_headers => UNSIGNED_PAYLOAD.as_bytes(),
        _ => body_hash,
    }
}

fn check_skew(stamp: &Stamp, context: &VerifyContext<'_>) -> Result<(), AuthError> {
    let skew_ms = context.rules.skew_ms;
    let latest = context.now.0.saturating_add(skew_ms);
    let earliest = context.now.0.saturating_sub(context.clock_ahead_ms).saturating_sub(skew_ms);
    if (earliest..=latest).contains(&stamp.time.0) {
        return Ok(());
    }
    Err(AuthError::RequestTimeTooSkewed {
        request_time: stamp.as_str().to_owned(),
        server_time: context.now,
        max_skew_ms: skew_ms,
    })
}

fn check_life(stamp: &Stamp, expires_in_s: u64, context: &VerifyContext<'_>) -> Result<(), AuthError> {
    let rules = context.rules;
    if expires_in_s > rules.presign_max_s {
        return Err(AuthError::InvalidQuery(QueryFlaw::ExpiresTooLong { max_s: rules.presign_max_s }));
    }
    if stamp.time > context.now.plus_millis(rules.skew_ms) {
        return Err(AuthError::NotYetValid { valid_from: stamp.time, expires_in_s, now: context.now });
    }
    let expires = stamp.time.plus_millis(expires_in_s.saturating_mul(MS_PER_SECOND));
    if context.now > expires {
        return Err(AuthError::Expired { expires, expires_in_s: Some(expires_in_s), now: context.now });
    }
    Ok(())
}
