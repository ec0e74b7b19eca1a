//! Parts of an upload: UploadPart, UploadPartCopy, ListParts.

use std::ops::Range;

use http::header::{ETAG, HeaderName};
use storage::fault::Algorithm;
use storage::objects::{PARTS_MAX, PartInfo, UploadInfo};

use super::checksums::{self, Declared};
use super::context::{Access, Context};
use super::error::{Code, invalid_argument};
use super::intake::PUT_BYTES_MAX;
use super::multipart::{parts_mismatch, upload_of};
use super::{XML_NAMESPACE, copy, dates, intake, metadata, reply};
use crate::body::{Body, Response};
use crate::fault::{Error, WireError};
use crate::wire::xml::Writer;

const SOURCE_RANGE: HeaderName = HeaderName::from_static("x-amz-copy-source-range");
/// Most parts of a page.
const PAGE_MAX: u64 = 1000;

pub async fn upload(cx: &Context<'_>, body: Body) -> Result<Response, Error> {
    let bucket = cx.bucket(Access::Write)?;
    let number = number(cx)?;
    let upload = upload_of(cx, &bucket)?;
    let mut declared = Declared::from_headers(&cx.parts.headers, cx.dialect)?;
    let algorithm = algorithm(cx, &upload, &declared)?;
    let stored = intake::store(cx, body, &mut declared, algorithm).await?;
    let checksum = checksums::kept(stored.digests(), algorithm);
    let part = cx.store.put_part(&bucket, &upload, number, stored, checksum).await?;

    let mut response = reply::ok();
    let headers = response.headers_mut();
    headers.insert(ETAG, metadata::etag(&part.etag));
    metadata::encryption(cx.dialect, headers);
    if let Some(checksum) = &part.checksum {
        checksums::to_headers(checksum, headers, false);
    }
    Ok(response)
}

/// The algorithm to keep a part's checksum in: the upload's. A client that chose one for the upload may not
/// send another; where the choice was ours, any is verified and then forgotten.
fn algorithm(cx: &Context<'_>, upload: &UploadInfo, declared: &Declared) -> Result<Option<Algorithm>, WireError> {
    let Some((expected, full)) = upload.spec.checksum else { return Ok(declared.algorithm) };
    match declared.algorithm {
        Some(sent) if sent != expected && Some(expected) != cx.dialect.default_checksum => {
            Err(parts_mismatch(expected, Some(sent)))
        }
        None if !full && cx.dialect.parts_declare_checksums => Err(parts_mismatch(expected, None)),
        _ => Ok(Some(expected)),
    }
}

fn number(cx: &Context<'_>) -> Result<u32, WireError> {
    let text = cx.query().get("partNumber").unwrap_or_default();
    text.parse().ok().filter(|number| (1..=PARTS_MAX).contains(number)).ok_or_else(|| {
        invalid_argument("Part number must be an integer between 1 and 10000, inclusive", "partNumber", &text)
    })
}

pub async fn copy(cx: &Context<'_>) -> Result<Response, Error> {
    let bucket = cx.bucket(Access::Write)?;
    let number = number(cx)?;
    let upload = upload_of(cx, &bucket)?;
    let source = copy::source(cx)?;
    let range = match cx.parts.headers.get(SOURCE_RANGE) {
        None => 0..source.size,
        Some(text) => source_range(text.to_str().unwrap_or_default(), source.size)?,
    };
    if range.end - range.start > PUT_BYTES_MAX {
        return Err(Code::InvalidRequest
            .say("The specified copy source is larger than the maximum allowable size for a copy source: 5368709120")
            .into());
    }
    let part = cx.store.copy_part(&bucket, &upload, number, &source.object, range).await?;
    let mut response = reply::xml(copy::result("CopyPartResult", &part.etag, part.modified, part.checksum.as_ref()));
    metadata::encryption(cx.dialect, response.headers_mut());
    Ok(response)
}

/// `bytes=first-last`, both there and both inside the source.
fn source_range(text: &str, size: u64) -> Result<Range<u64>, WireError> {
    let invalid = || {
        invalid_argument(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy",
            SOURCE_RANGE.as_str(),
            text,
        )
    };
    let (first, last) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-')).ok_or_else(invalid)?;
    // Offsets have no sign, though the parser would take one.
    if text.contains('+') {
        return Err(invalid());
    }
    let first: u64 = first.parse().map_err(|_| invalid())?;
    let last: u64 = last.parse().map_err(|_| invalid())?;
    if last < first {
        return Err(invalid());
    }
    if last >= size {
        return Err(invalid_argument(
            format!("Range specified is not valid for source object of size: {size}"),
            SOURCE_RANGE.as_str(),
            text,
        ));
    }
    Ok(first..last + 1)
}

pub async fn list(cx: &Context<'_>) -> Result<Response, Error> {
    let bucket = cx.bucket(Access::Write)?;
    let upload = upload_of(cx, &bucket)?;
    let limit = cx.number("max-parts")?.unwrap_or(PAGE_MAX).min(PAGE_MAX);
    let after = cx.number("part-number-marker")?.unwrap_or(0);
    let after = u32::try_from(after).unwrap_or(u32::MAX);
    let (parts, more) = cx.store.parts(&bucket, &upload, after, usize::try_from(limit).unwrap_or(usize::MAX)).await?;

    let mut xml = Writer::with_capacity("ListPartsResult", Some(XML_NAMESPACE), 768 + parts.len() * 192);
    xml.text("Bucket", &bucket.name);
    xml.text("Key", upload.key.as_str());
    xml.text("UploadId", &upload.id);
    xml.number("PartNumberMarker", u64::from(after));
    let next = parts.last().map_or(0, |part| part.number);
    xml.number("NextPartNumberMarker", u64::from(next));
    xml.number("MaxParts", limit);
    xml.boolean("IsTruncated", more);
    for part in &parts {
        write_part(&mut xml, part);
    }
    let initiator = cx.owner(&upload.spec.owner);
    reply::owner_to_xml(&mut xml, "Initiator", &initiator);
    reply::owner_to_xml(&mut xml, "Owner", &cx.owner(&bucket.owner));
    xml.text("StorageClass", upload.spec.attributes.storage_class.as_deref().unwrap_or("STANDARD"));
    checksums::upload_to_xml(upload.spec.checksum, &mut xml);
    Ok(reply::xml(xml.finish("ListPartsResult")))
}

fn write_part(xml: &mut Writer, part: &PartInfo) {
    xml.open("Part");
    xml.number("PartNumber", u64::from(part.number));
    xml.text("LastModified", &dates::iso_seconds(part.modified));
    xml.etag("ETag", &part.etag);
    xml.number("Size", part.size);
    if let Some(checksum) = &part.checksum {
        checksums::to_xml(checksum, xml, false);
    }
    xml.close("Part");
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value)] // expected values stand in the rows
mod tests {
    use super::*;

    fn check(text: &str, size: u64, want: Option<Range<u64>>) {
        assert_eq!(source_range(text, size).ok(), want, "{text} of {size}");
    }

    #[test]
    fn source_ranges() {
        check("bytes=0-4", 10, Some(0..5));
        check("bytes=9-9", 10, Some(9..10));
        check("bytes=5-10", 10, None);
        check("bytes=5-4", 10, None);
        check("bytes=+0-4", 10, None);
        check("bytes=5-", 10, None);
        check("bytes=-5", 10, None);
        check("0-4", 10, None);
        check("bytes=0-18446744073709551615", 10, None);
        check("", 10, None);
    }
}
