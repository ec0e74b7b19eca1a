//! Each way a request can fail has its own error: the facts that S3's answers are made of.

use storage::Timestamp;

use super::signer::{Signing, Unsigned};
use super::{ACCESS_KEY, NOW_S, SECRET, context, request, verify};
use crate::auth::{AuthError, Claim, Place, QueryFlaw, Regions, Rules, ScopeFlaw, hint};

const SIGNING: Signing<'_> =
    Signing { secret: SECRET, access_key: ACCESS_KEY, stamp: "20130524T000000Z", region: "us-east-1", service: "s3" };
const RULES: Rules<'static> =
    Rules { regions: Regions::OneOf { accepted: &["us-east-1", "aws-global"], expected: "us-east-1" }, ..Rules::S3 };
const CREDENTIAL: &str = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request";
const SIGNATURE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

fn plain() -> Unsigned {
    Unsigned {
        method: "GET".into(),
        path: b"/b/k".to_vec(),
        query: Vec::new(),
        headers: [("host".to_owned(), "localhost:8080".to_owned())].into(),
        payload: "UNSIGNED-PAYLOAD".into(),
    }
}

/// A request as raw text: `want` is how its error reads in code.
fn check(head: &str, want: &str) {
    let parts = request(head);
    let outcome = verify(&parts, &context(&RULES, NOW_S)).expect_err(head);
    let got = format!("{outcome:?}");
    assert!(got.starts_with(want), "{head}\n got {got}\nwant {want}");
}

fn check_header(authorization: &str, headers: &str, want: &str) {
    let base = "GET /b/k\nHost: h\nx-amz-content-sha256: UNSIGNED-PAYLOAD";
    check(&format!("{base}\nAuthorization: {authorization}\n{headers}"), want);
}

fn v4(credential: &str) -> String {
    let signed = "host;x-amz-content-sha256;x-amz-date";
    format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={signed}, Signature={SIGNATURE}")
}

#[test]
fn headers() {
    let date = "x-amz-date: 20130524T000000Z";
    let good = v4(CREDENTIAL);
    check_header("Bearer x", date, "UnsupportedAuthorization");
    check_header("AWS4-ECDSA-P256-SHA256 Credential=x", date, "UnsupportedAlgorithm { place: Header");
    check_header("AWS4-HMAC-SHA256", date, "MalformedHeader");
    check_header(&format!("AWS4-HMAC-SHA256 Credential={CREDENTIAL}"), date, "MalformedHeader");
    check_header(&good.replace("x-amz-date", &"a;".repeat(300)), date, "MalformedHeader");
    check_header(&v4("key"), date, "Scope { place: Header, flaw: Malformed");
    check_header(&v4("/20130524/us-east-1/s3/aws4_request"), date, "Scope { place: Header, flaw: Malformed");
    check_header(&v4(" k/20130524/us-east-1/s3/aws4_request"), date, "Scope { place: Header, flaw: Malformed");
    check_header(&v4("k/2013-05-24/us-east-1/s3/aws4_request"), date, "Scope { place: Header, flaw: DateFormat");
    check_header(&v4("k/20130524/us-east-1/s3/aws5_request"), date, "Scope { place: Header, flaw: Terminal");
    check_header(&v4("k/20130524/eu-west-1/s3/aws4_request"), date, "Scope { place: Header, flaw: Region");
    check_header(&v4("k/20130524/us-east-1/sqs/aws4_request"), date, "Scope { place: Header, flaw: Service");
    check_header(&v4("k/20130525/us-east-1/s3/aws4_request"), date, "Scope { place: Header, flaw: DateMismatch");
    check_header(&good, "", "MissingDate");
    check_header(&good, "x-amz-date: yesterday", "MissingDate");
    check_header(&good, "date: Fri, 24 May 2013 00:00:00 GMT", "SignatureDoesNotMatch");
    check_header(&good, date, "SignatureDoesNotMatch");
    check_header(&good, &format!("{date}\nx-amz-acl: private"), "UnsignedHeaders { names: \"x-amz-acl\" }");
    check_header(&good.replace("host;", ""), date, "UnsignedHeaders { names: \"host\" }");
    check(&format!("GET /\nHost: h\n{date}\nAuthorization: {good}"), "MissingContentSha256");
    let sha256 = |value: &str| format!("GET /\nHost: h\n{date}\nx-amz-content-sha256: {value}\nAuthorization: {good}");
    check(&sha256("abc"), "InvalidContentSha256");
    check(&sha256("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"), "UnsupportedAlgorithm");
    check(&format!("GET /?X-Amz-Algorithm=x\nHost: h\nAuthorization: {good}"), "SeveralMechanisms");
    check_header("AWS key", date, "MalformedHeaderV2");
    check_header("AWS :sig", date, "MalformedHeaderV2");
    check_header("AWS key:c2ln", "", "MissingDate");
    check_header("AWS key:c2ln", "date: Fri, 24 May 2013 01:00:00 GMT", "RequestTimeTooSkewed");
    check_header("AWS key:c2ln", "date: Fri, 24 May 2013 00:00:00 GMT", "SignatureDoesNotMatch");
}

#[test]
fn queries() {
    let names = ["Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature"];
    let values = ["AWS4-HMAC-SHA256", CREDENTIAL, "20130524T000000Z", "60", "host", SIGNATURE];
    let with = |index: usize, value: Option<&str>| {
        let query: Vec<String> = (0..names.len())
            .filter_map(|i| Some(format!("X-Amz-{}={}", names[i], if i == index { value? } else { values[i] })))
            .collect();
        format!("GET /b/k?{}\nHost: h", query.join("&"))
    };
    for index in [0, 1, 2, 3, 4, 5] {
        check(&with(index, None), "InvalidQuery(MissingV4Parameter)");
    }
    check(&with(0, Some("AWS4-ECDSA-P256-SHA256")), "UnsupportedAlgorithm { place: Query");
    check(&with(1, Some("k")), "Scope { place: Query, flaw: Malformed");
    check(&with(1, Some("k/20130524/eu/s3/aws4_request")), "Scope { place: Query, flaw: Region");
    check(&with(2, Some("Fri, 24 May 2013 00:00:00 GMT".replace(' ', "%20").as_str())), "InvalidQuery(Date)");
    check(&with(3, Some("x")), "InvalidQuery(ExpiresNotANumber)");
    check(&with(3, Some("-1")), "InvalidQuery(ExpiresNegative)");
    check(&with(3, Some("604801")), "InvalidQuery(ExpiresTooLong { max_s: 604800 })");
    check(&with(3, Some("99999999999999999999")), "InvalidQuery(ExpiresTooLong");
    check(&with(4, Some("range")), "UnsignedHeaders { names: \"host\" }");
    check(&with(9, None), "SignatureDoesNotMatch");
    check("GET /?AWSAccessKeyId=k&Signature=s\nHost: h", "InvalidQuery(MissingV2Parameter)");
    check("GET /?AWSAccessKeyId=k&Signature=s&Expires=x\nHost: h", "InvalidQuery(ExpiresNotSeconds");
    check("GET /?AWSAccessKeyId=k&Signature=s&Expires=1369353599\nHost: h", "Expired");
    check("GET /?AWSAccessKeyId=k&Signature=s&Expires=1369353600\nHost: h", "SignatureDoesNotMatch");
}

/// Offset of the server's clock from the signing, and of the environment's clock from the machine's, in seconds.
fn check_time(presigned: bool, now_offset_s: i64, ahead_s: u64, want: Option<&str>) {
    let signed = if presigned { SIGNING.sign_query(&plain(), 60) } else { SIGNING.sign_header(&plain()) };
    let mut context = context(&RULES, NOW_S.saturating_add_signed(now_offset_s));
    context.clock_ahead_ms = ahead_s * 1000;
    let outcome = verify(&signed.parts(), &context).err().map(|error| format!("{error:?}"));
    let held = match (&outcome, want) {
        (None, None) => true,
        (Some(got), Some(want)) => got.starts_with(want),
        _ => false,
    };
    assert!(held, "presigned {presigned}, {now_offset_s} s, {ahead_s} s: {outcome:?}");
}

#[test]
fn times() {
    check_time(false, 900, 0, None);
    check_time(false, -900, 0, None);
    check_time(false, 901, 0, Some("RequestTimeTooSkewed"));
    check_time(false, -901, 0, Some("RequestTimeTooSkewed"));
    check_time(false, 86_400, 86_400, None);
    check_time(false, 87_301, 86_400, Some("RequestTimeTooSkewed"));
    check_time(true, 60, 0, None);
    check_time(true, 61, 0, Some("Expired"));
    check_time(true, 61, 86_400, Some("Expired"));
    check_time(true, -900, 0, None);
    check_time(true, -901, 0, Some("NotYetValid"));
}

#[test]
fn facts() {
    let parts = SIGNING.sign_query(&plain(), 60).parts();
    let expired = verify(&parts, &context(&RULES, NOW_S + 100)).expect_err("expired");
    assert_eq!(
        expired,
        AuthError::Expired {
            expires: Timestamp((NOW_S + 60) * 1000),
            expires_in_s: Some(60),
            now: Timestamp((NOW_S + 100) * 1000),
        }
    );
    let elsewhere = Signing { region: "eu-west-1", ..SIGNING }.sign_header(&plain()).parts();
    let region = verify(&elsewhere, &context(&RULES, NOW_S)).expect_err("another region");
    let flaw = ScopeFlaw::Region { got: "eu-west-1".into(), expected: "us-east-1".into() };
    assert_eq!(region, AuthError::Scope { place: Place::Header, flaw });
    assert_eq!(
        region.to_string(),
        "The authorization header is malformed; the region 'eu-west-1' is wrong; expecting 'us-east-1'"
    );
    assert_eq!(AuthError::InvalidQuery(QueryFlaw::ExpiresNegative).to_string(), "X-Amz-Expires must be non-negative");
    let version4_only = Rules { version2: false, ..RULES };
    let parts = request("GET /?AWSAccessKeyId=k&Signature=s&Expires=1369353600\nHost: h");
    assert_eq!(verify(&parts, &context(&version4_only, NOW_S)).err(), Some(AuthError::Version2Refused));
}

/// Spellings that a client may choose and sign, all of the same resource.
#[test]
fn other_spellings() {
    let accepts = |target: &str, canonical_path: &str, canonical_query: &[(&str, &str)]| {
        let mut signed = plain();
        signed.path = canonical_path.as_bytes().to_vec();
        signed.query = canonical_query.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let mut parts = SIGNING.sign_header(&signed).parts();
        parts.uri = target.parse().expect("a target");
        verify(&parts, &context(&RULES, NOW_S)).is_ok()
    };
    assert!(accepts("/b/a:b@c(d)*'!$,;", "/b/a:b@c(d)*'!$,;", &[]));
    assert!(accepts("/b/%7etilde", "/b/~tilde", &[]));
    assert!(accepts("/b/%c3%a9", "/b/é", &[]));
    assert!(accepts("/b//k/", "/b//k/", &[]));
    assert!(accepts("/b/./../k", "/b/./../k", &[]));
    assert!(accepts("/b/?prefix=a+b", "/b/", &[("prefix", "a b")]));
    assert!(accepts("/b/?prefix=a+b", "/b/", &[("prefix", "a+b")]));
    assert!(accepts("/b/?b=2&a&b=1&a=", "/b/", &[("a", ""), ("a", ""), ("b", "1"), ("b", "2")]));
    assert!(!accepts("/b/k", "/b/K", &[]));
    assert!(!accepts("/b/k?acl", "/b/k", &[]));
}

/// HTTP/2 has no `Host`: the authority of the target stands in for it.
#[test]
fn http_2_authority() {
    let mut parts = SIGNING.sign_header(&plain()).parts();
    parts.headers.remove("host");
    parts.uri = "http://localhost:8080/b/k".parse().expect("a target");
    assert!(verify(&parts, &context(&RULES, NOW_S)).is_ok());
    parts.uri = "http://localhost:8081/b/k".parse().expect("a target");
    assert!(verify(&parts, &context(&RULES, NOW_S)).is_err());
}

#[test]
fn hints() {
    let check = |head: &str, want: Option<(&str, Option<&str>)>| {
        let parts = request(head);
        assert_eq!(hint(&parts).map(|hint| (hint.access_key, hint.service)), want, "{head}");
    };
    check(&format!("GET /\nAuthorization: {}", v4(CREDENTIAL)), Some((ACCESS_KEY, Some("s3"))));
    check(&format!("GET /\nAuthorization: {}", v4("a/b/20130524/r/sqs/aws4_request")), Some(("a/b", Some("sqs"))));
    check("GET /\nAuthorization: AWS4-HMAC-SHA256 Credential=test", Some(("test", None)));
    check("GET /\nAuthorization: AWS key:sig", Some(("key", None)));
    check("GET /\nAuthorization: Bearer x", None);
    check("GET /?X-Amz-Credential=k%2F20130524%2Fr%2fs3%2Faws4_request", Some(("k", Some("s3"))));
    check("GET /?X-Amz-Credential=k/20130524/r/s3/aws4_request", Some(("k", Some("s3"))));
    check("GET /?x-id=1&AWSAccessKeyId=k&Signature=s", Some(("k", None)));
    check("GET /?X-Amz-Credential=", None);
    check("GET /?AWSAccessKeyId&Signature=s", Some(("", None)));
    check("GET /\nAuthorization: AWS4-HMAC-SHA256 \tCredential=k,Signature=s", Some(("k", None)));
    check("GET /", None);
}

#[test]
fn anonymous() {
    assert!(Claim::from_request(&request("GET /b/k?acl\nHost: h")).expect("readable").is_none());
}
