//! `x-amz-checksum-*`, `Content-MD5` and their rules: what a request declares, what is computed for it,
//! and how both go back out.

use data_encoding::BASE64;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use storage::fault::Algorithm;
use storage::objects::{Checksum, Coverage, Digests, WantedDigests};

use super::dialect::{ChecksumRule, Dialect};
use super::error::Code;
use crate::fault::WireError;
use crate::wire::xml::{Element, Writer};

/// The algorithms of `x-amz-checksum-*`, in the order S3 lists them.
pub const ALGORITHMS: [Algorithm; 5] =
    [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme, Algorithm::Sha1, Algorithm::Sha256];

const MD5_HEADER: HeaderName = HeaderName::from_static("content-md5");
const SDK_ALGORITHM: HeaderName = HeaderName::from_static("x-amz-sdk-checksum-algorithm");
const ALGORITHM: HeaderName = HeaderName::from_static("x-amz-checksum-algorithm");
const TYPE: HeaderName = HeaderName::from_static("x-amz-checksum-type");
const TRAILER: HeaderName = HeaderName::from_static("x-amz-trailer");
const MODE: HeaderName = HeaderName::from_static("x-amz-checksum-mode");

/// S3's name of an algorithm; `None` for MD5, which is no `x-amz-checksum`.
pub const fn name(algorithm: Algorithm) -> Option<&'static str> {
    match algorithm {
        Algorithm::Md5 => None,
        Algorithm::Crc32 => Some("CRC32"),
        Algorithm::Crc32c => Some("CRC32C"),
        Algorithm::Crc64Nvme => Some("CRC64NVME"),
        Algorithm::Sha1 => Some("SHA1"),
        Algorithm::Sha256 => Some("SHA256"),
    }
}

const fn header(algorithm: Algorithm) -> HeaderName {
    match algorithm {
        Algorithm::Md5 => MD5_HEADER,
        Algorithm::Crc32 => HeaderName::from_static("x-amz-checksum-crc32"),
        Algorithm::Crc32c => HeaderName::from_static("x-amz-checksum-crc32c"),
        Algorithm::Crc64Nvme => HeaderName::from_static("x-amz-checksum-crc64nvme"),
        Algorithm::Sha1 => HeaderName::from_static("x-amz-checksum-sha1"),
        Algorithm::Sha256 => HeaderName::from_static("x-amz-checksum-sha256"),
    }
}

const fn element(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Md5 => "ContentMD5",
        Algorithm::Crc32 => "ChecksumCRC32",
        Algorithm::Crc32c => "ChecksumCRC32C",
        Algorithm::Crc64Nvme => "ChecksumCRC64NVME",
        Algorithm::Sha1 => "ChecksumSHA1",
        Algorithm::Sha256 => "ChecksumSHA256",
    }
}

const fn length(algorithm: Algorithm) -> usize {
    match algorithm {
        Algorithm::Crc32 | Algorithm::Crc32c => 4,
        Algorithm::Crc64Nvme => 8,
        Algorithm::Md5 => 16,
        Algorithm::Sha1 => 20,
        Algorithm::Sha256 => 32,
    }
}

fn by_name(text: &str) -> Option<Algorithm> {
    ALGORITHMS.into_iter().find(|algorithm| name(*algorithm).is_some_and(|name| name.eq_ignore_ascii_case(text)))
}

/// The algorithm of `x-amz-checksum-crc32` and its kin.
fn by_header(text: &str) -> Option<Algorithm> {
    ALGORITHMS.into_iter().find(|algorithm| text.eq_ignore_ascii_case(header(*algorithm).as_str()))
}

/// What a request says of its body's digests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    pub md5: Option<[u8; 16]>,
    pub algorithm: Option<Algorithm>,
    /// `None` with an algorithm: the value comes in the trailer.
    pub value: Option<Vec<u8>>,
}

impl Declared {
    pub fn from_headers(headers: &HeaderMap, dialect: &Dialect) -> Result<Self, WireError> {
        let mut declared = Self { md5: content_md5(headers)?, ..Self::default() };
        for algorithm in ALGORITHMS {
            let name = header(algorithm);
            let Some(value) = headers.get(&name) else { continue };
            if declared.algorithm.is_some() {
                return Err(several());
            }
            supported(algorithm, dialect)?;
            declared.value = Some(decode(algorithm, value.as_bytes())?);
            declared.algorithm = Some(algorithm);
        }
        refuse_unknown(headers)?;
        if let Some(trailer) = headers.get(TRAILER) {
            let algorithm = trailer
                .to_str()
                .ok()
                .and_then(|names| names.split(',').find_map(|name| by_header(name.trim())))
                .ok_or_else(|| {
                    Code::InvalidRequest.say("The value specified in the x-amz-trailer header is not supported")
                })?;
            supported(algorithm, dialect)?;
            if declared.algorithm.is_some_and(|other| other != algorithm) {
                return Err(several());
            }
            declared.algorithm = Some(algorithm);
        }
        declared.agrees_with_sdk_header(headers)?;
        Ok(declared)
    }

    fn agrees_with_sdk_header(&self, headers: &HeaderMap) -> Result<(), WireError> {
        let Some(named) = headers.get(SDK_ALGORITHM) else { return Ok(()) };
        let named = named.to_str().unwrap_or_default();
        let Some(algorithm) = by_name(named) else {
            // Older SDKs name MD5 here and send Content-MD5.
            if named.eq_ignore_ascii_case("MD5") {
                return Ok(());
            }
            return Err(Code::InvalidRequest.say("Value for x-amz-sdk-checksum-algorithm header is invalid."));
        };
        match self.algorithm {
            Some(sent) if sent == algorithm => Ok(()),
            Some(_) => Err(Code::InvalidRequest.say("Value for x-amz-sdk-checksum-algorithm header is invalid.")),
            None => Err(Code::InvalidRequest.say(
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.",
            )),
        }
    }

    /// Takes the trailer's value. A declared trailer that did not come is malformed.
    pub fn take_trailer(&mut self, trailers: Option<&HeaderMap>) -> Result<(), WireError> {
        let (Some(algorithm), None) = (self.algorithm, &self.value) else { return Ok(()) };
        let value = trailers.and_then(|trailers| trailers.get(header(algorithm)));
        let value = value.ok_or_else(|| Code::MalformedTrailerError.error())?;
        self.value = Some(decode(algorithm, value.as_bytes())?);
        Ok(())
    }

    pub fn wanted(&self, stored: Option<Algorithm>) -> WantedDigests {
        let wants = |algorithm| self.algorithm == Some(algorithm) || stored == Some(algorithm);
        WantedDigests { crc32: wants(Algorithm::Crc32), sha1: wants(Algorithm::Sha1), sha256: wants(Algorithm::Sha256) }
    }

    /// Compares with what was computed over the bytes.
    pub fn verify(&self, digests: &Digests) -> Result<(), WireError> {
        if let Some(md5) = self.md5
            && md5 != digests.md5
        {
            return Err(Code::BadDigest
                .error()
                .field("ExpectedDigest", BASE64.encode(&md5))
                .field("CalculatedDigest", BASE64.encode(&digests.md5)));
        }
        if let (Some(algorithm), Some(value)) = (self.algorithm, &self.value)
            && digest(digests, algorithm).as_ref() != Some(value)
        {
            let name = name(algorithm).unwrap_or_default();
            return Err(Code::BadDigest.say(format!("The {name} you specified did not match the calculated checksum.")));
        }
        Ok(())
    }
}

fn several() -> WireError {
    Code::InvalidRequest.say("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
}

/// A checksum that can't be verified is refused, not forgotten.
fn refuse_unknown(headers: &HeaderMap) -> Result<(), WireError> {
    let mut names = headers.keys().filter_map(|name| name.as_str().strip_prefix("x-amz-checksum-"));
    if names.all(|name| matches!(name, "algorithm" | "type" | "mode") || by_name(name).is_some()) {
        return Ok(());
    }
    Err(Code::InvalidRequest.say("The algorithm type you specified in x-amz-checksum- header is invalid."))
}

fn supported(algorithm: Algorithm, dialect: &Dialect) -> Result<&'static ChecksumRule, WireError> {
    dialect.checksum_rule(algorithm).ok_or_else(|| unsupported(dialect))
}

fn unsupported(dialect: &Dialect) -> WireError {
    let names: Vec<_> = dialect.checksums.iter().filter_map(|rule| name(rule.algorithm)).collect();
    Code::InvalidRequest.say(format!(
        "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [{}]",
        names.join(", ")
    ))
}

fn content_md5(headers: &HeaderMap) -> Result<Option<[u8; 16]>, WireError> {
    let Some(value) = headers.get(MD5_HEADER) else { return Ok(None) };
    let bytes = BASE64.decode(value.as_bytes()).ok().and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
    bytes
        .map(Some)
        .ok_or_else(|| Code::InvalidDigest.error().field("Content-MD5", String::from_utf8_lossy(value.as_bytes())))
}

fn decode(algorithm: Algorithm, value: &[u8]) -> Result<Vec<u8>, WireError> {
    let bytes = BASE64.decode(value.trim_ascii()).ok().filter(|bytes| bytes.len() == length(algorithm));
    bytes
        .ok_or_else(|| Code::InvalidRequest.say(format!("Value for {} header is invalid.", header(algorithm).as_str())))
}

/// The computed digest, in the wire's byte order.
fn digest(digests: &Digests, algorithm: Algorithm) -> Option<Vec<u8>> {
    match algorithm {
        Algorithm::Md5 => Some(digests.md5.to_vec()),
        Algorithm::Crc32 => digests.crc32.map(|crc| crc.to_be_bytes().to_vec()),
        Algorithm::Crc32c => Some(digests.crc32c.to_be_bytes().to_vec()),
        Algorithm::Crc64Nvme => Some(digests.crc64nvme.to_be_bytes().to_vec()),
        Algorithm::Sha1 => digests.sha1.map(|sha| sha.to_vec()),
        Algorithm::Sha256 => digests.sha256.map(|sha| sha.to_vec()),
    }
}

/// The checksum to keep with a body.
pub fn kept(digests: &Digests, algorithm: Option<Algorithm>) -> Option<Checksum> {
    let algorithm = algorithm?;
    Some(Checksum { algorithm, value: digest(digests, algorithm)?, coverage: Coverage::FullObject })
}

/// `x-amz-checksum-algorithm` (CopyObject, CreateMultipartUpload).
pub fn asked_algorithm(headers: &HeaderMap, dialect: &Dialect) -> Result<Option<Algorithm>, WireError> {
    let Some(value) = headers.get(ALGORITHM) else { return Ok(None) };
    let algorithm = value.to_str().ok().and_then(by_name).ok_or_else(|| unsupported(dialect))?;
    supported(algorithm, dialect)?;
    Ok(Some(algorithm))
}

/// Algorithm and full-object flag of a new upload.
pub fn of_upload(headers: &HeaderMap, dialect: &Dialect) -> Result<Option<(Algorithm, bool)>, WireError> {
    let algorithm = asked_algorithm(headers, dialect)?;
    let kind = asked_kind(headers)?;
    let Some(algorithm) = algorithm else {
        if kind.is_some() {
            return Err(Code::InvalidRequest
                .say("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."));
        }
        return Ok(dialect.default_checksum.map(|algorithm| (algorithm, true)));
    };
    let rule = supported(algorithm, dialect)?;
    let full = kind.unwrap_or_else(|| rule.full_by_default());
    if (full && !rule.full_object) || (!full && !rule.composite) {
        let kind = kind_name(full);
        let name = name(algorithm).unwrap_or_default().to_ascii_lowercase();
        return Err(Code::InvalidRequest
            .say(format!("The {kind} checksum type cannot be used with the {name} checksum algorithm.")));
    }
    Ok(Some((algorithm, full)))
}

/// `x-amz-checksum-type`: is it of the full object?
pub fn asked_kind(headers: &HeaderMap) -> Result<Option<bool>, WireError> {
    match headers.get(TYPE).map(HeaderValue::as_bytes) {
        None => Ok(None),
        Some(b"FULL_OBJECT") => Ok(Some(true)),
        Some(b"COMPOSITE") => Ok(Some(false)),
        Some(_) => Err(Code::InvalidRequest.say("Value for x-amz-checksum-type header is invalid.")),
    }
}

pub const fn kind_name(full: bool) -> &'static str {
    if full { "FULL_OBJECT" } else { "COMPOSITE" }
}

/// A full-object checksum declared when an upload is completed. A composite one (`…-N`) is left to the parts.
pub fn declared_at_completion(headers: &HeaderMap) -> Result<Option<(Algorithm, Vec<u8>)>, WireError> {
    for algorithm in ALGORITHMS {
        let Some(value) = headers.get(header(algorithm)) else { continue };
        if value.as_bytes().contains(&b'-') {
            continue;
        }
        return Ok(Some((algorithm, decode(algorithm, value.as_bytes())?)));
    }
    Ok(None)
}

/// `ChecksumCRC32` and its kin inside a `Part`.
pub fn of_part_element(part: &Element) -> Result<Option<(Algorithm, Vec<u8>)>, WireError> {
    for child in &part.children {
        let Some(algorithm) = ALGORITHMS.into_iter().find(|algorithm| element(*algorithm) == child.name) else {
            continue;
        };
        return Ok(Some((algorithm, decode(algorithm, child.text.as_bytes())?)));
    }
    Ok(None)
}

fn wire_value(checksum: &Checksum) -> String {
    let mut value = BASE64.encode(&checksum.value);
    if let Coverage::Composite { parts } = checksum.coverage {
        value.push('-');
        value.push_str(&parts.to_string());
    }
    value
}

const fn kind(checksum: &Checksum) -> &'static str {
    match checksum.coverage {
        Coverage::FullObject => "FULL_OBJECT",
        Coverage::Composite { .. } => "COMPOSITE",
    }
}

/// Did the reader ask for checksums?
pub fn wanted_by_reader(headers: &HeaderMap) -> bool {
    headers.get(MODE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"ENABLED"))
}

pub fn to_headers(checksum: &Checksum, headers: &mut HeaderMap, with_type: bool) {
    if let Ok(value) = HeaderValue::try_from(wire_value(checksum)) {
        headers.insert(header(checksum.algorithm), value);
    }
    if with_type {
        headers.insert(TYPE, HeaderValue::from_static(kind(checksum)));
    }
}

pub fn to_xml(checksum: &Checksum, xml: &mut Writer, with_type: bool) {
    xml.text(element(checksum.algorithm), &wire_value(checksum));
    if with_type {
        xml.text("ChecksumType", kind(checksum));
    }
}

/// `ChecksumAlgorithm` and `ChecksumType` of a listing.
pub fn kind_to_xml(checksum: &Checksum, xml: &mut Writer) {
    if let Some(name) = name(checksum.algorithm) {
        xml.text("ChecksumAlgorithm", name);
        xml.text("ChecksumType", kind(checksum));
    }
}

/// The same of an upload: as headers on its creation.
pub fn upload_to_headers(asked: Option<(Algorithm, bool)>, headers: &mut HeaderMap) {
    if let Some((algorithm, full)) = asked
        && let Some(name) = name(algorithm)
    {
        headers.insert(ALGORITHM, HeaderValue::from_static(name));
        headers.insert(TYPE, HeaderValue::from_static(kind_name(full)));
    }
}

/// And as elements of the listings.
pub fn upload_to_xml(asked: Option<(Algorithm, bool)>, xml: &mut Writer) {
    if let Some((algorithm, full)) = asked
        && let Some(name) = name(algorithm)
    {
        xml.text("ChecksumAlgorithm", name);
        xml.text("ChecksumType", kind_name(full));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
                (name, HeaderValue::from_str(value).expect("a value"))
            })
            .collect()
    }

    fn check(pairs: &[(&str, &str)], want: Result<Option<Algorithm>, &str>) {
        let got = Declared::from_headers(&headers(pairs), &crate::aws::s3::DIALECT);
        let got = got.as_ref().map(|declared| declared.algorithm).map_err(|error| error.code.as_ref());
        assert_eq!(got, want, "{pairs:?}");
    }

    #[test]
    fn declarations() {
        check(&[], Ok(None));
        check(&[("x-amz-checksum-crc32", "AAAAAA==")], Ok(Some(Algorithm::Crc32)));
        check(&[("x-amz-checksum-crc32", "AAAA")], Err("InvalidRequest"));
        check(&[("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-checksum-crc32c", "AAAAAA==")], Err("InvalidRequest"));
        check(&[("x-amz-sdk-checksum-algorithm", "CRC32")], Err("InvalidRequest"));
        check(&[("x-amz-sdk-checksum-algorithm", "SHA1"), ("x-amz-checksum-crc32", "AAAAAA==")], Err("InvalidRequest"));
        check(&[("x-amz-trailer", "x-amz-checksum-crc64nvme")], Ok(Some(Algorithm::Crc64Nvme)));
        check(&[("x-amz-trailer", "x-other")], Err("InvalidRequest"));
        check(&[("x-amz-trailer", "x-amz-checksum-crc32"), ("x-amz-checksum-sha1", "AA")], Err("InvalidRequest"));
        check(
            &[("x-amz-trailer", "x-amz-checksum-crc32"), ("x-amz-checksum-crc32c", "AAAAAA==")],
            Err("InvalidRequest"),
        );
        check(&[("x-amz-checksum-sha3", "AAAA")], Err("InvalidRequest"));
        check(&[("x-amz-checksum-mode", "ENABLED"), ("x-amz-checksum-type", "COMPOSITE")], Ok(None));
        check(&[("content-md5", "nonsense")], Err("InvalidDigest"));
        check(&[("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==")], Ok(None));
    }

    fn check_upload(pairs: &[(&str, &str)], want: Result<Option<(Algorithm, bool)>, &str>) {
        let got = of_upload(&headers(pairs), &crate::aws::s3::DIALECT);
        assert_eq!(got.as_ref().map(|asked| *asked).map_err(|error| error.code.as_ref()), want, "{pairs:?}");
    }

    #[test]
    fn upload_types() {
        const A: &str = "x-amz-checksum-algorithm";
        const T: &str = "x-amz-checksum-type";
        check_upload(&[], Ok(Some((Algorithm::Crc64Nvme, true))));
        check_upload(&[(A, "CRC32")], Ok(Some((Algorithm::Crc32, false))));
        check_upload(&[(A, "CRC32"), (T, "FULL_OBJECT")], Ok(Some((Algorithm::Crc32, true))));
        check_upload(&[(A, "CRC64NVME")], Ok(Some((Algorithm::Crc64Nvme, true))));
        check_upload(&[(A, "CRC64NVME"), (T, "COMPOSITE")], Err("InvalidRequest"));
        check_upload(&[(A, "SHA256"), (T, "FULL_OBJECT")], Err("InvalidRequest"));
        check_upload(&[(A, "MD4")], Err("InvalidRequest"));
        check_upload(&[(T, "COMPOSITE")], Err("InvalidRequest"));
        check_upload(&[(A, "CRC32"), (T, "composite")], Err("InvalidRequest"));
    }

    #[test]
    fn trailers_and_verification() {
        let mut declared = Declared { algorithm: Some(Algorithm::Crc32c), ..Declared::default() };
        assert!(declared.clone().take_trailer(None).is_err());
        declared.take_trailer(Some(&headers(&[("x-amz-checksum-crc32c", "AAAAAQ==")]))).expect("well-formed");
        assert!(declared.verify(&Digests { crc32c: 1, ..Digests::default() }).is_ok());
        let error = declared.verify(&Digests { crc32c: 2, ..Digests::default() }).expect_err("differs");
        assert_eq!(error.message, "The CRC32C you specified did not match the calculated checksum.");
    }

    #[test]
    fn composite_values_say_their_parts() {
        let checksum = Checksum {
            algorithm: Algorithm::Crc32,
            value: vec![0, 0, 0, 1],
            coverage: Coverage::Composite { parts: 3 },
        };
        let mut out = HeaderMap::new();
        to_headers(&checksum, &mut out, true);
        assert_eq!(out["x-amz-checksum-crc32"], "AAAAAQ==-3");
        assert_eq!(out["x-amz-checksum-type"], "COMPOSITE");
    }
}
