//! Request ids: unique in the appliance's life, unguessable enough, cheap to make.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// 16 upper-case hexadecimal characters, the shape of S3's `x-amz-request-id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId([u8; 16]);

impl RequestId {
    #[allow(clippy::new_without_default)] // each call is another id
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = mix(seed().wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)));
        let mut text = [0; 16];
        for (at, byte) in text.iter_mut().enumerate() {
            *byte = b"0123456789ABCDEF"[(number >> (60 - 4 * at) & 15) as usize];
        }
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| {
        let mut bytes = [0; 8];
        // Uniqueness within the process holds without it; between processes the clock has to do.
        if aws_lc_rs::rand::fill(&mut bytes).is_err() {
            return storage::clock::system_now().0;
        }
        u64::from_le_bytes(bytes)
    })
}

/// SplitMix64's finalizer: a bijection, so consecutive numbers stay distinct and stop looking consecutive.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_are_hex() {
        let ids: std::collections::HashSet<_> = (0..10_000).map(|_| RequestId::new().0).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(RequestId::new().as_str().bytes().all(|b| b.is_ascii_hexdigit()));
    }
}
