//! Listings of objects: ListObjects, ListObjectsV2, and ListObjectVersions of buckets without versions.

use std::borrow::Cow;

use data_encoding::BASE64URL_NOPAD;
use storage::objects::{ListEntry, ListPage, ListQuery, ObjectInfo};

use super::context::{Access, Context};
use super::error::invalid_argument;
use super::{XML_NAMESPACE, checksums, dates, reply};
use crate::body::Response;
use crate::fault::{Error, WireError};
use crate::wire::xml::Writer;

/// Most entries of a page; asking for more is no error.
pub const PAGE_MAX: u64 = 1000;
/// First byte of a continuation token's content: its format.
const TOKEN_FORMAT: u8 = b'1';
/// XML bytes of an entry, about.
const ENTRY_BYTES: usize = 320;

/// What all listings ask for.
pub struct Asked<'a> {
    pub prefix: Cow<'a, str>,
    pub delimiter: Option<Cow<'a, str>>,
    pub limit: usize,
    pub encoding: Encoding,
}

impl<'a> Asked<'a> {
    pub fn from_query(cx: &'a Context<'_>, limit_name: &'static str) -> Result<Self, WireError> {
        let query = cx.query();
        let limit = cx.number(limit_name)?.unwrap_or(PAGE_MAX).min(PAGE_MAX);
        let encoding = match query.get("encoding-type").as_deref() {
            None | Some("") => Encoding::None,
            Some("url") => Encoding::Url,
            Some(other) => {
                return Err(invalid_argument("Invalid Encoding Method specified in Request", "encoding-type", other));
            }
        };
        Ok(Self {
            prefix: query.get("prefix").unwrap_or_default(),
            delimiter: query.filled("delimiter"),
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            encoding,
        })
    }

    pub fn query(&self, after: Option<String>) -> ListQuery {
        ListQuery {
            prefix: self.prefix.clone().into_owned(),
            delimiter: self.delimiter.as_deref().map(str::to_owned),
            after,
            limit: self.limit,
        }
    }

    pub fn prefixes<T>(&self, xml: &mut Writer, page: &ListPage<T>) {
        for entry in &page.entries {
            if let ListEntry::Prefix(prefix) = entry {
                xml.open("CommonPrefixes");
                self.encoding.text(xml, "Prefix", prefix);
                xml.close("CommonPrefixes");
            }
        }
    }

    pub fn encoding_type(&self, xml: &mut Writer) {
        if self.encoding == Encoding::Url {
            xml.text("EncodingType", "url");
        }
    }

    pub fn delimiter(&self, xml: &mut Writer) {
        if let Some(delimiter) = &self.delimiter {
            self.encoding.text(xml, "Delimiter", delimiter);
        }
    }
}

/// How keys are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    None,
    /// Percent-encoded, so that any key passes through XML.
    Url,
}

impl Encoding {
    pub fn text(self, xml: &mut Writer, name: &str, value: &str) {
        match self {
            Self::None => xml.text(name, value),
            Self::Url => {
                xml.open(name);
                xml.append_url_encoded(value);
                xml.close(name);
            }
        }
    }
}

pub async fn objects_v1(cx: &Context<'_>) -> Result<Response, Error> {
    let bucket = cx.bucket(Access::List)?;
    let query = cx.query();
    let asked = Asked::from_query(cx, "max-keys")?;
    let marker = query.get("marker").unwrap_or_default();
    let after = (!marker.is_empty()).then(|| marker.clone().into_owned());
    let page = cx.store.list(&bucket, asked.query(after)).await?;

    let mut xml = writer("ListBucketResult", page.entries.len());
    xml.text("Name", &bucket.name);
    asked.encoding.text(&mut xml, "Prefix", &asked.prefix);
    asked.encoding.text(&mut xml, "Marker", &marker);
    // Without a delimiter the last key of the page is the next marker, and clients know that.
    if let (Some(next), Some(_)) = (&page.next, &asked.delimiter) {
        asked.encoding.text(&mut xml, "NextMarker", next);
    }
    xml.number("MaxKeys", asked.limit as u64);
    asked.delimiter(&mut xml);
    asked.encoding_type(&mut xml);
    xml.boolean("IsTruncated", page.next.is_some());
    contents(cx, &mut xml, &asked, &page, true);
    asked.prefixes(&mut xml, &page);
    Ok(reply::xml(xml.finish("ListBucketResult")))
}

pub async fn objects_v2(cx: &Context<'_>) -> Result<Response, Error> {
    let bucket = cx.bucket(Access::List)?;
    let query = cx.query();
    let asked = Asked::from_query(cx, "max-keys")?;
    let start_after = query.get("start-after");
    let token = query.get("continuation-token");
    let after = match &token {
        Some(token) => Some(read_token(token)?),
        None => start_after.as_deref().filter(|start| !start.is_empty()).map(str::to_owned),
    };
    let page = cx.store.list(&bucket, asked.query(after)).await?;

    let mut xml = writer("ListBucketResult", page.entries.len());
    xml.text("Name", &bucket.name);
    asked.encoding.text(&mut xml, "Prefix", &asked.prefix);
    if let Some(start) = start_after {
        asked.encoding.text(&mut xml, "StartAfter", &start);
    }
    xml.text_if("ContinuationToken", token.as_deref());
    xml.text_if("NextContinuationToken", page.next.as_deref().map(write_token).as_deref());
    xml.number("KeyCount", page.entries.len() as u64);
    xml.number("MaxKeys", asked.limit as u64);
    asked.delimiter(&mut xml);
    asked.encoding_type(&mut xml);
    xml.boolean("IsTruncated", page.next.is_some());
    let with_owner = query.get("fetch-owner").as_deref() == Some("true");
    contents(cx, &mut xml, &asked, &page, with_owner);
    asked.prefixes(&mut xml, &page);
    Ok(reply::xml(xml.finish("ListBucketResult")))
}

/// A bucket that was never versioned lists each object as its null version.
pub async fn versions(cx: &Context<'_>) -> Result<Response, Error> {
    let bucket = cx.bucket(Access::List)?;
    let query = cx.query();
    let asked = Asked::from_query(cx, "max-keys")?;
    let key_marker = query.get("key-marker").unwrap_or_default();
    let version_marker = query.get("version-id-marker").unwrap_or_default();
    let after = (!key_marker.is_empty()).then(|| key_marker.clone().into_owned());
    let page = cx.store.list(&bucket, asked.query(after)).await?;

    let mut xml = writer("ListVersionsResult", page.entries.len());
    xml.text("Name", &bucket.name);
    asked.encoding.text(&mut xml, "Prefix", &asked.prefix);
    asked.encoding.text(&mut xml, "KeyMarker", &key_marker);
    xml.text("VersionIdMarker", &version_marker);
    if let Some(next) = &page.next {
        asked.encoding.text(&mut xml, "NextKeyMarker", next);
        if matches!(page.entries.last(), Some(ListEntry::Item(_))) {
            xml.text("NextVersionIdMarker", "null");
        }
    }
    xml.number("MaxKeys", asked.limit as u64);
    asked.delimiter(&mut xml);
    asked.encoding_type(&mut xml);
    xml.boolean("IsTruncated", page.next.is_some());
    let owner = cx.owner(&bucket.owner);
    for object in items(&page) {
        xml.open("Version");
        asked.encoding.text(&mut xml, "Key", object.key.as_str());
        xml.text("VersionId", "null");
        xml.boolean("IsLatest", true);
        entry_fields(&mut xml, object);
        reply::owner_to_xml(&mut xml, "Owner", &owner);
        xml.text("StorageClass", storage_class(object));
        xml.close("Version");
    }
    asked.prefixes(&mut xml, &page);
    Ok(reply::xml(xml.finish("ListVersionsResult")))
}

fn writer(root: &str, entries: usize) -> Writer {
    Writer::with_capacity(root, Some(XML_NAMESPACE), 512 + entries * ENTRY_BYTES)
}

fn items<T>(page: &ListPage<T>) -> impl Iterator<Item = &T> {
    page.entries.iter().filter_map(|entry| match entry {
        ListEntry::Item(item) => Some(item),
        ListEntry::Prefix(_) => None,
    })
}

fn contents(cx: &Context<'_>, xml: &mut Writer, asked: &Asked<'_>, page: &ListPage<ObjectInfo>, with_owner: bool) {
    let mut owner = None;
    for object in items(page) {
        xml.open("Contents");
        asked.encoding.text(xml, "Key", object.key.as_str());
        entry_fields(xml, object);
        if with_owner {
            // Objects of a bucket belong to its owner, so one look-up serves the page.
            let owner = owner.get_or_insert_with(|| cx.owner(&object.owner));
            reply::owner_to_xml(xml, "Owner", owner);
        }
        xml.text("StorageClass", storage_class(object));
        xml.close("Contents");
    }
}

fn entry_fields(xml: &mut Writer, object: &ObjectInfo) {
    xml.text("LastModified", &dates::iso_seconds(object.modified));
    xml.etag("ETag", &object.etag);
    if let Some(checksum) = &object.checksum {
        checksums::kind_to_xml(checksum, xml);
    }
    xml.number("Size", object.size);
}

fn storage_class(object: &ObjectInfo) -> &str {
    object.attributes.storage_class.as_deref().unwrap_or("STANDARD")
}

fn write_token(after: &str) -> String {
    let mut bytes = Vec::with_capacity(after.len() + 1);
    bytes.push(TOKEN_FORMAT);
    bytes.extend_from_slice(after.as_bytes());
    BASE64URL_NOPAD.encode(&bytes)
}

fn read_token(token: &str) -> Result<String, WireError> {
    let incorrect = || invalid_argument("The continuation token provided is incorrect", "continuation-token", token);
    let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).map_err(|_| incorrect())?;
    match bytes.split_first() {
        Some((&TOKEN_FORMAT, after)) if !after.is_empty() => String::from_utf8(after.to_vec()).map_err(|_| incorrect()),
        _ => Err(incorrect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_encoded(key: &str, want: &str) {
        let mut xml = Writer::new("R", None);
        Encoding::Url.text(&mut xml, "K", key);
        let document = xml.finish("R");
        assert!(document.contains(&format!("<K>{want}</K>")), "{document}");
    }

    #[test]
    fn url_encoding() {
        check_encoded("plain/a-b_c.d*e", "plain/a-b_c.d*e");
        check_encoded("a b+c", "a+b%2Bc");
        check_encoded("ä~&<\n\u{1}", "%C3%A4%7E%26%3C%0A%01");
        check_encoded("test_file(3).png", "test_file%283%29.png");
    }

    #[test]
    fn tokens() {
        assert_eq!(read_token(&write_token("a/ü")).ok().as_deref(), Some("a/ü"));
        for bad in ["", "x", "Mg", "****"] {
            assert_eq!(read_token(bad).expect_err("refused").code, "InvalidArgument", "{bad}");
        }
    }
}
