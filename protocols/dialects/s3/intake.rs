//! Bodies on their way in: framing undone, lengths, hashes and checksums proved, and either streamed into
//! the engine or, for XML documents, gathered up to a limit.

use bytes::{Bytes, BytesMut};
use data_encoding::HEXLOWER;
use http::HeaderMap;
use http_body_util::BodyExt;
use md5::{Digest, Md5};
use storage::fault::Algorithm;
use storage::objects::{Digests, StoredBody, WantedDigests};

use super::checksums::Declared;
use super::context::Context;
use super::error::{Code, invalid_argument, too_large};
use crate::auth::payload::{BodyError, Payload};
use crate::body::{Body, BoxError};
use crate::fault::{Error, Fault, WireError};

/// Largest object of one PUT, and largest part, in bytes (S3: 5 GiB).
pub const PUT_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;

/// Reads the body into the engine. `stored`: the checksum algorithm to keep where the client declared none.
pub async fn store(
    cx: &Context<'_>,
    body: Body,
    declared: &mut Declared,
    stored: Option<Algorithm>,
) -> Result<StoredBody, Error> {
    let mut payload = open(cx, body)?;
    let length = payload.length().ok_or_else(|| Code::MissingContentLength.error())?;
    if length > PUT_BYTES_MAX {
        let mut error = too_large(length, PUT_BYTES_MAX);
        error.close = true;
        return Err(error.into());
    }
    let mut writer = cx.store.writer(Some(length), declared.wanted(stored))?;
    let mut trailers: Option<HeaderMap> = None;
    while let Some(frame) = payload.frame().await {
        let frame = frame.map_err(broken)?;
        match frame.into_data() {
            Ok(data) => writer.write(data).await?,
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    declared.take_trailer(trailers.as_ref())?;
    let stored = writer.seal().await?;
    declared.verify(stored.digests())?;
    Ok(stored)
}

/// Reads a request document, and checks its MD5 and checksum where they were sent.
pub async fn document(cx: &Context<'_>, body: Body, limit: usize) -> Result<Bytes, Error> {
    let mut declared = Declared::from_headers(&cx.parts.headers, cx.dialect)?;
    let (bytes, trailers) = gather(cx, body, limit).await?;
    declared.take_trailer(trailers.as_ref())?;
    declared.verify(&digests(&bytes, declared.wanted(None)))?;
    Ok(bytes)
}

/// Reads a request document whose checksum headers speak of something else than the document.
pub async fn bare_document(cx: &Context<'_>, body: Body, limit: usize) -> Result<Bytes, Error> {
    gather(cx, body, limit).await.map(|(bytes, _)| bytes)
}

async fn gather(cx: &Context<'_>, body: Body, limit: usize) -> Result<(Bytes, Option<HeaderMap>), Error> {
    let mut payload = open(cx, body)?;
    if payload.length().is_some_and(|length| length > limit as u64) {
        return Err(document_too_large(limit).into());
    }
    // Nearly all documents come in one piece, which is then not copied.
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let mut trailers = None;
    while let Some(frame) = payload.frame().await {
        match frame.map_err(broken)?.into_data() {
            Ok(data) if first.len() + rest.len() + data.len() > limit => return Err(document_too_large(limit).into()),
            Ok(data) if first.is_empty() => first = data,
            Ok(data) => rest.extend_from_slice(&data),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    let bytes = if rest.is_empty() { first } else { [&first[..], &rest[..]].concat().into() };
    Ok((bytes, trailers))
}

fn open(cx: &Context<'_>, body: Body) -> Result<Payload<Body>, WireError> {
    let claim = &cx.payload;
    Payload::new(body, claim.hash, &cx.parts.headers, claim.chunks.clone()).map_err(|error| body_error(&error))
}

fn document_too_large(limit: usize) -> WireError {
    let mut error = Code::MaxMessageLengthExceeded.error().field("MaxMessageLengthBytes", limit.to_string());
    error.close = true;
    error
}

/// Digests of a small body held in memory.
fn digests(bytes: &[u8], wanted: WantedDigests) -> Digests {
    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
    let crc = |algorithm| crc_fast::checksum(algorithm, bytes);
    let small = |value: u64| u32::try_from(value).unwrap_or_default();
    Digests {
        md5: Md5::digest(bytes).into(),
        crc32c: small(crc(crc_fast::CrcAlgorithm::Crc32Iscsi)),
        crc64nvme: crc(crc_fast::CrcAlgorithm::Crc64Nvme),
        crc32: wanted.crc32.then(|| small(crc(crc_fast::CrcAlgorithm::Crc32IsoHdlc))),
        sha1: wanted.sha1.then(|| digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref().try_into().unwrap_or_default()),
        sha256: wanted.sha256.then(|| digest(&SHA256, bytes).as_ref().try_into().unwrap_or_default()),
    }
}

/// What ended a body before its time.
pub fn broken(error: BoxError) -> Error {
    let error = match error.downcast::<BodyError>() {
        Ok(error) => return body_error(&error).into(),
        Err(error) => error,
    };
    match error.downcast::<Fault>() {
        Ok(fault) => Error::Fault(*fault),
        Err(error) if is_timeout(&error) => Fault::Timeout { what: "the body" }.into(),
        Err(error) => {
            let mut incomplete = Code::IncompleteBody.error();
            incomplete.cause = Some(anyhow::anyhow!(error));
            incomplete.close = true;
            incomplete.into()
        }
    }
}

/// The edge's word for a client that went silent.
fn is_timeout(error: &BoxError) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::TimedOut)
}

pub fn body_error(error: &BodyError) -> WireError {
    let mut refusal = match error {
        BodyError::MissingLength => Code::MissingContentLength.error(),
        BodyError::InvalidLength => invalid_argument("The declared length is not a number", "Content-Length", ""),
        BodyError::Incomplete { declared, received } => Code::IncompleteBody
            .say("You did not provide the number of bytes specified by the Content-Length HTTP header")
            .field("NumberBytesExpected", declared.to_string())
            .field("NumberBytesProvided", received.to_string()),
        BodyError::TooLong { declared } => Code::IncompleteBody
            .say("The request body is longer than the number of bytes declared")
            .field("NumberBytesExpected", declared.to_string()),
        BodyError::Malformed(_) => Code::IncompleteBody.error(),
        BodyError::ChunkTooSmall { chunk, size } => Code::InvalidChunkSizeError
            .error()
            .field("Chunk", chunk.to_string())
            .field("BadChunkSize", size.to_string()),
        BodyError::ChunkSignature { string_to_sign, provided } => Code::SignatureDoesNotMatch
            .error()
            .field("StringToSign", String::from_utf8_lossy(string_to_sign))
            .field("SignatureProvided", provided),
        BodyError::Trailer(_) => Code::MalformedTrailerError.error(),
        BodyError::Sha256Mismatch { client, computed } => Code::XAmzContentSHA256Mismatch
            .error()
            .field("ClientComputedContentSHA256", HEXLOWER.encode(client))
            .field("S3ComputedContentSHA256", HEXLOWER.encode(computed)),
    };
    // Where the body's end was reached, the connection is good for the next request.
    refusal.close =
        !matches!(error, BodyError::Sha256Mismatch { .. } | BodyError::Incomplete { .. } | BodyError::Trailer(_));
    refusal
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value)] // expected values stand in the rows
mod tests {
    use super::*;

    fn check(error: BodyError, want: &str, close: bool) {
        let got = body_error(&error);
        assert_eq!((format!("{} {}", got.status.as_u16(), got.code).as_str(), got.close), (want, close), "{error:?}");
    }

    #[test]
    fn body_errors() {
        check(BodyError::MissingLength, "411 MissingContentLength", true);
        check(BodyError::InvalidLength, "400 InvalidArgument", true);
        check(BodyError::Incomplete { declared: 2, received: 1 }, "400 IncompleteBody", false);
        check(BodyError::TooLong { declared: 2 }, "400 IncompleteBody", true);
        check(BodyError::Malformed("x"), "400 IncompleteBody", true);
        check(BodyError::ChunkTooSmall { chunk: 2, size: 1 }, "403 InvalidChunkSizeError", true);
        check(BodyError::Sha256Mismatch { client: [0; 32], computed: [1; 32] }, "400 XAmzContentSHA256Mismatch", false);
    }

    #[test]
    fn broken_bodies() {
        use std::io::ErrorKind;
        let check = |kind: ErrorKind, want: &str| {
            let code = match broken(std::io::Error::from(kind).into()) {
                Error::Wire(error) => error.code,
                Error::Fault(fault) => super::super::error::from_fault(&fault).code,
            };
            assert_eq!(code, want, "{kind:?}");
        };
        check(ErrorKind::TimedOut, "RequestTimeout");
        check(ErrorKind::UnexpectedEof, "IncompleteBody");
        check(ErrorKind::ConnectionReset, "IncompleteBody");
    }

    #[test]
    fn digests_of_nothing() {
        let digests = digests(b"", WantedDigests { crc32: true, sha1: true, sha256: true });
        assert_eq!(HEXLOWER.encode(&digests.md5), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!((digests.crc32, digests.crc32c, digests.crc64nvme), (Some(0), 0, 0));
        assert_eq!(digests.sha1.map(|sha| sha[0]), Some(0xda));
        assert_eq!(digests.sha256.map(|sha| sha[0]), Some(0xe3));
    }
}
