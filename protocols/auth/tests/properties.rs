//! What a plain signer signs is accepted, and nothing that differs from it by a byte.

use std::collections::BTreeMap;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use proptest::prelude::*;

use super::signer::{Signing, Unsigned, sha256};
use super::{ACCESS_KEY, NOW_S, Rules, SECRET, block_on, context, explain, verify};

use crate::auth::{AuthError, Claim, Payload};

const SIGNING: Signing<'_> =
    Signing { secret: SECRET, access_key: ACCESS_KEY, stamp: "20130524T000000Z", region: "eu-west-1", service: "s3" };

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z0-9]{1,8}",
        2 => "[ -~]{0,12}",
        1 => "[ %+&=?#;,~*'()/.\\\\é→😀]{0,10}",
    ]
}

fn path() -> impl Strategy<Value = Vec<u8>> {
    (prop_oneof![Just(""), Just("/env/env-a1/s3"), Just("/r2")], prop::collection::vec(text(), 1..4), any::<bool>())
        .prop_map(|(prefix, segments, slash)| {
            let end = if slash { "/" } else { "" };
            format!("{prefix}/{}{end}", segments.join("/")).into_bytes()
        })
}

fn unsigned() -> impl Strategy<Value = Unsigned> {
    let header = ("x-amz-meta-[a-z]{1,6}", "[!-~]{1,6}([ \t]{1,3}[!-~]{1,6})?");
    (
        prop_oneof![Just("GET"), Just("PUT"), Just("POST"), Just("DELETE"), Just("HEAD")],
        path(),
        prop::collection::vec(("[a-zA-Z-]{1,8}", text()), 0..5),
        prop::collection::btree_map(header.0, header.1, 0..4),
        prop::collection::vec(any::<u8>(), 0..64),
    )
        .prop_map(|(method, path, query, mut headers, body): (_, _, _, BTreeMap<String, String>, _)| {
            headers.insert("host".into(), "s3.env-a1.mockfactory.localhost:8080".into());
            Unsigned { method: method.into(), path, query, headers, payload: sha256(&body) }
        })
}

fn outcome(request: &Unsigned) -> Result<(), AuthError> {
    verify(&request.parts(), &context(&Rules::S3, NOW_S)).map(|_| ())
}

/// One changed place: which part, which item of it, and what is mixed in.
#[derive(Clone, Copy, Debug)]
enum Part {
    Method,
    Path,
    QueryName,
    QueryValue,
    Header,
    Added,
}

fn change(request: &Unsigned, part: Part, at: prop::sample::Index) -> Option<Unsigned> {
    let mut changed = request.clone();
    // Another letter or digit, so that what is left is still a request.
    let flip = |byte: u8| if byte == b'x' { b'y' } else { b'x' };
    let flip_text = |text: &mut String| {
        let mut bytes: Vec<char> = text.chars().collect();
        if bytes.is_empty() {
            bytes.push('x');
        } else {
            let at = at.index(bytes.len());
            bytes[at] = if bytes[at] == 'x' { 'y' } else { 'x' };
        }
        *text = bytes.into_iter().collect();
    };
    match part {
        Part::Method => changed.method = if request.method == "PUT" { "GET".into() } else { "PUT".into() },
        Part::Path => {
            let at = 1 + at.index(request.path.len());
            match changed.path.get_mut(at) {
                Some(byte) => *byte = flip(*byte),
                None => changed.path.push(b'x'),
            }
        }
        // The signature's own parameters have errors of their own.
        Part::QueryName | Part::QueryValue => {
            let own: Vec<usize> =
                (0..request.query.len()).filter(|i| !request.query[*i].0.starts_with("X-Amz-")).collect();
            let (name, value) = &mut changed.query[*own.get(at.index(own.len().max(1)))?];
            flip_text(if matches!(part, Part::QueryName) { name } else { value });
        }
        Part::Header => {
            let names: Vec<&String> =
                request.headers.keys().filter(|name| *name == "host" || name.starts_with("x-amz-meta-")).collect();
            let value = changed.headers.get_mut(names[at.index(names.len())].as_str())?;
            let mut bytes = value.clone().into_bytes();
            let at = at.index(bytes.len());
            if !bytes[at].is_ascii_alphanumeric() {
                return None;
            }
            bytes[at] = flip(bytes[at]);
            *value = String::from_utf8(bytes).ok()?;
        }
        Part::Added => changed.query.push(("added".into(), String::new())),
    }
    Some(changed)
}

proptest! {
    #[test]
    fn a_signed_request_is_accepted_and_a_changed_one_is_not(
        request in unsigned(),
        presigned in any::<bool>(),
        part in prop_oneof![
            Just(Part::Method), Just(Part::Path), Just(Part::QueryName), Just(Part::QueryValue), Just(Part::Header),
            Just(Part::Added),
        ],
        at in any::<prop::sample::Index>(),
    ) {
        let signed = if presigned { SIGNING.sign_query(&request, 60) } else { SIGNING.sign_header(&request) };
        if let Err(error) = outcome(&signed) {
            prop_assert!(false, "{}", explain(&error));
        }
        if let Some(changed) = change(&signed, part, at) {
            let outcome = outcome(&changed);
            prop_assert!(matches!(outcome, Err(AuthError::SignatureDoesNotMatch(_))), "{changed:?} {outcome:?}");
        }
    }

    #[test]
    fn another_secret_is_refused(request in unsigned(), secret in "[a-zA-Z0-9/+]{0,40}") {
        let signed = Signing { secret: &secret, ..SIGNING }.sign_header(&request);
        prop_assert!(matches!(outcome(&signed), Err(AuthError::SignatureDoesNotMatch(_))));
    }

    #[test]
    fn a_body_is_held_to_its_hash(body in prop::collection::vec(any::<u8>(), 1..300), at in any::<prop::sample::Index>()) {
        let mut request = Unsigned {
            method: "PUT".into(),
            path: b"/b/k".to_vec(),
            query: Vec::new(),
            headers: BTreeMap::from([("host".into(), "localhost".into())]),
            payload: sha256(&body),
        };
        request.headers.insert("content-length".into(), body.len().to_string());
        let parts = SIGNING.sign_header(&request).parts();
        let claim = Claim::from_request(&parts).expect("well-formed").expect("signed");
        claim.verify(&parts, &context(&Rules::S3, NOW_S)).expect("signed");
        let read = |body: Vec<u8>| {
            let body = Full::new(Bytes::from(body));
            block_on(Payload::new(body, claim.payload, &parts.headers, None).expect("a length").collect())
        };
        prop_assert!(read(body.clone()).is_ok());
        let mut changed = body.clone();
        changed[at.index(body.len())] ^= 1;
        prop_assert!(read(changed).is_err());
        prop_assert!(read(body[1..].to_vec()).is_err());
        prop_assert!(read([&body[..], b"x"].concat()).is_err());
    }

    /// Nothing that a request can hold makes the parser panic.
    #[test]
    fn any_claim_is_read_or_refused(
        scheme in prop_oneof![Just("AWS4-HMAC-SHA256 "), Just("AWS "), Just("")],
        value in "[ -~]{0,80}",
        date in "[ -~]{0,20}",
        query in "[!-~&&[^#]]{0,60}",
    ) {
        let request = http::Request::builder()
            .uri(format!("/?X-Amz-Credential={query}"))
            .header("x-amz-date", &date)
            .header("authorization", format!("{scheme}Credential={value}"))
            .body(());
        if let Ok(request) = request {
            let mut parts = request.into_parts().0;
            let _ = crate::auth::hint(&parts);
            let _ = Claim::from_request(&parts).is_ok();
            parts.headers.remove("authorization");
            let _ = crate::auth::hint(&parts);
            let _ = Claim::from_request(&parts).is_ok();
        }
    }
}
