//! Signature Version 4, written from its description alone and sharing nothing with the verifier under test.

use aws_lc_rs::{digest, hmac};
use data_encoding::HEXLOWER;

pub struct Keys {
    pub id: String,
    pub secret: String,
    pub region: String,
}

/// The headers that sign a request of `method` to `target` (path and query, already encoded) for S3.
pub fn sign(
    keys: &Keys,
    method: &str,
    host: &str,
    target: &str,
    body: &[u8],
    now: jiff::Timestamp,
) -> Vec<(String, String)> {
    let stamp = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let day = &stamp[..8];
    let payload = HEXLOWER.encode(digest::digest(&digest::SHA256, body).as_ref());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut pairs: Vec<String> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| if pair.contains('=') { pair.to_owned() } else { format!("{pair}=") })
        .collect();
    pairs.sort();
    let canonical = format!(
        "{method}\n{path}\n{}\nhost:{host}\nx-amz-content-sha256:{payload}\nx-amz-date:{stamp}\n\nhost;x-amz-content-sha256;x-amz-date\n{payload}",
        pairs.join("&"),
    );
    let scope = format!("{day}/{}/s3/aws4_request", keys.region);
    let hashed = HEXLOWER.encode(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
    let to_sign = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashed}");
    let mut key = format!("AWS4{}", keys.secret).into_bytes();
    for part in scope.split('/') {
        key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), part.as_bytes()).as_ref().to_vec();
    }
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), to_sign.as_bytes());
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={}",
        keys.id,
        HEXLOWER.encode(signature.as_ref()),
    );
    vec![
        ("x-amz-date".to_owned(), stamp),
        ("x-amz-content-sha256".to_owned(), payload),
        ("authorization".to_owned(), authorization),
    ]
}
