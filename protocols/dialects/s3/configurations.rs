//! Configurations that buckets can't have yet: reading one finds what S3 says of a bucket without it, and
//! deleting one finds nothing to delete. Setting one is not implemented and says so.

use super::context::{Access, Context};
use super::error::Code;
use super::operation::Op;
use super::{XML_NAMESPACE, context, reply};
use crate::body::Response;
use crate::fault::{Error, Fault, Kind};
use crate::wire::xml::Writer;

pub fn get(cx: &Context<'_>) -> Result<Response, Error> {
    let bucket = cx.bucket(Access::Own)?;
    let document = match cx.op {
        Op::GetBucketVersioning => empty("VersioningConfiguration"),
        Op::GetBucketNotificationConfiguration => empty("NotificationConfiguration"),
        Op::GetBucketAccelerateConfiguration => empty("AccelerateConfiguration"),
        Op::GetBucketLogging => Writer::new("BucketLoggingStatus", Some("http://doc.s3.amazonaws.com/2006-03-01"))
            .finish("BucketLoggingStatus"),
        Op::GetBucketRequestPayment => {
            let mut xml = Writer::new("RequestPaymentConfiguration", Some(XML_NAMESPACE));
            xml.text("Payer", "BucketOwner");
            xml.finish("RequestPaymentConfiguration")
        }
        Op::GetBucketEncryption => encryption(cx)?,
        Op::GetBucketPolicy | Op::GetBucketPolicyStatus => {
            return Err(Code::NoSuchBucketPolicy.error().field("BucketName", &bucket.name).into());
        }
        Op::GetBucketLifecycleConfiguration => return Err(absent("lifecycle")),
        Op::GetBucketWebsite => {
            return Err(Code::NoSuchWebsiteConfiguration.error().field("BucketName", &bucket.name).into());
        }
        Op::GetBucketReplication => return Err(absent("replication")),
        Op::GetBucketOwnershipControls => {
            return Err(Code::OwnershipControlsNotFoundError.error().field("BucketName", &bucket.name).into());
        }
        Op::GetPublicAccessBlock => {
            return Err(Code::NoSuchPublicAccessBlockConfiguration.error().field("BucketName", &bucket.name).into());
        }
        Op::GetObjectLockConfiguration => return Err(absent("object-lock")),
        Op::GetObjectLegalHold | Op::GetObjectRetention => {
            cx.store.head(&bucket, &cx.key()?)?;
            return Err(Code::InvalidRequest.say("Bucket is missing Object Lock Configuration").into());
        }
        Op::DeleteBucketPolicy
        | Op::DeleteBucketLifecycle
        | Op::DeleteBucketWebsite
        | Op::DeleteBucketEncryption
        | Op::DeleteBucketReplication
        | Op::DeleteBucketOwnershipControls
        | Op::DeletePublicAccessBlock => return Ok(reply::no_content()),
        op => return Err(context::not_implemented(cx.dialect, op).into()),
    };
    Ok(reply::xml(document))
}

fn empty(root: &str) -> String {
    Writer::new(root, Some(XML_NAMESPACE)).finish(root)
}

fn absent(configuration: &str) -> Error {
    Fault::not_found(Kind::BucketConfiguration, configuration).into()
}

/// What S3 does by itself, where the provider says that it does.
fn encryption(cx: &Context<'_>) -> Result<String, Error> {
    let algorithm = cx.dialect.encryption.ok_or_else(|| absent("encryption"))?;
    let mut xml = Writer::new("ServerSideEncryptionConfiguration", Some(XML_NAMESPACE));
    xml.open("Rule");
    xml.open("ApplyServerSideEncryptionByDefault");
    xml.text("SSEAlgorithm", algorithm);
    xml.close("ApplyServerSideEncryptionByDefault");
    xml.boolean("BucketKeyEnabled", false);
    xml.close("Rule");
    Ok(xml.finish("ServerSideEncryptionConfiguration"))
}
