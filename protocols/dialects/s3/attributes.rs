//! GetObjectAttributes.

use http::header::LAST_MODIFIED;
use storage::objects::{ObjectInfo, ObjectPart};

use super::checksums;
use super::context::Context;
use super::error::invalid_argument;
use super::{XML_NAMESPACE, conditions, dates, reply};
use crate::body::Response;
use crate::fault::{Error, WireError};
use crate::wire::xml::Writer;

const HEADER: &str = "x-amz-object-attributes";
const ROOT: &str = "GetObjectAttributesResponse";
/// Most parts of a page.
const PAGE_MAX: u32 = 1000;

/// What the request wants to know.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    etag: bool,
    checksum: bool,
    parts: bool,
    storage_class: bool,
    size: bool,
}

impl Wanted {
    fn parse<'a>(names: impl Iterator<Item = &'a str>) -> Result<Self, WireError> {
        let mut wanted = Self::default();
        for name in names.flat_map(|list| list.split(',')).map(str::trim).filter(|name| !name.is_empty()) {
            match name {
                "ETag" => wanted.etag = true,
                "Checksum" => wanted.checksum = true,
                "ObjectParts" => wanted.parts = true,
                "StorageClass" => wanted.storage_class = true,
                "ObjectSize" => wanted.size = true,
                other => return Err(invalid_argument("Invalid attribute name specified.", HEADER, other)),
            }
        }
        if wanted == Self::default() {
            return Err(invalid_argument(
                "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty",
                HEADER,
                "",
            ));
        }
        Ok(wanted)
    }
}

pub async fn get(cx: &Context<'_>) -> Result<Response, Error> {
    cx.check_version()?;
    let names = cx.parts.headers.get_all(HEADER).iter().filter_map(|value| value.to_str().ok());
    let wanted = Wanted::parse(names)?;
    let bucket = cx.any_bucket()?;
    let object = cx.readable_object(&bucket, &cx.key()?)?;
    conditions::of_read(&cx.parts.headers).check_read(&object)?;

    let mut xml = Writer::new(ROOT, Some(XML_NAMESPACE));
    if wanted.etag {
        // Here alone S3 writes an ETag without its quotes.
        xml.text("ETag", &object.etag);
    }
    if wanted.checksum
        && let Some(checksum) = &object.checksum
    {
        xml.open("Checksum");
        checksums::to_xml(checksum, &mut xml, true);
        xml.close("Checksum");
    }
    if wanted.parts && object.part_count > 0 {
        let parts = cx.store.object_parts(&object).await?;
        write_parts(cx, &mut xml, &object, &parts)?;
    }
    if wanted.storage_class {
        xml.text("StorageClass", object.attributes.storage_class.as_deref().unwrap_or("STANDARD"));
    }
    if wanted.size {
        xml.number("ObjectSize", object.size);
    }
    let mut response = reply::xml(xml.finish(ROOT));
    response.headers_mut().insert(LAST_MODIFIED, dates::http_date(object.modified));
    Ok(response)
}

fn write_parts(cx: &Context<'_>, xml: &mut Writer, object: &ObjectInfo, parts: &[ObjectPart]) -> Result<(), WireError> {
    let marker = number(cx, "x-amz-part-number-marker")?.unwrap_or(0);
    let limit = number(cx, "x-amz-max-parts")?.unwrap_or(PAGE_MAX).min(PAGE_MAX);
    xml.open("ObjectParts");
    xml.number("PartsCount", u64::from(object.part_count));
    // Parts without checksums of their own are counted but not listed, as S3 has it.
    let listed = parts.iter().any(|part| part.checksum.is_some());
    if listed {
        let mut page = parts.iter().filter(|part| part.number > marker);
        let shown: Vec<_> = page.by_ref().take(limit as usize).collect();
        let more = page.next().is_some();
        xml.number("PartNumberMarker", u64::from(marker));
        xml.number("NextPartNumberMarker", shown.last().map_or(0, |part| u64::from(part.number)));
        xml.number("MaxParts", u64::from(limit));
        xml.boolean("IsTruncated", more);
        for part in shown {
            xml.open("Part");
            xml.number("PartNumber", u64::from(part.number));
            xml.number("Size", part.size);
            if let Some(checksum) = &part.checksum {
                checksums::to_xml(checksum, xml, false);
            }
            xml.close("Part");
        }
    }
    xml.close("ObjectParts");
    Ok(())
}

fn number(cx: &Context<'_>, name: &'static str) -> Result<Option<u32>, WireError> {
    let Some(text) = cx.header(name) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| invalid_argument("Not an integer or within integer range", name, text))
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value)] // expected values stand in the rows
mod tests {
    use super::*;

    fn check(header: &str, want: Option<Wanted>) {
        assert_eq!(Wanted::parse(std::iter::once(header)).ok(), want, "{header}");
    }

    #[test]
    fn names() {
        check("ETag", Some(Wanted { etag: true, ..Wanted::default() }));
        check(
            "ETag, ObjectSize,Checksum",
            Some(Wanted { etag: true, size: true, checksum: true, ..Wanted::default() }),
        );
        check("ObjectParts,StorageClass", Some(Wanted { parts: true, storage_class: true, ..Wanted::default() }));
        check("", None);
        check("Etag", None);
    }
}
