//! Buckets: creation, listing, configurations, CORS, batch deletion.

use super::Server;

#[tokio::test]
async fn create_and_delete() {
    let s = Server::start().await;
    s.check("PUT s3:/bucket", "", "200").await;
    s.check("PUT s3:/bucket", "", "200").await;
    s.check("PUT s3:/Bad_Name", "", "400\n| <Code>InvalidBucketName</Code>\n| <BucketName>Bad_Name</BucketName>").await;
    s.check("GET s3:/Bad_Name", "", "400\n| <Code>InvalidBucketName</Code>").await;
    let in_region = |region: &str| {
        format!(
            "<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        )
    };
    s.check("PUT s3:/west", &in_region("eu-west-1"), "200").await;
    s.check("PUT s3:/west", &in_region("eu-west-1"), "409\n| <Code>BucketAlreadyOwnedByYou</Code>").await;
    s.check("GET s3:/west?location", "", "200\n| >eu-west-1</LocationConstraint>").await;
    s.check(
        "GET s3:/bucket?location",
        "",
        "200\n| <LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"></LocationConstraint>",
    )
    .await;
    s.check("PUT s3:/nowhere", &in_region("mars-1"), "400\n| <Code>InvalidLocationConstraint</Code>").await;
    s.check("PUT s3:/nowhere", "<Create", "400\n| <Code>MalformedXML</Code>").await;
    s.check("HEAD s3:/west", "", "200\nx-amz-bucket-region: eu-west-1").await;
    assert_eq!(s.check("HEAD s3:/none", "", "404").await.body, "");
    s.check("PUT s3:/west/k", "x", "200").await;
    s.check("DELETE s3:/west", "", "409\n| <Code>BucketNotEmpty</Code>").await;
    s.check("DELETE s3:/west/k", "", "204").await;
    s.check("DELETE s3:/west", "", "204").await;
    s.check("DELETE s3:/west", "", "404").await;
}

#[tokio::test]
async fn other_accounts() {
    let s = Server::start().await;
    s.check("PUT s3:/bucket", "", "200").await;
    let other = "authorization: AWS 999988887777:x";
    s.check(&format!("PUT s3:/bucket\nanonymous: 1\n{other}"), "", "409\n| <Code>BucketAlreadyExists</Code>").await;
    s.check(&format!("GET s3:/bucket\nanonymous: 1\n{other}"), "", "403").await;
    s.check("PUT s3:/bucket?acl\nx-amz-acl: public-read", "", "200").await;
    s.check(&format!("GET s3:/bucket\nanonymous: 1\n{other}"), "", "200").await;
    s.check(&format!("GET s3:/bucket/none\nanonymous: 1\n{other}"), "", "404").await;
    s.check(&format!("PUT s3:/bucket/k\nanonymous: 1\n{other}"), "x", "403").await;
    s.check(&format!("GET s3:/\nanonymous: 1\n{other}"), "", "200\n| <Buckets></Buckets>").await;
    s.check("GET s3:/\nanonymous: strict", "", "403").await;
    s.check("GET s3:/bucket\nx-amz-expected-bucket-owner: 999988887777", "", "403").await;
    s.check("GET s3:/bucket\nx-amz-expected-bucket-owner: 111122223333", "", "200").await;
}

#[tokio::test]
async fn listing() {
    let s = Server::start().await;
    for name in ["aaa", "bbb", "ccc"] {
        s.check(&format!("PUT s3:/{name}"), "", "200").await;
    }
    s.check("GET s3:/", "", "200\n| <Name>aaa</Name>\n| <Name>ccc</Name>").await;
    let page = s.check("GET s3:/?max-buckets=2", "", "200\n| <Name>bbb</Name>\n| <BucketRegion>us-east-1").await;
    assert!(!page.body.contains("ccc"));
    let token = page.text_of("ContinuationToken");
    let rest =
        s.check(&format!("GET s3:/?max-buckets=2&continuation-token={token}"), "", "200\n| <Name>ccc</Name>").await;
    assert!(!rest.body.contains("bbb") && !rest.body.contains("ContinuationToken"));
    s.check("GET s3:/?max-buckets=0", "", "400\n| <Code>InvalidArgument</Code>").await;
    s.check("GET s3:/?prefix=b", "", "200\n| <Buckets><Bucket><Name>bbb</Name>").await;
}

#[tokio::test]
async fn configurations() {
    let s = Server::start().await;
    s.check("PUT s3:/bucket", "", "200").await;
    for (query, want) in [
        ("versioning", "200\n| <VersioningConfiguration"),
        ("encryption", "200\n| <SSEAlgorithm>AES256</SSEAlgorithm>"),
        ("logging", "200\n| <BucketLoggingStatus"),
        ("notification", "200\n| <NotificationConfiguration"),
        ("requestPayment", "200\n| <Payer>BucketOwner</Payer>"),
        ("accelerate", "200\n| <AccelerateConfiguration"),
        ("policy", "404\n| <Code>NoSuchBucketPolicy</Code>"),
        ("lifecycle", "404\n| <Code>NoSuchLifecycleConfiguration</Code>"),
        ("website", "404\n| <Code>NoSuchWebsiteConfiguration</Code>"),
        ("cors", "404\n| <Code>NoSuchCORSConfiguration</Code>"),
        ("tagging", "404\n| <Code>NoSuchTagSet</Code>"),
        ("replication", "404\n| <Code>ReplicationConfigurationNotFoundError</Code>"),
        ("object-lock", "404\n| <Code>ObjectLockConfigurationNotFoundError</Code>"),
        ("ownershipControls", "404\n| <Code>OwnershipControlsNotFoundError</Code>"),
        ("publicAccessBlock", "404\n| <Code>NoSuchPublicAccessBlockConfiguration</Code>"),
        ("inventory", "501\n| <Code>NotImplemented</Code>"),
    ] {
        s.check(&format!("GET s3:/bucket?{query}"), "", want).await;
    }
    s.check("PUT s3:/bucket?policy", "{}", "501\n| <Code>NotImplemented</Code>").await;
    s.check("DELETE s3:/bucket?policy", "", "204").await;
    let tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>";
    s.check("PUT s3:/bucket?tagging", tags, "204").await;
    s.check("GET s3:/bucket?tagging", "", "200\n| <Key>a</Key>").await;
    s.check("DELETE s3:/bucket?tagging", "", "204").await;
    s.check("GET s3:/bucket?tagging", "", "404").await;
}

#[tokio::test]
async fn cors() {
    let s = Server::start().await;
    s.check("PUT s3:/bucket", "", "200").await;
    s.check("PUT s3:/bucket/k", "x", "200").await;
    let preflight = "OPTIONS s3:/bucket/k\nanonymous: 1\norigin: https://a.example\naccess-control-request-method: PUT\naccess-control-request-headers: X-Amz-Date";
    s.check(preflight, "", "403\n| <Code>AccessForbidden</Code>").await;
    s.check("OPTIONS s3:/bucket/k\nanonymous: 1", "", "400\n| <Code>BadRequest</Code>").await;
    let rules = "<CORSConfiguration><CORSRule><AllowedOrigin>https://*.example</AllowedOrigin><AllowedMethod>PUT</AllowedMethod><AllowedMethod>GET</AllowedMethod><AllowedHeader>*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>60</MaxAgeSeconds></CORSRule></CORSConfiguration>";
    s.check("PUT s3:/bucket?cors", rules, "200").await;
    s.check("GET s3:/bucket?cors", "", "200\n| <AllowedOrigin>https://*.example</AllowedOrigin>").await;
    s.check(
        preflight,
        "",
        "200\naccess-control-allow-origin: https://a.example\naccess-control-allow-methods: PUT, GET\naccess-control-allow-headers: x-amz-date\naccess-control-max-age: 60\naccess-control-expose-headers: ETag\naccess-control-allow-credentials: true",
    )
    .await;
    s.check("GET s3:/bucket/k\norigin: https://a.example", "", "200\naccess-control-allow-origin: https://a.example")
        .await;
    s.check(
        "GET s3:/bucket/none\norigin: https://a.example",
        "",
        "404\naccess-control-allow-origin: https://a.example",
    )
    .await;
    s.check("GET s3:/bucket/k\norigin: https://b.test", "", "200\naccess-control-allow-origin:").await;
    s.check("DELETE s3:/bucket?cors", "", "204").await;
    s.check(preflight, "", "403").await;
}

#[tokio::test]
async fn batch_deletion() {
    let s = Server::start().await;
    s.check("PUT s3:/bucket", "", "200").await;
    s.check("PUT s3:/bucket/a", "x", "200").await;
    let document = "<Delete><Object><Key>a</Key></Object><Object><Key>none</Key></Object><Object><Key>v</Key><VersionId>7</VersionId></Object></Delete>";
    s.check("POST s3:/bucket?delete", document, "400\n| <Code>InvalidRequest</Code>").await;
    s.check("POST s3:/bucket?delete\nx-amz-checksum-crc32: AAAAAA==", document, "400\n| <Code>BadDigest</Code>").await;
    let digest = data_encoding::BASE64.encode(&<md5::Md5 as md5::Digest>::digest(document.as_bytes()));
    s.check(
        &format!("POST s3:/bucket?delete=\ncontent-md5: {digest}"),
        document,
        "200\n| <Deleted><Key>a</Key></Deleted><Deleted><Key>none</Key></Deleted><Error><Key>v</Key><VersionId>7</VersionId><Code>InvalidArgument</Code>",
    )
    .await;
    s.check("GET s3:/bucket/a", "", "404").await;
}
