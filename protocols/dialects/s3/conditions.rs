//! Conditional headers: on reads, on writes, on a copy's source and on its destination.

use http::header::{HeaderMap, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
use storage::Timestamp;
use storage::objects::Conditions;

use super::dates;
use super::dialect::Dialect;
use super::error::{Code, invalid_argument};
use crate::fault::WireError;

/// Conditions of GET and HEAD.
pub fn of_read(headers: &HeaderMap) -> Conditions {
    let mut conditions = Conditions::default();
    if headers.contains_key(IF_MATCH) {
        conditions.if_match = Some(etags(headers, IF_MATCH.as_str()));
    }
    if headers.contains_key(IF_NONE_MATCH) {
        conditions.if_none_match = Some(etags(headers, IF_NONE_MATCH.as_str()));
    }
    conditions.if_modified_since = date(headers, IF_MODIFIED_SINCE.as_str());
    conditions.if_unmodified_since = date(headers, IF_UNMODIFIED_SINCE.as_str());
    conditions
}

/// Conditions of PutObject and CompleteMultipartUpload.
pub fn of_write(headers: &HeaderMap, dialect: &Dialect) -> Result<Conditions, WireError> {
    if dialect.full_write_conditions {
        return Ok(of_read(headers));
    }
    let mut conditions = Conditions::default();
    if headers.contains_key(IF_MATCH) {
        conditions.if_match = Some(etags(headers, IF_MATCH.as_str()));
    }
    if let Some(value) = headers.get(IF_NONE_MATCH) {
        if value.as_bytes().trim_ascii() != b"*" {
            return Err(Code::NotImplemented.error().field("Header", "If-None-Match"));
        }
        if conditions.if_match.is_some() {
            return Err(Code::NotImplemented.error().field("Header", "If-Match,If-None-Match"));
        }
        conditions.if_none_match = Some(vec!["*".to_owned()]);
    }
    Ok(conditions)
}

/// Conditions of DeleteObject.
pub fn of_delete(headers: &HeaderMap) -> Result<Conditions, WireError> {
    let mut conditions = Conditions::default();
    if headers.contains_key(IF_MATCH) {
        conditions.if_match = Some(etags(headers, IF_MATCH.as_str()));
    }
    conditions.if_unmodified_since = date(headers, "x-amz-if-match-last-modified-time");
    if let Some(size) = headers.get("x-amz-if-match-size") {
        let text = size.to_str().unwrap_or_default();
        let size = text.parse().map_err(|_| invalid_argument("Invalid size", "x-amz-if-match-size", text))?;
        conditions.if_size = Some(size);
    }
    Ok(conditions)
}

/// `x-amz-copy-source-if-*`.
pub fn of_copy_source(headers: &HeaderMap) -> Conditions {
    prefixed(headers, "x-amz-copy-source-")
}

/// Conditions on a copy's destination: S3's own, and those of providers that have headers for it.
pub fn of_copy_destination(headers: &HeaderMap, dialect: &Dialect) -> Result<Conditions, WireError> {
    match dialect.copy_destination {
        Some(prefix) => Ok(prefixed(headers, prefix)),
        None => of_write(headers, dialect),
    }
}

fn prefixed(headers: &HeaderMap, prefix: &str) -> Conditions {
    let list = |name: &str| {
        let name = format!("{prefix}{name}");
        headers.contains_key(&name).then(|| etags(headers, &name))
    };
    let moment = |name: &str| date(headers, &format!("{prefix}{name}"));
    Conditions {
        if_match: list("if-match"),
        if_none_match: list("if-none-match"),
        if_modified_since: moment("if-modified-since"),
        if_unmodified_since: moment("if-unmodified-since"),
        if_size: None,
    }
}

/// The ETags of a list, without quotes and weakness.
pub fn etags(headers: &HeaderMap, name: &str) -> Vec<String> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(|etag| unquoted(etag).to_owned())
        .filter(|etag| !etag.is_empty())
        .collect()
}

pub fn unquoted(etag: &str) -> &str {
    let etag = etag.trim();
    let etag = etag.strip_prefix("W/").unwrap_or(etag);
    etag.strip_prefix('"').and_then(|etag| etag.strip_suffix('"')).unwrap_or(etag)
}

/// A date that can't be read is no condition.
fn date(headers: &HeaderMap, name: &str) -> Option<Timestamp> {
    dates::parse_http(headers.get(name)?.to_str().ok()?)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    fn check_etags(value: &'static str, want: &[&str]) {
        assert_eq!(etags(&headers(&[("if-match", value)]), "if-match"), want, "{value}");
    }

    #[test]
    fn etag_lists() {
        check_etags("\"a\"", &["a"]);
        check_etags("a", &["a"]);
        check_etags("\"a\", W/\"b\" ,c", &["a", "b", "c"]);
        check_etags("*", &["*"]);
        check_etags("", &[]);
    }

    #[test]
    fn writes() {
        let s3 = &crate::aws::s3::DIALECT;
        let r2 = &crate::cloudflare::r2::DIALECT;
        let list = headers(&[("if-none-match", "\"a\"")]);
        assert_eq!(of_write(&list, s3).expect_err("S3 takes * alone").code, "NotImplemented");
        assert_eq!(of_write(&list, r2).expect("R2 takes lists").if_none_match, Some(vec!["a".to_owned()]));
        let both = headers(&[("if-match", "\"a\""), ("if-none-match", "*")]);
        assert_eq!(of_write(&both, s3).expect_err("one at a time").code, "NotImplemented");
        assert!(of_write(&both, r2).is_ok());
        let date = headers(&[("if-unmodified-since", "Thu, 01 Jan 1970 00:00:01 GMT")]);
        assert_eq!(of_write(&date, s3).expect("ignored").if_unmodified_since, None);
        assert_eq!(of_write(&date, r2).expect("read").if_unmodified_since, Some(Timestamp(1000)));
    }

    #[test]
    fn copies() {
        let both = headers(&[
            ("x-amz-copy-source-if-match", "\"a\""),
            ("cf-copy-destination-if-none-match", "*"),
            ("if-modified-since", "Thu, 01 Jan 1970 00:00:01 GMT"),
        ]);
        assert_eq!(of_copy_source(&both).if_match, Some(vec!["a".to_owned()]));
        let destination = of_copy_destination(&both, &crate::cloudflare::r2::DIALECT).expect("read");
        assert_eq!(destination.if_none_match, Some(vec!["*".to_owned()]));
        assert_eq!(destination.if_modified_since, None);
    }
}
