//! What MD5 alone allows on one core: the bound of an upload's speed, measured with the engine's own library.

use std::hint::black_box;
use std::time::Instant;

use md5::{Digest as _, Md5};

/// Bytes hashed per round, and per call: about what a socket hands over at once.
const TOTAL: usize = 256 * 1024 * 1024;
const CHUNK: usize = 256 * 1024;

/// MB/s (10^6 bytes) of one round.
#[allow(clippy::cast_precision_loss)]
pub fn megabytes_per_second() -> f64 {
    let chunk = vec![0x5a; CHUNK];
    let mut hasher = Md5::new();
    let start = Instant::now();
    for _ in 0..TOTAL / CHUNK {
        hasher.update(black_box(chunk.as_slice()));
    }
    black_box(hasher.finalize());
    TOTAL as f64 / start.elapsed().as_secs_f64() / 1e6
}
