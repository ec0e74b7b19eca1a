//! Signature Version 2 of S3, HMAC-SHA1: `Authorization: AWS key:signature`, and presigned URLs with
//! `AWSAccessKeyId`, `Signature` and `Expires` (what boto3 presigns with by default for a custom endpoint).
//!
//! What a client takes for the path of the resource differs: with or without the endpoint's own path, with the bucket
//! of the host in front, a lone bucket with or without a slash. Each spelling tried here names the same resource.

use std::borrow::Cow;

use aws_lc_rs::{constant_time, hmac};
use http::request::Parts;
use percent_encoding::percent_decode_str;

use super::canonical;
use super::claim::Claim;
use super::error::{AuthError, Mismatch};
use super::stamp::{self, Stamp};
use super::{VerifyContext, stamp::STAMP_BYTES};
use storage::Timestamp;

const MS_PER_SECOND: u64 = 1000;

/// Query parameters that name a part of the resource and so are signed. In order.
const SUB_RESOURCES: [&str; 36] = [
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "defaultObjectAcl",
    "delete",
    "inventory",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "partNumber",
    "policy",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "select",
    "select-type",
    "storageClass",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
    "websiteConfig",
];

/// Where `x-amz-…`, `Content-Type` and `Content-MD5` are read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fields {
    Headers,
    /// botocore moves what it signed as headers into the URL.
    HeadersThenQuery,
}

pub(super) fn verify(
    claim: &Claim<'_>,
    expires: Option<&(Cow<'_, str>, u64)>,
    parts: &Parts,
    context: &VerifyContext<'_>,
) -> Result<(), AuthError> {
    if !context.rules.version2 {
        return Err(AuthError::Version2Refused);
    }
    let date = match expires {
        Some((text, seconds)) => {
            let expires = Timestamp(seconds.saturating_mul(MS_PER_SECOND));
            if context.now > expires {
                return Err(AuthError::Expired { expires, expires_in_s: None, now: context.now });
            }
            text
        }
        None => check_date(parts, context)?,
    };
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, context.secret.as_bytes());
    let fields: &[Fields] =
        if expires.is_some() { &[Fields::Headers, Fields::HeadersThenQuery] } else { &[Fields::Headers] };
    let mut first = None;
    for &fields in fields {
        let head = write_head(parts, date, fields);
        for path in resource_paths(parts.uri.path(), context) {
            let mut text = head.clone();
            write_resource(&path, parts.uri.query().unwrap_or_default(), &mut text);
            if is_signed(&key, &text, &claim.signature) {
                return Ok(());
            }
            first.get_or_insert(text);
        }
    }
    Err(AuthError::SignatureDoesNotMatch(Box::new(Mismatch {
        access_key: claim.access_key.to_string(),
        string_to_sign: first.unwrap_or_default(),
        signature_provided: claim.signature.to_string(),
        canonical_request: None,
    })))
}

/// Base64 of HMAC-SHA1, compared in constant time.
pub(super) fn is_signed(key: &hmac::Key, text: &[u8], signature: &str) -> bool {
    let computed = data_encoding::BASE64.encode(hmac::sign(key, text).as_ref());
    constant_time::verify_slices_are_equal(computed.as_bytes(), signature.as_bytes()).is_ok()
}

/// The text of the `Date` line: empty where `x-amz-date` stands among the signed headers.
fn check_date<'p>(parts: &'p Parts, context: &VerifyContext<'_>) -> Result<&'p str, AuthError> {
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let (sent, line) = match text("x-amz-date") {
        Some(sent) => (sent, ""),
        None => text("date").map(|sent| (sent, sent)).ok_or(AuthError::MissingDate)?,
    };
    let time = if sent.len() == STAMP_BYTES { Stamp::parse(sent).map(|stamp| stamp.time) } else { None };
    let time = time.or_else(|| stamp::parse_date(sent)).ok_or(AuthError::MissingDate)?;
    let skew_ms = context.rules.skew_ms;
    let latest = context.now.0.saturating_add(skew_ms);
    let earliest = context.now.0.saturating_sub(context.clock_ahead_ms).saturating_sub(skew_ms);
    if !(earliest..=latest).contains(&time.0) {
        return Err(AuthError::RequestTimeTooSkewed {
            request_time: sent.to_owned(),
            server_time: context.now,
            max_skew_ms: skew_ms,
        });
    }
    Ok(line)
}

/// Method, standard headers and `x-amz-…` headers.
fn write_head(parts: &Parts, date: &str, fields: Fields) -> Vec<u8> {
    let query = match fields {
        Fields::Headers => "",
        Fields::HeadersThenQuery => parts.uri.query().unwrap_or_default(),
    };
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(parts.method.as_str().as_bytes());
    out.push(b'\n');
    for name in ["content-md5", "content-type"] {
        match parts.headers.get(name) {
            Some(value) => out.extend_from_slice(value.as_bytes().trim_ascii()),
            None => {
                if let Some((_, value)) = parameters(query).find(|(key, _)| key.eq_ignore_ascii_case(name)) {
                    out.extend_from_slice(value.trim().as_bytes());
                }
            }
        }
        out.push(b'\n');
    }
    out.extend_from_slice(date.as_bytes());
    out.push(b'\n');
    write_amz_headers(parts, query, &mut out);
    out
}

fn write_amz_headers(parts: &Parts, query: &str, out: &mut Vec<u8>) {
    let mut lines: Vec<(String, Vec<u8>)> = Vec::new();
    for name in parts.headers.keys().map(http::HeaderName::as_str).filter(|name| name.starts_with("x-amz-")) {
        // Unlike version 4, blanks within a value stay as they are.
        let values: Vec<&[u8]> =
            parts.headers.get_all(name).iter().map(|value| value.as_bytes().trim_ascii()).collect();
        let line = [name.as_bytes(), b":", &values.join(&b","[..]), b"\n"].concat();
        lines.push((name.to_owned(), line));
    }
    for (name, value) in parameters(query) {
        let name = name.to_ascii_lowercase();
        if name.starts_with("x-amz-") && !lines.iter().any(|(present, _)| *present == name) {
            let line = format!("{name}:{}\n", value.trim()).into_bytes();
            lines.push((name, line));
        }
    }
    lines.sort_unstable();
    for (_, line) in lines {
        out.extend_from_slice(&line);
    }
}

fn parameters(query: &str) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
    query.split('&').filter_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        Some((name, percent_decode_str(value).decode_utf8_lossy()))
    })
}

/// Every spelling of the resource's path that a client may have signed; the most usual first.
fn resource_paths(raw: &str, context: &VerifyContext<'_>) -> Vec<Vec<u8>> {
    let own = raw.get(context.prefix..).filter(|own| own.starts_with('/')).unwrap_or(raw);
    let own = if raw.len() == context.prefix { "/" } else { own };
    let mut paths: Vec<Vec<u8>> = Vec::with_capacity(4);
    let mut add = |path: Vec<u8>| {
        if !paths.contains(&path) {
            paths.push(path);
        }
    };
    for spelling in [own, raw] {
        let mut path = Vec::with_capacity(64);
        if let Some(bucket) = context.bucket_in_host {
            path.push(b'/');
            path.extend_from_slice(bucket.as_bytes());
        }
        let mut encoded = path.clone();
        canonical::path_verbatim(spelling, &mut encoded);
        path.extend_from_slice(spelling.as_bytes());
        add(path);
        add(encoded);
    }
    let is_lone_bucket = context.bucket_in_host.is_none() && own.len() > 1 && !own[1..].contains('/');
    if is_lone_bucket {
        add(format!("{own}/").into_bytes());
        add(format!("{raw}/").into_bytes());
    }
    paths
}

fn write_resource(path: &[u8], query: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(path);
    let mut signed: Vec<(&str, Option<Cow<'_, str>>)> = query
        .split('&')
        .map(|parameter| match parameter.split_once('=') {
            Some((name, value)) => (name, Some(percent_decode_str(value).decode_utf8_lossy())),
            None => (parameter, None),
        })
        .filter(|(name, _)| SUB_RESOURCES.binary_search(name).is_ok())
        .collect();
    signed.sort_by_key(|(name, _)| *name);
    for (index, (name, value)) in signed.into_iter().enumerate() {
        out.push(if index == 0 { b'?' } else { b'&' });
        out.extend_from_slice(name.as_bytes());
        if let Some(value) = value {
            out.push(b'=');
            out.extend_from_slice(value.as_bytes());
        }
    }
}
