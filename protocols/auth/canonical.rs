//! The canonical parts of a signed request: path, query and headers, as both sides must spell them.
//!
//! Writes into one buffer the caller keeps. Bytes come from anyone: every input has a canonical form.

use http::HeaderMap;
use http::header::HOST;
use http::request::Parts;

const HEX: &[u8; 16] = b"0123456789ABCDEF";
const HEX_LOWER: &[u8; 16] = b"0123456789abcdef";

/// RFC 3986's unreserved characters, the only ones a canonical form leaves alone.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// What `+` in a query stands for; clients disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plus {
    Space,
    Literal,
}

fn push_encoded(byte: u8, out: &mut Vec<u8>) {
    if is_unreserved(byte) {
        out.push(byte);
    } else {
        out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
}

fn push_path_byte(byte: u8, out: &mut Vec<u8>) {
    if byte == b'/' {
        out.push(byte);
    } else {
        push_encoded(byte, out);
    }
}

/// The byte that `text` begins with once decoded, and how many bytes spelt it. A stray `%` is itself.
fn decode_first(text: &[u8]) -> (u8, usize) {
    if let [b'%', high, low, ..] = *text
        && let (Some(high), Some(low)) = (hex_digit(high), hex_digit(low))
    {
        return (high << 4 | low, 3);
    }
    (text[0], 1)
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Appends the lower-case hexadecimal spelling.
pub fn push_hex(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        out.extend_from_slice(&[HEX_LOWER[usize::from(byte >> 4)], HEX_LOWER[usize::from(byte & 15)]]);
    }
}

/// A 32-byte digest in lower-case hexadecimal.
pub fn hex32(bytes: &[u8]) -> [u8; 64] {
    let mut out = [b'0'; 64];
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair[0] = HEX_LOWER[usize::from(byte >> 4)];
        pair[1] = HEX_LOWER[usize::from(byte & 15)];
    }
    out
}

/// Reads 64 hexadecimal digits of either case.
pub fn parse_hex32(text: &[u8]) -> Option<[u8; 32]> {
    if text.len() != 64 {
        return None;
    }
    let mut out = [0; 32];
    for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
    }
    Some(out)
}

/// S3's canonical path: decoded once, encoded once, slashes kept.
pub fn path_verbatim(raw: &str, out: &mut Vec<u8>) {
    let mut rest = raw.as_bytes();
    while let Some(&first) = rest.first() {
        if is_unreserved(first) || first == b'/' {
            out.push(first);
            rest = &rest[1..];
            continue;
        }
        let (byte, length) = decode_first(rest);
        push_path_byte(byte, out);
        rest = &rest[length..];
    }
}

/// Everyone else's: the path as sent, dot segments and empty ones removed when `normalize`, encoded again.
pub fn path_twice(raw: &str, normalize: bool, out: &mut Vec<u8>) {
    let start = out.len();
    if !normalize {
        push_path(raw, out);
        return;
    }
    for segment in raw.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                let cut = out[start..].iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                out.truncate(start + cut);
            }
            _ => {
                out.push(b'/');
                push_path(segment, out);
            }
        }
    }
    if out.len() == start || raw.ends_with('/') {
        out.push(b'/');
    }
}

fn push_path(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        push_path_byte(byte, out);
    }
}

/// Encoded parameters waiting to be sorted; kept between requests for its memory.
#[derive(Debug, Default)]
pub struct Parameters {
    encoded: Vec<u8>,
    /// Start, end of the name, end of the value.
    spans: Vec<(usize, usize, usize)>,
}

impl Parameters {
    /// Appends the canonical query: sorted by encoded name, then value; `without` is left out.
    pub fn write(&mut self, raw: &str, without: Option<&str>, plus: Plus, out: &mut Vec<u8>) {
        self.encoded.clear();
        self.spans.clear();
        for parameter in raw.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            if without == Some(name) {
                continue;
            }
            let start = self.encoded.len();
            encode_parameter(name, plus, &mut self.encoded);
            let middle = self.encoded.len();
            encode_parameter(value, plus, &mut self.encoded);
            self.spans.push((start, middle, self.encoded.len()));
        }
        let encoded = &self.encoded;
        self.spans.sort_unstable_by(|a, b| {
            let key = |span: &(usize, usize, usize)| (&encoded[span.0..span.1], &encoded[span.1..span.2]);
            key(a).cmp(&key(b))
        });
        for (index, &(start, middle, end)) in self.spans.iter().enumerate() {
            if index > 0 {
                out.push(b'&');
            }
            out.extend_from_slice(&encoded[start..middle]);
            out.push(b'=');
            out.extend_from_slice(&encoded[middle..end]);
        }
    }
}

fn encode_parameter(raw: &str, plus: Plus, out: &mut Vec<u8>) {
    let mut rest = raw.as_bytes();
    while let Some(&first) = rest.first() {
        if is_unreserved(first) {
            out.push(first);
            rest = &rest[1..];
        } else if first == b'+' && plus == Plus::Space {
            push_encoded(b' ', out);
            rest = &rest[1..];
        } else {
            let (byte, length) = decode_first(rest);
            push_encoded(byte, out);
            rest = &rest[length..];
        }
    }
}

/// Appends `name:value\n`: values of one name joined by commas, trimmed, runs of blanks made one.
pub fn header(parts: &Parts, name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.push(b':');
    let start = out.len();
    for (index, value) in parts.headers.get_all(name).iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push_trimmed(value.as_bytes(), out);
    }
    if out.len() == start && name == "host" {
        out.extend_from_slice(authority(parts).as_bytes());
    }
    out.push(b'\n');
}

/// The host as the client sent it: HTTP/2 carries it in the request's target.
fn authority(parts: &Parts) -> &str {
    if parts.headers.contains_key(HOST) {
        return "";
    }
    let authority = parts.uri.authority().map_or("", http::uri::Authority::as_str);
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

fn push_trimmed(value: &[u8], out: &mut Vec<u8>) {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let Some(first) = value.iter().position(|byte| !is_blank(byte)) else { return };
    let last = value.iter().rposition(|byte| !is_blank(byte)).unwrap_or(first);
    let value = &value[first..=last];
    if !value.windows(2).any(|pair| is_blank(&pair[0]) && is_blank(&pair[1])) && !value.contains(&b'\t') {
        out.extend_from_slice(value);
        return;
    }
    let mut in_run = false;
    for byte in value {
        if is_blank(byte) {
            if !in_run {
                out.push(b' ');
            }
            in_run = true;
        } else {
            out.push(*byte);
            in_run = false;
        }
    }
}

/// Headers beginning with `x-amz-` that `signed` does not name, and `host`, for the error that lists them.
pub fn unsigned_headers(headers: &HeaderMap, signed: &str, presigned: bool) -> Vec<String> {
    let is_signed = |name: &str| signed.split(';').any(|signed| signed.eq_ignore_ascii_case(name));
    let mut names: Vec<String> = Vec::new();
    if !is_signed("host") {
        names.push("host".to_owned());
    }
    for name in headers.keys().map(http::HeaderName::as_str) {
        // A presigned URL says of its payload what there is to say; the header adds nothing to it.
        let exempt = presigned && name == "x-amz-content-sha256";
        if name.starts_with("x-amz-") && !exempt && !is_signed(name) {
            names.push(name.to_owned());
        }
    }
    names
}
