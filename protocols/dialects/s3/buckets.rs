//! Buckets: create, head, delete, list, location.

use std::collections::BTreeMap;

use data_encoding::BASE64URL_NOPAD;
use http::header::{HeaderName, HeaderValue, LOCATION};
use storage::objects::{ListEntry, NewBucket};

use super::acl::{ACL, Canned};
use super::context::{Access, Context};
use super::dialect::Recreate;
use super::error::{Code, invalid_argument};
use super::{XML_NAMESPACE, dates, intake, reply};
use crate::body::{Body, Response};
use crate::fault::{Error, Fault, WireError};
use crate::wire::xml::{self, Writer};

const REGION: HeaderName = HeaderName::from_static("x-amz-bucket-region");
const OBJECT_LOCK: &str = "x-amz-bucket-object-lock-enabled";
/// Most buckets of a page, and of an answer where no page size was asked for.
const PAGE_MAX: u64 = 10_000;
/// Most bytes of a bucket's creation document.
const DOCUMENT_BYTES_MAX: usize = 16 * 1024;
/// Buckets fetched from the engine at a time.
const BATCH: usize = 1000;

pub async fn create(cx: &Context<'_>, body: Body) -> Result<Response, Error> {
    let Some(account) = cx.sender.account() else { return Err(Code::AccessDenied.error().into()) };
    let name = cx.bucket_name();
    let bytes = intake::document(cx, body, DOCUMENT_BYTES_MAX).await?;
    if !cx.dialect.bucket_names.allow(name, cx.record.auth) {
        return Err(Code::InvalidBucketName.error().field("BucketName", name).into());
    }
    let region = region(cx, constraint(&bytes)?.as_deref())?;
    if cx.header(OBJECT_LOCK).is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Err(Code::NotImplemented.say((cx.dialect.not_implemented)("Object Lock")).into());
    }
    let mut configurations = BTreeMap::new();
    if let Some(acl) = Canned::from_headers(&cx.parts.headers, cx.dialect, &cx.owner(account))? {
        configurations.insert(ACL.to_owned(), acl.name().as_bytes().to_vec());
    }
    let new = NewBucket { owner: account.to_owned(), region, configurations };
    match cx.store.create_bucket(cx.dialect.namespace, name, new).await {
        Ok(_) => {}
        Err(Fault::Exists { .. }) => exists(cx, name)?,
        Err(fault) => return Err(fault.into()),
    }
    let mut response = reply::ok();
    if let Ok(location) = HeaderValue::try_from(format!("/{name}")) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// A bucket of that name is there: whose it is decides.
fn exists(cx: &Context<'_>, name: &str) -> Result<(), Error> {
    let bucket = cx.bucket_named(name)?;
    if !cx.owns(&bucket) {
        return Err(Code::BucketAlreadyExists.error().field("BucketName", name).into());
    }
    if cx.dialect.recreate == Recreate::InDefaultRegion && bucket.region == cx.dialect.regions.default {
        return Ok(());
    }
    Err(Code::BucketAlreadyOwnedByYou.error().field("BucketName", name).into())
}

/// `LocationConstraint` of a `CreateBucketConfiguration`.
fn constraint(bytes: &[u8]) -> Result<Option<String>, WireError> {
    if bytes.trim_ascii().is_empty() {
        return Ok(None);
    }
    let document = xml::parse(bytes).map_err(|_| Code::MalformedXML.error())?;
    if document.name != "CreateBucketConfiguration" {
        return Err(Code::MalformedXML.error());
    }
    let known = ["LocationConstraint", "Location", "Bucket", "Tags"];
    if document.children.iter().any(|child| !known.contains(&child.name.as_str())) {
        return Err(Code::MalformedXML.error());
    }
    if document.child("Location").is_some() || document.child("Bucket").is_some() {
        return Err(Code::NotImplemented.say("Directory buckets are not implemented"));
    }
    Ok(document.text_of("LocationConstraint").filter(|text| !text.is_empty()).map(str::to_owned))
}

/// The region of a new bucket: what the document asks for, held against where the request was signed for.
fn region(cx: &Context<'_>, constraint: Option<&str>) -> Result<String, WireError> {
    let regions = &cx.dialect.regions;
    let signed = cx.sender.region.as_deref().filter(|region| !regions.aliases.contains(region));
    let signed = signed.unwrap_or(regions.default);
    let illegal = |asked: &str| {
        Code::IllegalLocationConstraintException.say(format!(
            "The {asked} location constraint is incompatible for the region specific endpoint this request was sent to."
        ))
    };
    match constraint {
        None if !regions.regional || signed == regions.default => Ok(regions.default.to_owned()),
        None => Err(illegal("unspecified")),
        Some(asked) if !regions.regional => {
            // Providers with one region, or with endpoints per region, take any of their names, in any case.
            let lower = asked.to_ascii_lowercase();
            let known = regions.locations.iter().find(|location| **location == lower);
            let known = known.ok_or_else(|| invalid_location(asked))?;
            let is_alias = regions.aliases.contains(known);
            Ok(if is_alias { regions.default } else { known }.to_owned())
        }
        Some(asked) if !regions.locations.contains(&asked) => Err(invalid_location(asked)),
        Some("EU") => Ok("eu-west-1".to_owned()),
        Some(asked) if signed != regions.default && signed != asked => Err(illegal(asked)),
        Some(asked) => Ok(asked.to_owned()),
    }
}

fn invalid_location(asked: &str) -> WireError {
    Code::InvalidLocationConstraint.error().field("LocationConstraint", asked)
}

pub fn head(cx: &Context<'_>) -> Result<Response, Error> {
    let bucket = cx.bucket(Access::List)?;
    let mut response = reply::ok();
    if let Ok(region) = HeaderValue::from_str(&bucket.region) {
        response.headers_mut().insert(REGION, region);
    }
    Ok(response)
}

pub async fn delete(cx: &Context<'_>) -> Result<Response, Error> {
    let bucket = cx.bucket(Access::Own)?;
    cx.store.delete_bucket(cx.dialect.namespace, &bucket.name).await?;
    Ok(reply::no_content())
}

pub fn location(cx: &Context<'_>) -> Result<Response, Error> {
    let bucket = cx.bucket(Access::Own)?;
    // The region that can't be named in a constraint is not named here either.
    let nameless = cx.dialect.regions.regional && bucket.region == cx.dialect.regions.default;
    let mut xml = Writer::new("LocationConstraint", Some(XML_NAMESPACE));
    if !nameless {
        xml.append(&bucket.region);
    }
    Ok(reply::xml(xml.finish("LocationConstraint")))
}

pub fn list(cx: &Context<'_>) -> Result<Response, Error> {
    let Some(account) = cx.sender.account() else { return Err(Code::AccessDenied.error().into()) };
    let query = cx.query();
    let limit = page_size(cx)?;
    let prefix = query.get("prefix").unwrap_or_default();
    let region = query.filled("bucket-region");
    let mut after = query.filled("continuation-token").map(|token| continuation(&token)).transpose()?;

    let mut page = Vec::new();
    let mut more = false;
    'pages: loop {
        let found = cx.store.buckets(cx.dialect.namespace, &prefix, after.as_deref(), BATCH)?;
        for entry in found.entries {
            let ListEntry::Item(bucket) = entry else { continue };
            if bucket.owner != account || region.as_ref().is_some_and(|region| **region != bucket.region) {
                continue;
            }
            if page.len() == limit {
                more = true;
                break 'pages;
            }
            page.push(bucket);
        }
        match found.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }

    let mut xml = Writer::with_capacity("ListAllMyBucketsResult", Some(XML_NAMESPACE), 256 + page.len() * 160);
    reply::owner_to_xml(&mut xml, "Owner", &cx.owner(account));
    xml.open("Buckets");
    for bucket in &page {
        xml.open("Bucket");
        xml.text("Name", &bucket.name);
        xml.text("CreationDate", &dates::iso_seconds(bucket.created));
        if query.has("max-buckets") || region.is_some() {
            xml.text("BucketRegion", &bucket.region);
        }
        xml.close("Bucket");
    }
    xml.close("Buckets");
    xml.text_if("Prefix", query.filled("prefix").as_deref());
    if let (true, Some(last)) = (more, page.last()) {
        xml.text("ContinuationToken", &BASE64URL_NOPAD.encode(last.name.as_bytes()));
    }
    Ok(reply::xml(xml.finish("ListAllMyBucketsResult")))
}

fn page_size(cx: &Context<'_>) -> Result<usize, WireError> {
    let Some(text) = cx.query().filled("max-buckets") else {
        return Ok(usize::try_from(PAGE_MAX).unwrap_or(usize::MAX));
    };
    let size = text.parse::<u64>().ok().filter(|size| (1..=PAGE_MAX).contains(size));
    let size = size.ok_or_else(|| {
        invalid_argument("Argument max-buckets must be an integer between 1 and 10000", "max-buckets", &text)
    })?;
    Ok(usize::try_from(size).unwrap_or(usize::MAX))
}

fn continuation(token: &str) -> Result<String, WireError> {
    let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).ok();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| invalid_argument("The continuation token provided is incorrect", "continuation-token", token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(document: &str, want: Result<Option<&str>, &str>) {
        let got = constraint(document.as_bytes());
        assert_eq!(got.as_ref().map(Option::as_deref).map_err(|error| error.code.as_ref()), want, "{document}");
    }

    #[test]
    fn constraints() {
        check("", Ok(None));
        check("<CreateBucketConfiguration/>", Ok(None));
        check(
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>",
            Ok(Some("eu-west-1")),
        );
        check("<CreateBucketConfiguration><X/></CreateBucketConfiguration>", Err("MalformedXML"));
        check("<Other/>", Err("MalformedXML"));
        check("<CreateBucketConfiguration>", Err("MalformedXML"));
    }

    #[test]
    fn tokens() {
        assert_eq!(continuation("YWJj").ok().as_deref(), Some("abc"));
        assert_eq!(continuation("?").expect_err("no base64").code, "InvalidArgument");
    }
}
