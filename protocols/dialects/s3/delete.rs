//! DeleteObject and DeleteObjects.

use http::header::HeaderMap;
use storage::Timestamp;
use storage::objects::{BucketInfo, Conditions, Key};

use super::context::{Access, Context, unknown_version};
use super::error::{Code, from_fault};
use super::{XML_NAMESPACE, conditions, dates, intake, reply};
use crate::body::{Body, Response};
use crate::fault::{Error, Fault, WireError};
use crate::wire::xml::{self, Element, Writer};

/// Most keys of one request.
const KEYS_MAX: usize = 1000;
/// Most bytes of a `Delete` document: the longest keys, each of their bytes written as a reference.
const DOCUMENT_BYTES_MAX: usize = 8 * 1024 * 1024;

pub async fn object(cx: &Context<'_>) -> Result<Response, Error> {
    cx.check_version()?;
    let bucket = cx.bucket(Access::Write)?;
    let conditions = conditions::of_delete(&cx.parts.headers)?;
    cx.store.delete(&bucket, &cx.key()?, &conditions).await?;
    Ok(reply::no_content())
}

pub async fn objects(cx: &Context<'_>, body: Body) -> Result<Response, Error> {
    let bucket = cx.bucket(Access::Write)?;
    require_integrity(&cx.parts.headers)?;
    let bytes = intake::document(cx, body, DOCUMENT_BYTES_MAX).await?;
    let document = xml::parse(&bytes).map_err(|_| Code::MalformedXML.error())?;
    let request = Request::read(&document)?;

    let mut xml = Writer::with_capacity("DeleteResult", Some(XML_NAMESPACE), 256 + request.objects.len() * 96);
    for object in &request.objects {
        match delete_one(cx, &bucket, object).await {
            Ok(()) if request.quiet => {}
            Ok(()) => {
                xml.open("Deleted");
                xml.text("Key", object.key);
                xml.text_if("VersionId", object.version);
                xml.close("Deleted");
            }
            Err(error) => {
                xml.open("Error");
                xml.text("Key", object.key);
                xml.text_if("VersionId", object.version);
                xml.text("Code", &error.code);
                xml.text("Message", &error.message);
                xml.close("Error");
            }
        }
    }
    Ok(reply::xml(xml.finish("DeleteResult")))
}

/// What is deleted can't be asked for again: the request must carry a digest of its document.
fn require_integrity(headers: &HeaderMap) -> Result<(), WireError> {
    let proved = headers.contains_key("content-md5")
        || headers.contains_key("x-amz-trailer")
        || headers.keys().any(|name| name.as_str().starts_with("x-amz-checksum-"));
    if proved {
        return Ok(());
    }
    Err(Code::InvalidRequest.say("Missing required header for this request: Content-MD5 OR x-amz-checksum-*"))
}

async fn delete_one(cx: &Context<'_>, bucket: &BucketInfo, object: &Target<'_>) -> Result<(), WireError> {
    if let Some(version) = object.version.filter(|version| *version != "null") {
        return Err(unknown_version(version));
    }
    let rendered = |fault: Fault| from_fault(&fault);
    let key = Key::parse(object.key).map_err(rendered)?;
    cx.store.delete(bucket, &key, &object.conditions).await.map_err(rendered)?;
    Ok(())
}

#[derive(Debug)]
struct Request<'a> {
    quiet: bool,
    objects: Vec<Target<'a>>,
}

/// An object to delete.
#[derive(Debug)]
struct Target<'a> {
    key: &'a str,
    version: Option<&'a str>,
    conditions: Conditions,
}

impl<'a> Request<'a> {
    fn read(document: &'a Element) -> Result<Self, WireError> {
        let malformed = || Code::MalformedXML.error();
        if document.name != "Delete" {
            return Err(malformed());
        }
        let mut request = Self { quiet: false, objects: Vec::with_capacity(document.children.len()) };
        for child in &document.children {
            match child.name.as_str() {
                "Quiet" => request.quiet = child.text.trim() == "true",
                "Object" => request.objects.push(Target::read(child)?),
                _ => return Err(malformed()),
            }
        }
        if request.objects.is_empty() || request.objects.len() > KEYS_MAX {
            return Err(malformed());
        }
        Ok(request)
    }
}

impl<'a> Target<'a> {
    fn read(object: &'a Element) -> Result<Self, WireError> {
        let malformed = || Code::MalformedXML.error();
        // Keys are literal: spaces around one belong to it.
        let key = object.child("Key").map(|key| key.text.as_str()).ok_or_else(malformed)?;
        if key.is_empty() {
            return Err(Code::UserKeyMustBeSpecified.say("Missing required key in a Delete document"));
        }
        let mut conditions = Conditions::default();
        if let Some(etag) = object.text_of("ETag") {
            conditions.if_match = Some(vec![conditions::unquoted(etag).to_owned()]);
        }
        if let Some(text) = object.text_of("LastModifiedTime") {
            conditions.if_unmodified_since = Some(moment(text).ok_or_else(malformed)?);
        }
        if let Some(text) = object.text_of("Size") {
            conditions.if_size = Some(text.parse().map_err(|_| malformed())?);
        }
        let version = object.text_of("VersionId").filter(|version| !version.is_empty());
        Ok(Self { key, version, conditions })
    }
}

/// SDKs write RFC 3339 or an HTTP date.
fn moment(text: &str) -> Option<Timestamp> {
    if let Some(at) = dates::parse_http(text) {
        return Some(at);
    }
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp(u64::try_from(at.as_millisecond()).ok()?))
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value)] // expected values stand in the rows
mod tests {
    use super::*;

    fn check(document: &str, want: Result<(bool, Vec<&str>), &str>) {
        let tree = xml::parse(document.as_bytes()).expect("well-formed");
        let got = Request::read(&tree);
        let got = got
            .as_ref()
            .map(|request| (request.quiet, request.objects.iter().map(|object| object.key).collect()))
            .map_err(|error| error.code.as_ref());
        assert_eq!(got, want, "{document}");
    }

    #[test]
    fn documents() {
        check("<Delete><Object><Key>a</Key></Object></Delete>", Ok((false, vec!["a"])));
        check(
            "<Delete><Quiet>true</Quiet><Object><Key> a&amp;b </Key><VersionId>null</VersionId></Object><Object><Key>c</Key></Object></Delete>",
            Ok((true, vec![" a&b ", "c"])),
        );
        check("<Delete></Delete>", Err("MalformedXML"));
        check("<Delete><Object></Object></Delete>", Err("MalformedXML"));
        check("<Delete><Objects/></Delete>", Err("MalformedXML"));
        check("<Deletes><Object><Key>a</Key></Object></Deletes>", Err("MalformedXML"));
        check("<Delete><Object><Key></Key></Object></Delete>", Err("UserKeyMustBeSpecified"));
        let many = |count: usize| format!("<Delete>{}</Delete>", "<Object><Key>k</Key></Object>".repeat(count));
        check(&many(1000), Ok((false, vec!["k"; 1000])));
        check(&many(1001), Err("MalformedXML"));
    }

    #[test]
    fn moments() {
        assert_eq!(moment("2026-11-22T19:38:42Z"), Some(Timestamp(1_795_376_322_000)));
        assert_eq!(moment("Sun, 22 Nov 2026 19:38:42 GMT"), Some(Timestamp(1_795_376_322_000)));
        assert_eq!(moment("soon"), None);
    }
}
