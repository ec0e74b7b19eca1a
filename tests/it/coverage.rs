//! Coverage of the S3 API, held against the list of its operations as botocore has them (`s3_operations.txt`).

use std::collections::BTreeSet;

use protocols::service::{Level, Service};
use protocols::services::SERVICES;

const S3_OPERATIONS: &str = include_str!("s3_operations.txt");

/// What browsers send and no SDK has a method for.
const BEYOND_THE_SDKS: &[&str] = &["PostObject", "PreflightRequest"];

/// Operations of the SDK that no service lists yet, not even as absent. This list may only shrink.
const UNLISTED: &[&str] = &[
    "CreateBucketMetadataConfiguration",
    "DeleteBucketMetadataConfiguration",
    "DeleteObjectAnnotation",
    "GetBucketAbac",
    "GetBucketLifecycle",
    "GetBucketMetadataConfiguration",
    "GetBucketNotification",
    "GetObjectAnnotation",
    "ListObjectAnnotations",
    "PutBucketAbac",
    "PutBucketLifecycle",
    "PutBucketNotification",
    "PutObjectAnnotation",
    "UpdateBucketMetadataAnnotationTableConfiguration",
    "UpdateBucketMetadataInventoryTableConfiguration",
    "UpdateBucketMetadataJournalTableConfiguration",
    "UpdateObjectEncryption",
];

/// What this slice promises, for S3 itself.
const PROMISED: &[&str] = &[
    "AbortMultipartUpload",
    "CompleteMultipartUpload",
    "CopyObject",
    "CreateBucket",
    "CreateMultipartUpload",
    "DeleteBucket",
    "DeleteBucketCors",
    "DeleteBucketTagging",
    "DeleteObject",
    "DeleteObjectTagging",
    "DeleteObjects",
    "GetBucketCors",
    "GetBucketLocation",
    "GetBucketTagging",
    "GetObject",
    "GetObjectAttributes",
    "GetObjectTagging",
    "HeadBucket",
    "HeadObject",
    "ListBuckets",
    "ListMultipartUploads",
    "ListObjects",
    "ListObjectsV2",
    "ListParts",
    "PostObject",
    "PreflightRequest",
    "PutBucketCors",
    "PutBucketTagging",
    "PutObject",
    "PutObjectTagging",
    "UploadPart",
    "UploadPartCopy",
];

fn s3() -> &'static Service {
    SERVICES.iter().find(|service| service.id == "aws_s3").expect("S3 is built")
}

fn names(service: &Service) -> BTreeSet<&'static str> {
    service.operations.iter().map(|operation| operation.name).collect()
}

#[test]
fn operations_are_s3s_own() {
    let known: BTreeSet<&str> = S3_OPERATIONS.lines().chain(BEYOND_THE_SDKS.iter().copied()).collect();
    for service in SERVICES.iter().filter(|service| ["aws_s3", "cloudflare_r2", "do_spaces"].contains(&service.id)) {
        let strange: Vec<_> = names(service).into_iter().filter(|name| !known.contains(name)).collect();
        assert!(strange.is_empty(), "{} lists what S3 does not have: {strange:?}", service.id);
    }
}

#[test]
fn every_operation_is_listed() {
    let listed = names(s3());
    let missing: BTreeSet<&str> = S3_OPERATIONS.lines().filter(|name| !listed.contains(name)).collect();
    let allowed: BTreeSet<&str> = UNLISTED.iter().copied().collect();
    assert_eq!(missing, allowed, "operations that aws_s3 lists neither as built nor as absent");
}

#[test]
fn what_is_promised_is_there() {
    for name in PROMISED {
        let operation = s3().operations.iter().find(|operation| operation.name == *name);
        let there = operation.is_some_and(|operation| operation.level != Level::Absent);
        assert!(there, "{name} is promised and absent");
    }
}

#[test]
fn no_operation_is_listed_twice() {
    for service in SERVICES {
        assert_eq!(names(service).len(), service.operations.len(), "{}", service.id);
    }
}
