//! ListMultipartUploads.

use storage::objects::{ListEntry, UploadInfo};

use super::context::{Access, Context};
use super::list::Asked;
use super::{XML_NAMESPACE, checksums, dates, reply};
use crate::body::Response;
use crate::fault::Error;
use crate::wire::xml::Writer;

const ROOT: &str = "ListMultipartUploadsResult";

pub async fn list(cx: &Context<'_>) -> Result<Response, Error> {
    let bucket = cx.bucket(Access::List)?;
    let query = cx.query();
    let asked = Asked::from_query(cx, "max-uploads")?;
    let key_marker = query.get("key-marker").unwrap_or_default();
    // An upload marker without a key marker means nothing.
    let id_marker = query.filled("upload-id-marker").filter(|_| !key_marker.is_empty());
    let after = (!key_marker.is_empty()).then(|| key_marker.clone().into_owned());
    let page = cx.store.uploads(&bucket, asked.query(after), id_marker.as_deref()).await?;

    let mut xml = Writer::with_capacity(ROOT, Some(XML_NAMESPACE), 768 + page.entries.len() * 512);
    xml.text("Bucket", &bucket.name);
    asked.encoding.text(&mut xml, "KeyMarker", &key_marker);
    xml.text("UploadIdMarker", id_marker.as_deref().unwrap_or_default());
    if page.next.is_some() {
        match page.entries.last() {
            Some(ListEntry::Item(upload)) => {
                asked.encoding.text(&mut xml, "NextKeyMarker", upload.key.as_str());
                xml.text("NextUploadIdMarker", &upload.id);
            }
            Some(ListEntry::Prefix(prefix)) => asked.encoding.text(&mut xml, "NextKeyMarker", prefix),
            None => {}
        }
    }
    asked.encoding.text(&mut xml, "Prefix", &asked.prefix);
    asked.delimiter(&mut xml);
    asked.encoding_type(&mut xml);
    xml.number("MaxUploads", asked.limit as u64);
    xml.boolean("IsTruncated", page.next.is_some());
    let owner = cx.owner(&bucket.owner);
    for entry in &page.entries {
        let ListEntry::Item(upload) = entry else { continue };
        write_upload(cx, &mut xml, &asked, upload, &owner);
    }
    asked.prefixes(&mut xml, &page);
    Ok(reply::xml(xml.finish(ROOT)))
}

fn write_upload(
    cx: &Context<'_>,
    xml: &mut Writer,
    asked: &Asked<'_>,
    upload: &UploadInfo,
    owner: &super::dialect::Owner,
) {
    xml.open("Upload");
    asked.encoding.text(xml, "Key", upload.key.as_str());
    xml.text("UploadId", &upload.id);
    reply::owner_to_xml(xml, "Initiator", &cx.owner(&upload.spec.owner));
    reply::owner_to_xml(xml, "Owner", owner);
    xml.text("StorageClass", upload.spec.attributes.storage_class.as_deref().unwrap_or("STANDARD"));
    xml.text("Initiated", &dates::iso_seconds(upload.initiated));
    checksums::upload_to_xml(upload.spec.checksum, xml);
    xml.close("Upload");
}
