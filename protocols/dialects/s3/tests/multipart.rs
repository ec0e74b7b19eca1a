//! Multipart uploads.

use super::{Answer, Server};

/// 5 MiB, the smallest part but the last.
fn large(byte: char) -> String {
    byte.to_string().repeat(5 * 1024 * 1024)
}

async fn create(s: &Server, headers: &str) -> String {
    let created = s
        .check(&format!("POST s3:/bucket/k?uploads=\n{headers}"), "", "200\n| <Bucket>bucket</Bucket><Key>k</Key>")
        .await;
    created.text_of("UploadId").to_owned()
}

fn etag(answer: &Answer) -> String {
    answer.headers["etag"].to_str().expect("text").trim_matches('"').to_owned()
}

fn document(parts: &[(u32, &str)]) -> String {
    let parts: Vec<_> = parts
        .iter()
        .map(|(number, etag)| format!("<Part><PartNumber>{number}</PartNumber><ETag>\"{etag}\"</ETag></Part>"))
        .collect();
    format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", parts.concat())
}

#[tokio::test]
async fn complete() {
    let s = Server::start().await;
    s.check("PUT s3:/bucket", "", "200").await;
    let id = create(
        &s,
        "x-amz-meta-m: 1\ncontent-type: text/plain\nx-amz-checksum-algorithm: CRC32\nx-amz-checksum-type: FULL_OBJECT",
    )
    .await;
    let one = etag(&s.check(&format!("PUT s3:/bucket/k?partNumber=1&uploadId={id}"), &large('a'), "200").await);
    let two = etag(&s.check(&format!("PUT s3:/bucket/k?partNumber=2&uploadId={id}"), "tail", "200").await);
    s.check(
        &format!("GET s3:/bucket/k?uploadId={id}"),
        "",
        "200\n| <PartNumber>1</PartNumber>\n| <Size>4</Size><ChecksumCRC32>\n| <ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType></ListPartsResult>",
    )
    .await;
    s.check(
        &format!("GET s3:/bucket/k?uploadId={id}&max-parts=1"),
        "",
        "200\n| <NextPartNumberMarker>1</NextPartNumberMarker><MaxParts>1</MaxParts><IsTruncated>true</IsTruncated>",
    )
    .await;
    s.check(
        "GET s3:/bucket?uploads",
        "",
        &format!("200\n| <UploadId>{id}</UploadId>\n| <MaxUploads>1000</MaxUploads>"),
    )
    .await;
    s.check("GET s3:/bucket/k", "", "404").await;
    let whole = document(&[(1, &one), (2, &two)]);
    let done = s
        .check(
            &format!("POST s3:/bucket/k?uploadId={id}"),
            &whole,
            "200\n| <Location>http://localhost:8080/env/env-t/s3/bucket/k</Location><Bucket>bucket</Bucket><Key>k</Key>\n| -2&quot;</ETag>\n| </ChecksumCRC32><ChecksumType>FULL_OBJECT</ChecksumType>",
        )
        .await;
    let again = s.check(&format!("POST s3:/bucket/k?uploadId={id}"), &whole, "200").await;
    assert_eq!(done.text_of("ETag"), again.text_of("ETag"));
    let got = s
        .check("GET s3:/bucket/k", "", "200\nx-amz-meta-m: 1\ncontent-type: text/plain\ncontent-length: 5242884")
        .await;
    assert!(got.body == large('a') + "tail", "the bytes differ");
    s.check(
        "GET s3:/bucket/k?partNumber=2",
        "",
        "206\ncontent-range: bytes 5242880-5242883/5242884\nx-amz-mp-parts-count: 2\n| tail",
    )
    .await;
    s.check(
        "GET s3:/bucket/k?attributes\nx-amz-object-attributes: ObjectParts",
        "",
        "200\n| <PartsCount>2</PartsCount>\n| <PartNumber>2</PartNumber><Size>4</Size>",
    )
    .await;
    s.check(&format!("GET s3:/bucket/k?uploadId={id}"), "", "404\n| <Code>NoSuchUpload</Code>").await;
}

#[tokio::test]
async fn refusals() {
    let s = Server::start().await;
    s.check("PUT s3:/bucket", "", "200").await;
    let id = create(&s, "").await;
    let part = |number: u32| format!("PUT s3:/bucket/k?partNumber={number}&uploadId={id}");
    s.check(&part(0), "x", "400\n| <Code>InvalidArgument</Code>").await;
    s.check(&part(10_001), "x", "400\n| Part number must be an integer between 1 and 10000, inclusive").await;
    s.check(
        "PUT s3:/bucket/k?partNumber=1&uploadId=none",
        "x",
        "404\n| <Code>NoSuchUpload</Code>\n| <UploadId>none</UploadId>",
    )
    .await;
    let one = etag(&s.check(&part(1), "small", "200").await);
    let two = etag(&s.check(&part(2), "tail", "200").await);
    let complete = format!("POST s3:/bucket/k?uploadId={id}");
    s.check(&complete, &document(&[(1, &one), (2, &two)]), "400\n| <Code>EntityTooSmall</Code>").await;
    s.check(&complete, &document(&[(2, &two), (1, &one)]), "400\n| <Code>InvalidPartOrder</Code>").await;
    s.check(&complete, &document(&[(1, &two)]), "400\n| <Code>InvalidPart</Code>").await;
    s.check(&complete, &document(&[(3, &one)]), "400\n| <Code>InvalidPart</Code>").await;
    s.check(&complete, "<Complete", "400\n| <Code>MalformedXML</Code>").await;
    s.check(&complete, "", "400\n| <Code>MalformedXML</Code>").await;
    s.check(
        &format!("{complete}\nx-amz-mp-object-size: 6"),
        &document(&[(1, &one)]),
        "400\n| <Code>InvalidRequest</Code>",
    )
    .await;
    s.check(&format!("DELETE s3:/bucket/k?uploadId={id}"), "", "204").await;
    s.check(&format!("DELETE s3:/bucket/k?uploadId={id}"), "", "404\n| <Code>NoSuchUpload</Code>").await;
    s.check("HEAD s3:/bucket/k", "", "404").await;
    s.check(
        "POST s3:/bucket/k?uploads\nx-amz-checksum-algorithm: SHA1\nx-amz-checksum-type: FULL_OBJECT",
        "",
        "400\n| <Code>InvalidRequest</Code>",
    )
    .await;
}

/// Each part's checksum is the client's to say where the object's is made of them.
#[tokio::test]
async fn composite_checksums() {
    let s = Server::start().await;
    for service in ["s3", "spaces"] {
        s.check(&format!("PUT {service}:/bucket"), "", "200").await;
    }
    let id = create(&s, "x-amz-checksum-algorithm: CRC32").await;
    let part = format!("PUT s3:/bucket/k?partNumber=1&uploadId={id}");
    s.check(&part, "abc", "400\n| expected checksum Type: crc32, actual checksum Type: null").await;
    s.check(
        &format!("{part}\nx-amz-checksum-crc32c: NksxNw=="),
        "abc",
        "400\n| expected checksum Type: crc32, actual checksum Type: crc32c",
    )
    .await;
    let one = etag(&s.check(&format!("{part}\nx-amz-checksum-crc32: NSRBwg=="), "abc", "200").await);
    let complete = format!("POST s3:/bucket/k?uploadId={id}");
    s.check(&complete, &document(&[(1, &one)]), "400\n| <Code>InvalidRequest</Code>\n| It was missing for part 1")
        .await;
    let whole = document(&[(1, &one)]).replace("</ETag>", "</ETag><ChecksumCRC32>NSRBwg==</ChecksumCRC32>");
    s.check(
        &format!("{complete}\nx-amz-checksum-type: FULL_OBJECT"),
        &whole,
        "400\n| <Code>InvalidRequest</Code>\n| the COMPOSITE checksum mode",
    )
    .await;
    s.check(&complete, &whole, "200\n| -1</ChecksumCRC32><ChecksumType>COMPOSITE</ChecksumType>").await;
    // A copy is one object, whatever its source was made of.
    s.check(
        "PUT s3:/bucket/copy\nx-amz-copy-source: bucket/k",
        "",
        "200\n| <ETag>&quot;900150983cd24fb0d6963f7d28e17f72&quot;</ETag><ChecksumCRC32>NSRBwg==</ChecksumCRC32><ChecksumType>FULL_OBJECT</ChecksumType>",
    )
    .await;
    s.check("GET s3:/bucket/copy?partNumber=1", "", "206\netag: \"900150983cd24fb0d6963f7d28e17f72\"\n| abc").await;
    let lenient = s.check("POST spaces:/bucket/k?uploads=\nx-amz-checksum-algorithm: CRC32", "", "200").await;
    let id = lenient.text_of("UploadId");
    s.check(&format!("PUT spaces:/bucket/k?partNumber=1&uploadId={id}"), "abc", "200").await;
}

#[tokio::test]
async fn copied_parts() {
    let s = Server::start().await;
    s.check("PUT s3:/bucket", "", "200").await;
    s.check("PUT s3:/bucket/source", "0123456789", "200").await;
    let id = create(&s, "").await;
    let copy = format!(
        "PUT s3:/bucket/k?partNumber=1&uploadId={id}\nx-amz-copy-source: bucket/source\nx-amz-copy-source-range: bytes="
    );
    s.check(&format!("{copy}5-10"), "", "400\n| <Code>InvalidArgument</Code>").await;
    let part = s.check(&format!("{copy}2-4"), "", "200\n| <CopyPartResult").await;
    let etag = part.text_of("ETag").replace("&quot;", "");
    s.check(&format!("POST s3:/bucket/k?uploadId={id}"), &document(&[(1, &etag)]), "200").await;
    s.check("GET s3:/bucket/k", "", "200\n| 234").await;
}
