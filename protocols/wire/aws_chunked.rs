//! `aws-chunked` bodies: `<hex size>[;chunk-signature=<hex>]\r\n<data>\r\n` … `0…\r\n` [trailers] `\r\n`.
//!
//! A decoder without input or output ([`Decoder`]), and a body around it ([`Decoded`]). Data leaves as slices of what
//! came in; a chunk is hashed as it passes and its signature checked when it ends, so nothing is ever buffered but
//! one line. Bytes come from anyone: lines, their number and the content's length are bounded, and nothing panics.
//!
//! Specification: "Signature calculations for the Authorization header: transferring payload in multiple chunks", and
//! "… including trailing headers". Depends on no other module here: it is a fuzz target by itself.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use aws_lc_rs::{constant_time, digest, hmac};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use thiserror::Error;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Smallest chunk but for the last, in bytes; as S3 has it, for signed and unsigned chunks.
pub const CHUNK_BYTES_MIN: u64 = 8192;
/// Longest line that opens a chunk, in bytes: 16 digits, a signature, and room for extensions to come.
const CHUNK_LINE_BYTES_MAX: usize = 256;
/// Longest trailer line, and the most of them.
const TRAILER_LINE_BYTES_MAX: usize = 1024;
const TRAILERS_MAX: usize = 16;
const SIZE_DIGITS_MAX: usize = 16;
/// A signature in hexadecimal.
const SIGNATURE_BYTES: usize = 64;
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";
const EMPTY_SHA256_HEX: &[u8] = b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// What a body turned out to be, against what its request said of it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BodyError {
    #[error("You must provide the Content-Length HTTP header.")]
    MissingLength,
    #[error("The declared length is not a number")]
    InvalidLength,
    #[error("You did not provide the number of bytes specified by the Content-Length HTTP header")]
    Incomplete { declared: u64, received: u64 },
    #[error("The body is longer than the {declared} bytes declared")]
    TooLong { declared: u64 },
    /// Framing that cannot be read; S3 answers as for an incomplete body.
    #[error("The chunked body is malformed: {0}")]
    Malformed(&'static str),
    /// `chunk` counts from one and is the chunk that showed that the one before was not the last.
    #[error("Only the last chunk is allowed to have a size less than 8192 bytes")]
    ChunkTooSmall { chunk: u64, size: u64 },
    #[error("The signature of a chunk or of the trailers does not match")]
    ChunkSignature { string_to_sign: Vec<u8>, provided: String },
    #[error("The request contained trailing data that was not well-formed or did not conform to our published schema.")]
    Trailer(&'static str),
    #[error("The provided 'x-amz-content-sha256' header does not match what was computed.")]
    Sha256Mismatch { client: [u8; 32], computed: [u8; 32] },
}

/// The chain of signatures: each chunk's covers the one before, the first the request's own.
#[derive(Clone, Debug)]
pub struct ChunkKey {
    key: hmac::Key,
    /// `<moment>\n<credential scope>`.
    scope: Vec<u8>,
    previous: [u8; SIGNATURE_BYTES],
    string_to_sign: Vec<u8>,
}

impl ChunkKey {
    /// `seed` is the request's signature, already verified.
    pub fn new(key: hmac::Key, scope: Vec<u8>, seed: &str) -> Self {
        // A signature of another length was refused before; it could match no chunk anyway.
        let previous = seed.as_bytes().try_into().unwrap_or([0; SIGNATURE_BYTES]);
        Self { key, scope, previous, string_to_sign: Vec::new() }
    }

    fn check_chunk(&mut self, hash: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> Result<(), BodyError> {
        self.check(b"AWS4-HMAC-SHA256-PAYLOAD", &[EMPTY_SHA256_HEX, &hex(hash)], signature)
    }

    fn check_trailers(&mut self, trailers: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> Result<(), BodyError> {
        let hash = digest::digest(&digest::SHA256, trailers);
        self.check(b"AWS4-HMAC-SHA256-TRAILER", &[&hex(hash.as_ref())], signature)
    }

    fn check(&mut self, label: &[u8], hashes: &[&[u8]], signature: &[u8; SIGNATURE_BYTES]) -> Result<(), BodyError> {
        let text = &mut self.string_to_sign;
        text.clear();
        text.extend_from_slice(label);
        for part in [&self.scope[..], &self.previous[..]].into_iter().chain(hashes.iter().copied()) {
            text.push(b'\n');
            text.extend_from_slice(part);
        }
        let tag = hmac::sign(&self.key, text);
        if constant_time::verify_slices_are_equal(&hex(tag.as_ref()), signature).is_err() {
            let provided = String::from_utf8_lossy(signature).into_owned();
            return Err(BodyError::ChunkSignature { string_to_sign: text.clone(), provided });
        }
        self.previous = *signature;
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> [u8; SIGNATURE_BYTES] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = [b'0'; SIGNATURE_BYTES];
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    out
}

/// What the request's headers said of the framing.
#[derive(Debug)]
pub struct Framing {
    /// `x-amz-decoded-content-length`.
    pub decoded_length: u64,
    /// Trailers may follow the last chunk.
    pub trailer: bool,
    /// Their names, as `x-amz-trailer` declared them, in lower case.
    pub trailers: Vec<String>,
    /// Verifies signed chunks; without it signatures are read over.
    pub key: Option<Box<ChunkKey>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the line that opens a chunk.
    ChunkLine,
    /// In a chunk's data, so many bytes before its end.
    Data(u64),
    /// In the line break after a chunk's data.
    DataEnd,
    /// After the last chunk: trailers, if any, and an empty line.
    Trailers,
    Done,
}

/// Decodes pieces of any size.
pub struct Decoder {
    framing: Framing,
    state: State,
    /// The part of a line that came in earlier pieces.
    line: Vec<u8>,
    received: u64,
    chunks: u64,
    last_size: u64,
    signature: Option<[u8; SIGNATURE_BYTES]>,
    hasher: Option<digest::Context>,
    trailers: HeaderMap,
    /// Trailers as they are signed: `name:value\n`.
    signed_trailers: Vec<u8>,
    trailer_signature: Option<[u8; SIGNATURE_BYTES]>,
    empty_line_seen: bool,
}

impl Decoder {
    pub fn new(framing: Framing) -> Self {
        Self {
            framing,
            state: State::ChunkLine,
            line: Vec::new(),
            received: 0,
            chunks: 0,
            last_size: CHUNK_BYTES_MIN,
            signature: None,
            hasher: None,
            trailers: HeaderMap::new(),
            signed_trailers: Vec::new(),
            trailer_signature: None,
            empty_line_seen: false,
        }
    }

    /// Takes from `input` up to the next content and returns that; `None` when it is used up.
    pub fn decode(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, BodyError> {
        while !input.is_empty() {
            match self.state {
                State::Data(left) => return self.data(left, input).map(Some),
                State::ChunkLine => {
                    self.with_line(input, CHUNK_LINE_BYTES_MAX, Self::chunk_line)?;
                }
                State::DataEnd => {
                    self.with_line(input, "\r\n".len(), |this, line| match line {
                        b"\r\n" => {
                            this.state = State::ChunkLine;
                            Ok(())
                        }
                        _ => Err(BodyError::Malformed("a chunk is longer than its size")),
                    })?;
                }
                State::Trailers => {
                    self.with_line(input, TRAILER_LINE_BYTES_MAX, Self::trailer_line)?;
                }
                State::Done => {
                    // Some clients end with one line break too many.
                    self.with_line(input, "\r\n".len(), |_, line| match line {
                        b"\r\n" => Ok(()),
                        _ => Err(BodyError::Malformed("bytes after the end")),
                    })?;
                }
            }
        }
        Ok(None)
    }

    /// To be called when the input has ended; returns the trailers.
    pub fn finish(&mut self) -> Result<HeaderMap, BodyError> {
        let declared = self.framing.decoded_length;
        // Clients that expect no trailers may leave out the last line break.
        let ended = match self.state {
            State::Done => self.line.is_empty(),
            State::Trailers => self.line.is_empty() && !self.framing.trailer,
            _ => false,
        };
        if !ended || self.received < declared {
            return Err(BodyError::Incomplete { declared, received: self.received });
        }
        if self.framing.trailer {
            self.finish_trailers()?;
        }
        Ok(std::mem::take(&mut self.trailers))
    }

    fn data(&mut self, left: u64, input: &mut Bytes) -> Result<Bytes, BodyError> {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
        let piece = input.split_to(length);
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&piece);
        }
        self.received += length as u64;
        let left = left - length as u64;
        self.state = State::Data(left);
        if left == 0 {
            self.end_chunk()?;
            self.state = State::DataEnd;
        }
        Ok(piece)
    }

    /// Hands the next whole line, its break included, to `use_line`; keeps a part of one for later.
    fn with_line(
        &mut self,
        input: &mut Bytes,
        max: usize,
        use_line: impl FnOnce(&mut Self, &[u8]) -> Result<(), BodyError>,
    ) -> Result<(), BodyError> {
        let end = input.iter().take(max).position(|byte| *byte == b'\n');
        let piece = input.split_to(end.map_or(input.len().min(max), |end| end + 1));
        if self.line.len() + piece.len() > max || (end.is_none() && piece.len() == max) {
            return Err(BodyError::Malformed("a line is too long"));
        }
        if end.is_none() {
            self.line.extend_from_slice(&piece);
            return Ok(());
        }
        if self.line.is_empty() {
            return use_line(self, &piece);
        }
        let mut line = std::mem::take(&mut self.line);
        line.extend_from_slice(&piece);
        let result = use_line(self, &line);
        line.clear();
        self.line = line;
        result
    }

    fn chunk_line(&mut self, line: &[u8]) -> Result<(), BodyError> {
        let line = line.strip_suffix(b"\r\n").ok_or(BodyError::Malformed("a bare line feed"))?;
        let (size, extension) = match line.iter().position(|byte| *byte == b';') {
            Some(at) => (&line[..at], Some(&line[at + 1..])),
            None => (line, None),
        };
        let size = parse_size(size)?;
        self.chunks += 1;
        if size > 0 && self.last_size < CHUNK_BYTES_MIN {
            return Err(BodyError::ChunkTooSmall { chunk: self.chunks, size: self.last_size });
        }
        self.last_size = size;
        let declared = self.framing.decoded_length;
        if size > declared - self.received {
            return Err(BodyError::TooLong { declared });
        }
        if self.framing.key.is_some() {
            let signature = extension.and_then(|extension| extension.strip_prefix(b"chunk-signature="));
            let signature = signature.and_then(|signature| signature.try_into().ok());
            self.signature = Some(signature.ok_or(BodyError::Malformed("a chunk without a signature"))?);
            self.hasher = Some(digest::Context::new(&digest::SHA256));
        }
        if size > 0 {
            self.state = State::Data(size);
            return Ok(());
        }
        self.end_chunk()?;
        self.state = State::Trailers;
        Ok(())
    }

    fn end_chunk(&mut self) -> Result<(), BodyError> {
        if let (Some(key), Some(hasher), Some(signature)) =
            (&mut self.framing.key, self.hasher.take(), self.signature.take())
        {
            key.check_chunk(hasher.finish().as_ref(), &signature)?;
        }
        Ok(())
    }

    fn trailer_line(&mut self, line: &[u8]) -> Result<(), BodyError> {
        // A bare line feed is taken here: the published example and some clients end trailers with one.
        let line = line.strip_suffix(b"\n").unwrap_or(line).trim_ascii();
        if line.is_empty() {
            // Some clients put an empty line before the signature.
            let awaited = self.framing.key.is_some() && self.trailer_signature.is_none();
            if awaited && !self.trailers.is_empty() && !self.empty_line_seen {
                self.empty_line_seen = true;
            } else {
                self.state = State::Done;
            }
            return Ok(());
        }
        if !self.framing.trailer {
            return Err(BodyError::Malformed("bytes after the last chunk"));
        }
        let colon = line.iter().position(|byte| *byte == b':').ok_or(BodyError::Trailer("no colon"))?;
        let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(TRAILER_SIGNATURE.as_bytes()) {
            self.trailer_signature = Some(value.try_into().map_err(|_| BodyError::Trailer("not a signature"))?);
            return Ok(());
        }
        let name = HeaderName::from_bytes(name).map_err(|_| BodyError::Trailer("not a name"))?;
        let value = HeaderValue::from_bytes(value).map_err(|_| BodyError::Trailer("not a value"))?;
        if self.trailers.len() == TRAILERS_MAX || self.trailers.contains_key(&name) {
            return Err(BodyError::Trailer("too many, or one twice"));
        }
        for part in [name.as_str().as_bytes(), b":", value.as_bytes(), b"\n"] {
            self.signed_trailers.extend_from_slice(part);
        }
        self.trailers.insert(name, value);
        Ok(())
    }

    fn finish_trailers(&mut self) -> Result<(), BodyError> {
        let declared = &self.framing.trailers;
        if let Some(key) = &mut self.framing.key {
            let signature = self.trailer_signature.ok_or(BodyError::Malformed("trailers without a signature"))?;
            key.check_trailers(&self.signed_trailers, &signature)?;
        }
        if declared.iter().any(|name| !self.trailers.contains_key(name)) {
            return Err(BodyError::Trailer("one that was declared is missing"));
        }
        if self.trailers.keys().any(|name| !declared.iter().any(|declared| declared == name.as_str())) {
            return Err(BodyError::Trailer("one was not declared"));
        }
        Ok(())
    }
}

fn parse_size(digits: &[u8]) -> Result<u64, BodyError> {
    if digits.is_empty() || digits.len() > SIZE_DIGITS_MAX {
        return Err(BodyError::Malformed("no chunk size"));
    }
    digits.iter().try_fold(0, |size, digit| {
        let value = char::from(*digit).to_digit(16).ok_or(BodyError::Malformed("not a chunk size"))?;
        Ok(size << 4 | u64::from(value))
    })
}

/// The content of an `aws-chunked` body; its trailers are the last frame.
pub struct Decoded<B> {
    body: B,
    decoder: Decoder,
    input: Bytes,
    done: bool,
}

impl<B> Decoded<B> {
    pub fn new(body: B, framing: Framing) -> Self {
        Self { body, decoder: Decoder::new(framing), input: Bytes::new(), done: false }
    }

    pub fn decoded_length(&self) -> u64 {
        self.decoder.framing.decoded_length
    }
}

impl<B> Body for Decoded<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        if this.done {
            return Poll::Ready(None);
        }
        let error = loop {
            match this.decoder.decode(&mut this.input) {
                Ok(Some(piece)) => return Poll::Ready(Some(Ok(Frame::data(piece)))),
                Ok(None) => {}
                Err(error) => break error.into(),
            }
            match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => this.input = frame.into_data().unwrap_or_default(),
                Some(Err(error)) => break error.into(),
                None => match this.decoder.finish() {
                    Ok(trailers) => {
                        this.done = true;
                        return Poll::Ready((!trailers.is_empty()).then(|| Ok(Frame::trailers(trailers))));
                    }
                    Err(error) => break error.into(),
                },
            }
        };
        this.done = true;
        Poll::Ready(Some(Err(error)))
    }

    /// Only once the end was seen and checked: an early `true` would skip that.
    fn is_end_stream(&self) -> bool {
        self.done
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.decoder.framing.decoded_length - self.decoder.received)
    }
}

#[cfg(test)]
mod tests;
