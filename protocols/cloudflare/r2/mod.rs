//! Cloudflare R2: S3's dialect with one region, no ACLs, tags or versions, and conditions of its own.

use http::HeaderName;
use storage::environments::EnvironmentRecord;
use storage::fault::Algorithm;
use storage::objects::Namespace;

use crate::dialects::s3::dialect::{BucketNames, ChecksumRule, Dialect, FrontLabel, Owner, Recreate, Regions, Signing};
use crate::dialects::s3::operation::Op;
use crate::dialects::s3::{S3, error, operation};
use crate::service::{Endpoint, Operation, Provider, Service};
use crate::wire::aws_rest_xml::AwsRestXml;

pub static SERVICE: Service = Service {
    id: "cloudflare_r2",
    provider: Provider::Cloudflare,
    title: "R2",
    hosts: &["r2"],
    mount: Some("/r2"),
    scopes: &["s3"],
    endpoint: Endpoint::Mount,
    price_cents: 10,
    operations: OPERATIONS,
    wire: &WIRE,
    handler: &HANDLER,
};

static OPERATIONS: &[Operation] = &{ operation::rows::<{ operation::COUNT }>(DIALECT.absent) };

static HANDLER: S3 = S3 { dialect: &DIALECT };

static WIRE: AwsRestXml = AwsRestXml {
    server: "cloudflare",
    request_id: HeaderName::from_static("cf-ray"),
    host_id: None,
    render: error::from_fault,
};

pub const DIALECT: Dialect = Dialect {
    namespace: Namespace("r2"),
    key_provider: "cloudflare",
    regions: Regions {
        default: "auto",
        aliases: &["", "us-east-1"],
        locations: &["wnam", "enam", "weur", "eeur", "apac", "oc", "auto", "us-east-1"],
        signing: Signing::Listed,
        regional: false,
    },
    front_labels: &[FrontLabel::Account],
    bucket_names: BucketNames { dots: false, reserved_prefixes: &[], reserved_suffixes: &[] },
    absent: ABSENT,
    not_implemented: |operation| format!("{operation} not implemented"),
    checksums: &[
        ChecksumRule { algorithm: Algorithm::Crc32, full_object: false, composite: true },
        ChecksumRule { algorithm: Algorithm::Crc32c, full_object: false, composite: true },
        ChecksumRule { algorithm: Algorithm::Crc64Nvme, full_object: true, composite: false },
        ChecksumRule { algorithm: Algorithm::Sha1, full_object: false, composite: true },
        ChecksumRule { algorithm: Algorithm::Sha256, full_object: false, composite: true },
    ],
    default_checksum: Some(Algorithm::Crc64Nvme),
    parts_declare_checksums: false,
    signature_v2: false,
    full_write_conditions: true,
    copy_destination: Some("cf-copy-destination-"),
    create_bucket_header: Some("cf-create-bucket-if-missing"),
    equal_parts: true,
    copies_become_one: false,
    header_bytes_max: 16 * 1024,
    metadata_bytes_max: 8192,
    rfc2047: true,
    encryption: None,
    acls: false,
    tagging: false,
    storage_classes: &["STANDARD", "STANDARD_IA"],
    recreate: Recreate::Never,
    owner,
};

/// What Cloudflare's compatibility table marks as missing.
const ABSENT: &[Op] = &[
    Op::GetBucketAcl,
    Op::PutBucketAcl,
    Op::GetObjectAcl,
    Op::PutObjectAcl,
    Op::GetBucketTagging,
    Op::PutBucketTagging,
    Op::DeleteBucketTagging,
    Op::GetObjectTagging,
    Op::PutObjectTagging,
    Op::DeleteObjectTagging,
    Op::GetObjectAttributes,
    Op::GetBucketVersioning,
    Op::ListObjectVersions,
    Op::GetBucketPolicy,
    Op::GetBucketPolicyStatus,
    Op::GetBucketWebsite,
    Op::GetBucketReplication,
    Op::GetBucketRequestPayment,
    Op::GetBucketLogging,
    Op::GetBucketNotificationConfiguration,
    Op::GetBucketAccelerateConfiguration,
    Op::GetBucketOwnershipControls,
    Op::GetObjectLockConfiguration,
    Op::GetObjectLegalHold,
    Op::GetObjectRetention,
    Op::GetPublicAccessBlock,
    Op::PostObject,
];

/// The account is the owner.
fn owner(_: &EnvironmentRecord, account: &str) -> Owner {
    Owner { id: account.to_owned(), display_name: Some(account.to_owned()) }
}
