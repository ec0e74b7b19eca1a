//! Amazon S3: the dialect's home.

use data_encoding::HEXLOWER;
use http::HeaderName;
use storage::environments::EnvironmentRecord;
use storage::fault::Algorithm;
use storage::objects::Namespace;

use crate::dialects::s3::dialect::{
    AWS_CHECKSUMS, BucketNames, Dialect, FrontLabel, Owner, Recreate, Regions, Signing,
};
use crate::dialects::s3::{S3, error, operation};
use crate::service::{Endpoint, Operation, Provider, Service};
use crate::wire::aws_rest_xml::AwsRestXml;

pub static SERVICE: Service = Service {
    id: "aws_s3",
    provider: Provider::Aws,
    title: "S3",
    hosts: &["s3"],
    mount: None,
    scopes: &["s3"],
    endpoint: Endpoint::Host,
    price_cents: 10,
    operations: OPERATIONS,
    wire: &WIRE,
    handler: &HANDLER,
};

static OPERATIONS: &[Operation] = &{ operation::rows::<{ operation::COUNT }>(DIALECT.absent) };

static HANDLER: S3 = S3 { dialect: &DIALECT };

static WIRE: AwsRestXml = AwsRestXml {
    server: "AmazonS3",
    request_id: HeaderName::from_static("x-amz-request-id"),
    host_id: Some(HeaderName::from_static("x-amz-id-2")),
    render: error::from_fault,
};

pub const DIALECT: Dialect = Dialect {
    namespace: Namespace("s3"),
    key_provider: "aws",
    regions: Regions {
        default: "us-east-1",
        aliases: &["", "aws-global", "US", "EU"],
        locations: LOCATIONS,
        signing: Signing::Any,
        regional: true,
    },
    front_labels: &[FrontLabel::Region, FrontLabel::Named("s3")],
    bucket_names: BucketNames {
        dots: true,
        reserved_prefixes: &["xn--", "sthree-", "amzn-s3-demo-"],
        reserved_suffixes: &["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"],
    },
    absent: &[],
    not_implemented: |_| "A header you provided implies functionality that is not implemented".to_owned(),
    checksums: AWS_CHECKSUMS,
    default_checksum: Some(Algorithm::Crc64Nvme),
    parts_declare_checksums: true,
    signature_v2: true,
    full_write_conditions: false,
    copy_destination: None,
    create_bucket_header: None,
    equal_parts: false,
    copies_become_one: true,
    header_bytes_max: 8 * 1024,
    metadata_bytes_max: 2048,
    rfc2047: false,
    encryption: Some("AES256"),
    acls: true,
    tagging: true,
    storage_classes: &[
        "STANDARD",
        "REDUCED_REDUNDANCY",
        "STANDARD_IA",
        "ONEZONE_IA",
        "INTELLIGENT_TIERING",
        "GLACIER",
        "DEEP_ARCHIVE",
        "GLACIER_IR",
        "EXPRESS_ONEZONE",
        "OUTPOSTS",
        "SNOW",
    ],
    recreate: Recreate::InDefaultRegion,
    owner,
};

const LOCATIONS: &[&str] = &[
    "EU",
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-west-1",
    "us-west-2",
];

/// The canonical user: as minted for the environment's own account, derived for its others.
fn owner(record: &EnvironmentRecord, account: &str) -> Owner {
    let own = record.credentials.get("aws").filter(|aws| aws["account_id"] == account);
    if let Some(aws) = own
        && let Some(id) = aws["canonical_user_id"].as_str()
    {
        return Owner { id: id.to_owned(), display_name: aws["display_name"].as_str().map(str::to_owned) };
    }
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, account.as_bytes());
    Owner { id: HEXLOWER.encode(digest.as_ref()), display_name: Some(account.to_owned()) }
}
