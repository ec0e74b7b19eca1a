//! CopyObject, and what it shares with UploadPartCopy: the copy source.

use http::header::{HeaderMap, HeaderValue};
use percent_encoding::percent_decode_str;
use storage::objects::{Conditions, CopySpec, Key, ObjectInfo};

use super::acl::ACL;
use super::context::{Access, Context, unknown_version};
use super::error::{Code, invalid_argument, precondition_failed};
use super::intake::PUT_BYTES_MAX;
use super::{XML_NAMESPACE, checksums, conditions, dates, metadata, reply, tagging};
use crate::body::Response;
use crate::fault::{Error, Fault, WireError};
use crate::wire::xml::Writer;

pub const SOURCE: &str = "x-amz-copy-source";

pub async fn copy(cx: &Context<'_>) -> Result<Response, Error> {
    let bucket = cx.bucket(Access::Write)?;
    let key = cx.key()?;
    let replaces = directive(cx, "x-amz-metadata-directive")?;
    let replaces_tags = directive(cx, "x-amz-tagging-directive")?;
    let mut attributes = metadata::from_headers(cx)?;
    let algorithm = checksums::asked_algorithm(&cx.parts.headers, cx.dialect)?;
    let destination = conditions::of_copy_destination(&cx.parts.headers, cx.dialect)?;
    let tags = if replaces_tags { Some(tagging::from_header(cx)?) } else { None };
    let source = source(cx)?;
    if source.size > PUT_BYTES_MAX {
        return Err(Code::InvalidRequest
            .say("The specified copy source is larger than the maximum allowable size for a copy source: 5368709120")
            .into());
    }

    let onto_itself = source.bucket_id == bucket.id && source.object.key == key;
    let changes_nothing = !replaces
        && attributes.storage_class == source.object.attributes.storage_class
        && attributes.website_redirect.is_none()
        && algorithm.is_none()
        && !cx.parts.headers.contains_key("x-amz-server-side-encryption");
    if onto_itself && changes_nothing {
        return Err(Code::InvalidRequest
            .say("This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
            .into());
    }

    if !replaces {
        attributes = kept_attributes(&source.object, attributes);
    }
    let spec = CopySpec {
        owner: bucket.owner.clone(),
        attributes: Some(attributes),
        tags,
        checksum: algorithm,
        as_one: cx.dialect.copies_become_one,
        conditions: destination,
    };
    let object = cx.store.copy(&source.object, &bucket, &key, spec).await?;
    let mut response = reply::xml(result("CopyObjectResult", &object.etag, object.modified, object.checksum.as_ref()));
    metadata::encryption(cx.dialect, response.headers_mut());
    Ok(response)
}

/// The source's attributes; storage class, redirect and ACL are never copied but set by the request.
fn kept_attributes(source: &ObjectInfo, asked: storage::objects::Attributes) -> storage::objects::Attributes {
    let mut attributes = source.attributes.clone();
    attributes.storage_class = asked.storage_class;
    attributes.website_redirect = asked.website_redirect;
    attributes.extra.remove(ACL);
    if let Some(acl) = asked.extra.get(ACL) {
        attributes.extra.insert(ACL.to_owned(), acl.clone());
    }
    attributes
}

/// `CopyObjectResult` and `CopyPartResult`.
pub fn result(
    root: &str,
    etag: &str,
    modified: storage::Timestamp,
    checksum: Option<&storage::objects::Checksum>,
) -> String {
    let mut xml = Writer::new(root, Some(XML_NAMESPACE));
    xml.text("LastModified", &dates::iso_seconds(modified));
    xml.etag("ETag", etag);
    if let Some(checksum) = checksum {
        checksums::to_xml(checksum, &mut xml, root == "CopyObjectResult");
    }
    xml.finish(root)
}

/// `REPLACE`?
fn directive(cx: &Context<'_>, name: &'static str) -> Result<bool, WireError> {
    match cx.header(name) {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(other) => {
            let text =
                if name.contains("tagging") { "Unknown tagging directive." } else { "Unknown metadata directive." };
            Err(invalid_argument(text, name, other))
        }
    }
}

/// The object to copy from, read as the sender may, its conditions held.
pub struct Source {
    pub object: ObjectInfo,
    pub size: u64,
    bucket_id: u64,
}

pub fn source(cx: &Context<'_>) -> Result<Source, Error> {
    let header = cx.parts.headers.get(SOURCE).map(HeaderValue::as_bytes).unwrap_or_default();
    let named = Named::parse(&String::from_utf8_lossy(header))?;
    if let Some(version) = named.version.filter(|version| version != "null") {
        return Err(unknown_version(&version).into());
    }
    let bucket = cx.bucket_named(&named.bucket)?;
    if let Some(expected) = cx.header("x-amz-source-expected-bucket-owner")
        && expected != bucket.owner
    {
        return Err(Code::AccessDenied.error().into());
    }
    let object = cx.readable_object(&bucket, &Key::parse(&named.key)?)?;
    check(&cx.parts.headers, &object)?;
    Ok(Source { size: object.size, object, bucket_id: bucket.id })
}

/// Every failed condition on a source is 412: there is no "not modified" for a copy.
fn check(headers: &HeaderMap, object: &ObjectInfo) -> Result<(), Error> {
    let conditions: Conditions = conditions::of_copy_source(headers);
    match conditions.check_read(object) {
        Ok(()) => Ok(()),
        Err(Fault::NotModified { .. }) => {
            let name = if conditions.if_none_match.is_some() { "if-none-match" } else { "if-modified-since" };
            Err(precondition_failed(&format!("x-amz-copy-source-{name}")).into())
        }
        Err(Fault::Precondition { condition }) => {
            Err(precondition_failed(&format!("x-amz-copy-source-{}", condition.to_ascii_lowercase())).into())
        }
        Err(fault) => Err(fault.into()),
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Named {
    bucket: String,
    key: String,
    version: Option<String>,
}

impl Named {
    /// `[/]bucket/key[?versionId=…]`, percent-encoded.
    fn parse(text: &str) -> Result<Self, WireError> {
        let invalid = || {
            invalid_argument("Copy Source must mention the source bucket and key: sourcebucket/sourcekey", SOURCE, text)
        };
        let (path, version) = match text.rsplit_once("?versionId=") {
            Some((path, version)) => (path, Some(version.to_owned())),
            None => (text, None),
        };
        let decoded = percent_decode_str(path)
            .decode_utf8()
            .map_err(|_| invalid_argument("Invalid copy source encoding.", SOURCE, text))?;
        let path = decoded.strip_prefix('/').unwrap_or(&decoded);
        if path.starts_with("arn:") {
            return Err(Code::NotImplemented.say("Copy sources named by ARN are not implemented"));
        }
        match path.split_once('/') {
            Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => {
                Ok(Self { bucket: bucket.to_owned(), key: key.to_owned(), version })
            }
            _ => Err(invalid()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_source(text: &str, want: Option<(&str, &str, Option<&str>)>) {
        let got = Named::parse(text).ok();
        let got = got.as_ref().map(|n| (n.bucket.as_str(), n.key.as_str(), n.version.as_deref()));
        assert_eq!(got, want, "{text}");
    }

    #[test]
    fn sources() {
        check_source("b/k", Some(("b", "k", None)));
        check_source("/b/k", Some(("b", "k", None)));
        check_source("b%2Fk", Some(("b", "k", None)));
        check_source("b/a%20b+c%3F", Some(("b", "a b+c?", None)));
        check_source("b//k", Some(("b", "/k", None)));
        check_source("b/k?versionId=null", Some(("b", "k", Some("null"))));
        check_source("b/k?x", Some(("b", "k?x", None)));
        check_source("b", None);
        check_source("b/", None);
        check_source("", None);
        check_source("b/%ff", None);
        check_source("arn:aws:s3:::b/k", None);
    }
}
