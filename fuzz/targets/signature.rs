//! What a request says of its sender, before any of it is believed: claims of all four kinds, and their verification.
#![no_main]

use http::Request;
use libfuzzer_sys::fuzz_target;
use protocols::auth::{self, Claim, Rules, VerifyContext};
use storage::Timestamp;

fuzz_target!(|input: (&str, &str, &str, &str, &str)| {
    let (path, query, authorization, date, payload) = input;
    let request = Request::get(format!("/{path}?{query}"))
        .header("host", "localhost:8080")
        .header("authorization", authorization)
        .header("x-amz-date", date)
        .header("x-amz-content-sha256", payload)
        .body(());
    let Ok(request) = request else { return };
    let (mut parts, ()) = request.into_parts();
    if authorization.is_empty() {
        parts.headers.remove("authorization");
    }
    let hint = auth::hint(&parts);
    let Ok(Some(claim)) = Claim::from_request(&parts) else { return };
    assert!(hint.is_some(), "a claim that routing would not see");
    let context = VerifyContext {
        secret: "secret",
        now: Timestamp(1_369_353_600_000),
        clock_ahead_ms: 0,
        rules: &Rules::S3,
        body_sha256: None,
        bucket_in_host: None,
        prefix: 0,
    };
    assert!(claim.verify(&parts, &context).is_err(), "nobody can guess a signature");
});
