//! AWS Signature Version 4 from the client's side: builds whole, signed HTTP/1.1 request heads.
//!
//! Written apart from the appliance's verifier on purpose: two readings of the specification that agree.

use std::fmt::Write as _;
use std::net::SocketAddr;

use aws_lc_rs::{digest, hmac};
use data_encoding::{BASE64, HEXLOWER};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// What of the body is signed.
#[derive(Clone, Debug)]
pub enum Payload {
    /// No body.
    Empty,
    /// The body's SHA-256 is signed, its CRC32 is in a header: what SDKs send over HTTP.
    Hashed { len: usize, sha256: String, crc32: String },
    /// `UNSIGNED-PAYLOAD`: what SDKs send over HTTPS.
    Unsigned { len: usize },
}

impl Payload {
    pub fn hashed(body: &[u8]) -> Self {
        let crc32 = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, body);
        let crc32 = u32::try_from(crc32).unwrap_or_default();
        Self::Hashed { len: body.len(), sha256: sha256_hex(body), crc32: BASE64.encode(&crc32.to_be_bytes()) }
    }

    fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Hashed { len, .. } | Self::Unsigned { len } => *len,
        }
    }

    fn content_sha256(&self) -> &str {
        match self {
            Self::Empty => EMPTY_SHA256,
            Self::Hashed { sha256, .. } => sha256,
            Self::Unsigned { .. } => "UNSIGNED-PAYLOAD",
        }
    }
}

/// SHA-256 of nothing.
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Signs requests to one server with one key pair.
#[derive(Clone, Debug)]
pub struct Signer {
    host: String,
    access_key: String,
    secret: String,
    region: String,
}

impl Signer {
    pub fn new(address: SocketAddr, access_key: &str, secret: &str, region: &str) -> Self {
        Self { host: address.to_string(), access_key: access_key.into(), secret: secret.into(), region: region.into() }
    }

    /// The same client with another secret, to see whether a server looks at signatures at all.
    #[must_use]
    pub fn with_secret(&self, secret: &str) -> Self {
        Self { secret: secret.into(), ..self.clone() }
    }

    /// Signs many requests of one moment with one derived key.
    pub fn at(&self, now: Timestamp) -> Batch<'_> {
        let now = now.to_zoned(TimeZone::UTC);
        let date = now.strftime("%Y%m%d").to_string();
        let scope = format!("{date}/{}/s3/aws4_request", self.region);
        let mut key = hmac_of(format!("AWS4{}", self.secret).as_bytes(), date.as_bytes());
        for part in [self.region.as_str(), "s3", "aws4_request"] {
            key = hmac_of(key.as_ref(), part.as_bytes());
        }
        Batch {
            signer: self,
            time: now.strftime("%Y%m%dT%H%M%SZ").to_string(),
            scope,
            key: hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()),
        }
    }
}

/// A signer at one moment.
#[derive(Debug)]
pub struct Batch<'a> {
    signer: &'a Signer,
    time: String,
    scope: String,
    key: hmac::Key,
}

impl Batch<'_> {
    /// The head of a signed request. `path` and the query's values are raw, not percent-encoded; `query` is in
    /// order of name.
    pub fn head(&self, method: &str, path: &str, query: &[(&str, &str)], payload: &Payload) -> Vec<u8> {
        let path = encode(path, true);
        let query = canonical_query(query);
        let (headers, names) = self.signed_headers(method, payload);
        let canonical = format!("{method}\n{path}\n{query}\n{headers}\n{names}\n{}", payload.content_sha256());
        let to_sign = format!("AWS4-HMAC-SHA256\n{}\n{}\n{}", self.time, self.scope, sha256_hex(canonical.as_bytes()));
        let signature = HEXLOWER.encode(hmac::sign(&self.key, to_sign.as_bytes()).as_ref());
        let mut head = String::with_capacity(canonical.len() + 512);
        let mark = if query.is_empty() { "" } else { "?" };
        let _ = write!(head, "{method} {path}{mark}{query} HTTP/1.1\r\n");
        for line in headers.lines() {
            let (name, value) = line.split_once(':').unwrap_or_default();
            let _ = write!(head, "{name}: {value}\r\n");
        }
        if payload.len() > 0 || method == "PUT" {
            let _ = write!(head, "content-length: {}\r\n", payload.len());
        }
        let _ = write!(
            head,
            "authorization: AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={names}, Signature={signature}\r\n\
             user-agent: mockfactory-bench\r\n\r\n",
            self.signer.access_key, self.scope
        );
        head.into_bytes()
    }

    /// Canonical header lines, each ended by a newline, and their names joined by `;`.
    fn signed_headers(&self, method: &str, payload: &Payload) -> (String, String) {
        let mut headers = vec![("host", self.signer.host.as_str())];
        if let Payload::Hashed { crc32, .. } = payload {
            headers.push(("x-amz-checksum-crc32", crc32));
        }
        if method == "GET" {
            headers.push(("x-amz-checksum-mode", "ENABLED"));
        }
        headers.push(("x-amz-content-sha256", payload.content_sha256()));
        headers.push(("x-amz-date", &self.time));
        let mut lines = String::with_capacity(256);
        for (name, value) in &headers {
            let _ = writeln!(lines, "{name}:{value}");
        }
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        (lines, names.join(";"))
    }
}

fn canonical_query(query: &[(&str, &str)]) -> String {
    let pairs: Vec<String> =
        query.iter().map(|(name, value)| format!("{}={}", encode(name, false), encode(value, false))).collect();
    pairs.join("&")
}

/// Percent-encodes all but the unreserved characters, as SigV4 wants it.
fn encode(text: &str, keep_slash: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || (keep_slash && byte == b'/') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn hmac_of(key: &[u8], data: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data)
}

fn sha256_hex(data: &[u8]) -> String {
    HEXLOWER.encode(digest::digest(&digest::SHA256, data).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_as_sigv4_wants() {
        let check = |text, keep_slash, expected| assert_eq!(encode(text, keep_slash), expected, "{text:?}");
        check("/bucket/a b", true, "/bucket/a%20b");
        check("a/b+c", false, "a%2Fb%2Bc");
        check("ä~-._", false, "%C3%A4~-._");
    }

    #[test]
    fn head_is_whole_and_repeatable() {
        let signer = Signer::new(([127, 0, 0, 1], 80).into(), "AKID", "secret", "us-east-1");
        let moment = Timestamp::from_second(1_700_000_000).expect("in range");
        let head = signer.at(moment).head("GET", "/b/k", &[("list-type", "2")], &Payload::Empty);
        let text = String::from_utf8(head).expect("ASCII");
        assert!(text.starts_with("GET /b/k?list-type=2 HTTP/1.1\r\nhost: 127.0.0.1:80\r\n"), "{text}");
        assert!(
            text.contains(
                "Credential=AKID/20231114/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-checksum-mode;"
            )
        );
        assert!(text.ends_with("\r\n\r\n"));
    }

    /// The derived key and signature of the published `GET Object` example of Amazon's SigV4 documentation,
    /// rebuilt here from its parts (bucket, date, key pair are the documentation's).
    #[test]
    fn derives_the_published_key() {
        let mut key = hmac_of(b"AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", b"20120215");
        for part in ["us-east-1", "iam", "aws4_request"] {
            key = hmac_of(key.as_ref(), part.as_bytes());
        }
        let expected = "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d";
        assert_eq!(HEXLOWER.encode(key.as_ref()), expected);
    }
}
