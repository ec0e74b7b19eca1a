//! DigitalOcean Spaces: S3's dialect with regions of its own and SigV2 as well as V4.

use http::HeaderName;
use storage::environments::EnvironmentRecord;
use storage::objects::Namespace;

use crate::dialects::s3::dialect::{
    AWS_CHECKSUMS, BucketNames, Dialect, FrontLabel, Owner, Recreate, Regions, Signing,
};
use crate::dialects::s3::operation::Op;
use crate::dialects::s3::{S3, error, operation};
use crate::service::{Endpoint, Operation, Provider, Service};
use crate::wire::aws_rest_xml::AwsRestXml;

pub static SERVICE: Service = Service {
    id: "do_spaces",
    provider: Provider::DigitalOcean,
    title: "Spaces",
    hosts: &["spaces"],
    mount: Some("/v2/spaces"),
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
    server: "DigitalOcean Spaces",
    request_id: HeaderName::from_static("x-amz-request-id"),
    host_id: Some(HeaderName::from_static("x-amz-id-2")),
    render: error::from_fault,
};

pub const DIALECT: Dialect = Dialect {
    namespace: Namespace("spaces"),
    key_provider: "digitalocean",
    regions: Regions {
        default: "nyc3",
        aliases: &["", "us-east-1"],
        locations: &[
            "ams3",
            "atl1",
            "blr1",
            "fra1",
            "lon1",
            "nyc1",
            "nyc2",
            "nyc3",
            "ric1",
            "sfo2",
            "sfo3",
            "sgp1",
            "syd1",
            "tor1",
            "us-east-1",
        ],
        signing: Signing::Any,
        regional: false,
    },
    front_labels: &[FrontLabel::Region],
    bucket_names: BucketNames { dots: false, reserved_prefixes: &[], reserved_suffixes: &[] },
    absent: ABSENT,
    not_implemented: |operation| format!("{operation} is not implemented"),
    checksums: AWS_CHECKSUMS,
    default_checksum: None,
    parts_declare_checksums: false,
    signature_v2: true,
    full_write_conditions: false,
    copy_destination: None,
    create_bucket_header: None,
    equal_parts: false,
    copies_become_one: false,
    header_bytes_max: 8 * 1024,
    metadata_bytes_max: 2048,
    rfc2047: false,
    encryption: None,
    acls: true,
    tagging: true,
    storage_classes: &["STANDARD"],
    recreate: Recreate::Never,
    owner,
};

/// What Spaces' reference leaves out.
const ABSENT: &[Op] = &[
    Op::GetBucketReplication,
    Op::GetBucketAccelerateConfiguration,
    Op::GetBucketNotificationConfiguration,
    Op::GetBucketOwnershipControls,
    Op::GetBucketEncryption,
    Op::GetObjectLockConfiguration,
    Op::GetObjectLegalHold,
    Op::GetObjectRetention,
    Op::GetPublicAccessBlock,
    Op::GetObjectAttributes,
];

/// The team's project number is owner id and name at once.
fn owner(_: &EnvironmentRecord, account: &str) -> Owner {
    Owner { id: account.to_owned(), display_name: Some(account.to_owned()) }
}
