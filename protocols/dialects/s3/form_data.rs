//! `multipart/form-data`, read as a stream: fields one after the other, the file's bytes as they come.
//!
//! Bounded: a part's head and each field's value have limits; nothing of a file is kept but what is needed
//! to see the delimiter coming. Specification: RFC 7578 and RFC 2046.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;

use super::error::Code;
use super::intake;
use crate::body::Body;
use crate::fault::{Error, WireError};

/// Most bytes of a part's headers.
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// Longest boundary (RFC 2046).
const BOUNDARY_BYTES_MAX: usize = 70;

/// What stands over a part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    pub name: String,
    pub filename: Option<String>,
    pub content_type: Option<String>,
}

/// A form on its way in.
pub struct FormData {
    body: Body,
    buffer: BytesMut,
    /// Line break, two dashes, boundary.
    delimiter: Vec<u8>,
    ended: bool,
}

impl FormData {
    pub fn new(body: Body, boundary: &str) -> Self {
        // The first delimiter has no line break before it: lend it one.
        let buffer = BytesMut::from(&b"\r\n"[..]);
        Self { body, buffer, delimiter: [b"\r\n--", boundary.as_bytes()].concat(), ended: false }
    }

    /// Skips what is left of the part before and reads the next one's head; `None` after the last.
    pub async fn next_part(&mut self) -> Result<Option<Head>, Error> {
        while self.piece().await?.is_some() {}
        let delimiter = self.delimiter.len();
        self.need(delimiter + 2).await?;
        let after = &self.buffer[delimiter..delimiter + 2];
        if after == b"--" {
            self.ended = true;
            return Ok(None);
        }
        let _ = self.buffer.split_to(delimiter);
        let head = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break self.buffer.split_to(end + 4);
            }
            if self.buffer.len() > HEAD_BYTES_MAX || !self.fill().await? {
                return Err(malformed().into());
            }
        };
        parse_head(&head).map(Some).map_err(Error::from)
    }

    /// The next piece of the part; `None` at its end.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, Error> {
        if self.ended {
            return Ok(None);
        }
        loop {
            match find(&self.buffer, &self.delimiter) {
                Some(0) => return Ok(None),
                Some(end) => return Ok(Some(self.buffer.split_to(end).freeze())),
                None => {
                    // Its last bytes may be the beginning of the delimiter.
                    let sure = self.buffer.len().saturating_sub(self.delimiter.len() - 1);
                    if sure > 0 {
                        return Ok(Some(self.buffer.split_to(sure).freeze()));
                    }
                }
            }
            if !self.fill().await? {
                return Err(malformed().into());
            }
        }
    }

    /// A field's whole value, if it is no longer than `limit`.
    pub async fn text(&mut self, limit: usize) -> Result<String, Error> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.piece().await? {
            if bytes.len() + piece.len() > limit {
                return Err(Code::MaxPostPreDataLengthExceeded.error().into());
            }
            bytes.extend_from_slice(&piece);
        }
        String::from_utf8(bytes).map_err(|_| malformed().into())
    }

    async fn need(&mut self, bytes: usize) -> Result<(), Error> {
        while self.buffer.len() < bytes {
            if !self.fill().await? {
                return Err(malformed().into());
            }
        }
        Ok(())
    }

    /// Takes in the next frame; false at the body's end.
    async fn fill(&mut self) -> Result<bool, Error> {
        while let Some(frame) = self.body.frame().await {
            if let Ok(data) = frame.map_err(intake::broken)?.into_data() {
                self.buffer.extend_from_slice(&data);
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn malformed() -> WireError {
    let mut error = Code::MalformedPOSTRequest.error();
    error.close = true;
    error
}

/// Where `needle`, which begins with a carriage return, stands in `haystack`.
fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = haystack[from..].iter().position(|byte| *byte == b'\r') {
        let at = from + at;
        if haystack[at..].starts_with(needle) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

/// The boundary of a `multipart/form-data` content type.
pub fn boundary(content_type: &str) -> Option<String> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameter(parameters, "boundary")?;
    (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len()).then_some(boundary)
}

fn parse_head(bytes: &[u8]) -> Result<Head, WireError> {
    let text = std::str::from_utf8(bytes).map_err(|_| malformed())?;
    let mut head = Head::default();
    for line in text.split("\r\n") {
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.trim().eq_ignore_ascii_case("content-disposition") {
            let (kind, parameters) = value.split_once(';').ok_or_else(malformed)?;
            if !kind.trim().eq_ignore_ascii_case("form-data") {
                return Err(malformed());
            }
            head.name = parameter(parameters, "name").ok_or_else(malformed)?;
            head.filename = parameter(parameters, "filename");
        } else if name.trim().eq_ignore_ascii_case("content-type") {
            head.content_type = Some(value.trim().to_owned());
        }
    }
    if head.name.is_empty() { Err(malformed()) } else { Ok(head) }
}

/// `name="value"` or `name=value` among `;`-separated parameters. Browsers write a quote in a value as `%22`
/// or as `\"`.
fn parameter(parameters: &str, wanted: &str) -> Option<String> {
    let mut rest = parameters.trim_start();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = if let Some(quoted) = after.trim_start().strip_prefix('"') {
            quoted_value(quoted)?
        } else {
            let (value, after) = after.split_once(';').unwrap_or((after, ""));
            (value.trim().to_owned(), after)
        };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = after.trim_start_matches([';', ' ', '\t']);
    }
    None
}

/// The value up to the closing quote, and what follows it.
fn quoted_value(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' if text[at + 1..].starts_with(['"', '\\']) => {
                value.extend(chars.next().map(|(_, escaped)| escaped));
            }
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use http_body_util::StreamBody;

    use super::*;
    use crate::body::BoxError;

    /// A body that arrives in frames of `size` bytes.
    fn body(text: &str, size: usize) -> Body {
        let frames: Vec<Result<_, BoxError>> = text
            .as_bytes()
            .chunks(size)
            .map(|chunk| Ok(http_body::Frame::data(Bytes::copy_from_slice(chunk))))
            .collect();
        let mut frames = frames.into_iter();
        StreamBody::new(Frames(Box::new(move || frames.next()))).boxed_unsync()
    }

    type Frame = Result<http_body::Frame<Bytes>, BoxError>;
    struct Frames(Box<dyn FnMut() -> Option<Frame> + Send>);

    impl futures_core::Stream for Frames {
        type Item = Frame;
        fn poll_next(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Frame>> {
            std::task::Poll::Ready((self.0)())
        }
    }

    async fn check(text: &str, want: Result<&[(&str, &str)], &str>) {
        for size in [1, 2, 3, 7, 1000] {
            let mut form = FormData::new(body(text, size), "b");
            let mut got = Ok(Vec::new());
            loop {
                let head = match form.next_part().await {
                    Ok(Some(head)) => head,
                    Ok(None) => break,
                    Err(error) => {
                        got = Err(error);
                        break;
                    }
                };
                match (form.text(100).await, &mut got) {
                    (Ok(value), Ok(fields)) => fields.push((head.name, value)),
                    (Err(error), _) => {
                        got = Err(error);
                        break;
                    }
                    _ => {}
                }
            }
            let got = got.map_err(|error| match error {
                Error::Wire(error) => error.code.into_owned(),
                Error::Fault(fault) => fault.to_string(),
            });
            let got = got
                .as_ref()
                .map(|fields| fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect::<Vec<_>>())
                .map_err(String::as_str);
            assert_eq!(got, want.map(<[_]>::to_vec), "{text:?} in frames of {size}");
        }
    }

    #[tokio::test]
    async fn forms() {
        check(
            "--b\r\nContent-Disposition: form-data; name=\"k\"\r\n\r\nv\r\n--b\r\nContent-Disposition: form-data; name=file; filename=\"f\"\r\nContent-Type: text/plain\r\n\r\na\r\n-b\r\nc\r\n--b--\r\n",
            Ok(&[("k", "v"), ("file", "a\r\n-b\r\nc")]),
        )
        .await;
        check("preamble\r\n--b\r\nContent-Disposition: form-data; name=\"k\"\r\n\r\n\r\n--b--", Ok(&[("k", "")])).await;
        check("--b--", Ok(&[])).await;
        check("--b\r\nContent-Disposition: form-data; name=\"k\"\r\n\r\nv", Err("MalformedPOSTRequest")).await;
        check("--b\r\nContent-Disposition: attachment; name=\"k\"\r\n\r\nv\r\n--b--", Err("MalformedPOSTRequest"))
            .await;
        check("--b\r\nX: y\r\n\r\nv\r\n--b--", Err("MalformedPOSTRequest")).await;
        check("", Err("MalformedPOSTRequest")).await;
    }

    fn check_boundary(content_type: &str, want: Option<&str>) {
        assert_eq!(boundary(content_type).as_deref(), want, "{content_type}");
    }

    #[test]
    fn boundaries() {
        check_boundary("multipart/form-data; boundary=abc", Some("abc"));
        check_boundary("Multipart/Form-Data;charset=utf-8; boundary=\"a b\"", Some("a b"));
        check_boundary("multipart/form-data", None);
        check_boundary("text/plain; boundary=abc", None);
        check_boundary(&format!("multipart/form-data; boundary={}", "x".repeat(71)), None);
    }

    fn check_parameter(text: &str, want: Option<&str>) {
        assert_eq!(parameter(text, "filename").as_deref(), want, "{text}");
    }

    #[test]
    fn parameters() {
        check_parameter(" name=\"file\"; filename=\"a b.txt\"", Some("a b.txt"));
        check_parameter("filename=\"a\\\"b;c\"; x=y", Some("a\"b;c"));
        check_parameter("filename=\"C:\\dir\\f\"", Some("C:\\dir\\f"));
        check_parameter("filename=\"open", None);
        check_parameter("name=x", None);
    }
}
