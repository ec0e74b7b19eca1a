//! Which operation a request means: its method, whether it names a key, and its sub-resource query.
//!
//! `x-id` says nothing (S3 ignores it, right or wrong), unknown parameters are ignored, and a sub-resource
//! with a method it does not have is S3's `MethodNotAllowed`.

use http::Method;

use super::query::Query;
use crate::service::{Level, Operation as Row};

macro_rules! operations {
    ($($name:ident,)*) => {
        /// Every operation of the S3 API, by S3's own names.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Op { $($name,)* }

        impl Op {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }
    };
}

operations! {
    AbortMultipartUpload, CompleteMultipartUpload, CopyObject, CreateBucket, CreateMultipartUpload, CreateSession,
    DeleteBucket, DeleteBucketAnalyticsConfiguration, DeleteBucketCors, DeleteBucketEncryption,
    DeleteBucketIntelligentTieringConfiguration, DeleteBucketInventoryConfiguration, DeleteBucketLifecycle,
    DeleteBucketMetadataTableConfiguration, DeleteBucketMetricsConfiguration, DeleteBucketOwnershipControls,
    DeleteBucketPolicy, DeleteBucketReplication, DeleteBucketTagging, DeleteBucketWebsite, DeleteObject,
    DeleteObjectTagging, DeleteObjects, DeletePublicAccessBlock, GetBucketAccelerateConfiguration, GetBucketAcl,
    GetBucketAnalyticsConfiguration, GetBucketCors, GetBucketEncryption, GetBucketIntelligentTieringConfiguration,
    GetBucketInventoryConfiguration, GetBucketLifecycleConfiguration, GetBucketLocation, GetBucketLogging,
    GetBucketMetadataTableConfiguration, GetBucketMetricsConfiguration, GetBucketNotificationConfiguration,
    GetBucketOwnershipControls, GetBucketPolicy, GetBucketPolicyStatus, GetBucketReplication,
    GetBucketRequestPayment, GetBucketTagging, GetBucketVersioning, GetBucketWebsite, GetObject, GetObjectAcl,
    GetObjectAttributes, GetObjectLegalHold, GetObjectLockConfiguration, GetObjectRetention, GetObjectTagging,
    GetObjectTorrent, GetPublicAccessBlock, HeadBucket, HeadObject, ListBucketAnalyticsConfigurations,
    ListBucketIntelligentTieringConfigurations, ListBucketInventoryConfigurations, ListBucketMetricsConfigurations,
    ListBuckets, ListDirectoryBuckets, ListMultipartUploads, ListObjectVersions, ListObjects, ListObjectsV2,
    ListParts, PostObject, PreflightRequest, PutBucketAccelerateConfiguration, PutBucketAcl,
    PutBucketAnalyticsConfiguration, PutBucketCors, PutBucketEncryption, PutBucketIntelligentTieringConfiguration,
    PutBucketInventoryConfiguration, PutBucketLifecycleConfiguration, PutBucketLogging,
    CreateBucketMetadataTableConfiguration, PutBucketMetricsConfiguration, PutBucketNotificationConfiguration,
    PutBucketOwnershipControls, PutBucketPolicy, PutBucketReplication, PutBucketRequestPayment, PutBucketTagging,
    PutBucketVersioning, PutBucketWebsite, PutObject, PutObjectAcl, PutObjectLegalHold,
    PutObjectLockConfiguration, PutObjectRetention, PutObjectTagging, PutPublicAccessBlock, RenameObject,
    RestoreObject, SelectObjectContent, UploadPart, UploadPartCopy, WriteGetObjectResponse,
}

/// What this code does about an operation, before a provider takes away from it.
#[allow(clippy::enum_glob_use)] // nothing but operations stands here
pub const fn built(op: Op) -> Level {
    use Op::*;
    match op {
        AbortMultipartUpload
        | CompleteMultipartUpload
        | CopyObject
        | CreateBucket
        | CreateMultipartUpload
        | DeleteBucket
        | DeleteBucketCors
        | DeleteBucketTagging
        | DeleteObject
        | DeleteObjectTagging
        | DeleteObjects
        | GetBucketCors
        | GetBucketLocation
        | GetBucketTagging
        | GetObject
        | GetObjectAttributes
        | GetObjectTagging
        | HeadBucket
        | HeadObject
        | ListBuckets
        | ListMultipartUploads
        | ListObjects
        | ListObjectsV2
        | ListParts
        | PostObject
        | PreflightRequest
        | PutBucketCors
        | PutBucketTagging
        | PutObject
        | PutObjectTagging
        | UploadPart
        | UploadPartCopy => Level::Full,
        GetBucketAcl | GetObjectAcl | PutBucketAcl | PutObjectAcl => {
            Level::Partial("canned ACLs; grants to other accounts are refused")
        }
        GetBucketVersioning => Level::Partial("buckets are unversioned"),
        ListObjectVersions => Level::Partial("every object has its null version only"),
        GetBucketEncryption => Level::Partial("the default, SSE-S3"),
        GetBucketRequestPayment => Level::Partial("always BucketOwner"),
        GetBucketLogging | GetBucketNotificationConfiguration | GetBucketAccelerateConfiguration => {
            Level::Partial("always empty")
        }
        DeleteBucketPolicy
        | DeleteBucketLifecycle
        | DeleteBucketWebsite
        | DeleteBucketEncryption
        | DeleteBucketReplication
        | DeleteBucketOwnershipControls
        | DeletePublicAccessBlock => Level::Partial("there is never one to delete"),
        GetBucketLifecycleConfiguration
        | GetBucketPolicy
        | GetBucketPolicyStatus
        | GetBucketWebsite
        | GetBucketReplication
        | GetBucketOwnershipControls
        | GetObjectLockConfiguration
        | GetObjectLegalHold
        | GetObjectRetention
        | GetPublicAccessBlock => Level::Partial("always not configured"),
        _ => Level::Absent,
    }
}

/// The rows of a provider that lacks `absent`.
pub const fn rows<const N: usize>(absent: &[Op]) -> [Row; N] {
    let mut rows = [Row { name: "", level: Level::Absent }; N];
    let mut at = 0;
    while at < N {
        let op = Op::ALL[at];
        let level = if contains(absent, op) { Level::Absent } else { built(op) };
        rows[at] = Row { name: op.name(), level };
        at += 1;
    }
    rows
}

/// Operations of the API: the length of every provider's rows.
pub const COUNT: usize = Op::ALL.len();

pub const fn contains(ops: &[Op], op: Op) -> bool {
    let mut at = 0;
    while at < ops.len() {
        if ops[at] as u8 == op as u8 {
            return true;
        }
        at += 1;
    }
    false
}

/// What the path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    Service,
    Bucket,
    Object,
}

/// Why a request names no operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unroutable {
    /// The resource exists, the method on it does not.
    Method,
}

/// GET, PUT, POST, DELETE of one sub-resource at one level.
type Methods = [Option<Op>; 4];

const GET: usize = 0;
const PUT: usize = 1;
const POST: usize = 2;
const DELETE: usize = 3;

/// Sub-resources: name, their operations on a bucket, their operations on an object.
#[rustfmt::skip]
#[allow(clippy::enum_glob_use)] // nothing but operations stands here
static SUB_RESOURCES: &[(&str, Methods, Methods)] = {
    use Op::*;
    const fn m(get: Option<Op>, put: Option<Op>, post: Option<Op>, delete: Option<Op>) -> Methods { [get, put, post, delete] }
    const NONE: Methods = [None; 4];
    &[
        ("uploads", m(Some(ListMultipartUploads), None, None, None), m(None, None, Some(CreateMultipartUpload), None)),
        ("uploadId", NONE, m(Some(ListParts), Some(UploadPart), Some(CompleteMultipartUpload), Some(AbortMultipartUpload))),
        ("delete", m(None, None, Some(DeleteObjects), None), NONE),
        ("location", m(Some(GetBucketLocation), None, None, None), NONE),
        ("tagging", m(Some(GetBucketTagging), Some(PutBucketTagging), None, Some(DeleteBucketTagging)), m(Some(GetObjectTagging), Some(PutObjectTagging), None, Some(DeleteObjectTagging))),
        ("acl", m(Some(GetBucketAcl), Some(PutBucketAcl), None, None), m(Some(GetObjectAcl), Some(PutObjectAcl), None, None)),
        ("cors", m(Some(GetBucketCors), Some(PutBucketCors), None, Some(DeleteBucketCors)), NONE),
        ("attributes", NONE, m(Some(GetObjectAttributes), None, None, None)),
        ("versioning", m(Some(GetBucketVersioning), Some(PutBucketVersioning), None, None), NONE),
        ("versions", m(Some(ListObjectVersions), None, None, None), NONE),
        ("policy", m(Some(GetBucketPolicy), Some(PutBucketPolicy), None, Some(DeleteBucketPolicy)), NONE),
        ("policyStatus", m(Some(GetBucketPolicyStatus), None, None, None), NONE),
        ("lifecycle", m(Some(GetBucketLifecycleConfiguration), Some(PutBucketLifecycleConfiguration), None, Some(DeleteBucketLifecycle)), NONE),
        ("encryption", m(Some(GetBucketEncryption), Some(PutBucketEncryption), None, Some(DeleteBucketEncryption)), NONE),
        ("website", m(Some(GetBucketWebsite), Some(PutBucketWebsite), None, Some(DeleteBucketWebsite)), NONE),
        ("notification", m(Some(GetBucketNotificationConfiguration), Some(PutBucketNotificationConfiguration), None, None), NONE),
        ("logging", m(Some(GetBucketLogging), Some(PutBucketLogging), None, None), NONE),
        ("replication", m(Some(GetBucketReplication), Some(PutBucketReplication), None, Some(DeleteBucketReplication)), NONE),
        ("requestPayment", m(Some(GetBucketRequestPayment), Some(PutBucketRequestPayment), None, None), NONE),
        ("accelerate", m(Some(GetBucketAccelerateConfiguration), Some(PutBucketAccelerateConfiguration), None, None), NONE),
        ("ownershipControls", m(Some(GetBucketOwnershipControls), Some(PutBucketOwnershipControls), None, Some(DeleteBucketOwnershipControls)), NONE),
        ("publicAccessBlock", m(Some(GetPublicAccessBlock), Some(PutPublicAccessBlock), None, Some(DeletePublicAccessBlock)), NONE),
        ("object-lock", m(Some(GetObjectLockConfiguration), Some(PutObjectLockConfiguration), None, None), NONE),
        ("legal-hold", NONE, m(Some(GetObjectLegalHold), Some(PutObjectLegalHold), None, None)),
        ("retention", NONE, m(Some(GetObjectRetention), Some(PutObjectRetention), None, None)),
        ("torrent", NONE, m(Some(GetObjectTorrent), None, None, None)),
        ("restore", NONE, m(None, None, Some(RestoreObject), None)),
        ("select", NONE, m(None, None, Some(SelectObjectContent), None)),
        ("renameObject", NONE, m(None, Some(RenameObject), None, None)),
        ("session", m(Some(CreateSession), None, None, None), NONE),
        ("analytics", m(Some(GetBucketAnalyticsConfiguration), Some(PutBucketAnalyticsConfiguration), None, Some(DeleteBucketAnalyticsConfiguration)), NONE),
        ("inventory", m(Some(GetBucketInventoryConfiguration), Some(PutBucketInventoryConfiguration), None, Some(DeleteBucketInventoryConfiguration)), NONE),
        ("metrics", m(Some(GetBucketMetricsConfiguration), Some(PutBucketMetricsConfiguration), None, Some(DeleteBucketMetricsConfiguration)), NONE),
        ("intelligent-tiering", m(Some(GetBucketIntelligentTieringConfiguration), Some(PutBucketIntelligentTieringConfiguration), None, Some(DeleteBucketIntelligentTieringConfiguration)), NONE),
        ("metadataTable", m(Some(GetBucketMetadataTableConfiguration), None, Some(CreateBucketMetadataTableConfiguration), Some(DeleteBucketMetadataTableConfiguration)), NONE),
    ]
};

/// Finds the operation. `copies`: the request carries `x-amz-copy-source`.
pub fn route(method: &Method, level: Resource, query: Query<'_>, copies: bool) -> Result<Op, Unroutable> {
    if *method == Method::OPTIONS {
        return Ok(Op::PreflightRequest);
    }
    if level == Resource::Service {
        return match *method {
            Method::GET => Ok(Op::ListBuckets),
            Method::POST => Ok(Op::PostObject),
            _ => Err(Unroutable::Method),
        };
    }
    let object = level == Resource::Object;
    if let Some((_, on_bucket, on_object)) = sub_resource(query, object) {
        let methods = if object { on_object } else { on_bucket };
        let op = match *method {
            Method::GET => methods[GET],
            Method::PUT => methods[PUT],
            Method::POST => methods[POST],
            Method::DELETE => methods[DELETE],
            _ => None,
        };
        return match op {
            Some(Op::UploadPart) if copies => Ok(Op::UploadPartCopy),
            Some(Op::GetBucketAnalyticsConfiguration) if !query.has("id") => Ok(Op::ListBucketAnalyticsConfigurations),
            Some(Op::GetBucketInventoryConfiguration) if !query.has("id") => Ok(Op::ListBucketInventoryConfigurations),
            Some(Op::GetBucketMetricsConfiguration) if !query.has("id") => Ok(Op::ListBucketMetricsConfigurations),
            Some(Op::GetBucketIntelligentTieringConfiguration) if !query.has("id") => {
                Ok(Op::ListBucketIntelligentTieringConfigurations)
            }
            Some(op) => Ok(op),
            // HEAD of an object with a foreign parameter is still a HEAD.
            None if *method == Method::HEAD => Ok(if object { Op::HeadObject } else { Op::HeadBucket }),
            None => Err(Unroutable::Method),
        };
    }
    match (method.as_str(), object) {
        ("GET", true) => Ok(Op::GetObject),
        ("HEAD", true) => Ok(Op::HeadObject),
        ("PUT", true) if copies => Ok(Op::CopyObject),
        ("PUT", true) => Ok(Op::PutObject),
        ("DELETE", true) => Ok(Op::DeleteObject),
        ("GET", false) if query.get("list-type").as_deref() == Some("2") => Ok(Op::ListObjectsV2),
        ("GET", false) => Ok(Op::ListObjects),
        ("HEAD", false) => Ok(Op::HeadBucket),
        ("PUT", false) => Ok(Op::CreateBucket),
        ("DELETE", false) => Ok(Op::DeleteBucket),
        ("POST", false) => Ok(Op::PostObject),
        _ => Err(Unroutable::Method),
    }
}

/// The row of the first parameter that is a sub-resource at this level (or at the other one, which then has
/// no method here).
fn sub_resource(query: Query<'_>, object: bool) -> Option<&'static (&'static str, Methods, Methods)> {
    if query.is_empty() {
        return None;
    }
    let mut elsewhere = None;
    for (name, _) in query.raw_pairs() {
        let Some(row) = SUB_RESOURCES.iter().find(|(sub, _, _)| *sub == name) else { continue };
        let here = if object { &row.2 } else { &row.1 };
        if here.iter().any(Option::is_some) {
            return Some(row);
        }
        elsewhere = elsewhere.or(Some(row));
    }
    elsewhere
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, path: &str, want: Result<Op, Unroutable>) {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let level = match path {
            "/" => Resource::Service,
            path if path.trim_start_matches('/').contains('/') => Resource::Object,
            _ => Resource::Bucket,
        };
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        assert_eq!(route(&method, level, Query::new(Some(query)), false), want, "{method} {path}?{query}");
    }

    #[test]
    #[allow(clippy::enum_glob_use)]
    fn routes() {
        use Op::*;
        check("GET", "/", Ok(ListBuckets));
        check("PUT", "/", Err(Unroutable::Method));
        check("GET", "/b", Ok(ListObjects));
        check("GET", "/b?list-type=2&prefix=uploads", Ok(ListObjectsV2));
        check("GET", "/b?list-type=1", Ok(ListObjects));
        check("PUT", "/b", Ok(CreateBucket));
        check("POST", "/b", Ok(PostObject));
        check("POST", "/b?delete=", Ok(DeleteObjects));
        check("POST", "/b?delete&x-id=DeleteObjects", Ok(DeleteObjects));
        check("GET", "/b?uploads", Ok(ListMultipartUploads));
        check("POST", "/b/k?uploads=", Ok(CreateMultipartUpload));
        check("PUT", "/b/k?partNumber=1&uploadId=x", Ok(UploadPart));
        check("POST", "/b/k?uploadId=x", Ok(CompleteMultipartUpload));
        check("DELETE", "/b/k?uploadId=x", Ok(AbortMultipartUpload));
        check("GET", "/b/k?uploadId=x", Ok(ListParts));
        check("GET", "/b/k?partNumber=1", Ok(GetObject));
        check("GET", "/b/k?x-id=PutObject", Ok(GetObject));
        check("PUT", "/b/k?x-id=GetObject", Ok(PutObject));
        check("HEAD", "/b/k", Ok(HeadObject));
        check("GET", "/b/k?versionId=null", Ok(GetObject));
        check("GET", "/b?metrics", Ok(ListBucketMetricsConfigurations));
        check("GET", "/b?metrics&id=1", Ok(GetBucketMetricsConfiguration));
        check("DELETE", "/b/k?attributes", Err(Unroutable::Method));
        check("GET", "/b/k?uploads", Err(Unroutable::Method));
        check("POST", "/b/k", Err(Unroutable::Method));
        check("PATCH", "/b/k", Err(Unroutable::Method));
        check("OPTIONS", "/b/k?acl", Ok(PreflightRequest));
    }

    #[test]
    fn rows_follow_levels() {
        const ROWS: [Row; COUNT] = rows(&[Op::PutObjectAcl]);
        let level = |name: &str| ROWS.iter().find(|row| row.name == name).map(|row| row.level);
        assert_eq!(level("PutObject"), Some(Level::Full));
        assert_eq!(level("PutObjectAcl"), Some(Level::Absent));
        assert_eq!(level("SelectObjectContent"), Some(Level::Absent));
    }
}
