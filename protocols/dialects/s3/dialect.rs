//! What providers of the S3 API do differently, as data.

use storage::environments::AuthMode;
use storage::fault::Algorithm;
use storage::objects::Namespace;

use super::operation::{Op, contains};

/// One provider's S3.
pub struct Dialect {
    /// Its own set of bucket names inside an environment.
    pub namespace: Namespace,
    /// Whose access keys may sign: `AccessKey::provider`.
    pub key_provider: &'static str,
    /// Regions a request may be signed for and a bucket may be put into.
    pub regions: Regions,
    /// Labels before the service's host that name no bucket, from the right.
    pub front_labels: &'static [FrontLabel],
    pub bucket_names: BucketNames,
    /// Operations answered with `NotImplemented`, beyond those nobody has built.
    pub absent: &'static [Op],
    /// How a missing operation is spoken of.
    pub not_implemented: fn(&str) -> String,
    pub checksums: &'static [ChecksumRule],
    /// Stored with objects whose writer declared no checksum.
    pub default_checksum: Option<Algorithm>,
    /// Composite uploads want each part's checksum from the client, with the part and again at completion.
    pub parts_declare_checksums: bool,
    /// SigV2, in headers and presigned.
    pub signature_v2: bool,
    /// Writes take all four conditional headers with lists of ETags; else If-Match and `If-None-Match: *`.
    pub full_write_conditions: bool,
    /// Prefix of the headers that put conditions on a copy's destination (`cf-copy-destination-`).
    pub copy_destination: Option<&'static str>,
    /// Header that makes PutObject create its bucket.
    pub create_bucket_header: Option<&'static str>,
    /// Parts but the last must have one size.
    pub equal_parts: bool,
    /// A copy of a multipart object is a single one, its ETag its MD5.
    pub copies_become_one: bool,
    /// Most bytes of a request's headers, names and values.
    pub header_bytes_max: usize,
    /// Most bytes of user metadata, names and values together.
    pub metadata_bytes_max: usize,
    /// User metadata is decoded from RFC 2047 when written.
    pub rfc2047: bool,
    /// Value of `x-amz-server-side-encryption` on every object.
    pub encryption: Option<&'static str>,
    /// Objects and buckets have ACLs; elsewhere the headers are refused.
    pub acls: bool,
    /// Objects have tags; elsewhere the header is refused.
    pub tagging: bool,
    pub storage_classes: &'static [&'static str],
    /// Makes a bucket again for its owner without complaint.
    pub recreate: Recreate,
    /// Who may own what: the name and id written as `Owner`.
    pub owner: fn(&storage::environments::EnvironmentRecord, &str) -> Owner,
}

impl Dialect {
    pub fn has(&self, op: Op) -> bool {
        !contains(self.absent, op) && super::operation::built(op) != crate::service::Level::Absent
    }

    pub fn checksum_rule(&self, algorithm: Algorithm) -> Option<&'static ChecksumRule> {
        self.checksums.iter().find(|rule| rule.algorithm == algorithm)
    }
}

/// An `Owner` or `Initiator` element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub id: String,
    pub display_name: Option<String>,
}

/// Regions of a provider.
pub struct Regions {
    pub default: &'static str,
    /// Names that mean the default one.
    pub aliases: &'static [&'static str],
    /// Names a bucket may be created with.
    pub locations: &'static [&'static str],
    /// Which regions a signature may name.
    pub signing: Signing,
    /// A bucket's location must agree with the region that signed (AWS's regional endpoints), and the
    /// default region can't be named.
    pub regional: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signing {
    Any,
    /// The default, its aliases and the locations.
    Listed,
}

impl Regions {
    pub fn may_sign(&self, region: &str) -> bool {
        match self.signing {
            Signing::Any => true,
            Signing::Listed => {
                region == self.default || self.aliases.contains(&region) || self.locations.contains(&region)
            }
        }
    }
}

/// When creating one's own bucket again succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recreate {
    /// Where the bucket lies in the default region (AWS's us-east-1).
    InDefaultRegion,
    Never,
}

#[derive(Clone, Copy, Debug)]
pub enum FrontLabel {
    /// One of the provider's locations, or shaped like one.
    Region,
    /// 32 hexadecimal digits.
    Account,
    Named(&'static str),
}

impl Dialect {
    /// The bucket in `front`, what stood before the service's host name.
    pub fn bucket_of_front<'a>(&self, front: &'a str) -> Option<&'a str> {
        let mut rest = front;
        for label in self.front_labels {
            let (before, last) = rest.rsplit_once('.').map_or(("", rest), |(before, last)| (before, last));
            let strip = match label {
                FrontLabel::Region => self.regions.locations.contains(&last) || last == self.regions.default,
                FrontLabel::Account => last.len() == 32 && last.bytes().all(|b| b.is_ascii_hexdigit()),
                FrontLabel::Named(name) => last == *name,
            };
            if strip {
                rest = before;
            }
        }
        (!rest.is_empty()).then_some(rest)
    }
}

/// How an algorithm's checksum may cover a multipart object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChecksumRule {
    pub algorithm: Algorithm,
    pub full_object: bool,
    pub composite: bool,
}

impl ChecksumRule {
    /// Used where the request names no type.
    pub const fn full_by_default(&self) -> bool {
        !self.composite
    }
}

/// AWS's table of checksum types.
pub const AWS_CHECKSUMS: &[ChecksumRule] = &[
    ChecksumRule { algorithm: Algorithm::Crc32, full_object: true, composite: true },
    ChecksumRule { algorithm: Algorithm::Crc32c, full_object: true, composite: true },
    ChecksumRule { algorithm: Algorithm::Crc64Nvme, full_object: true, composite: false },
    ChecksumRule { algorithm: Algorithm::Sha1, full_object: false, composite: true },
    ChecksumRule { algorithm: Algorithm::Sha256, full_object: false, composite: true },
];

/// What a bucket may be called.
#[derive(Clone, Copy, Debug)]
pub struct BucketNames {
    pub dots: bool,
    pub reserved_prefixes: &'static [&'static str],
    pub reserved_suffixes: &'static [&'static str],
}

/// Shortest and longest bucket name, in bytes.
pub const BUCKET_NAME_MIN: usize = 3;
pub const BUCKET_NAME_MAX: usize = 63;
/// Shortest where credentials are not checked either: other emulators take `b`, and test suites use it.
pub const BUCKET_NAME_MIN_RELAXED: usize = 1;

impl BucketNames {
    pub fn allow(&self, name: &str, auth: AuthMode) -> bool {
        let bytes = name.as_bytes();
        let edge = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let min = match auth {
            AuthMode::Strict => BUCKET_NAME_MIN,
            AuthMode::Relaxed => BUCKET_NAME_MIN_RELAXED,
        };
        (min..=BUCKET_NAME_MAX).contains(&bytes.len())
            && edge(bytes.first())
            && edge(bytes.last())
            && bytes
                .iter()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-' || (self.dots && *b == b'.'))
            && !name.contains("..")
            && name.parse::<std::net::Ipv4Addr>().is_err()
            && !self.reserved_prefixes.iter().any(|prefix| name.starts_with(prefix))
            && !self.reserved_suffixes.iter().any(|suffix| name.ends_with(suffix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: BucketNames = BucketNames {
        dots: true,
        reserved_prefixes: &["xn--", "sthree-"],
        reserved_suffixes: &["-s3alias", "--ol-s3"],
    };

    fn check(name: &str, want: bool) {
        assert_eq!(NAMES.allow(name, AuthMode::Strict), want, "{name}");
    }

    #[test]
    fn bucket_names() {
        check("abc", true);
        check("my.bucket-1", true);
        check(&"a".repeat(63), true);
        check("ab", false);
        assert!(NAMES.allow("b", AuthMode::Relaxed) && !NAMES.allow("B", AuthMode::Relaxed));
        check(&"a".repeat(64), false);
        check("Abc", false);
        check("a_c", false);
        check("-abc", false);
        check("abc-", false);
        check("a..c", false);
        check("192.168.5.4", false);
        check("xn--abc", false);
        check("abc-s3alias", false);
        check("äbc", false);
        assert!(!BucketNames { dots: false, ..NAMES }.allow("a.bc", AuthMode::Strict));
    }

    fn check_front(dialect: &Dialect, front: &str, want: Option<&str>) {
        assert_eq!(dialect.bucket_of_front(front), want, "{front}");
    }

    #[test]
    fn fronts() {
        let aws = &crate::aws::s3::DIALECT;
        check_front(aws, "bucket", Some("bucket"));
        check_front(aws, "my.bucket", Some("my.bucket"));
        check_front(aws, "bucket.s3", Some("bucket"));
        check_front(aws, "my.bucket.s3.eu-west-1", Some("my.bucket"));
        check_front(aws, "s3.us-east-1", None);
        let r2 = &crate::cloudflare::r2::DIALECT;
        check_front(r2, "0123456789abcdef0123456789abcdef", None);
        check_front(r2, "bucket.0123456789abcdef0123456789abcdef", Some("bucket"));
        let spaces = &crate::digitalocean::spaces::DIALECT;
        check_front(spaces, "nyc3", None);
        check_front(spaces, "bucket.nyc3", Some("bucket"));
    }
}
