//! What a request says of its body, and the body read so that this is proved by its end.
//!
//! The outcome is known only when the stream has ended: a consumer stores nothing for good before
//! [`http_body::Body::poll_frame`] answered `None`. Errors arrive boxed; those from here are [`BodyError`].

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use aws_lc_rs::digest;
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Body, Frame, SizeHint};

use super::canonical::parse_hex32;
use super::error::{AuthError, Place};
use crate::body::BoxError;
pub use crate::wire::aws_chunked::BodyError;
use crate::wire::aws_chunked::{ChunkKey, Decoded, Framing};

pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// SHA-256 of nothing.
pub const EMPTY_SHA256: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41,
    0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

/// `x-amz-content-sha256`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadHash {
    Missing,
    Unsigned,
    Sha256([u8; 32]),
    /// An `aws-chunked` body: are its chunks signed, and do trailers follow them?
    Streaming {
        signed: bool,
        trailer: bool,
    },
}

impl PayloadHash {
    /// Reads the header alone, for requests whose claim is not looked at: anonymous and relaxed ones.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, AuthError> {
        headers.get("x-amz-content-sha256").map_or(Ok(Self::Missing), |value| Self::parse(value.as_bytes()))
    }

    pub(super) fn parse(text: &[u8]) -> Result<Self, AuthError> {
        let text = text.trim_ascii();
        Ok(match text {
            b"UNSIGNED-PAYLOAD" => Self::Unsigned,
            b"STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Self::Streaming { signed: false, trailer: true },
            b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Self::Streaming { signed: true, trailer: false },
            b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Self::Streaming { signed: true, trailer: true },
            _ => {
                let value = || String::from_utf8_lossy(text).into_owned();
                if text.starts_with(b"STREAMING-AWS4-ECDSA-") {
                    return Err(AuthError::UnsupportedAlgorithm { place: Place::Header, algorithm: value() });
                }
                Self::Sha256(parse_hex32(text).ok_or_else(|| AuthError::InvalidContentSha256 { value: value() })?)
            }
        })
    }
}

/// A request's body, its framing undone, its length and hash checked on the way.
pub enum Payload<B> {
    Plain(Checked<B>),
    Chunked(Box<Decoded<B>>),
}

impl<B> Payload<B> {
    /// `chunks` comes from [`super::Verified`]; without it signed chunks are read but not verified (relaxed).
    pub fn new(
        body: B,
        hash: PayloadHash,
        headers: &HeaderMap,
        chunks: Option<Box<ChunkKey>>,
    ) -> Result<Self, BodyError> {
        let PayloadHash::Streaming { trailer, .. } = hash else {
            let expected = if let PayloadHash::Sha256(expected) = hash { Some(expected) } else { None };
            return Ok(Self::Plain(Checked::new(body, length(headers, CONTENT_LENGTH.as_str())?, expected)));
        };
        let decoded_length = length(headers, "x-amz-decoded-content-length")?.ok_or(BodyError::MissingLength)?;
        let declared = headers.get_all("x-amz-trailer").iter().filter_map(|value| value.to_str().ok());
        let trailers = declared
            .flat_map(|names| names.split(','))
            .map(|name| name.trim().to_ascii_lowercase())
            .filter(|name| !name.is_empty())
            .collect();
        let framing = Framing { decoded_length, trailer, trailers, key: chunks };
        Ok(Self::Chunked(Box::new(Decoded::new(body, framing))))
    }

    /// Bytes of content, where the request declared them.
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Plain(body) => body.declared,
            Self::Chunked(body) => Some(body.decoded_length()),
        }
    }
}

fn length(headers: &HeaderMap, name: &str) -> Result<Option<u64>, BodyError> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = value.to_str().map_err(|_| BodyError::InvalidLength)?.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BodyError::InvalidLength);
    }
    text.parse().map(Some).map_err(|_| BodyError::InvalidLength)
}

impl<B> Body for Payload<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Plain(body) => Pin::new(body).poll_frame(context),
            Self::Chunked(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Plain(body) => body.is_end_stream(),
            Self::Chunked(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Plain(body) => body.size_hint(),
            Self::Chunked(body) => body.size_hint(),
        }
    }
}

/// A plain body held to its declared length and SHA-256.
pub struct Checked<B> {
    body: B,
    declared: Option<u64>,
    received: u64,
    sha256: Option<([u8; 32], digest::Context)>,
    done: bool,
}

impl<B> Checked<B> {
    pub fn new(body: B, declared: Option<u64>, sha256: Option<[u8; 32]>) -> Self {
        let sha256 = sha256.map(|expected| (expected, digest::Context::new(&digest::SHA256)));
        Self { body, declared, received: 0, sha256, done: false }
    }

    fn take(&mut self, data: &[u8]) -> Result<(), BodyError> {
        self.received += data.len() as u64;
        if let Some(declared) = self.declared
            && self.received > declared
        {
            return Err(BodyError::TooLong { declared });
        }
        if let Some((_, context)) = &mut self.sha256 {
            context.update(data);
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), BodyError> {
        if let Some(declared) = self.declared
            && self.received < declared
        {
            return Err(BodyError::Incomplete { declared, received: self.received });
        }
        if let Some((client, context)) = self.sha256.take() {
            let computed = context.finish();
            if computed.as_ref() != client {
                let computed = computed.as_ref().try_into().unwrap_or_default();
                return Err(BodyError::Sha256Mismatch { client, computed });
            }
        }
        Ok(())
    }
}

impl<B> Body for Checked<B>
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
        let error = match ready!(Pin::new(&mut this.body).poll_frame(context)) {
            Some(Ok(frame)) => match frame.data_ref().map_or(Ok(()), |data| this.take(data)) {
                Ok(()) => return Poll::Ready(Some(Ok(frame))),
                Err(error) => error.into(),
            },
            Some(Err(error)) => error.into(),
            None => match this.finish() {
                Ok(()) => {
                    this.done = true;
                    return Poll::Ready(None);
                }
                Err(error) => error.into(),
            },
        };
        this.done = true;
        Poll::Ready(Some(Err(error)))
    }

    /// Only once the checks are made: an early `true` would skip them.
    fn is_end_stream(&self) -> bool {
        self.done
    }

    fn size_hint(&self) -> SizeHint {
        self.declared
            .map_or_else(SizeHint::new, |declared| SizeHint::with_exact(declared.saturating_sub(self.received)))
    }
}
