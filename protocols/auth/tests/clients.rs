//! What an official client sends is accepted, byte for byte as it goes over the wire: `clients.jsonl`, made from
//! botocore by `vectors.py`.

use aws_lc_rs::digest;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use serde_json::Value;

use super::{SECRET, block_on, explain};
use crate::auth::{AuthError, Claim, PRESIGN_MAX_S, PathRule, Payload, Regions, Rules, SKEW_MS, VerifyContext, hint};
use storage::Timestamp;

const VECTORS: &str = include_str!("clients.jsonl");

struct Vector {
    name: String,
    request: http::Request<Bytes>,
    service: String,
    now_s: u64,
    prefix: usize,
    bucket: Option<String>,
}

fn read(line: &str) -> Vector {
    let vector: Value = serde_json::from_str(line).expect("JSON");
    let text = |name: &str| vector[name].as_str().expect("text").to_owned();
    let mut builder = http::Request::builder().method(text("method").as_str()).uri(text("target"));
    for header in vector["headers"].as_array().expect("headers") {
        let (name, value) = (header[0].as_str().expect("a name"), header[1].as_str().expect("a value"));
        // As a server reads it: no blanks around a value.
        builder = builder.header(name, value.trim().as_bytes());
    }
    let body = data_encoding::BASE64.decode(text("body").as_bytes()).expect("base64");
    Vector {
        name: text("name"),
        request: builder.body(body.into()).expect("a request"),
        service: text("service"),
        now_s: vector["now"].as_u64().expect("a number"),
        prefix: usize::try_from(vector["prefix"].as_u64().expect("a number")).expect("small"),
        bucket: vector["bucket"].as_str().map(str::to_owned),
    }
}

fn outcome(vector: &Vector, secret: &str) -> Result<usize, AuthError> {
    let (parts, body) = vector.request.clone().into_parts();
    let services = [vector.service.as_str()];
    let rules = Rules {
        services: &services,
        regions: Regions::OneOf { accepted: &["eu-west-1", "us-east-1"], expected: "eu-west-1" },
        path: if vector.service == "s3" { PathRule::Verbatim } else { PathRule::NormalizedTwice },
        strict_amz_headers: vector.service == "s3",
        version2: true,
        skew_ms: SKEW_MS,
        presign_max_s: PRESIGN_MAX_S,
    };
    let sha256 = digest::digest(&digest::SHA256, &body);
    let context = VerifyContext {
        secret,
        now: Timestamp(vector.now_s * 1000),
        clock_ahead_ms: 0,
        rules: &rules,
        body_sha256: sha256.as_ref().try_into().ok(),
        bucket_in_host: vector.bucket.as_deref(),
        prefix: vector.prefix,
    };
    let claim = Claim::from_request(&parts)?.expect("a claim");
    assert_eq!(hint(&parts).expect("a hint").access_key, claim.access_key, "{}", vector.name);
    let verified = claim.verify(&parts, &context)?;
    let payload = Payload::new(Full::new(body), claim.payload, &parts.headers, verified.chunks).expect("a length");
    let length = payload.length();
    let read = block_on(payload.collect()).expect("a body as declared").to_bytes();
    assert!(length.is_none_or(|length| length == read.len() as u64), "{}", vector.name);
    Ok(read.len())
}

#[test]
fn what_clients_sign_is_accepted_and_with_another_secret_refused() {
    let mut checked = 0;
    for line in VECTORS.lines() {
        let vector = read(line);
        if let Err(error) = outcome(&vector, SECRET) {
            panic!("{}\n{}\n{}", vector.name, vector.request.uri(), explain(&error));
        }
        let refused = outcome(&vector, "another");
        assert!(matches!(refused, Err(AuthError::SignatureDoesNotMatch(_))), "{}: {refused:?}", vector.name);
        checked += 1;
    }
    assert!(checked > 300, "{checked} vectors");
}

/// Another key of the same length in the path: a signature is good for one resource.
#[test]
fn a_signature_is_good_for_one_path() {
    for line in VECTORS.lines().filter(|line| line.contains("plain.txt")) {
        let mut vector = read(line);
        let other = vector.request.uri().to_string().replace("plain.txt", "plaim.txt");
        *vector.request.uri_mut() = other.parse().expect("a target");
        let refused = outcome(&vector, SECRET);
        assert!(matches!(refused, Err(AuthError::SignatureDoesNotMatch(_))), "{}: {refused:?}", vector.name);
    }
}
