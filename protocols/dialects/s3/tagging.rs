//! Tags of objects and of buckets.

use http::header::HeaderName;
use percent_encoding::percent_decode_str;
use storage::objects::{BucketInfo, Tags};

use super::context::{Access, Context};
use super::error::{Code, invalid_argument};
use super::{XML_NAMESPACE, intake, reply};
use crate::body::{Body, Response};
use crate::fault::{Error, Fault, Kind, WireError};
use crate::wire::xml::{self, Element, Writer};

/// Name of the bucket's configuration.
const TAGGING: &str = "tagging";
const HEADER: HeaderName = HeaderName::from_static("x-amz-tagging");
const OBJECT_TAGS_MAX: usize = 10;
const BUCKET_TAGS_MAX: usize = 50;
/// Longest tag key and value, in characters.
const KEY_CHARS_MAX: usize = 128;
const VALUE_CHARS_MAX: usize = 256;
/// Most bytes of a `Tagging` document.
const DOCUMENT_BYTES_MAX: usize = 256 * 1024;

/// Tags a write carries in its header.
pub fn from_header(cx: &Context<'_>) -> Result<Tags, WireError> {
    let Some(value) = cx.parts.headers.get(HEADER) else { return Ok(Tags::new()) };
    if !cx.dialect.tagging {
        return Err(Code::NotImplemented
            .say((cx.dialect.not_implemented)("Header 'x-amz-tagging'"))
            .field("Header", HEADER.as_str()));
    }
    parse_header(&String::from_utf8_lossy(value.as_bytes()))
}

fn parse_header(text: &str) -> Result<Tags, WireError> {
    let invalid = || {
        invalid_argument(
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
            HEADER.as_str(),
            text,
        )
    };
    let mut tags = Tags::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decode = |part: &str| {
            let spaced = part.replace('+', " ");
            percent_decode_str(&spaced).decode_utf8().map(std::borrow::Cow::into_owned).map_err(|_| invalid())
        };
        if tags.insert(decode(key)?, decode(value)?).is_some() {
            return Err(invalid());
        }
    }
    check(&tags, OBJECT_TAGS_MAX)?;
    Ok(tags)
}

/// Tags of a `Tagging` document, for an object.
pub fn of_object_document(bytes: &[u8]) -> Result<Tags, WireError> {
    parse_document(bytes, OBJECT_TAGS_MAX)
}

fn parse_document(bytes: &[u8], most: usize) -> Result<Tags, WireError> {
    let malformed = || Code::MalformedXML.error();
    let document = xml::parse(bytes).map_err(|_| malformed())?;
    let sets = &document.children;
    let [set] = sets.as_slice() else { return Err(malformed()) };
    if document.name != "Tagging" || set.name != "TagSet" {
        return Err(malformed());
    }
    let mut tags = Tags::new();
    for tag in &set.children {
        let (key, value) = read_tag(tag).ok_or_else(malformed)?;
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(Code::InvalidTag.say("Cannot provide multiple Tags with the same key").field("TagKey", key));
        }
    }
    check(&tags, most)?;
    Ok(tags)
}

fn read_tag(tag: &Element) -> Option<(&str, &str)> {
    if tag.name != "Tag" || tag.children.len() != 2 {
        return None;
    }
    Some((&tag.child("Key")?.text, &tag.child("Value")?.text))
}

fn check(tags: &Tags, most: usize) -> Result<(), WireError> {
    if tags.len() > most {
        let what = if most == OBJECT_TAGS_MAX { "Object tags" } else { "Bucket tag count" };
        return Err(Code::BadRequest.say(format!("{what} cannot be greater than {most}")));
    }
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > KEY_CHARS_MAX || !key.chars().all(is_tag_char) {
            return Err(Code::InvalidTag.say("The TagKey you have provided is invalid").field("TagKey", key));
        }
        if value.chars().count() > VALUE_CHARS_MAX || !value.chars().all(is_tag_char) {
            return Err(Code::InvalidTag.say("The TagValue you have provided is invalid").field("TagValue", value));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(Code::InvalidTag.say("System tags cannot be added/updated by requester").field("TagKey", key));
        }
    }
    Ok(())
}

/// Letters, digits and spaces of any script, and a few signs.
fn is_tag_char(c: char) -> bool {
    c.is_alphanumeric() || c.is_whitespace() || "+-=._:/@".contains(c) || (!c.is_ascii() && !c.is_control())
}

fn document(tags: &Tags) -> String {
    let mut xml = Writer::new("Tagging", Some(XML_NAMESPACE));
    xml.open("TagSet");
    for (key, value) in tags {
        xml.open("Tag");
        xml.text("Key", key);
        xml.text("Value", value);
        xml.close("Tag");
    }
    xml.close("TagSet");
    xml.finish("Tagging")
}

pub fn get_object(cx: &Context<'_>) -> Result<Response, Error> {
    cx.check_version()?;
    let bucket = cx.bucket(Access::Own)?;
    let object = cx.store.head(&bucket, &cx.key()?)?;
    Ok(reply::xml(document(&object.tags)))
}

pub async fn put_object(cx: &Context<'_>, body: Body) -> Result<Response, Error> {
    cx.check_version()?;
    let bucket = cx.bucket(Access::Own)?;
    let bytes = intake::document(cx, body, DOCUMENT_BYTES_MAX).await?;
    let tags = parse_document(&bytes, OBJECT_TAGS_MAX)?;
    cx.store.set_tags(&bucket, &cx.key()?, tags).await?;
    Ok(reply::ok())
}

pub async fn delete_object(cx: &Context<'_>) -> Result<Response, Error> {
    cx.check_version()?;
    let bucket = cx.bucket(Access::Own)?;
    cx.store.set_tags(&bucket, &cx.key()?, Tags::new()).await?;
    Ok(reply::no_content())
}

pub fn get_bucket(cx: &Context<'_>) -> Result<Response, Error> {
    let bucket = cx.bucket(Access::Own)?;
    Ok(reply::xml(stored(&bucket)?))
}

/// The configuration is kept as the document that GET answers.
fn stored(bucket: &BucketInfo) -> Result<String, Fault> {
    let bytes = bucket.configurations.get(TAGGING);
    let text = bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    text.ok_or_else(|| Fault::not_found(Kind::BucketConfiguration, TAGGING))
}

pub async fn put_bucket(cx: &Context<'_>, body: Body) -> Result<Response, Error> {
    let bucket = cx.bucket(Access::Own)?;
    let bytes = intake::document(cx, body, DOCUMENT_BYTES_MAX).await?;
    let tags = parse_document(&bytes, BUCKET_TAGS_MAX)?;
    let value = Some(document(&tags).into_bytes());
    cx.store.configure_bucket(cx.dialect.namespace, &bucket.name, TAGGING, value).await?;
    Ok(reply::no_content())
}

pub async fn delete_bucket(cx: &Context<'_>) -> Result<Response, Error> {
    let bucket = cx.bucket(Access::Own)?;
    cx.store.configure_bucket(cx.dialect.namespace, &bucket.name, TAGGING, None).await?;
    Ok(reply::no_content())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(tags: &Result<Tags, WireError>) -> String {
        match tags {
            Ok(tags) => tags.iter().flat_map(|(key, value)| [key, "=", value, ";"]).collect(),
            Err(error) => error.code.to_string(),
        }
    }

    fn check_header(text: &str, want: &str) {
        assert_eq!(show(&parse_header(text)), want, "{text}");
    }

    #[test]
    fn headers() {
        check_header("", "");
        check_header("a=1&b=2", "a=1;b=2;");
        check_header("a+b=c%2Fd", "a b=c/d;");
        check_header("a", "a=;");
        check_header("a=1&a=2", "InvalidArgument");
        check_header("=1", "InvalidTag");
        check_header("aws:x=1", "InvalidTag");
        check_header("a=%3C", "InvalidTag");
        check_header("1=&2=&3=&4=&5=&6=&7=&8=&9=&10=", "1=;10=;2=;3=;4=;5=;6=;7=;8=;9=;");
        check_header("1=&2=&3=&4=&5=&6=&7=&8=&9=&10=&11=", "BadRequest");
        check_header(&"k".repeat(129), "InvalidTag");
    }

    fn check_document(document: &str, want: &str) {
        assert_eq!(show(&parse_document(document.as_bytes(), OBJECT_TAGS_MAX)), want, "{document}");
    }

    #[test]
    fn documents() {
        let one = |inner: &str| format!("<Tagging><TagSet>{inner}</TagSet></Tagging>");
        check_document(&one("<Tag><Key>a</Key><Value>1</Value></Tag>"), "a=1;");
        check_document(&one(""), "");
        check_document(&one("<Tag><Key>a</Key></Tag>"), "MalformedXML");
        check_document(
            &one("<Tag><Key>a</Key><Value>1</Value></Tag><Tag><Key>a</Key><Value>2</Value></Tag>"),
            "InvalidTag",
        );
        check_document("<Tagging/>", "MalformedXML");
        check_document("nonsense", "MalformedXML");
    }

    #[test]
    fn documents_read_back() {
        let tags = Tags::from([("a".to_owned(), "1 & 2".to_owned()), ("ü".to_owned(), String::new())]);
        // `&` is no character of a tag, but what is written must still be well-formed.
        assert!(xml::parse(document(&tags).as_bytes()).is_ok());
    }
}
