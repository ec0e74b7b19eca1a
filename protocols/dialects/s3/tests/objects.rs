//! Single objects: put, get, head, delete, copy, conditions, ranges, checksums, tags, ACLs.

use super::Server;

#[tokio::test]
async fn put_and_get() {
    let s = Server::start().await;
    s.check("PUT s3:/bucket", "", "200\nlocation: /bucket").await;
    s.check(
        "PUT s3:/bucket/a%20b/../c\ncontent-type: text/plain\nx-amz-meta-one: 1\ncache-control: no-store\ncontent-encoding: aws-chunked,gzip",
        "hello",
        "200\netag: \"5d41402abc4b2a76b9719d911017c592\"\nx-amz-checksum-crc64nvme: M3eFcAZSQlc=\nx-amz-checksum-type: FULL_OBJECT\nx-amz-server-side-encryption: AES256",
    )
    .await;
    let got = s
        .check(
            "GET s3:/bucket/a%20b/../c",
            "",
            "200\ncontent-type: text/plain\ncontent-length: 5\nx-amz-meta-one: 1\ncache-control: no-store\ncontent-encoding: gzip\naccept-ranges: bytes\nserver: AmazonS3\nx-amz-checksum-crc64nvme:\n",
        )
        .await;
    assert_eq!(got.body, "hello");
    assert!(got.headers.contains_key("x-amz-request-id") && got.headers.contains_key("x-amz-id-2"));
    let head = s
        .check(
            "HEAD s3:/bucket/a%20b/../c\nx-amz-checksum-mode: ENABLED",
            "",
            "200\ncontent-length: 5\nx-amz-checksum-crc64nvme: M3eFcAZSQlc=",
        )
        .await;
    assert_eq!(head.body, "");
    s.check("GET s3:/bucket/c", "", "404\n| <Code>NoSuchKey</Code>\n| <Key>c</Key><Resource>/bucket/c</Resource>")
        .await;
    assert_eq!(s.check("HEAD s3:/bucket/c", "", "404").await.body, "");
    s.check("DELETE s3:/bucket/a%20b/../c", "", "204").await;
    s.check("DELETE s3:/bucket/a%20b/../c", "", "204").await;
    s.check("GET s3:/none/c", "", "404\n| <Code>NoSuchBucket</Code>\n| <BucketName>none</BucketName>").await;
}

#[tokio::test]
async fn ranges_and_overrides() {
    let s = Server::start().await;
    s.check("PUT s3:/bucket", "", "200").await;
    s.check("PUT s3:/bucket/k", "0123456789", "200").await;
    s.check("GET s3:/bucket/k\nrange: bytes=2-4", "", "206\ncontent-range: bytes 2-4/10\ncontent-length: 3\n| 234")
        .await;
    s.check("GET s3:/bucket/k\nrange: bytes=-3", "", "206\ncontent-range: bytes 7-9/10\n| 789").await;
    s.check("GET s3:/bucket/k\nrange: bytes=0-1,3-4", "", "200\ncontent-length: 10").await;
    s.check("GET s3:/bucket/k\nrange: bytes=10-", "", "416\ncontent-range: bytes */10\n| <Code>InvalidRange</Code>")
        .await;
    s.check("GET s3:/bucket/k\nrange: bytes=2-4\nif-range: \"other\"", "", "200\ncontent-length: 10").await;
    s.check("GET s3:/bucket/k?partNumber=1", "", "206\ncontent-range: bytes 0-9/10").await;
    s.check("GET s3:/bucket/k?partNumber=2", "", "416\n| <Code>InvalidPartNumber</Code>").await;
    s.check("GET s3:/bucket/k?partNumber=1\nrange: bytes=0-1", "", "400\n| <Code>InvalidRequest</Code>").await;
    s.check(
        "GET s3:/bucket/k?response-content-type=text%2Fcss&response-content-disposition=attachment",
        "",
        "200\ncontent-type: text/css\ncontent-disposition: attachment",
    )
    .await;
}

#[tokio::test]
async fn conditions() {
    let s = Server::start().await;
    s.check("PUT s3:/bucket", "", "200").await;
    s.check("PUT s3:/bucket/k\nif-none-match: *", "hello", "200").await;
    s.check(
        "PUT s3:/bucket/k\nif-none-match: *",
        "hello",
        "412\n| <Code>PreconditionFailed</Code>\n| <Condition>If-None-Match</Condition>",
    )
    .await;
    s.check("PUT s3:/bucket/k\nif-none-match: \"x\"", "hello", "501\n| <Code>NotImplemented</Code>").await;
    s.check("PUT s3:/bucket/k\nif-match: \"x\"", "hello", "412").await;
    s.check("PUT s3:/bucket/absent\nif-match: \"x\"", "hello", "404\n| <Code>NoSuchKey</Code>").await;
    s.check("PUT s3:/bucket/k\nif-match: \"5d41402abc4b2a76b9719d911017c592\"", "hello", "200").await;
    let etag = "\"5d41402abc4b2a76b9719d911017c592\"";
    let got = s.check(&format!("GET s3:/bucket/k\nif-none-match: {etag}"), "", &format!("304\netag: {etag}")).await;
    assert_eq!(got.body, "");
    s.check("GET s3:/bucket/k\nif-match: \"x\"", "", "412\n| <Condition>If-Match</Condition>").await;
    s.check("GET s3:/bucket/k\nif-modified-since: Fri, 01 Jan 2100 00:00:00 GMT", "", "304").await;
    s.check("GET s3:/bucket/k\nif-unmodified-since: Thu, 01 Jan 1970 00:00:00 GMT", "", "412").await;
    s.check("DELETE s3:/bucket/k\nif-match: \"x\"", "", "412").await;
    s.check(&format!("DELETE s3:/bucket/k\nif-match: {etag}"), "", "204").await;
}

#[tokio::test]
async fn checksums_and_lengths() {
    let s = Server::start().await;
    s.check("PUT s3:/bucket", "", "200").await;
    let put = "PUT s3:/bucket/k\n";
    s.check(&format!("{put}content-md5: XUFAKrxLKna5cZ2REBfFkg=="), "hello", "200").await;
    s.check(&format!("{put}content-md5: 1B2M2Y8AsgTpgAmY7PhCfg=="), "hello", "400\n| <Code>BadDigest</Code>").await;
    s.check(&format!("{put}content-md5: nonsense"), "hello", "400\n| <Code>InvalidDigest</Code>").await;
    s.check(
        &format!("{put}x-amz-checksum-crc32: NhCmhg=="),
        "hello",
        "200\nx-amz-checksum-crc32: NhCmhg==\nx-amz-checksum-crc64nvme:",
    )
    .await;
    s.check(
        &format!("{put}x-amz-checksum-sha1: qvTGHdzF6KLavt4PO0gs2a6pQ00="),
        "hello",
        "200\nx-amz-checksum-sha1: qvTGHdzF6KLavt4PO0gs2a6pQ00=",
    )
    .await;
    s.check(
        &format!("{put}x-amz-checksum-crc32c: AAAAAA=="),
        "hello",
        "400\n| <Code>BadDigest</Code>\n| The CRC32C you specified did not match the calculated checksum.",
    )
    .await;
    s.check(
        &format!("{put}x-amz-content-sha256: {}", "0".repeat(64)),
        "hello",
        "400\n| <Code>XAmzContentSHA256Mismatch</Code>",
    )
    .await;
    s.check(&format!("{put}content-length: 9"), "hello", "400\n| <Code>IncompleteBody</Code>").await;
    // Nothing of what was refused has been stored.
    s.check(
        "HEAD s3:/bucket/k\nx-amz-checksum-mode: ENABLED",
        "",
        "200\nx-amz-checksum-sha1: qvTGHdzF6KLavt4PO0gs2a6pQ00=",
    )
    .await;
    let framed = "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
    let trailer = "PUT s3:/bucket/t\nx-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\nx-amz-decoded-content-length: 5\nx-amz-trailer: x-amz-checksum-crc32\ncontent-encoding: aws-chunked";
    s.check(trailer, framed, "200\nx-amz-checksum-crc32: NhCmhg==").await;
    s.check("GET s3:/bucket/t", "", "200\ncontent-encoding:\n| hello").await;
    s.check(trailer, &framed.replace("NhC", "AhC"), "400\n| <Code>BadDigest</Code>").await;
}

#[tokio::test]
async fn bad_names_and_headers() {
    let s = Server::start().await;
    s.check("PUT s3:/bucket", "", "200").await;
    let long = "k".repeat(1024);
    s.check(&format!("PUT s3:/bucket/{long}"), "x", "200").await;
    s.check(&format!("PUT s3:/bucket/{long}k"), "x", "400\n| <Code>KeyTooLongError</Code>\n| <Size>1025</Size>").await;
    s.check("PUT s3:/bucket/%ff", "x", "400\n| <Code>InvalidURI</Code>").await;
    s.check("PUT s3:/bucket/%zz", "x", "400\n| <Code>InvalidURI</Code>").await;
    let meta = "v".repeat(2048);
    s.check(&format!("PUT s3:/bucket/k\nx-amz-meta-k: {meta}"), "x", "400\n| <Code>MetadataTooLarge</Code>").await;
    let huge = "v".repeat(9000);
    s.check(
        &format!("PUT s3:/bucket/k\nx-amz-meta-k: {huge}"),
        "x",
        "400\n| <Code>RequestHeaderSectionTooLarge</Code>",
    )
    .await;
    s.check("PUT s3:/bucket/k\nx-amz-storage-class: WARM", "x", "400\n| <Code>InvalidStorageClass</Code>").await;
    s.check("PATCH s3:/bucket/k", "x", "405\n| <Code>MethodNotAllowed</Code>").await;
    s.check("GET s3:/bucket/k?torrent", "", "501\n| <Code>NotImplemented</Code>").await;
    s.check("GET s3:/bucket/k?versionId=abc", "", "400\n| <Code>InvalidArgument</Code>").await;
    s.check("GET s3:/bucket/k", "", "404").await;
    s.check(
        "PUT s3:/bucket/big\ncontent-length: 5368709121",
        "",
        "400\n| <Code>EntityTooLarge</Code>\nconnection: close",
    )
    .await;
}

#[tokio::test]
async fn copies() {
    let s = Server::start().await;
    s.check("PUT s3:/bucket", "", "200").await;
    s.check("PUT s3:/bucket/a\nx-amz-meta-m: 1\nx-amz-tagging: t=1\ncontent-type: text/plain", "hello", "200").await;
    s.check(
        "PUT s3:/bucket/b\nx-amz-copy-source: /bucket/a",
        "",
        "200\n| <ETag>&quot;5d41402abc4b2a76b9719d911017c592&quot;</ETag>",
    )
    .await;
    s.check("GET s3:/bucket/b", "", "200\nx-amz-meta-m: 1\nx-amz-tagging-count: 1\ncontent-type: text/plain\n| hello")
        .await;
    s.check(
        "PUT s3:/bucket/c\nx-amz-copy-source: bucket%2Fa\nx-amz-metadata-directive: REPLACE\nx-amz-meta-n: 2\nx-amz-tagging-directive: REPLACE",
        "",
        "200",
    )
    .await;
    s.check("HEAD s3:/bucket/c", "", "200\nx-amz-meta-m:\nx-amz-meta-n: 2\nx-amz-tagging-count:").await;
    s.check("PUT s3:/bucket/a\nx-amz-copy-source: bucket/a", "", "400\n| <Code>InvalidRequest</Code>").await;
    s.check("PUT s3:/bucket/a\nx-amz-copy-source: bucket/a\nx-amz-metadata-directive: REPLACE", "", "200").await;
    s.check("PUT s3:/bucket/d\nx-amz-copy-source: bucket/none", "", "404\n| <Code>NoSuchKey</Code>").await;
    s.check("PUT s3:/bucket/d\nx-amz-copy-source: bucket", "", "400\n| <Code>InvalidArgument</Code>").await;
    s.check(
        "PUT s3:/bucket/d\nx-amz-copy-source: bucket/a\nx-amz-copy-source-if-none-match: \"5d41402abc4b2a76b9719d911017c592\"",
        "",
        "412",
    )
    .await;
    s.check(
        "PUT s3:/bucket/e\nx-amz-copy-source: bucket/a\nx-amz-checksum-algorithm: SHA1",
        "",
        "200\n| <ChecksumSHA1>qvTGHdzF6KLavt4PO0gs2a6pQ00=",
    )
    .await;
}

#[tokio::test]
async fn tags_acls_and_attributes() {
    let s = Server::start().await;
    s.check("PUT s3:/bucket", "", "200").await;
    s.check("PUT s3:/bucket/k", "hello", "200").await;
    s.check("GET s3:/bucket/k?tagging", "", "200\n| <TagSet></TagSet>").await;
    s.check(
        "PUT s3:/bucket/k?tagging",
        "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>",
        "200",
    )
    .await;
    s.check("GET s3:/bucket/k?tagging", "", "200\n| <Tag><Key>a</Key><Value>1</Value></Tag>").await;
    s.check("DELETE s3:/bucket/k?tagging", "", "204").await;
    s.check("GET s3:/bucket/k\nanonymous: strict", "", "403\n| <Code>AccessDenied</Code>").await;
    s.check("GET s3:/bucket/none\nanonymous: strict", "", "403").await;
    s.check("PUT s3:/bucket/k?acl\nx-amz-acl: public-read", "", "200").await;
    s.check("GET s3:/bucket/k\nanonymous: strict", "", "200\n| hello").await;
    s.check("GET s3:/bucket/k?response-content-type=a\nanonymous: strict", "", "400\n| <Code>InvalidRequest</Code>")
        .await;
    s.check("PUT s3:/bucket/k\nanonymous: strict", "x", "403").await;
    s.check("GET s3:/bucket/k?acl", "", "200\n| AllUsers").await;
    s.check(
        "GET s3:/bucket/k?attributes\nx-amz-object-attributes: ETag,ObjectSize,Checksum,StorageClass",
        "",
        "200\n| <ETag>5d41402abc4b2a76b9719d911017c592</ETag><Checksum><ChecksumCRC64NVME>M3eFcAZSQlc=</ChecksumCRC64NVME><ChecksumType>FULL_OBJECT</ChecksumType></Checksum><StorageClass>STANDARD</StorageClass><ObjectSize>5</ObjectSize>",
    )
    .await;
}

#[tokio::test]
async fn large_bodies_stream_back() {
    let s = Server::start().await;
    s.check("PUT s3:/bucket", "", "200").await;
    let body = (0..200_000).map(|n| format!("{n:08}")).collect::<Vec<_>>().concat();
    s.check("PUT s3:/bucket/large", &body, "200").await;
    let got = s.check("GET s3:/bucket/large", "", &format!("200\ncontent-length: {}", body.len())).await;
    assert!(got.body == body, "the bytes differ");
    let got = s.check("GET s3:/bucket/large\nrange: bytes=800000-1599999", "", "206").await;
    assert!(got.body == body[800_000..1_600_000], "the range's bytes differ");
}
