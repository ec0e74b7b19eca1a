//! Hosts and paths that lead to a bucket, and those that lead nowhere.

use super::Server;

#[tokio::test]
async fn buckets_in_front() {
    let s = Server::start().await;
    for (host, bucket) in [
        ("front-a.s3.env-t.mockfactory.localhost", "front-a"),
        ("front-b.aws.env-t.mockfactory.localhost", "front-b"),
        ("front-c.env-t.mockfactory.localhost:8080", "front-c"),
        ("a.front.d.env-t.mockfactory.localhost", "a.front.d"),
        ("Front-E.S3.ENV-T.mockfactory.localhost", "front-e"),
    ] {
        s.check(&format!("PUT http://{host}/"), "", "200").await;
        s.check(&format!("PUT http://{host}/a/key"), "body", "200").await;
        s.check(&format!("GET s3:/{bucket}/a/key"), "", "200\n| body").await;
    }
    let form =
        "POST http://front-c.env-t.mockfactory.localhost/\nanonymous: 1\ncontent-type: multipart/form-data; boundary=b";
    let body = "--b\r\ncontent-disposition: form-data; name=\"key\"\r\n\r\nposted\r\n--b\r\n\
        content-disposition: form-data; name=\"AWSAccessKeyId\"\r\n\r\ntest\r\n--b\r\n\
        content-disposition: form-data; name=\"policy\"\r\n\r\n\
        eyJleHBpcmF0aW9uIjogIjIwOTktMDEtMDFUMDA6MDA6MDBaIiwgImNvbmRpdGlvbnMiOiBbeyJidWNrZXQiOiAiZnJvbnQtYyJ9LCB7ImtleSI6ICJwb3N0ZWQifV19\r\n\
        --b\r\ncontent-disposition: form-data; name=\"signature\"\r\n\r\nx\r\n--b\r\n\
        content-disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nform\r\n--b--\r\n";
    s.check(form, body, "204").await;
    s.check("GET s3:/front-c/posted", "", "200\n| form").await;
    s.check("PUT http://front.localhost:8080/env/env-t/s3", "", "200").await;
    s.check("HEAD s3:/front", "", "200").await;
    s.check("PUT http://front.cloudflare.env-t.mockfactory.localhost/r2", "", "200").await;
    s.check("HEAD r2:/front", "", "200").await;
    s.check("PUT http://front.digitalocean.env-t.mockfactory.localhost/v2/spaces/", "", "200").await;
    s.check("HEAD spaces:/front", "", "200").await;
}

#[tokio::test]
async fn nowhere() {
    let s = Server::start().await;
    let check = async |address: &str, want: &str| {
        s.check(&format!("GET http://{address}\nanonymous: 1"), "", want).await;
    };
    check("front.env-t.mockfactory.localhost/", "404\n| unknown_service").await;
    check("s3.env-none.mockfactory.localhost/", "404\n| <Code>NoSuchEnvironment</Code>").await;
    check("aws_sqs.env-t.mockfactory.localhost/", "501\n| aws_sqs is not built yet").await;
    check("sqs.env-t.mockfactory.localhost/", "501\n| aws_sqs is not built yet").await;
    check("azure.env-t.mockfactory.localhost/blob", "501\n| no service of Azure is built yet").await;
    check("localhost/env/env-t/gcp/storage/v1", "501\n| no service of Google Cloud is built yet").await;
    check("localhost/env/env-t/cloudflare/kv", "404\n| unknown_service").await;
    check("localhost/env/env-t", "404\n| bad_path").await;
    check("example.com/b/k", "404\n| unknown_host").await;
    let form = "POST http://elsewhere:9000/bucket\nanonymous: 1\ncontent-type: multipart/form-data; boundary=b";
    // Routed like a signed request; there is no default environment here.
    s.check(form, "", "403\n| <Code>InvalidAccessKeyId</Code>").await;
    check("10.1.2.3:8080/healthz", "200").await;
    check("10.1.2.3:8080/metrics", "404\n| unknown_host").await;
    check("two words/", "400\n| bad_host").await;
    s.check("GET http://aws_sqs.env-t.mockfactory.localhost/", "", "501\n| aws_sqs is not built yet").await;
    s.check("GET http://localhost/env/env-t/front/", "", "404\n| unknown_service").await;
    s.check("GET s3:/\nhost: another", "", "400\n| bad_host").await;
}
