//! A second signer, written from the specification with no thought of speed: what the verifier is held against.

use std::collections::BTreeMap;

use aws_lc_rs::{digest, hmac};

/// A request before it is spelt: decoded path and parameters, headers in lower case.
#[derive(Clone, Debug)]
pub struct Unsigned {
    pub method: String,
    pub path: Vec<u8>,
    pub query: Vec<(String, String)>,
    pub headers: BTreeMap<String, String>,
    pub payload: String,
}

pub struct Signing<'a> {
    pub secret: &'a str,
    pub access_key: &'a str,
    pub stamp: &'a str,
    pub region: &'a str,
    pub service: &'a str,
}

pub fn encode(bytes: &[u8], keep_slash: bool) -> String {
    let mut out = String::new();
    for &byte in bytes {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || (keep_slash && byte == b'/');
        if plain { out.push(char::from(byte)) } else { out.extend(["%".to_owned(), hex(&[byte]).to_ascii_uppercase()]) }
    }
    out
}

pub fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

pub fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

pub fn hmac_sha256(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

impl Signing<'_> {
    pub fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", &self.stamp[..8], self.region, self.service)
    }

    pub fn key(&self) -> Vec<u8> {
        let first = format!("AWS4{}", self.secret).into_bytes();
        self.scope().split('/').fold(first, |key, part| hmac_sha256(&key, part))
    }

    fn signature(&self, request: &Unsigned, signed: &[&String]) -> String {
        let mut query: Vec<(String, String)> = request
            .query
            .iter()
            .map(|(name, value)| (encode(name.as_bytes(), false), encode(value.as_bytes(), false)))
            .collect();
        query.sort();
        let query: Vec<String> = query.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        let headers: Vec<String> =
            signed.iter().map(|name| format!("{name}:{}\n", blanks(&request.headers[*name]))).collect();
        let names: Vec<&str> = signed.iter().map(|name| name.as_str()).collect();
        let canonical = [
            &request.method,
            &encode(&request.path, true),
            &query.join("&"),
            &headers.concat(),
            &names.join(";"),
            &request.payload,
        ]
        .map(String::as_str)
        .join("\n");
        let text = format!("AWS4-HMAC-SHA256\n{}\n{}\n{}", self.stamp, self.scope(), sha256(canonical.as_bytes()));
        hex(&hmac_sha256(&self.key(), &text))
    }

    /// Adds the `Authorization` header; signs every header that is there.
    pub fn sign_header(&self, request: &Unsigned) -> Unsigned {
        let mut request = request.clone();
        request.headers.insert("x-amz-date".into(), self.stamp.into());
        request.headers.insert("x-amz-content-sha256".into(), request.payload.clone());
        let signed: Vec<&String> = request.headers.keys().collect();
        let names: Vec<&str> = signed.iter().map(|name| name.as_str()).collect();
        let value = format!(
            "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}",
            self.access_key,
            self.scope(),
            names.join(";"),
            self.signature(&request, &signed)
        );
        request.headers.insert("authorization".into(), value);
        request
    }

    /// Adds the parameters of a presigned URL; signs every header that is there.
    pub fn sign_query(&self, request: &Unsigned, expires_s: u64) -> Unsigned {
        let mut request = request.clone();
        request.payload = "UNSIGNED-PAYLOAD".into();
        let headers = request.headers.clone();
        let signed: Vec<&String> = headers.keys().collect();
        let names: Vec<&str> = signed.iter().map(|name| name.as_str()).collect();
        for (name, value) in [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256".to_owned()),
            ("X-Amz-Credential", format!("{}/{}", self.access_key, self.scope())),
            ("X-Amz-Date", self.stamp.to_owned()),
            ("X-Amz-Expires", expires_s.to_string()),
            ("X-Amz-SignedHeaders", names.join(";")),
        ] {
            request.query.push((name.into(), value));
        }
        let signature = self.signature(&request, &signed);
        request.query.push(("X-Amz-Signature".into(), signature));
        request
    }
}

fn blanks(value: &str) -> String {
    value.split([' ', '\t']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

impl Unsigned {
    /// As it goes over the wire.
    pub fn parts(&self) -> http::request::Parts {
        let query: Vec<String> = self
            .query
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name.as_bytes(), false), encode(value.as_bytes(), false)))
            .collect();
        let mut target = encode(&self.path, true);
        if !query.is_empty() {
            target = format!("{target}?{}", query.join("&"));
        }
        let mut builder = http::Request::builder().method(self.method.as_str()).uri(target);
        for (name, value) in &self.headers {
            builder = builder.header(name, value);
        }
        builder.body(()).expect("a request").into_parts().0
    }
}
