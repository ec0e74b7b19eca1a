//! Where R2 and Spaces differ from S3.

use super::Server;

#[tokio::test]
async fn namespaces_are_apart() {
    let s = Server::start().await;
    for service in ["s3", "r2", "spaces"] {
        s.check(&format!("PUT {service}:/bucket"), "", "200").await;
        s.check(&format!("PUT {service}:/bucket/{service}"), "x", "200").await;
    }
    s.check("GET r2:/bucket/s3", "", "404").await;
    s.check("GET spaces:/bucket/spaces", "", "200\nx-amz-server-side-encryption:").await;
}

#[tokio::test]
async fn r2() {
    let s = Server::start().await;
    s.check("PUT r2:/bucket", "", "200\nserver: cloudflare").await;
    s.check("PUT r2:/bucket", "", "409\n| <Code>BucketAlreadyOwnedByYou</Code>").await;
    s.check("PUT r2:/my.bucket", "", "400\n| <Code>InvalidBucketName</Code>").await;
    s.check("GET r2:/bucket?location", "", "200\n| >auto</LocationConstraint>").await;
    s.check(
        "GET r2:/bucket?acl",
        "",
        "501\n| <Code>NotImplemented</Code><Message>GetBucketAcl not implemented</Message>",
    )
    .await;
    s.check("PUT r2:/bucket/k?tagging", "x", "501").await;
    s.check("GET r2:/bucket?versioning", "", "501").await;
    s.check("PUT r2:/bucket/k\nx-amz-tagging: a=1", "x", "501").await;
    s.check("PUT r2:/bucket/k\nx-amz-acl: public-read", "x", "501").await;
    s.check("PUT r2:/bucket/k\nx-amz-meta-a: =?UTF-8?B?w6TDtg==?=", "hello", "200").await;
    s.check("HEAD r2:/bucket/k", "", "200\nx-amz-meta-a: =?UTF-8?B?w6TDtg==?=").await;
    s.check("PUT r2:/bucket/k\nif-none-match: \"x\"", "hello", "200").await;
    s.check("PUT r2:/bucket/k\nif-unmodified-since: Thu, 01 Jan 1970 00:00:00 GMT", "hello", "412").await;
    s.check("PUT r2:/bucket/c\nx-amz-copy-source: bucket/k", "", "200").await;
    s.check("PUT r2:/bucket/c\nx-amz-copy-source: bucket/k\ncf-copy-destination-if-none-match: *", "", "412").await;
    s.check("PUT r2:/made/k", "x", "404").await;
    s.check("PUT r2:/made/k\ncf-create-bucket-if-missing: true", "x", "200").await;
    s.check("POST r2:/bucket/k?uploads\nx-amz-checksum-algorithm: CRC32\nx-amz-checksum-type: FULL_OBJECT", "", "400")
        .await;
    s.check(
        "POST r2:/bucket/k?uploads\nx-amz-checksum-algorithm: CRC64NVME",
        "",
        "200\nx-amz-checksum-type: FULL_OBJECT",
    )
    .await;
}

#[tokio::test]
async fn spaces() {
    let s = Server::start().await;
    let region = "<CreateBucketConfiguration><LocationConstraint>fra1</LocationConstraint></CreateBucketConfiguration>";
    s.check("PUT spaces:/bucket", region, "200").await;
    s.check("GET spaces:/bucket?location", "", "200\n| >fra1</LocationConstraint>").await;
    s.check("PUT spaces:/bucket/k\nx-amz-acl: public-read", "hello", "200\nx-amz-checksum-crc64nvme:").await;
    s.check("GET spaces:/bucket/k\nanonymous: 1", "", "200\n| hello").await;
    s.check("GET spaces:/bucket?encryption", "", "501").await;
    s.check("GET spaces:/bucket?policy", "", "404\n| <Code>NoSuchBucketPolicy</Code>").await;
}
