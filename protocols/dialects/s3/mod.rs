//! The S3 dialect of the object engine: Amazon S3, and the providers that speak like it.
//!
//! The way of a request: [`target`] reads bucket and key from path and host, [`operation`] finds what is
//! asked for, [`authenticate`] proves who asks, and the operation's own file answers. What a provider does
//! differently is data in its [`dialect::Dialect`]; no provider is named here.
//!
//! Specification: the Amazon S3 API reference; where it is silent, what S3 does.

pub mod acl;
pub mod attributes;
pub mod authenticate;
pub mod buckets;
pub mod checksums;
pub mod conditions;
pub mod configurations;
pub mod context;
pub mod copy;
pub mod cors;
pub mod dates;
pub mod delete;
pub mod dialect;
pub mod error;
pub mod form_data;
pub mod get;
pub mod intake;
pub mod list;
pub mod metadata;
pub mod multipart;
pub mod operation;
pub mod parts;
pub mod post_form;
pub mod put;
pub mod query;
pub mod reply;
pub mod tagging;
pub mod target;
pub mod uploads;

use http::header::HeaderMap;

use crate::body::{Body, Response};
use crate::fault::{Error, WireError};
use crate::service::{BoxFuture, Call, Handler};
use context::Context;
use dialect::Dialect;
use error::Code;
use operation::{Op, Unroutable};
use query::Query;
use target::Target;

/// The namespace of every document.
pub const XML_NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
/// The handler of one provider's S3.
pub struct S3 {
    pub dialect: &'static Dialect,
}

impl Handler for S3 {
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Result<Response, Error>> {
        Box::pin(self.answer(call))
    }
}

impl S3 {
    async fn answer(&self, call: Call<'_>) -> Result<Response, Error> {
        let dialect = self.dialect;
        check_header_bytes(dialect, &call.parts.headers)?;
        let target = Target::parse(dialect, &call.parts.uri.path()[call.prefix..], call.front.as_deref())?;
        let query = Query::new(call.parts.uri.query());
        let copies = call.parts.headers.contains_key(copy::SOURCE);
        let op = operation::route(&call.parts.method, target.resource(), query, copies)
            .map_err(|Unroutable::Method| method_not_allowed(&call.parts))?;
        call.trace.operation = op.name();
        if op == Op::PreflightRequest {
            return cors::preflight(dialect, &call.environment, &call.parts, &target).await;
        }
        if op == Op::PostObject {
            if !dialect.has(op) {
                return Err(context::not_implemented(dialect, op).into());
            }
            return post_form::post(dialect, call).await;
        }
        let (sender, payload) = authenticate::authenticate(dialect, &call, &target)?;
        call.trace.access_key = sender.access_key().map(str::to_owned);
        if !dialect.has(op) {
            return Err(context::not_implemented(dialect, op).into());
        }
        let store = call.environment.objects().await?;
        let cx = Context {
            dialect,
            environment: &call.environment,
            record: &call.record,
            store,
            parts: &call.parts,
            target: &target,
            sender,
            op,
            payload,
            prefix: call.prefix,
            https: call.https,
        };
        let result = dispatch(&cx, call.body).await;
        cors::decorate(&cx, result)
    }
}

#[allow(clippy::enum_glob_use)] // nothing but operations stands here
async fn dispatch(cx: &Context<'_>, body: Body) -> Result<Response, Error> {
    use Op::*;
    match cx.op {
        GetObject | HeadObject => get::get(cx).await,
        PutObject => put::put(cx, body).await,
        DeleteObject => delete::object(cx).await,
        DeleteObjects => delete::objects(cx, body).await,
        CopyObject => copy::copy(cx).await,
        ListObjects => list::objects_v1(cx).await,
        ListObjectsV2 => list::objects_v2(cx).await,
        ListObjectVersions => list::versions(cx).await,
        ListBuckets => buckets::list(cx),
        CreateBucket => buckets::create(cx, body).await,
        HeadBucket => buckets::head(cx),
        DeleteBucket => buckets::delete(cx).await,
        GetBucketLocation => buckets::location(cx),
        CreateMultipartUpload => multipart::create(cx).await,
        UploadPart => parts::upload(cx, body).await,
        UploadPartCopy => parts::copy(cx).await,
        CompleteMultipartUpload => multipart::complete(cx, body).await,
        AbortMultipartUpload => multipart::abort(cx).await,
        ListParts => parts::list(cx).await,
        ListMultipartUploads => uploads::list(cx).await,
        GetObjectAttributes => attributes::get(cx).await,
        GetObjectTagging => tagging::get_object(cx),
        PutObjectTagging => tagging::put_object(cx, body).await,
        DeleteObjectTagging => tagging::delete_object(cx).await,
        GetBucketTagging => tagging::get_bucket(cx),
        PutBucketTagging => tagging::put_bucket(cx, body).await,
        DeleteBucketTagging => tagging::delete_bucket(cx).await,
        GetBucketCors => cors::get(cx),
        PutBucketCors => cors::put(cx, body).await,
        DeleteBucketCors => cors::delete(cx).await,
        GetBucketAcl => acl::get_bucket(cx),
        PutBucketAcl => acl::put_bucket(cx, body).await,
        GetObjectAcl => acl::get_object(cx),
        PutObjectAcl => acl::put_object(cx, body).await,
        _ => configurations::get(cx),
    }
}

fn check_header_bytes(dialect: &Dialect, headers: &HeaderMap) -> Result<(), WireError> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes <= dialect.header_bytes_max {
        return Ok(());
    }
    Err(Code::RequestHeaderSectionTooLarge.error().field("MaxSizeAllowed", dialect.header_bytes_max.to_string()))
}

fn method_not_allowed(parts: &http::request::Parts) -> WireError {
    Code::MethodNotAllowed.error().field("Method", parts.method.as_str()).field("ResourceType", "OBJECT")
}

#[cfg(test)]
mod tests;
