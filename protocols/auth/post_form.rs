//! The claim of a POST form: the policy is what is signed, in version 4 or 2.

use std::borrow::Cow;

use aws_lc_rs::hmac;

use super::claim::ALGORITHM_V4;
use super::error::{AuthError, Mismatch, Place};
use super::scope::Scope;
use super::stamp::Stamp;
use super::{VerifyContext, signing_key, sigv2, sigv4};

/// Who signed a form's policy; borrows from its fields.
#[derive(Clone, Debug)]
pub struct FormClaim<'a> {
    pub access_key: &'a str,
    /// The policy document, in base64 as sent.
    pub policy: &'a str,
    pub session_token: Option<&'a str>,
    signature: &'a str,
    /// Version 4; version 2 signs nothing but the policy.
    v4: Option<(Scope<'a>, Stamp)>,
}

impl<'a> FormClaim<'a> {
    /// `field` finds a form field by its name, in whatever case the form spelt it. `None` for an anonymous form.
    pub fn from_fields(field: impl Fn(&str) -> Option<&'a str>) -> Result<Option<Self>, AuthError> {
        let need = |name: &'static str| field(name).ok_or(AuthError::MissingFormField { name });
        let v4 = ["x-amz-algorithm", "x-amz-credential", "x-amz-signature"];
        let session_token = field("x-amz-security-token");
        if v4.iter().any(|name| field(name).is_some()) {
            let algorithm = need("X-Amz-Algorithm")?;
            if algorithm != ALGORITHM_V4 {
                return Err(AuthError::UnsupportedAlgorithm { place: Place::Form, algorithm: algorithm.to_owned() });
            }
            let (access_key, scope) = Scope::parse(Cow::Borrowed(need("X-Amz-Credential")?), Place::Form)?;
            let stamp = Stamp::parse(need("X-Amz-Date")?).ok_or(AuthError::MissingDate)?;
            // Borrowed in, borrowed out.
            let Cow::Borrowed(access_key) = access_key else {
                return Err(AuthError::MissingFormField { name: "X-Amz-Credential" });
            };
            let (policy, signature) = (need("Policy")?, need("X-Amz-Signature")?);
            return Ok(Some(Self { access_key, policy, session_token, signature, v4: Some((scope, stamp)) }));
        }
        if ["policy", "awsaccesskeyid", "signature"].iter().all(|name| field(name).is_none()) {
            return Ok(None);
        }
        let (access_key, policy, signature) = (need("AWSAccessKeyId")?, need("Policy")?, need("Signature")?);
        Ok(Some(Self { access_key, policy, session_token, signature, v4: None }))
    }

    /// Service of the credential scope; version 2 names none.
    pub fn service(&self) -> Option<&str> {
        self.v4.as_ref().map(|(scope, _)| &*scope.service)
    }

    /// Proves that the holder of `context.secret` signed the policy. How long it holds, the policy says.
    pub fn verify(&self, context: &VerifyContext<'_>) -> Result<(), AuthError> {
        let policy = self.policy.as_bytes();
        let matches = if let Some((scope, stamp)) = &self.v4 {
            scope.check(context.rules, stamp, Place::Form)?;
            signing_key::with(context.secret, scope, |key| sigv4::is_signed(key, policy, self.signature))
        } else {
            if !context.rules.version2 {
                return Err(AuthError::Version2Refused);
            }
            let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, context.secret.as_bytes());
            sigv2::is_signed(&key, policy, self.signature)
        };
        if matches {
            return Ok(());
        }
        Err(AuthError::SignatureDoesNotMatch(Box::new(Mismatch {
            access_key: self.access_key.to_owned(),
            string_to_sign: policy.to_vec(),
            signature_provided: self.signature.to_owned(),
            canonical_request: None,
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Rules;
    use storage::Timestamp;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    const CREDENTIAL: &str = "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request";

    /// A form of `name=value` pairs, and how the outcome reads in code.
    fn check(form: &[&str], rules: &Rules<'_>, want: &str) {
        let fields: Vec<(&str, &str)> = form.iter().filter_map(|field| field.split_once('=')).collect();
        let find = |name: &str| fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, v)| *v);
        let context = VerifyContext {
            secret: SECRET,
            now: Timestamp(0),
            clock_ahead_ms: 0,
            rules,
            body_sha256: None,
            bucket_in_host: None,
            prefix: 0,
        };
        let outcome = FormClaim::from_fields(find)
            .and_then(|claim| claim.map(|claim| claim.verify(&context).map(|()| claim.access_key)).transpose());
        let got = format!("{outcome:?}");
        assert!(got.starts_with(want), "{form:?}: {got}, not {want}");
    }

    #[test]
    fn forms() {
        let policy = "policy=eyJleHBpcmF0aW9uIjogIjIwMTMtMDUtMjRUMDE6MDA6MDBaIiwgImNvbmRpdGlvbnMiOiBbXX0=";
        let scope = Scope { date: "20151229".into(), region: "us-east-1".into(), service: "s3".into() };
        let tag = hmac::sign(&signing_key::derive(SECRET, &scope), &policy.as_bytes()["policy=".len()..]);
        let signature = format!("x-amz-signature={}", data_encoding::HEXLOWER.encode(tag.as_ref()));
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, SECRET.as_bytes());
        let tag = hmac::sign(&key, &policy.as_bytes()["policy=".len()..]);
        let signature_v2 = format!("Signature={}", data_encoding::BASE64.encode(tag.as_ref()));

        let credential = format!("X-Amz-Credential={CREDENTIAL}");
        let (algorithm, date) = ("X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Date=20151229T000000Z");
        let good = [policy, algorithm, &credential, date, &signature];
        check(&good, &Rules::S3, "Ok(Some(\"AKIAIOSFODNN7EXAMPLE\"))");
        check(&["key=k"], &Rules::S3, "Ok(None)");
        check(&good[..4], &Rules::S3, "Err(MissingFormField { name: \"X-Amz-Signature\" })");
        check(&good[1..], &Rules::S3, "Err(MissingFormField { name: \"Policy\" })");
        check(&[policy, algorithm, &credential, date, "x-amz-signature=0"], &Rules::S3, "Err(SignatureDoesNotMatch");
        check(&["policy=e30=", algorithm, &credential, date, &signature], &Rules::S3, "Err(SignatureDoesNotMatch");
        check(&[policy, algorithm, &credential, "x-amz-date=20151230T000000Z", &signature], &Rules::S3, "Err(Scope");
        check(&[policy, "x-amz-algorithm=x", &credential, date, &signature], &Rules::S3, "Err(UnsupportedAlgorithm");
        check(&[policy, algorithm, "x-amz-credential=k", date, &signature], &Rules::S3, "Err(Scope { place: Form");

        let good = [policy, "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE", &signature_v2];
        check(&good, &Rules::S3, "Ok(Some(\"AKIAIOSFODNN7EXAMPLE\"))");
        check(&good, &Rules { version2: false, ..Rules::S3 }, "Err(Version2Refused");
        check(&good[..2], &Rules::S3, "Err(MissingFormField { name: \"Signature\" })");
        check(&good[..1], &Rules::S3, "Err(MissingFormField { name: \"AWSAccessKeyId\" })");
        check(&[policy, "AWSAccessKeyId=k", "signature=x"], &Rules::S3, "Err(SignatureDoesNotMatch");
    }
}
