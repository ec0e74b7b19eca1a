//! MD5 (RFC 1321), which object stores want of every body: the speed limit of an upload.
//!
//! Each of its 64 steps waits for the one before, so what counts is how few instructions lie between two steps. The
//! sums are made so that all that does not depend on the step before is added first; as fast as hand-written
//! assembly, and a quarter faster than the plain formulas.

use std::hint::black_box;

const BLOCK_BYTES: usize = 64;
/// Where the length in bits begins in the last block.
const LENGTH_AT: usize = BLOCK_BYTES - 8;
const START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// The integer parts of |sin(n)| · 2³², n from 1.
#[rustfmt::skip]
static SINES: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

/// A digest being computed.
#[derive(Clone, Debug)]
pub struct Md5 {
    state: [u32; 4],
    /// Bytes that do not make a block yet: the first `bytes % 64` of it.
    partial: [u8; BLOCK_BYTES],
    bytes: u64,
}

impl Default for Md5 {
    fn default() -> Self {
        Self::new()
    }
}

impl Md5 {
    pub fn new() -> Self {
        Self { state: START, partial: [0; BLOCK_BYTES], bytes: 0 }
    }

    /// The digest of bytes that are at hand.
    pub fn of(bytes: &[u8]) -> [u8; 16] {
        let mut md5 = Self::new();
        md5.update(bytes);
        md5.finish()
    }

    pub fn update(&mut self, mut bytes: &[u8]) {
        let held = self.held();
        self.bytes = self.bytes.wrapping_add(bytes.len() as u64);
        if held > 0 {
            let (first, rest) = bytes.split_at(bytes.len().min(BLOCK_BYTES - held));
            self.partial[held..held + first.len()].copy_from_slice(first);
            if held + first.len() < BLOCK_BYTES {
                return;
            }
            compress(&mut self.state, &self.partial);
            bytes = rest;
        }
        let (blocks, rest) = bytes.split_at(bytes.len() - bytes.len() % BLOCK_BYTES);
        compress(&mut self.state, blocks);
        self.partial[..rest.len()].copy_from_slice(rest);
    }

    pub fn finish(mut self) -> [u8; 16] {
        let held = self.held();
        self.partial[held..].fill(0);
        self.partial[held] = 0x80;
        if held >= LENGTH_AT {
            compress(&mut self.state, &self.partial);
            self.partial.fill(0);
        }
        self.partial[LENGTH_AT..].copy_from_slice(&self.bytes.wrapping_mul(8).to_le_bytes());
        compress(&mut self.state, &self.partial);
        let mut digest = [0; 16];
        for (bytes, word) in digest.chunks_exact_mut(4).zip(self.state) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        digest
    }

    /// Bytes in `partial`.
    fn held(&self) -> usize {
        #[allow(clippy::cast_possible_truncation)] // a remainder by 64
        let held = (self.bytes % BLOCK_BYTES as u64) as usize;
        held
    }
}

// The four functions of RFC 1321, each added to `sum`: `b` is what the step before has just made.

#[inline]
fn f(sum: u32, b: u32, c: u32, d: u32) -> u32 {
    sum.wrapping_add(((c ^ d) & b) ^ d)
}

/// Its two halves share no bit, so they may be added one by one; only the second needs `b`.
#[inline]
fn g(sum: u32, b: u32, c: u32, d: u32) -> u32 {
    sum.wrapping_add(c & !d).wrapping_add(b & d)
}

#[inline]
fn h(sum: u32, b: u32, c: u32, d: u32) -> u32 {
    sum.wrapping_add((c ^ d) ^ b)
}

#[inline]
fn i(sum: u32, b: u32, c: u32, d: u32) -> u32 {
    sum.wrapping_add(c ^ (b | !d))
}

#[inline(never)]
#[allow(clippy::many_single_char_names)] // the names of RFC 1321
fn compress(state: &mut [u32; 4], blocks: &[u8]) {
    // Read from memory: the compiler would add constants last, between one step and the next.
    let sines: &[u32; 64] = black_box(&SINES);
    let [mut a, mut b, mut c, mut d] = *state;
    for block in blocks.chunks_exact(BLOCK_BYTES) {
        let mut m = [0; 16];
        for (word, bytes) in m.iter_mut().zip(block.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        let before = [a, b, c, d];
        macro_rules! step {
            ($mix:ident, $a:ident, $b:ident, $c:ident, $d:ident, $word:literal, $sine:expr, $turn:literal) => {
                let sum = $a.wrapping_add(m[$word].wrapping_add(sines[$sine]));
                $a = $b.wrapping_add($mix(sum, $b, $c, $d).rotate_left($turn));
            };
        }
        macro_rules! steps {
            ($mix:ident, $from:literal, [$w:literal, $x:literal, $y:literal, $z:literal], [$q:literal, $r:literal, $s:literal, $t:literal]) => {
                step!($mix, a, b, c, d, $w, $from, $q);
                step!($mix, d, a, b, c, $x, $from + 1, $r);
                step!($mix, c, d, a, b, $y, $from + 2, $s);
                step!($mix, b, c, d, a, $z, $from + 3, $t);
            };
        }
        steps!(f, 0, [0, 1, 2, 3], [7, 12, 17, 22]);
        steps!(f, 4, [4, 5, 6, 7], [7, 12, 17, 22]);
        steps!(f, 8, [8, 9, 10, 11], [7, 12, 17, 22]);
        steps!(f, 12, [12, 13, 14, 15], [7, 12, 17, 22]);
        steps!(g, 16, [1, 6, 11, 0], [5, 9, 14, 20]);
        steps!(g, 20, [5, 10, 15, 4], [5, 9, 14, 20]);
        steps!(g, 24, [9, 14, 3, 8], [5, 9, 14, 20]);
        steps!(g, 28, [13, 2, 7, 12], [5, 9, 14, 20]);
        steps!(h, 32, [5, 8, 11, 14], [4, 11, 16, 23]);
        steps!(h, 36, [1, 4, 7, 10], [4, 11, 16, 23]);
        steps!(h, 40, [13, 0, 3, 6], [4, 11, 16, 23]);
        steps!(h, 44, [9, 12, 15, 2], [4, 11, 16, 23]);
        steps!(i, 48, [0, 7, 14, 5], [6, 10, 15, 21]);
        steps!(i, 52, [12, 3, 10, 1], [6, 10, 15, 21]);
        steps!(i, 56, [8, 15, 6, 13], [6, 10, 15, 21]);
        steps!(i, 60, [4, 11, 2, 9], [6, 10, 15, 21]);
        a = a.wrapping_add(before[0]);
        b = b.wrapping_add(before[1]);
        c = c.wrapping_add(before[2]);
        d = d.wrapping_add(before[3]);
    }
    *state = [a, b, c, d];
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, hex: &str) {
        assert_eq!(data_encoding::HEXLOWER.encode(&Md5::of(text.as_bytes())), hex, "{text:?}");
    }

    #[test]
    fn digests_of_the_rfc() {
        check("", "d41d8cd98f00b204e9800998ecf8427e");
        check("a", "0cc175b9c0f1b6a831c399e269772661");
        check("abc", "900150983cd24fb0d6963f7d28e17f72");
        check("message digest", "f96b697d7cb7938d525a2f31aaf161d0");
        check("abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b");
        check("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "d174ab98d277d9f5a5611c2c9f419d9f");
        check(&"1234567890".repeat(8), "57edf4a22be3c955ac49da2e2107b67a");
    }

    proptest! {
        #[test]
        fn agrees_with_the_md5_crate(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8)) {
            let mut ours = Md5::new();
            let mut theirs = <md5::Md5 as md5::Digest>::new();
            for piece in &pieces {
                ours.update(piece);
                md5::Digest::update(&mut theirs, piece);
            }
            let theirs: [u8; 16] = md5::Digest::finalize(theirs).into();
            prop_assert_eq!(ours.finish(), theirs);
        }
    }
}
