//! POST form uploads.

use super::Server;

const TYPE: &str = "content-type: multipart/form-data; boundary=b";

fn form(fields: &[(&str, &str)], file: &str) -> String {
    const DISPOSITION: &str = "--b\r\nContent-Disposition: form-data; name=";
    let mut parts: Vec<_> =
        fields.iter().map(|(name, value)| format!("{DISPOSITION}\"{name}\"\r\n\r\n{value}\r\n")).collect();
    parts.push(format!(
        "{DISPOSITION}\"file\"; filename=\"f.txt\"\r\nContent-Type: text/plain\r\n\r\n{file}\r\n--b--\r\n"
    ));
    parts.concat()
}

fn signed<'a>(policy: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![("policy", policy), ("AWSAccessKeyId", "test"), ("signature", "x")];
    fields.extend_from_slice(more);
    fields
}

/// A policy that lets `fields` be anything; a field it names must be there.
fn policy(fields: &[&str]) -> String {
    let any: Vec<_> = fields.iter().map(|name| format!(", [\"starts-with\", \"${name}\", \"\"]")).collect();
    let any = any.concat();
    let text = format!(
        "{{\"expiration\": \"2100-01-01T00:00:00Z\", \"conditions\": [{{\"bucket\": \"bucket\"}}, [\"starts-with\", \"$key\", \"up/\"], [\"content-length-range\", 2, 8]{any}]}}"
    );
    data_encoding::BASE64.encode(text.as_bytes())
}

#[tokio::test]
async fn uploads() {
    let s = Server::start().await;
    s.check("PUT s3:/bucket", "", "200").await;
    let post = format!("POST s3:/bucket\nanonymous: 1\n{TYPE}");
    let key = ("key", "up/${filename}");
    let plain = policy(&[]);
    let done =
        s.check(&post, &form(&signed(&policy(&["x-amz-meta-a"]), &[key, ("x-amz-meta-a", "1")]), "hello"), "204").await;
    assert_eq!(done.headers["etag"], "\"5d41402abc4b2a76b9719d911017c592\"");
    s.check("GET s3:/bucket/up/f.txt", "", "200\ncontent-type: text/plain\nx-amz-meta-a: 1\n| hello").await;
    s.check(
        &post,
        &form(&signed(&policy(&["success_action_status"]), &[key, ("success_action_status", "201")]), "hello"),
        "201\n| <PostResponse><Location>http://localhost:8080/env/env-t/s3/bucket/up%2Ff.txt</Location><Bucket>bucket</Bucket><Key>up/f.txt</Key><ETag>",
    )
    .await;
    s.check(
        &post,
        &form(&signed(&policy(&["success_action_redirect"]), &[key, ("success_action_redirect", "https://a.example/done")]), "hello"),
        "303\nlocation: https://a.example/done?bucket=bucket&key=up%2Ff.txt&etag=%225d41402abc4b2a76b9719d911017c592%22",
    )
    .await;
    s.check(&post, &form(&signed(&plain, &[key]), "x"), "400\n| <Code>EntityTooSmall</Code>").await;
    s.check(&post, &form(&signed(&plain, &[key]), "123456789"), "400\n| <Code>EntityTooLarge</Code>").await;
    s.check(&post, &form(&signed(&plain, &[("key", "down/a")]), "hello"), "403\n| Policy Condition failed").await;
    s.check(
        &post,
        &form(&signed(&plain, &[key, ("x-amz-meta-b", "1")]), "hello"),
        "403\n| Extra input fields: x-amz-meta-b",
    )
    .await;
    s.check(&post, &form(&signed("e30=", &[key]), "hello"), "400\n| <Code>InvalidPolicyDocument</Code>").await;
    let strict = post.replace("anonymous: 1", "anonymous: strict");
    s.check(&strict, &form(&[key], "hello"), "403\n| <Code>AccessDenied</Code>").await;
    s.check(&post, &form(&signed(&plain, &[]), "hello"), "400\n| <Code>InvalidArgument</Code>").await;
    s.check(&post, "--b--\r\n", "400\n| <Code>IncorrectNumberOfFilesInPostRequest</Code>").await;
    s.check(&post, "nonsense", "400\n| <Code>MalformedPOSTRequest</Code>").await;
    s.check("POST s3:/bucket", "x", "412\n| multipart/form-data").await;
    s.check("PUT s3:/bucket?acl\nx-amz-acl: public-read-write", "", "200").await;
    s.check(&strict, &form(&[("key", "open")], "hello"), "204").await;
}
