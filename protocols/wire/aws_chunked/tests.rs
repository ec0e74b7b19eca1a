//! The decoder against a plain encoder: any content, cut anywhere, comes out as it went in; anything else is an error.

use proptest::prelude::*;

use super::*;

const SCOPE: &[u8] = b"20130524T000000Z\n20130524/us-east-1/s3/aws4_request";
const SEED: &str = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";

fn key() -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, b"signing key")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Signed,
    SignedTrailer,
    UnsignedTrailer,
}

impl Kind {
    fn signed(self) -> bool {
        self != Self::UnsignedTrailer
    }

    fn framing(self, decoded_length: u64, verified: bool) -> Framing {
        let trailer = self != Self::Signed;
        Framing {
            decoded_length,
            trailer,
            trailers: if trailer { vec!["x-amz-checksum-crc32".into()] } else { Vec::new() },
            key: (self.signed() && verified).then(|| Box::new(ChunkKey::new(key(), SCOPE.to_vec(), SEED))),
        }
    }
}

/// Writes the framing as the specification has it, signatures included.
fn encode(chunks: &[Vec<u8>], kind: Kind) -> Vec<u8> {
    let mut previous = SEED.to_owned();
    let mut sign = |label: &str, rest: &str| {
        let scope = String::from_utf8_lossy(SCOPE);
        let text = format!("{label}\n{scope}\n{previous}\n{rest}");
        previous = String::from_utf8_lossy(&hex(hmac::sign(&key(), text.as_bytes()).as_ref())).into_owned();
        previous.clone()
    };
    let sha256 =
        |data: &[u8]| String::from_utf8_lossy(&hex(digest::digest(&digest::SHA256, data).as_ref())).into_owned();
    let mut out = Vec::new();
    for chunk in chunks.iter().map(Vec::as_slice).chain([&[][..]]) {
        out.extend_from_slice(format!("{:x}", chunk.len()).as_bytes());
        if kind.signed() {
            let rest = format!("{}\n{}", sha256(b""), sha256(chunk));
            let signature = sign("AWS4-HMAC-SHA256-PAYLOAD", &rest);
            out.extend_from_slice(format!(";chunk-signature={signature}").as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        if !chunk.is_empty() {
            out.extend_from_slice(chunk);
            out.extend_from_slice(b"\r\n");
        }
    }
    if kind != Kind::Signed {
        out.extend_from_slice(b"x-amz-checksum-crc32:AAAAAA==\r\n");
    }
    if kind == Kind::SignedTrailer {
        let signature = sign("AWS4-HMAC-SHA256-TRAILER", &sha256(b"x-amz-checksum-crc32:AAAAAA==\n"));
        out.extend_from_slice(format!("x-amz-trailer-signature:{signature}\r\n").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// Decodes pieces cut at `cuts`.
fn decode(framing: Framing, wire: &[u8], cuts: &[usize]) -> Result<(Vec<u8>, HeaderMap), BodyError> {
    let mut decoder = Decoder::new(framing);
    let mut content = Vec::new();
    let mut wire = Bytes::copy_from_slice(wire);
    let mut cuts = cuts.iter();
    while !wire.is_empty() {
        let length = cuts.next().map_or(wire.len(), |cut| (*cut).clamp(1, wire.len()));
        let mut piece = wire.split_to(length);
        while let Some(data) = decoder.decode(&mut piece)? {
            content.extend_from_slice(&data);
        }
    }
    decoder.finish().map(|trailers| (content, trailers))
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Signed), Just(Kind::SignedTrailer), Just(Kind::UnsignedTrailer)]
}

fn chunks() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let whole = prop::collection::vec((8192_usize..9000, any::<u8>()), 0..3);
    (whole, 1_usize..600, any::<u8>()).prop_map(|(whole, last, byte)| {
        let mut chunks: Vec<Vec<u8>> = whole.into_iter().map(|(length, byte)| vec![byte; length]).collect();
        chunks.push((0..last).map(|at| byte.wrapping_add(u8::try_from(at % 251).unwrap_or(0))).collect());
        chunks
    })
}

proptest! {
    #[test]
    fn cut_anywhere_it_is_the_same(
        kind in kind(), chunks in chunks(), verified in any::<bool>(), cuts in prop::collection::vec(1_usize..200, 0..80),
    ) {
        let content = chunks.concat();
        let wire = encode(&chunks, kind);
        let (got, trailers) = decode(kind.framing(content.len() as u64, verified), &wire, &cuts)?;
        prop_assert!(got == content);
        prop_assert_eq!(trailers.len(), usize::from(kind != Kind::Signed));
    }

    #[test]
    fn cut_off_it_is_an_error(kind in kind(), chunks in chunks(), at in any::<prop::sample::Index>()) {
        let wire = encode(&chunks, kind);
        // The last line break may be missing where no trailers are due.
        let end = wire.len() - "\r\n".len();
        let result = decode(kind.framing(chunks.concat().len() as u64, true), &wire[..at.index(end)], &[]);
        prop_assert!(result.is_err());
    }

    #[test]
    fn a_changed_byte_is_an_error(
        chunks in chunks(), trailer in any::<bool>(), at in any::<prop::sample::Index>(), bit in 0..8_u32,
    ) {
        let kind = if trailer { Kind::SignedTrailer } else { Kind::Signed };
        let mut wire = encode(&chunks, kind);
        let at = at.index(wire.len() - "\r\n".len());
        wire[at] ^= 1 << bit;
        let content = chunks.concat();
        // Case of a size or of a trailer's name, or a line break's first half in a trailer, means nothing.
        if let Ok((got, trailers)) = decode(kind.framing(content.len() as u64, true), &wire, &[]) {
            prop_assert!(got == content);
            prop_assert_eq!(trailers.len(), usize::from(trailer));
        }
    }

    #[test]
    fn any_bytes_end_in_some_way(
        bytes in prop::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b';'), Just(b'0'), Just(b'1'), any::<u8>()], 0..400),
        length in 0_u64..40, kind in kind(), verified in any::<bool>(), cuts in prop::collection::vec(1_usize..9, 0..40),
    ) {
        if let Ok((content, _)) = decode(kind.framing(length, verified), &bytes, &cuts) {
            prop_assert_eq!(content.len() as u64, length);
        }
    }
}

/// What an unsigned stream of 5 bytes becomes: `want` is how the outcome reads in code.
fn check(wire: &str, want: &str) {
    check_as(Kind::UnsignedTrailer, 5, wire, want);
}

fn check_as(kind: Kind, length: u64, wire: &str, want: &str) {
    for verified in [true, false] {
        let got = format!(
            "{:?}",
            decode(kind.framing(length, verified), wire.as_bytes(), &[]).map(|(content, _)| content.len())
        );
        assert!(got.starts_with(want), "{wire:?}: {got}, not {want}");
    }
}

#[test]
fn framing() {
    let end = "0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n";
    check(&format!("5\r\nhello\r\n{end}"), "Ok(5)");
    check(&format!("00000005\r\nhello\r\n{end}"), "Ok(5)");
    check(&format!("5;chunk-signature=abc\r\nhello\r\n{end}"), "Ok(5)");
    check(&format!("5\r\nhello\r\n{end}\r\n"), "Ok(5)");
    check("5\r\nhello\r\n0\r\nX-AMZ-Checksum-CRC32 : AAAAAA== \n\r\n\r\n", "Ok(5)");
    check(&format!("5\r\nhello\r\n{end}x"), "Err(Incomplete");
    check(&format!("5\r\nhello\r\n{end}xyz"), "Err(Malformed");
    check("", "Err(Incomplete { declared: 5, received: 0 })");
    check("5\r\nhel", "Err(Incomplete { declared: 5, received: 3 })");
    check("5\r\nhello\r\n", "Err(Incomplete { declared: 5, received: 5 })");
    check("5\r\nhello\r\n0\r\n", "Err(Incomplete { declared: 5, received: 5 })");
    check(&format!("4\r\nhell\r\n{end}"), "Err(Incomplete { declared: 5, received: 4 })");
    check(&format!("6\r\nhello!\r\n{end}"), "Err(TooLong { declared: 5 })");
    check(&format!("ffffffffffffffff\r\nhello\r\n{end}"), "Err(TooLong { declared: 5 })");
    check("00000000000000005\r\nhello\r\n", "Err(Malformed");
    check(&format!("5\r\nhello!\r\n{end}"), "Err(Malformed");
    check(&format!("5\nhello\r\n{end}"), "Err(Malformed");
    check(&format!("\r\n{end}"), "Err(Malformed");
    check(&format!("-5\r\nhello\r\n{end}"), "Err(Malformed");
    check(&format!("5 \r\nhello\r\n{end}"), "Err(Malformed");
    check(&format!("0x5\r\nhello\r\n{end}"), "Err(Malformed");
    check(&"1".repeat(1000), "Err(Malformed");
    check(&format!("2\r\nhe\r\n3\r\nllo\r\n{end}"), "Err(ChunkTooSmall { chunk: 2, size: 2 })");
    check("5\r\nhello\r\n0\r\n\r\n", "Err(Trailer");
    check("5\r\nhello\r\n0\r\nx-amz-checksum-sha1:x\r\n\r\n", "Err(Trailer");
    check("5\r\nhello\r\n0\r\nno colon\r\n\r\n", "Err(Trailer");
    check("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:a\r\nx-amz-checksum-crc32:b\r\n\r\n", "Err(Trailer");
    check(&format!("5\r\nhello\r\n0\r\n{}\r\n\r\n", "y".repeat(5000)), "Err(Malformed");
    check_as(Kind::UnsignedTrailer, 0, end, "Ok(0)");
}

#[test]
fn signatures() {
    let content = vec![vec![7; 8192], vec![9; 10]];
    let wire = encode(&content, Kind::Signed);
    let outcome = |wire: &[u8], kind: Kind, verified| {
        format!("{:?}", decode(kind.framing(8202, verified), wire, &[]).map(|(content, _)| content.len()))
    };
    let mut forged = wire.clone();
    forged[200] ^= 1;
    assert!(outcome(&forged, Kind::Signed, true).starts_with("Err(ChunkSignature"));
    assert_eq!(outcome(&forged, Kind::Signed, false), "Ok(8202)");
    assert_eq!(outcome(&wire[..wire.len() - 2], Kind::Signed, true), "Ok(8202)");
    let unsigned = encode(&content, Kind::UnsignedTrailer);
    assert!(outcome(&unsigned, Kind::SignedTrailer, true).starts_with("Err(Malformed"));
    assert!(outcome(&wire, Kind::SignedTrailer, true).starts_with("Err(Malformed"));
    let trailer = encode(&content, Kind::SignedTrailer);
    let text = String::from_utf8_lossy(&trailer[trailer.len() - 150..]).replace("AAAAAA==", "BAAAAA==");
    let forged = [&trailer[..trailer.len() - 150], text.as_bytes()].concat();
    assert!(outcome(&forged, Kind::SignedTrailer, true).starts_with("Err(ChunkSignature"));
}
