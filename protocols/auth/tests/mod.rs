//! Signatures held against what AWS publishes ([`published`]), against what clients send ([`clients`]), and against a
//! second, plain signer ([`properties`]).

mod clients;
mod cost;
mod properties;
mod published;
mod refusals;
mod signer;

use http::request::Parts;
use storage::Timestamp;

use super::{AuthError, Claim, Rules, Verified, VerifyContext};

pub const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
pub const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
/// 2013-05-24T00:00:00Z, the moment of the published version 4 examples.
pub const NOW_S: u64 = 1_369_353_600;

/// `head` is a request line and headers, one a line.
pub fn request(head: &str) -> Parts {
    let mut lines = head.lines().map(str::trim).filter(|line| !line.is_empty());
    let (method, target) = lines.next().and_then(|line| line.split_once(' ')).expect("a request line");
    let mut builder = http::Request::builder().method(method).uri(target);
    for line in lines {
        let (name, value) = line.split_once(':').expect("a header");
        builder = builder.header(name, value.trim());
    }
    builder.body(()).expect("a request").into_parts().0
}

pub fn context<'a>(rules: &'a Rules<'a>, now_s: u64) -> VerifyContext<'a> {
    VerifyContext {
        secret: SECRET,
        now: Timestamp(now_s * 1000),
        clock_ahead_ms: 0,
        rules,
        body_sha256: None,
        bucket_in_host: None,
        prefix: 0,
    }
}

pub fn verify(parts: &Parts, context: &VerifyContext<'_>) -> Result<Verified, AuthError> {
    Claim::from_request(parts)?.expect("a claim").verify(parts, context)
}

/// What went wrong, readably: both texts of a mismatch.
pub fn explain(error: &AuthError) -> String {
    let AuthError::SignatureDoesNotMatch(mismatch) = error else { return error.to_string() };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!(
        "{error}\n--\n{}\n--\n{}",
        text(mismatch.canonical_request.as_deref().unwrap_or_default()),
        text(&mismatch.string_to_sign)
    )
}

/// Drives a future that never waits: these bodies are in memory.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => panic!("a body in memory waited"),
    }
}
