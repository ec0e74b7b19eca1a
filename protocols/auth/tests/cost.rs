//! What a proof costs: `cargo test --release -p protocols auth::tests::cost -- --ignored --nocapture`.

use std::hint::black_box;
use std::time::Instant;

use super::signer::{Signing, Unsigned};
use super::{ACCESS_KEY, NOW_S, Rules, SECRET, context};
use crate::auth::{Claim, hint};

const ROUNDS: u32 = 100_000;

fn measure(name: &str, mut work: impl FnMut()) {
    (0..ROUNDS / 10).for_each(|_| work());
    let start = Instant::now();
    (0..ROUNDS).for_each(|_| work());
    println!("{name:<32} {:>6} ns", start.elapsed().as_nanos() / u128::from(ROUNDS));
}

#[test]
#[ignore = "a measurement"]
fn cost() {
    let signing = Signing {
        secret: SECRET,
        access_key: ACCESS_KEY,
        stamp: "20130524T000000Z",
        region: "us-east-1",
        service: "s3",
    };
    let mut get = Unsigned {
        method: "GET".into(),
        path: b"/bucket/some/key-0000001234.bin".to_vec(),
        query: Vec::new(),
        headers: [("host".to_owned(), "localhost:8080".to_owned()), ("x-amz-checksum-mode".into(), "ENABLED".into())]
            .into(),
        payload: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".into(),
    };
    let context = context(&Rules::S3, NOW_S);
    let header = signing.sign_header(&get).parts();
    measure("hint", || {
        black_box(hint(black_box(&header)));
    });
    measure("parse", || {
        black_box(Claim::from_request(black_box(&header)).is_ok());
    });
    let prove = |parts: &http::request::Parts| {
        let claim = Claim::from_request(black_box(parts)).expect("readable").expect("signed");
        claim.verify(parts, &context).expect("signed");
    };
    measure("parse and verify, GET", || prove(&header));
    get.query.push(("x-id".into(), "GetObject".into()));
    let header = signing.sign_header(&get).parts();
    measure("parse and verify, GET ?x-id", || prove(&header));
    let presigned = signing.sign_query(&get, 60).parts();
    measure("parse and verify, presigned", || prove(&presigned));
    let claim = Claim::from_request(&header).expect("readable").expect("signed");
    let scope = claim.scope().expect("version 4");
    measure("derive a signing key", || {
        black_box(crate::auth::signing_key::derive(SECRET, scope));
    });
}
