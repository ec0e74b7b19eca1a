//! Multipart uploads: create, complete, abort.

use storage::fault::Algorithm;
use storage::objects::{CompleteSpec, CompletedPart, ObjectInfo, PARTS_MAX, UploadInfo, UploadSpec};

use super::checksums;
use super::context::{Access, Context};
use super::error::{Code, invalid_argument};
use super::{XML_NAMESPACE, conditions, dates, intake, metadata, reply, tagging};
use crate::body::{Body, Response};
use crate::fault::{Error, Fault, Kind, WireError};
use crate::wire::xml::{self, Element, Writer};

/// Smallest size of any part but the last, in bytes (S3: 5 MiB).
pub const PART_BYTES_MIN: u64 = 5 * 1024 * 1024;
/// Most bytes of a completion document: 10,000 parts with a SHA-256 each, indented.
const DOCUMENT_BYTES_MAX: usize = 4 * 1024 * 1024;
const OBJECT_SIZE: &str = "x-amz-mp-object-size";

pub async fn create(cx: &Context<'_>) -> Result<Response, Error> {
    let bucket = cx.bucket(Access::Write)?;
    let key = cx.key()?;
    let spec = UploadSpec {
        owner: cx.sender.account().unwrap_or(&bucket.owner).to_owned(),
        attributes: metadata::from_headers(cx)?,
        tags: tagging::from_header(cx)?,
        checksum: checksums::of_upload(&cx.parts.headers, cx.dialect)?,
    };
    let checksum = spec.checksum;
    let upload = cx.store.create_upload(&bucket, &key, spec).await?;

    let mut xml = Writer::new("InitiateMultipartUploadResult", Some(XML_NAMESPACE));
    xml.text("Bucket", &bucket.name);
    xml.text("Key", key.as_str());
    xml.text("UploadId", &upload.id);
    let mut response = reply::xml(xml.finish("InitiateMultipartUploadResult"));
    let headers = response.headers_mut();
    metadata::encryption(cx.dialect, headers);
    checksums::upload_to_headers(checksum, headers);
    Ok(response)
}

/// The upload a request names by `uploadId`.
pub fn upload_of(cx: &Context<'_>, bucket: &storage::objects::BucketInfo) -> Result<UploadInfo, Error> {
    let id = cx.query().get("uploadId").unwrap_or_default();
    Ok(cx.store.upload(bucket, &cx.key()?, &id)?)
}

pub async fn complete(cx: &Context<'_>, body: Body) -> Result<Response, Error> {
    let bucket = cx.bucket(Access::Write)?;
    let key = cx.key()?;
    let bytes = intake::bare_document(cx, body, DOCUMENT_BYTES_MAX).await?;
    let document = xml::parse(&bytes).map_err(|_| Code::MalformedXML.error())?;
    let parts = parts_of(&document)?;
    let spec = CompleteSpec {
        conditions: conditions::of_write(&cx.parts.headers, cx.dialect)?,
        part_size_min: PART_BYTES_MIN,
        equal_parts: cx.dialect.equal_parts,
        declared: checksums::declared_at_completion(&cx.parts.headers)?,
        declared_size: declared_size(cx)?,
    };
    let object = match upload_of(cx, &bucket) {
        Ok(upload) => {
            check_parts_checksums(cx, &upload, &parts, spec.declared.as_ref())?;
            cx.store.complete_upload(&bucket, &upload, parts, spec).await?
        }
        // Said again after it was done: the same answer again.
        Err(Error::Fault(Fault::NotFound { kind: Kind::Upload, name })) => {
            let done = cx.store.completed_upload(&bucket, &key, &name, &parts)?;
            done.ok_or_else(|| Fault::not_found(Kind::Upload, name))?
        }
        Err(error) => return Err(error),
    };
    let mut response = reply::xml(completed(cx, &bucket.name, &object));
    metadata::encryption(cx.dialect, response.headers_mut());
    Ok(response)
}

fn declared_size(cx: &Context<'_>) -> Result<Option<u64>, WireError> {
    let Some(text) = cx.header(OBJECT_SIZE) else { return Ok(None) };
    let size = text.parse().map_err(|_| invalid_argument("Invalid x-amz-mp-object-size", OBJECT_SIZE, text))?;
    Ok(Some(size))
}

fn parts_of(document: &Element) -> Result<Vec<CompletedPart>, WireError> {
    let malformed = || Code::MalformedXML.error();
    if !matches!(document.name.as_str(), "CompleteMultipartUpload" | "CompleteMultipartUploadRequest") {
        return Err(malformed());
    }
    if document.children.is_empty() {
        return Err(malformed());
    }
    // S3 takes an eleventh thousand for a malformed document.
    if document.children.len() > PARTS_MAX as usize {
        return Err(malformed());
    }
    let mut parts = Vec::with_capacity(document.children.len());
    for part in &document.children {
        if part.name != "Part" {
            return Err(malformed());
        }
        let number = part.text_of("PartNumber").and_then(|text| text.parse().ok()).ok_or_else(malformed)?;
        if !(1..=PARTS_MAX).contains(&number) {
            let text = "PartNumber must be >= 1 and <= 10000";
            return Err(invalid_argument(text, "PartNumber", &number.to_string()));
        }
        let etag = part.text_of("ETag").ok_or_else(malformed)?;
        parts.push(CompletedPart {
            number,
            etag: conditions::unquoted(etag).to_owned(),
            checksum: checksums::of_part_element(part)?,
        });
    }
    if parts.windows(2).any(|pair| pair[0].number >= pair[1].number) {
        return Err(Code::InvalidPartOrder.error());
    }
    Ok(parts)
}

/// A checksum of another algorithm than the upload's can't be compared with anything.
fn check_parts_checksums(
    cx: &Context<'_>,
    upload: &UploadInfo,
    parts: &[CompletedPart],
    declared: Option<&(Algorithm, Vec<u8>)>,
) -> Result<(), WireError> {
    let Some((expected, full)) = upload.spec.checksum else { return Ok(()) };
    let named = parts.iter().filter_map(|part| part.checksum.as_ref());
    let foreign = named.map(|(algorithm, _)| *algorithm).find(|algorithm| *algorithm != expected);
    if let Some(foreign) = foreign {
        return Err(parts_mismatch(expected, Some(foreign)));
    }
    let bare = parts.iter().find(|part| part.checksum.is_none());
    if let Some(bare) = bare.filter(|_| !full && cx.dialect.parts_declare_checksums) {
        return Err(Code::InvalidRequest.say(format!(
            "The upload was created using a {} checksum. The complete request must include the checksum for each part. It was missing for part {} in the request.",
            lower(expected),
            bare.number
        )));
    }
    if checksums::asked_kind(&cx.parts.headers)?.is_some_and(|asked| asked != full) {
        return Err(other_mode(full));
    }
    match declared {
        Some((algorithm, _)) if *algorithm != expected => Err(parts_mismatch(expected, Some(*algorithm))),
        Some(_) if !full => Err(other_mode(full)),
        _ => Ok(()),
    }
}

fn other_mode(full: bool) -> WireError {
    Code::InvalidRequest.say(format!(
        "The upload was created using the {} checksum mode. The complete request must use the same checksum mode.",
        checksums::kind_name(full)
    ))
}

fn lower(algorithm: Algorithm) -> String {
    checksums::name(algorithm).unwrap_or("MD5").to_ascii_lowercase()
}

/// Two algorithms, or none, where one was agreed on.
pub fn parts_mismatch(expected: Algorithm, actual: Option<Algorithm>) -> WireError {
    Code::InvalidRequest.say(format!(
        "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
        lower(expected),
        actual.map_or_else(|| "null".to_owned(), lower)
    ))
}

fn completed(cx: &Context<'_>, bucket: &str, object: &ObjectInfo) -> String {
    let mut xml = Writer::new("CompleteMultipartUploadResult", Some(XML_NAMESPACE));
    xml.text("Location", &cx.location(bucket, object.key.as_str()));
    xml.text("Bucket", bucket);
    xml.text("Key", object.key.as_str());
    xml.etag("ETag", &object.etag);
    if let Some(checksum) = &object.checksum {
        checksums::to_xml(checksum, &mut xml, true);
    }
    xml.finish("CompleteMultipartUploadResult")
}

pub async fn abort(cx: &Context<'_>) -> Result<Response, Error> {
    let bucket = cx.bucket(Access::Write)?;
    let upload = upload_of(cx, &bucket)?;
    if let Some(text) = cx.header("x-amz-if-match-initiated-time") {
        let at = dates::parse_http(text);
        if at.is_none_or(|at| at.seconds() != upload.initiated.seconds()) {
            return Err(super::error::precondition_failed("x-amz-if-match-initiated-time").into());
        }
    }
    cx.store.abort_upload(&bucket, &upload).await?;
    Ok(reply::no_content())
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value)] // expected values stand in the rows
mod tests {
    use super::*;

    fn check(document: &str, want: Result<Vec<(u32, &str)>, &str>) {
        let tree = xml::parse(document.as_bytes()).expect("well-formed");
        let got = parts_of(&tree);
        let got = got
            .as_ref()
            .map(|parts| parts.iter().map(|part| (part.number, part.etag.as_str())).collect())
            .map_err(|error| error.code.as_ref());
        assert_eq!(got, want, "{document}");
    }

    #[test]
    fn documents() {
        let document = |parts: &str| format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        let part = |number: &str| format!("<Part><PartNumber>{number}</PartNumber><ETag>\"e\"</ETag></Part>");
        check(&document(&part("1")), Ok(vec![(1, "e")]));
        check(&document(&(part("1") + &part("3"))), Ok(vec![(1, "e"), (3, "e")]));
        check(&document(&(part("3") + &part("1"))), Err("InvalidPartOrder"));
        check(&document(&(part("1") + &part("1"))), Err("InvalidPartOrder"));
        check(&document(&part("0")), Err("InvalidArgument"));
        check(&document(&part("10001")), Err("InvalidArgument"));
        check(&document(&part("x")), Err("MalformedXML"));
        check(&document("<Part><PartNumber>1</PartNumber></Part>"), Err("MalformedXML"));
        check(&document(""), Err("MalformedXML"));
        check("<Complete/>", Err("MalformedXML"));
        let many: String = (1..=10_001).map(|number| part(&number.to_string())).collect();
        check(&document(&many), Err("MalformedXML"));
    }
}
