//! aws-chunked bodies: the same bytes in one piece and in many must decode to the same, and nothing may panic.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use protocols::wire::aws_chunked::{Decoder, Framing};

fuzz_target!(|input: (u16, bool, Vec<u8>, Vec<u8>)| {
    let (length, trailer, cuts, bytes) = input;
    let decoder = || {
        let trailers = if trailer { vec!["x-amz-checksum-crc32".to_owned()] } else { Vec::new() };
        Decoder::new(Framing { decoded_length: u64::from(length), trailer, trailers, key: None })
    };
    let whole = decode(decoder(), [Bytes::from(bytes.clone())]);
    let mut rest = Bytes::from(bytes);
    let mut pieces = Vec::new();
    for cut in cuts {
        pieces.push(rest.split_to(usize::from(cut).min(rest.len())));
    }
    pieces.push(rest);
    assert_eq!(whole, decode(decoder(), pieces));
});

/// What came out, where all went well.
fn decode(mut decoder: Decoder, pieces: impl IntoIterator<Item = Bytes>) -> Option<(Vec<u8>, usize)> {
    let mut out = Vec::new();
    for mut piece in pieces {
        while let Some(data) = decoder.decode(&mut piece).ok()? {
            out.extend_from_slice(&data);
        }
    }
    let trailers = decoder.finish().ok()?;
    Some((out, trailers.len()))
}
