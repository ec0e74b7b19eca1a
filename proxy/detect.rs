//! Tells by a connection's first bytes what it speaks.

use std::io::Error;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// RFC 9113, 3.4: what an HTTP/2 client sends first.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// RFC 8446, 5.1: the content type of a handshake record.
const TLS_HANDSHAKE: u8 = 22;
/// Bytes read at once; a small request comes whole.
const FIRST_READ_BYTES: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Tls,
    Http1,
    Http2,
}

/// `None` when more bytes are needed to tell.
fn classify(first: &[u8]) -> Option<Protocol> {
    if first.first() == Some(&TLS_HANDSHAKE) {
        return Some(Protocol::Tls);
    }
    let compared = first.len().min(HTTP2_PREFACE.len());
    if first[..compared] != HTTP2_PREFACE[..compared] {
        return Some(Protocol::Http1);
    }
    (compared == HTTP2_PREFACE.len()).then_some(Protocol::Http2)
}

/// Reads until it can tell. `None` when the peer closes before.
pub(crate) async fn first_bytes<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Option<(Protocol, Bytes)>, Error> {
    let mut first = BytesMut::with_capacity(FIRST_READ_BYTES);
    loop {
        if stream.read_buf(&mut first).await? == 0 {
            return Ok(None);
        }
        if let Some(protocol) = classify(&first) {
            return Ok(Some((protocol, first.freeze())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell_the_protocol() {
        let check = |first: &[u8], expected: Option<Protocol>| assert_eq!(classify(first), expected, "{first:?}");
        check(b"", None);
        check(b"\x16\x03\x01", Some(Protocol::Tls));
        check(b"G", Some(Protocol::Http1));
        check(b"P", None);
        check(b"PR", None);
        check(b"PU", Some(Protocol::Http1));
        check(b"PUT /key HTTP/1.1\r\n", Some(Protocol::Http1));
        check(b"PROPFIND / HTTP/1.1\r\n", Some(Protocol::Http1));
        check(&HTTP2_PREFACE[..23], None);
        check(HTTP2_PREFACE, Some(Protocol::Http2));
        check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04", Some(Protocol::Http2));
        check(b"PRI * HTTP/1.1\r\n\r\n", Some(Protocol::Http1));
        check(b"\0", Some(Protocol::Http1));
    }
}
