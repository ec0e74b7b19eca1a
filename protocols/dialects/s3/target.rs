//! The bucket and key a request names: from the path after the routing prefix, and from what stood before
//! the host. Keys are literal: `//`, `.`, `..` and `%2F` mean bytes, never a place in a tree.

use std::borrow::Cow;

use super::dialect::Dialect;
use super::error::Code;
use super::operation::Resource;
use crate::fault::WireError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    pub bucket: Option<Cow<'a, str>>,
    pub key: Option<Cow<'a, str>>,
    /// The bucket stood in the host name.
    pub virtual_host: bool,
}

impl<'a> Target<'a> {
    /// `path`: undecoded, after the routing prefix. `front`: what stood before the service's host.
    pub fn parse(dialect: &Dialect, path: &'a str, front: Option<&'a str>) -> Result<Self, WireError> {
        let path = path.strip_prefix('/').unwrap_or(path);
        if let Some(bucket) = front.and_then(|front| dialect.bucket_of_front(front)) {
            let key = (!path.is_empty()).then(|| decode(path)).transpose()?;
            return Ok(Self { bucket: Some(Cow::Borrowed(bucket)), key, virtual_host: true });
        }
        if path.is_empty() {
            return Ok(Self { bucket: None, key: None, virtual_host: false });
        }
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        if bucket.is_empty() {
            return Err(Code::InvalidBucketName.error().field("BucketName", ""));
        }
        let key = (!key.is_empty()).then(|| decode(key)).transpose()?;
        Ok(Self { bucket: Some(decode(bucket)?), key, virtual_host: false })
    }

    pub fn resource(&self) -> Resource {
        match (&self.bucket, &self.key) {
            (None, _) => Resource::Service,
            (_, None) => Resource::Bucket,
            _ => Resource::Object,
        }
    }
}

/// Decodes percent escapes; an incomplete escape, or bytes that are not UTF-8, are no URI of S3's.
pub fn decode(raw: &str) -> Result<Cow<'_, str>, WireError> {
    if !raw.contains('%') {
        return Ok(Cow::Borrowed(raw));
    }
    let invalid = || Code::InvalidURI.error().field("URI", raw);
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let [high, low, tail @ ..] = rest else { return Err(invalid()) };
        let (Some(high), Some(low)) = (hex(*high), hex(*low)) else { return Err(invalid()) };
        bytes.push(high << 4 | low);
        rest = tail;
    }
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| invalid())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, front: Option<&str>, want: Result<(Option<&str>, Option<&str>), &str>) {
        let got = Target::parse(&crate::aws::s3::DIALECT, path, front);
        let got = got
            .as_ref()
            .map(|target| (target.bucket.as_deref(), target.key.as_deref()))
            .map_err(|error| error.code.as_ref());
        assert_eq!(got, want, "{path} {front:?}");
    }

    #[test]
    fn targets() {
        check("/", None, Ok((None, None)));
        check("", None, Ok((None, None)));
        check("/b", None, Ok((Some("b"), None)));
        check("/b/", None, Ok((Some("b"), None)));
        check("/b/k", None, Ok((Some("b"), Some("k"))));
        check("/b//k//", None, Ok((Some("b"), Some("/k//"))));
        check("/b/../x/./y", None, Ok((Some("b"), Some("../x/./y"))));
        check("/b/%2e%2E%2fetc", None, Ok((Some("b"), Some("../etc"))));
        check("/b/a+b%20c%2B", None, Ok((Some("b"), Some("a+b c+"))));
        check("/b/%E2%82%AC", None, Ok((Some("b"), Some("€"))));
        check("/b/%00", None, Ok((Some("b"), Some("\0"))));
        check("/k", Some("bucket"), Ok((Some("bucket"), Some("k"))));
        check("/a/b", Some("bucket"), Ok((Some("bucket"), Some("a/b"))));
        check("//a", Some("bucket"), Ok((Some("bucket"), Some("/a"))));
        check("/", Some("bucket"), Ok((Some("bucket"), None)));
        check("//", None, Err("InvalidBucketName"));
        check("/b/%ff", None, Err("InvalidURI"));
        check("/b/%f", None, Err("InvalidURI"));
        check("/b/%zz", None, Err("InvalidURI"));
    }
}
