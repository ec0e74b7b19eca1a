//! PutObject.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::{ETAG, HeaderName};
use storage::objects::{BucketInfo, NewBucket, ObjectInfo, PutSpec};

use super::checksums::{self, Declared};
use super::context::{Access, Context};
use super::error::{Code, invalid_argument};
use super::{conditions, intake, metadata, reply, tagging};
use crate::body::{Body, Response};
use crate::fault::{Error, Fault, Kind};

const OBJECT_SIZE: HeaderName = HeaderName::from_static("x-amz-object-size");
/// Appending, which S3 offers in directory buckets only.
const WRITE_OFFSET: &str = "x-amz-write-offset-bytes";

pub async fn put(cx: &Context<'_>, body: Body) -> Result<Response, Error> {
    let bucket = bucket(cx).await?;
    let key = cx.key()?;
    if let Some(offset) = cx.header(WRITE_OFFSET) {
        return Err(Code::NotImplemented.error().field("Header", WRITE_OFFSET).field("Offset", offset).into());
    }
    let attributes = metadata::from_headers(cx)?;
    if attributes.website_redirect.as_deref().is_some_and(|to| !is_redirect(to)) {
        let to = attributes.website_redirect.unwrap_or_default();
        let text = "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.";
        return Err(invalid_argument(text, "x-amz-website-redirect-location", &to).into());
    }
    let tags = tagging::from_header(cx)?;
    let conditions = conditions::of_write(&cx.parts.headers, cx.dialect)?;
    let mut declared = Declared::from_headers(&cx.parts.headers, cx.dialect)?;
    let algorithm = declared.algorithm.or(cx.dialect.default_checksum);

    let stored = intake::store(cx, body, &mut declared, algorithm).await?;
    let checksum = checksums::kept(stored.digests(), algorithm);
    let spec = PutSpec { owner: bucket.owner.clone(), attributes, tags, checksum, conditions };
    let object = cx.store.put(&bucket, &key, stored, spec).await?;
    Ok(written(cx, &object))
}

/// What S3 answers to an object's writer.
pub fn written(cx: &Context<'_>, object: &ObjectInfo) -> Response {
    let mut response = reply::ok();
    let headers = response.headers_mut();
    headers.insert(ETAG, metadata::etag(&object.etag));
    metadata::encryption(cx.dialect, headers);
    if let Some(checksum) = &object.checksum {
        checksums::to_headers(checksum, headers, true);
    }
    if cx.parts.headers.contains_key(OBJECT_SIZE) {
        headers.insert(OBJECT_SIZE, object.size.into());
    }
    response
}

fn is_redirect(to: &str) -> bool {
    to.starts_with('/') || to.starts_with("http://") || to.starts_with("https://")
}

/// The bucket; made on the way where the provider has a header for that and the client sent it.
async fn bucket(cx: &Context<'_>) -> Result<Arc<BucketInfo>, Error> {
    let found = cx.bucket(Access::Write);
    let Some(header) = cx.dialect.create_bucket_header else { return found };
    let Err(Error::Fault(Fault::NotFound { kind: Kind::Bucket, .. })) = &found else { return found };
    let (Some("true"), Some(account)) = (cx.header(header), cx.sender.account()) else { return found };
    let new = NewBucket {
        owner: account.to_owned(),
        region: cx.dialect.regions.default.to_owned(),
        configurations: BTreeMap::new(),
    };
    match cx.store.create_bucket(cx.dialect.namespace, cx.bucket_name(), new).await {
        // Somebody else was quicker.
        Err(Fault::Exists { .. }) => cx.bucket(Access::Write),
        other => Ok(other?),
    }
}
