//! Digests of bodies as they stream in, and the arithmetic of checksums over parts.

use ::md5::{Digest as _, Md5};
use aws_lc_rs::digest;
use crc_fast::CrcAlgorithm;
use minicbor::{Decode, Encode};

use super::model::{Checksum, Coverage, Digests, WantedDigests};
use crate::fault::Algorithm;

/// The digests that need a core of their own: MD5, and the SHAs where they are wanted.
pub(crate) struct SlowDigests {
    md5: Md5,
    sha1: Option<digest::Context>,
    sha256: Option<digest::Context>,
}

/// The checksums that cost next to nothing.
pub(crate) struct FastDigests {
    crc32c: crc_fast::Digest,
    crc64nvme: crc_fast::Digest,
    crc32: Option<crc_fast::Digest>,
}

impl SlowDigests {
    pub fn new(wanted: WantedDigests) -> Self {
        Self {
            md5: Md5::new(),
            sha1: wanted.sha1.then(|| digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY)),
            sha256: wanted.sha256.then(|| digest::Context::new(&digest::SHA256)),
        }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        for context in [&mut self.sha1, &mut self.sha256].into_iter().flatten() {
            context.update(bytes);
        }
    }
}

impl FastDigests {
    pub fn new(wanted: WantedDigests) -> Self {
        Self {
            crc32c: crc_fast::Digest::new(CrcAlgorithm::Crc32Iscsi),
            crc64nvme: crc_fast::Digest::new(CrcAlgorithm::Crc64Nvme),
            crc32: wanted.crc32.then(|| crc_fast::Digest::new(CrcAlgorithm::Crc32IsoHdlc)),
        }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.crc32c.update(bytes);
        self.crc64nvme.update(bytes);
        if let Some(crc32) = &mut self.crc32 {
            crc32.update(bytes);
        }
    }
}

pub(crate) fn finish(slow: SlowDigests, fast: &FastDigests) -> Digests {
    Digests {
        md5: slow.md5.finalize().into(),
        crc32c: low(fast.crc32c.finalize()),
        crc64nvme: fast.crc64nvme.finalize(),
        crc32: fast.crc32.as_ref().map(|crc32| low(crc32.finalize())),
        sha1: slow.sha1.and_then(|sha1| sha1.finish().as_ref().try_into().ok()),
        sha256: slow.sha256.and_then(|sha256| sha256.finish().as_ref().try_into().ok()),
    }
}

/// All digests of bytes that are at hand.
pub(crate) fn of(pieces: &[bytes::Bytes], wanted: WantedDigests) -> Digests {
    let (mut slow, mut fast) = (SlowDigests::new(wanted), FastDigests::new(wanted));
    for piece in pieces {
        slow.update(piece);
        fast.update(piece);
    }
    finish(slow, &fast)
}

/// The low half, where a 32-bit CRC is.
#[allow(clippy::cast_possible_truncation)]
const fn low(crc: u64) -> u32 {
    crc as u32
}

pub(crate) fn md5(bytes: &[u8]) -> [u8; 16] {
    Md5::digest(bytes).into()
}

impl Digests {
    /// Big-endian bytes, as the wire has them; `None` where it was not computed.
    pub fn value(&self, algorithm: Algorithm) -> Option<Vec<u8>> {
        match algorithm {
            Algorithm::Md5 => Some(self.md5.to_vec()),
            Algorithm::Crc32 => self.crc32.map(|crc| crc.to_be_bytes().to_vec()),
            Algorithm::Crc32c => Some(self.crc32c.to_be_bytes().to_vec()),
            Algorithm::Crc64Nvme => Some(self.crc64nvme.to_be_bytes().to_vec()),
            Algorithm::Sha1 => self.sha1.map(Vec::from),
            Algorithm::Sha256 => self.sha256.map(Vec::from),
        }
    }
}

impl WantedDigests {
    /// What must be asked for so that `algorithm` is computed.
    pub fn for_algorithm(algorithm: Algorithm) -> Self {
        Self {
            crc32: algorithm == Algorithm::Crc32,
            sha1: algorithm == Algorithm::Sha1,
            sha256: algorithm == Algorithm::Sha256,
        }
    }
}

/// Digests over all of an object's bytes, as far as they are known without reading them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Known {
    #[n(0)]
    pub crc32c: Option<u32>,
    #[n(1)]
    pub crc64nvme: Option<u64>,
    #[n(2)]
    pub crc32: Option<u32>,
    #[cbor(n(3), with = "minicbor::bytes")]
    pub sha1: Option<[u8; 20]>,
    #[cbor(n(4), with = "minicbor::bytes")]
    pub sha256: Option<[u8; 32]>,
}

impl Known {
    pub fn value(&self, algorithm: Algorithm) -> Option<Vec<u8>> {
        match algorithm {
            Algorithm::Md5 => None,
            Algorithm::Crc32 => self.crc32.map(|crc| crc.to_be_bytes().to_vec()),
            Algorithm::Crc32c => self.crc32c.map(|crc| crc.to_be_bytes().to_vec()),
            Algorithm::Crc64Nvme => self.crc64nvme.map(|crc| crc.to_be_bytes().to_vec()),
            Algorithm::Sha1 => self.sha1.map(Vec::from),
            Algorithm::Sha256 => self.sha256.map(Vec::from),
        }
    }

    /// A full-object checksum, where the digest it needs is known.
    pub fn checksum(&self, algorithm: Algorithm) -> Option<Checksum> {
        let value = self.value(algorithm)?;
        Some(Checksum { algorithm, value, coverage: Coverage::FullObject })
    }

    /// What is known of these bytes followed by `size` bytes with the digests of `next`.
    fn followed_by(&self, next: &Digests, size: u64) -> Self {
        let crc32 = |algorithm, first: Option<u32>, second: Option<u32>| {
            Some(low(crc_fast::checksum_combine(algorithm, first?.into(), second?.into(), size)))
        };
        let crc64nvme = self
            .crc64nvme
            .map(|first| crc_fast::checksum_combine(CrcAlgorithm::Crc64Nvme, first, next.crc64nvme, size));
        Self {
            crc32c: crc32(CrcAlgorithm::Crc32Iscsi, self.crc32c, Some(next.crc32c)),
            crc64nvme,
            crc32: crc32(CrcAlgorithm::Crc32IsoHdlc, self.crc32, next.crc32),
            sha1: None,
            sha256: None,
        }
    }
}

impl From<&Digests> for Known {
    fn from(digests: &Digests) -> Self {
        Self {
            crc32c: Some(digests.crc32c),
            crc64nvme: Some(digests.crc64nvme),
            crc32: digests.crc32,
            sha1: digests.sha1,
            sha256: digests.sha256,
        }
    }
}

/// What is known of parts put together: CRCs combine, SHAs do not.
pub(crate) fn concatenation<'a>(parts: impl IntoIterator<Item = (&'a Digests, u64)>) -> Known {
    let mut parts = parts.into_iter();
    let Some((first, _)) = parts.next() else {
        return Known::default();
    };
    let mut known = Known::from(first);
    for (digests, size) in parts {
        known = known.followed_by(digests, size);
    }
    known
}

/// The digest over parts' digests: S3's composite checksums, and with MD5 the multipart ETag.
pub(crate) fn composite(algorithm: Algorithm, values: &[Vec<u8>]) -> Vec<u8> {
    let all = [bytes::Bytes::from(values.concat())];
    of(&all, WantedDigests::for_algorithm(algorithm)).value(algorithm).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn all() -> WantedDigests {
        WantedDigests { crc32: true, sha1: true, sha256: true }
    }

    fn check(algorithm: Algorithm, hex: &str) {
        let digests = of(&[Bytes::from_static(b"1234"), Bytes::from_static(b"56789")], all());
        let value = digests.value(algorithm).expect("computed");
        assert_eq!(data_encoding::HEXLOWER.encode(&value), hex, "{algorithm:?}");
    }

    #[test]
    fn digests_of_the_standard_check_string() {
        check(Algorithm::Md5, "25f9e794323b453885f5181f1b624d0b");
        check(Algorithm::Crc32, "cbf43926");
        check(Algorithm::Crc32c, "e3069283");
        check(Algorithm::Crc64Nvme, "ae8b14860a799888");
        check(Algorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441");
        check(Algorithm::Sha256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225");
    }

    #[test]
    fn checksums_of_parts_combine_to_that_of_the_whole() {
        let bytes: Vec<u8> = (0..100_000u32).map(|n| (n * 7 % 251) as u8).collect();
        let whole = of(&[Bytes::from(bytes.clone())], all());
        for cuts in [vec![], vec![1], vec![40_000, 60_000], vec![0, 5, 99_999, 100_000]] {
            let mut parts = Vec::new();
            let mut from = 0;
            for to in cuts.iter().copied().chain([bytes.len()]) {
                let part = of(&[Bytes::copy_from_slice(&bytes[from..to])], all());
                parts.push((part, (to - from) as u64));
                from = to;
            }
            let known = concatenation(parts.iter().map(|(digests, size)| (digests, *size)));
            for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
                assert_eq!(known.value(algorithm), whole.value(algorithm), "{algorithm:?} {cuts:?}");
            }
        }
    }
}
