//! ListObjects, ListObjectsV2, ListObjectVersions.

use super::Server;

async fn filled() -> Server {
    let s = Server::start().await;
    s.check("PUT s3:/bucket", "", "200").await;
    for key in ["a", "b/1", "b/2", "c d+e", "d%01", "%C3%A4"] {
        s.check(&format!("PUT s3:/bucket/{}", key.replace(' ', "%20")), "x", "200").await;
    }
    s
}

#[tokio::test]
async fn version_two() {
    let s = filled().await;
    s.check(
        "GET s3:/bucket?list-type=2&delimiter=/",
        "",
        "200\n| <Name>bucket</Name><Prefix></Prefix><KeyCount>5</KeyCount><MaxKeys>1000</MaxKeys><Delimiter>/</Delimiter><IsTruncated>false</IsTruncated><Contents><Key>a</Key>\n| <CommonPrefixes><Prefix>b/</Prefix></CommonPrefixes></ListBucketResult>\n| <Key>d&#x1;</Key>\n| <ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType><Size>1</Size><StorageClass>STANDARD</StorageClass>",
    )
    .await;
    s.check(
        "GET s3:/bucket?list-type=2&encoding-type=url&prefix=c%20",
        "",
        "200\n| <Prefix>c+</Prefix>\n| <EncodingType>url</EncodingType>\n| <Key>c+d%2Be</Key>",
    )
    .await;
    s.check("GET s3:/bucket?list-type=2&fetch-owner=true", "", "200\n| <Owner><ID>").await;
    s.check(
        "GET s3:/bucket?list-type=2&start-after=b/1",
        "",
        "200\n| <StartAfter>b/1</StartAfter>\n| <KeyCount>4</KeyCount>",
    )
    .await;
    s.check(
        "GET s3:/bucket?list-type=2&max-keys=0",
        "",
        "200\n| <KeyCount>0</KeyCount><MaxKeys>0</MaxKeys><IsTruncated>false",
    )
    .await;
    s.check("GET s3:/bucket?list-type=2&max-keys=5000", "", "200\n| <MaxKeys>1000</MaxKeys>").await;
    s.check("GET s3:/bucket?list-type=2&max-keys=-1", "", "400\n| <Code>InvalidArgument</Code>").await;
    s.check("GET s3:/bucket?list-type=2&max-keys=x", "", "400\n| <Code>InvalidArgument</Code>").await;
    s.check("GET s3:/bucket?list-type=2&encoding-type=utf", "", "400\n| <Code>InvalidArgument</Code>").await;
    s.check(
        "GET s3:/bucket?list-type=2&continuation-token=bad",
        "",
        "400\n| The continuation token provided is incorrect",
    )
    .await;
    s.check("GET s3:/none?list-type=2", "", "404\n| <Code>NoSuchBucket</Code>").await;
}

#[tokio::test]
async fn pages() {
    let s = filled().await;
    for limit in 1..=6 {
        let (mut found, mut token) = (Vec::new(), String::new());
        loop {
            let page = s
                .check(
                    &format!("GET s3:/bucket?list-type=2&delimiter=/&encoding-type=url&max-keys={limit}{token}"),
                    "",
                    "200",
                )
                .await;
            let names = page.body.split("<Key>").skip(1).chain(page.body.split("<CommonPrefixes><Prefix>").skip(1));
            found.extend(names.map(|rest| rest.split('<').next().unwrap_or_default().to_owned()));
            if page.text_of("IsTruncated") == "false" {
                break;
            }
            token = format!("&continuation-token={}", page.text_of("NextContinuationToken"));
        }
        found.sort();
        assert_eq!(found, ["%C3%A4", "a", "b/", "c+d%2Be", "d%01"], "pages of {limit}");
    }
}

#[tokio::test]
async fn version_one_and_versions() {
    let s = filled().await;
    s.check(
        "GET s3:/bucket?max-keys=2&delimiter=/",
        "",
        "200\n| <Marker></Marker><NextMarker>b/</NextMarker><MaxKeys>2</MaxKeys>\n| <IsTruncated>true</IsTruncated>\n| <Owner><ID>",
    )
    .await;
    let page = s.check("GET s3:/bucket?max-keys=2", "", "200\n| <IsTruncated>true</IsTruncated>").await;
    assert!(!page.body.contains("NextMarker"));
    let rest = s.check("GET s3:/bucket?marker=b/&delimiter=/", "", "200\n| <Marker>b/</Marker>").await;
    assert!(!rest.body.contains("CommonPrefixes"));
    s.check(
        "GET s3:/bucket?versions&max-keys=1",
        "",
        "200\n| <NextKeyMarker>a</NextKeyMarker><NextVersionIdMarker>null</NextVersionIdMarker>\n| <VersionId>null</VersionId><IsLatest>true</IsLatest>",
    )
    .await;
}
