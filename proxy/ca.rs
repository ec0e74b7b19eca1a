//! The local certificate authority: one key and one certificate in a directory, from which leaves are minted.
//!
//! The CA's name and its key identifier follow from its key, so that a renewed certificate (same key) verifies for
//! clients that trust the older one, and a leaf can be issued without reading the certificate. Profile: RFC 5280, with
//! what strict verifiers want (critical basic constraints and key usage, authority key identifier, random serials).

use std::fs::{self, OpenOptions, Permissions};
use std::io::{Error as IoError, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SerialNumber,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// The file in the CA's directory that clients are to trust.
pub const CA_CERTIFICATE_FILE: &str = "ca.pem";
const CA_KEY_FILE: &str = "ca-key.pem";

const DAY: Duration = Duration::from_hours(24);
/// How far back certificates begin, for clients whose clock is behind.
const BACKDATED: Duration = DAY;
const CA_LIFETIME: Duration = Duration::from_hours(10 * 365 * 24);
/// Clients refuse leaves that are valid for more than 398 days.
const LEAF_LIFETIME: Duration = Duration::from_hours(397 * 24);
/// A leaf with less than this ahead of it is minted anew.
const LEAF_RENEWAL: Duration = Duration::from_hours(30 * 24);
/// A CA with less than this ahead of it is renewed, so that no leaf outlives it.
const CA_RENEWAL: Duration = Duration::from_hours(400 * 24);
/// Bytes of a serial number; 20 at most (RFC 5280, 4.1.2.2).
const SERIAL_BYTES: usize = 16;

#[derive(Debug, thiserror::Error)]
pub enum CaError {
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: IoError },
    #[error("{}: not a key that can sign certificates", path.display())]
    Key { path: PathBuf },
    #[error("{} is not the certificate of {}; remove both to have new ones made", certificate.display(), key.display())]
    Mismatch { certificate: PathBuf, key: PathBuf },
    #[error("a certificate can't be made: {0}")]
    Mint(#[from] rcgen::Error),
    #[error("no randomness")]
    Random,
}

pub(crate) struct Authority {
    dir: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    expires: SystemTime,
    /// One key for all leaves: they live in one process, and its making is the dearest part of minting.
    leaf_key: KeyPair,
}

/// A certificate with its key, and when to replace it.
pub(crate) struct Leaf {
    pub certificate: CertificateDer<'static>,
    pub key: PrivateKeyDer<'static>,
    pub renew_at: SystemTime,
}

impl Authority {
    /// Opens the CA in `dir`, or makes one there.
    pub fn open(dir: &Path, now: SystemTime) -> Result<Self, CaError> {
        fs::create_dir_all(dir).map_err(|error| CaError::File { path: dir.to_owned(), error })?;
        let key = open_key(&dir.join(CA_KEY_FILE))?;
        let expires = read_expiry(&dir.join(CA_CERTIFICATE_FILE), &key, &dir.join(CA_KEY_FILE))?;
        let issuer = Issuer::new(ca_params(&key)?, key);
        let leaf_key = KeyPair::generate()?;
        let mut authority = Self { dir: dir.to_owned(), issuer, expires: expires.unwrap_or(UNIX_EPOCH), leaf_key };
        authority.renew(now)?;
        Ok(authority)
    }

    pub fn certificate_path(&self) -> PathBuf {
        self.dir.join(CA_CERTIFICATE_FILE)
    }

    /// Mints a leaf for DNS names and addresses.
    pub fn mint(&mut self, names: &[String], now: SystemTime) -> Result<Leaf, CaError> {
        self.renew(now)?;
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "MockFactory");
        params.serial_number = Some(serial()?);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.not_before = (now - BACKDATED).into();
        let expires = now - BACKDATED + LEAF_LIFETIME;
        params.not_after = expires.into();
        let certificate = params.signed_by(&self.leaf_key, &self.issuer)?.der().clone();
        let key = PrivatePkcs8KeyDer::from(self.leaf_key.serialize_der()).into();
        Ok(Leaf { certificate, key, renew_at: expires - LEAF_RENEWAL })
    }

    /// Makes the CA's certificate anew where it is missing or ends soon. The key stays.
    fn renew(&mut self, now: SystemTime) -> Result<(), CaError> {
        if self.expires > now + CA_RENEWAL {
            return Ok(());
        }
        let mut params = ca_params(self.issuer.key())?;
        params.serial_number = Some(serial()?);
        params.not_before = (now - BACKDATED).into();
        let expires = now + CA_LIFETIME;
        params.not_after = expires.into();
        let certificate = params.self_signed(self.issuer.key())?;
        write(&self.certificate_path(), certificate.pem().as_bytes(), 0o644)?;
        self.expires = expires;
        Ok(())
    }
}

/// What is the same in all certificates of a CA key.
fn ca_params(key: &KeyPair) -> Result<CertificateParams, CaError> {
    let mut params = CertificateParams::new(Vec::new())?;
    let id = params.key_identifier(key);
    let tag = id.iter().take(4).fold(0_u32, |tag, byte| tag << 8 | u32::from(*byte));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "MockFactory");
    params.distinguished_name.push(DnType::CommonName, format!("MockFactory local CA {tag:08x}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// Reads the key, or makes one that only its owner can read.
fn open_key(path: &Path) -> Result<KeyPair, CaError> {
    let file_error = |error| CaError::File { path: path.to_owned(), error };
    match fs::read_to_string(path) {
        Ok(pem) => {
            fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(file_error)?;
            KeyPair::from_pem(&pem).map_err(|_| CaError::Key { path: path.to_owned() })
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let key = KeyPair::generate()?;
            write(path, key.serialize_pem().as_bytes(), 0o600)?;
            Ok(key)
        }
        Err(error) => Err(file_error(error)),
    }
}

/// When the CA's certificate ends; `None` without one.
fn read_expiry(path: &Path, key: &KeyPair, key_path: &Path) -> Result<Option<SystemTime>, CaError> {
    let mismatch = || CaError::Mismatch { certificate: path.to_owned(), key: key_path.to_owned() };
    let pem = match fs::read(path) {
        Ok(pem) => pem,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(CaError::File { path: path.to_owned(), error }),
    };
    let certificate = CertificateDer::from_pem_slice(&pem).map_err(|_| mismatch())?;
    let public_key = key.der_bytes();
    if !certificate.windows(public_key.len()).any(|window| window == public_key) {
        return Err(mismatch());
    }
    not_after(&certificate).map(Some).ok_or_else(mismatch)
}

/// The end of a certificate's validity (RFC 5280, 4.1): the fifth field of the to-be-signed part, its second time.
fn not_after(certificate: &[u8]) -> Option<SystemTime> {
    const EXPLICIT_VERSION: u8 = 0xA0;
    let (_, certificate, _) = element(certificate)?;
    let (_, mut rest, _) = element(certificate)?;
    if rest.first() == Some(&EXPLICIT_VERSION) {
        rest = element(rest)?.2;
    }
    for _serial_algorithm_issuer in 0..3 {
        rest = element(rest)?.2;
    }
    let (_, validity, _) = element(rest)?;
    let (_, _, second) = element(validity)?;
    let (tag, time, _) = element(second)?;
    parse_time(tag, time)
}

/// One DER element: its tag, its content, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    const LONG_FORM: u8 = 0x80;
    let (&tag, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first & !LONG_FORM);
    if first & LONG_FORM != 0 {
        let (bytes, after) = rest.split_at_checked(length)?;
        length = bytes.iter().try_fold(0_usize, |sum, byte| sum.checked_mul(256)?.checked_add(usize::from(*byte)))?;
        rest = after;
    }
    let (content, after) = rest.split_at_checked(length)?;
    Some((tag, content, after))
}

/// `UTCTime` (two digits of the year) or `GeneralizedTime` (four), both to the second and in UTC.
fn parse_time(tag: u8, text: &[u8]) -> Option<SystemTime> {
    const UTC_TIME: u8 = 0x17;
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = if tag == UTC_TIME {
        let year: u64 = text.get(..2)?.parse().ok()?;
        (if year < 50 { 2000 + year } else { 1900 + year }, text.get(2..)?)
    } else {
        (text.get(..4)?.parse().ok()?, text.get(4..)?)
    };
    let part = |at: usize| rest.get(at..at + 2).and_then(|digits| digits.parse::<u64>().ok());
    let (month, day, hour, minute, second) = (part(0)?, part(2)?, part(4)?, part(6)?, part(8)?);
    let days = days_since_1970(year, month)? + day.checked_sub(1)?;
    Some(UNIX_EPOCH + Duration::from_secs(((days * 24 + hour) * 60 + minute) * 60 + second))
}

/// Days from the epoch to the first of a month.
fn days_since_1970(year: u64, month: u64) -> Option<u64> {
    const DAYS_BEFORE_MONTH: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let before = DAYS_BEFORE_MONTH.get(usize::try_from(month.checked_sub(1)?).ok()?)?;
    let leap_day = u64::from(month > 2 && is_leap(year));
    let years: u64 = (1970..year).map(|year| 365 + u64::from(is_leap(year))).sum();
    Some(years + before + leap_day)
}

fn serial() -> Result<SerialNumber, CaError> {
    let mut bytes = [0; SERIAL_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| CaError::Random)?;
    bytes[0] = bytes[0] & 0x7F | 0x40; // positive, and of full length
    Ok(SerialNumber::from_slice(&bytes))
}

/// Writes a file whole or not at all.
fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), CaError> {
    let part = path.with_extension("part");
    let written =
        OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&part).and_then(|mut file| {
            file.set_permissions(Permissions::from_mode(mode))?;
            file.write_all(content)?;
            file.sync_all()?;
            fs::rename(&part, path)
        });
    written.map_err(|error| CaError::File { path: path.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(dir: &Path, now: SystemTime) -> Authority {
        Authority::open(dir, now).expect("open")
    }

    fn certificate(dir: &Path) -> Vec<u8> {
        CertificateDer::from_pem_file(dir.join(CA_CERTIFICATE_FILE)).expect("pem").to_vec()
    }

    #[test]
    fn it_is_made_once_and_its_key_is_private() {
        let dir = tempfile::tempdir().expect("dir");
        let now = SystemTime::now();
        open(dir.path(), now);
        let first = certificate(dir.path());
        open(dir.path(), now);
        assert_eq!(first, certificate(dir.path()));
        let mode = fs::metadata(dir.path().join(CA_KEY_FILE)).expect("key").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn it_is_renewed_before_its_leaves_outlive_it() {
        let dir = tempfile::tempdir().expect("dir");
        let now = SystemTime::now();
        let made = open(dir.path(), now).expires;
        let first = certificate(dir.path());
        let expiry = not_after(&first).expect("readable");
        assert!(made.duration_since(expiry).expect("rounded down") < Duration::from_secs(1));
        let mut late = open(dir.path(), expiry - DAY * 401);
        assert_eq!(first, certificate(dir.path()));
        late.mint(&["a.test".into()], expiry - DAY * 399).expect("mint");
        assert_ne!(first, certificate(dir.path()));
        assert!(not_after(&certificate(dir.path())).expect("readable") > expiry);
    }

    #[test]
    fn a_leaf_lives_397_days() {
        let dir = tempfile::tempdir().expect("dir");
        let now = SystemTime::now();
        let leaf = open(dir.path(), now).mint(&["a.test".into(), "127.0.0.1".into()], now).expect("mint");
        let end = not_after(&leaf.certificate).expect("readable");
        assert!(end <= now - BACKDATED + LEAF_LIFETIME && end > now + DAY * 395);
        assert!(leaf.renew_at < end);
    }

    #[test]
    fn foreign_files_are_refused() {
        let dir = tempfile::tempdir().expect("dir");
        let other = tempfile::tempdir().expect("dir");
        open(dir.path(), SystemTime::now());
        open(other.path(), SystemTime::now());
        fs::copy(other.path().join(CA_KEY_FILE), dir.path().join(CA_KEY_FILE)).expect("copy");
        assert!(matches!(Authority::open(dir.path(), SystemTime::now()), Err(CaError::Mismatch { .. })));
        fs::write(dir.path().join(CA_KEY_FILE), "nonsense").expect("write");
        assert!(matches!(Authority::open(dir.path(), SystemTime::now()), Err(CaError::Key { .. })));
    }

    #[test]
    fn times_are_read_as_written() {
        let check = |tag, text: &[u8], expected: Option<u64>| {
            let time = parse_time(tag, text).map(|time| time.duration_since(UNIX_EPOCH).expect("after").as_secs());
            assert_eq!(time, expected, "{}", String::from_utf8_lossy(text));
        };
        check(0x17, b"700101000000Z", Some(0));
        check(0x17, b"000229235959Z", Some(951_868_799));
        check(0x17, b"261122193804Z", Some(1_795_376_284));
        check(0x18, b"21000301000000Z", Some(4_107_542_400));
        check(0x17, b"261322193804Z", None);
        check(0x17, b"2611", None);
        check(0x17, b"26112219380\xFFZ", None);
    }
}
