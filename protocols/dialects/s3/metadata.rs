//! Standard headers and user metadata: from a write's headers into attributes, and from an object back out.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, ETAG, EXPIRES,
    HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED,
};
use storage::objects::{Attributes, ObjectInfo};

use super::acl::{ACL, Canned};
use super::context::Context;
use super::dates;
use super::dialect::Dialect;
use super::error::{Code, invalid_argument};
use crate::fault::WireError;

const PREFIX: &str = "x-amz-meta-";
const STORAGE_CLASS: HeaderName = HeaderName::from_static("x-amz-storage-class");
const REDIRECT: HeaderName = HeaderName::from_static("x-amz-website-redirect-location");
const ENCRYPTION: HeaderName = HeaderName::from_static("x-amz-server-side-encryption");
const TAGGING_COUNT: HeaderName = HeaderName::from_static("x-amz-tagging-count");
const MISSING_META: HeaderName = HeaderName::from_static("x-amz-missing-meta");
/// What S3 says an object is whose writer did not.
pub const DEFAULT_CONTENT_TYPE: &str = "binary/octet-stream";
/// Codings that are the transfer's and not the object's.
const TRANSFER_CODING: &str = "aws-chunked";

/// Reads the attributes a write sets.
pub fn from_headers(cx: &Context<'_>) -> Result<Attributes, WireError> {
    let headers = &cx.parts.headers;
    let text = |name: &HeaderName| headers.get(name).map(text_of);
    let mut attributes = Attributes {
        content_type: text(&CONTENT_TYPE).filter(|value| !value.is_empty()),
        cache_control: text(&CACHE_CONTROL),
        content_disposition: text(&CONTENT_DISPOSITION),
        content_encoding: text(&CONTENT_ENCODING).and_then(|value| without_transfer_coding(&value)),
        content_language: text(&CONTENT_LANGUAGE),
        expires: text(&EXPIRES),
        storage_class: storage_class(headers, cx.dialect)?,
        website_redirect: text(&REDIRECT),
        metadata: user_metadata(headers, cx.dialect)?,
        extra: BTreeMap::new(),
    };
    check_encryption(headers, cx.dialect)?;
    let owner = cx.sender.account().map(|account| cx.owner(account));
    if headers.keys().any(|name| name.as_str().starts_with("x-amz-acl") || name.as_str().starts_with("x-amz-grant-")) {
        let nobody = super::dialect::Owner { id: String::new(), display_name: None };
        if let Some(acl) = Canned::from_headers(headers, cx.dialect, owner.as_ref().unwrap_or(&nobody))? {
            attributes.extra.insert(ACL.to_owned(), acl.name().to_owned());
        }
    }
    Ok(attributes)
}

/// A header's bytes as text; what is not UTF-8 is read as Latin-1, which is what HTTP once said.
fn text_of(value: &HeaderValue) -> String {
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => text.to_owned(),
        Err(_) => value.as_bytes().iter().copied().map(char::from).collect(),
    }
}

fn without_transfer_coding(value: &str) -> Option<String> {
    if !value.contains(TRANSFER_CODING) {
        return Some(value.to_owned());
    }
    let kept: Vec<_> =
        value.split(',').map(str::trim).filter(|coding| !coding.is_empty() && *coding != TRANSFER_CODING).collect();
    (!kept.is_empty()).then(|| kept.join(","))
}

/// `None` for the standard class, which objects don't mention.
pub fn storage_class(headers: &HeaderMap, dialect: &Dialect) -> Result<Option<String>, WireError> {
    let Some(value) = headers.get(STORAGE_CLASS) else { return Ok(None) };
    let class = value.to_str().unwrap_or_default();
    if !dialect.storage_classes.contains(&class) {
        return Err(Code::InvalidStorageClass.error().field("StorageClassRequested", class));
    }
    Ok((class != "STANDARD").then(|| class.to_owned()))
}

/// Objects lie in the clear here; what S3 would encrypt by itself is allowed, keys of the client's are not.
fn check_encryption(headers: &HeaderMap, dialect: &Dialect) -> Result<(), WireError> {
    if headers.contains_key("x-amz-server-side-encryption-customer-algorithm")
        || headers.contains_key("x-amz-copy-source-server-side-encryption-customer-algorithm")
    {
        return Err(Code::NotImplemented
            .say((dialect.not_implemented)("SSE-C"))
            .field("Header", "x-amz-server-side-encryption-customer-algorithm"));
    }
    match headers.get(ENCRYPTION).map(HeaderValue::as_bytes) {
        None | Some(b"AES256") => Ok(()),
        Some(b"aws:kms" | b"aws:kms:dsse") => {
            Err(Code::NotImplemented.say((dialect.not_implemented)("SSE-KMS")).field("Header", ENCRYPTION.as_str()))
        }
        Some(other) => Err(invalid_argument(
            "The encryption method specified is not supported",
            ENCRYPTION.as_str(),
            &String::from_utf8_lossy(other),
        )),
    }
}

fn user_metadata(headers: &HeaderMap, dialect: &Dialect) -> Result<BTreeMap<String, String>, WireError> {
    let mut metadata = BTreeMap::new();
    let mut bytes = 0;
    for name in headers.keys() {
        let Some(short) = name.as_str().strip_prefix(PREFIX) else { continue };
        let mut joined = String::new();
        for (at, value) in headers.get_all(name).iter().enumerate() {
            if at > 0 {
                joined.push(',');
            }
            joined.push_str(text_of(value).trim());
        }
        if dialect.rfc2047 {
            joined = decode_rfc2047(&joined);
        }
        bytes += short.len() + joined.len();
        metadata.insert(short.to_owned(), joined);
    }
    if bytes > dialect.metadata_bytes_max {
        return Err(Code::MetadataTooLarge
            .error()
            .field("Size", bytes.to_string())
            .field("MaxSizeAllowed", dialect.metadata_bytes_max.to_string()));
    }
    Ok(metadata)
}

/// Checks metadata that came by another way than headers (a form).
pub fn check_bytes(metadata: &BTreeMap<String, String>, dialect: &Dialect) -> Result<(), WireError> {
    let bytes: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > dialect.metadata_bytes_max {
        return Err(Code::MetadataTooLarge
            .error()
            .field("Size", bytes.to_string())
            .field("MaxSizeAllowed", dialect.metadata_bytes_max.to_string()));
    }
    Ok(())
}

/// Decodes `=?utf-8?B?…?=` and `=?utf-8?Q?…?=` words; anything else stays as it is.
fn decode_rfc2047(text: &str) -> String {
    if !text.contains("=?") {
        return text.to_owned();
    }
    let words: Option<Vec<String>> = text.split_ascii_whitespace().map(decode_word).collect();
    words.map_or_else(|| text.to_owned(), |words| words.concat())
}

fn decode_word(word: &str) -> Option<String> {
    let inner = word.strip_prefix("=?")?.strip_suffix("?=")?;
    let mut fields = inner.splitn(3, '?');
    let (charset, encoding, text) = (fields.next()?, fields.next()?, fields.next()?);
    if !charset.eq_ignore_ascii_case("utf-8") && !charset.eq_ignore_ascii_case("us-ascii") {
        return None;
    }
    let bytes = match encoding {
        "B" | "b" => BASE64.decode(text.as_bytes()).ok()?,
        "Q" | "q" => quoted_printable(text)?,
        _ => return None,
    };
    String::from_utf8(bytes).ok()
}

fn quoted_printable(text: &str) -> Option<Vec<u8>> {
    let spaced = text.replace('_', " ");
    let mut bytes = Vec::with_capacity(spaced.len());
    let mut rest = spaced.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'=' {
            bytes.push(byte);
            continue;
        }
        let (digits, tail) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = tail;
    }
    Some(bytes)
}

/// A value for a header: as it is, or, where HTTP can't carry it, as an RFC 2047 word.
fn header_value(text: &str) -> Option<HeaderValue> {
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte) || byte == b'\t') {
        return HeaderValue::from_str(text).ok();
    }
    HeaderValue::try_from(format!("=?UTF-8?B?{}?=", BASE64.encode(text.as_bytes()))).ok()
}

/// Writes what GET and HEAD say of an object, but for its length and checksum.
pub fn to_headers(object: &ObjectInfo, dialect: &Dialect, headers: &mut HeaderMap) {
    let attributes = &object.attributes;
    headers.insert(LAST_MODIFIED, dates::http_date(object.modified));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(ETAG, etag(&object.etag));
    let content_type = attributes.content_type.as_deref().unwrap_or(DEFAULT_CONTENT_TYPE);
    insert(headers, CONTENT_TYPE, Some(content_type));
    insert(headers, CACHE_CONTROL, attributes.cache_control.as_deref());
    insert(headers, CONTENT_DISPOSITION, attributes.content_disposition.as_deref());
    insert(headers, CONTENT_ENCODING, attributes.content_encoding.as_deref());
    insert(headers, CONTENT_LANGUAGE, attributes.content_language.as_deref());
    insert(headers, EXPIRES, attributes.expires.as_deref());
    insert(headers, STORAGE_CLASS, attributes.storage_class.as_deref());
    insert(headers, REDIRECT, attributes.website_redirect.as_deref());
    encryption(dialect, headers);
    if !object.tags.is_empty() {
        headers.insert(TAGGING_COUNT, object.tags.len().into());
    }
    let mut missing = 0_usize;
    for (name, value) in &attributes.metadata {
        match (HeaderName::try_from(format!("{PREFIX}{name}")), header_value(value)) {
            (Ok(name), Some(value)) => {
                headers.append(name, value);
            }
            _ => missing += 1,
        }
    }
    if missing > 0 {
        headers.insert(MISSING_META, missing.into());
    }
}

pub fn encryption(dialect: &Dialect, headers: &mut HeaderMap) {
    if let Some(algorithm) = dialect.encryption {
        headers.insert(ENCRYPTION, HeaderValue::from_static(algorithm));
    }
}

pub fn etag(etag: &str) -> HeaderValue {
    let mut quoted = String::with_capacity(etag.len() + 2);
    quoted.push('"');
    quoted.push_str(etag);
    quoted.push('"');
    HeaderValue::try_from(quoted).unwrap_or(HeaderValue::from_static(""))
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: Option<&str>) {
    if let Some(value) = value.and_then(raw_header_value) {
        headers.insert(name, value);
    }
}

/// Standard headers go back as the bytes they came in.
fn raw_header_value(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_bytes(text.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_coding(value: &str, want: Option<&str>) {
        assert_eq!(without_transfer_coding(value).as_deref(), want, "{value}");
    }

    #[test]
    fn codings() {
        check_coding("gzip", Some("gzip"));
        check_coding("aws-chunked", None);
        check_coding("aws-chunked,gzip", Some("gzip"));
        check_coding("gzip, aws-chunked", Some("gzip"));
        check_coding("", Some(""));
    }

    fn check_word(text: &str, want: &str) {
        assert_eq!(decode_rfc2047(text), want);
    }

    #[test]
    fn encoded_words() {
        check_word("plain", "plain");
        check_word("=?UTF-8?B?w6TDtg==?=", "äö");
        check_word("=?utf-8?Q?a=C3=A4_b?=", "aä b");
        check_word("=?UTF-8?B?w6Q=?= =?UTF-8?B?w7Y=?=", "äö");
        check_word("=?UTF-8?X?w6Q=?=", "=?UTF-8?X?w6Q=?=");
        check_word("=?latin1?B?5A==?=", "=?latin1?B?5A==?=");
        check_word("=?broken", "=?broken");
    }

    #[test]
    fn metadata_goes_out_as_http_can_carry_it() {
        assert_eq!(header_value("plain text").expect("fits"), "plain text");
        assert_eq!(header_value("äö").expect("fits"), "=?UTF-8?B?w6TDtg==?=");
    }

    #[test]
    fn metadata_is_bounded() {
        let dialect = &crate::aws::s3::DIALECT;
        let of = |bytes: usize| {
            let mut headers = HeaderMap::new();
            let value = HeaderValue::try_from("v".repeat(bytes - 1)).expect("a value");
            headers.insert("x-amz-meta-k", value);
            user_metadata(&headers, dialect).map(|metadata| metadata.len()).map_err(|error| error.code)
        };
        assert_eq!(of(2048), Ok(1));
        assert_eq!(of(2049), Err("MetadataTooLarge".into()));
    }
}
