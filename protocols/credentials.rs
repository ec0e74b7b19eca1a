//! Keys of an environment, minted from the operating system's randomness in each provider's own shape.
//!
//! A provider's shapes are its own file's affair (`<provider>/credentials.rs`); here is what they share.

use aws_lc_rs::rand;
use data_encoding::Encoding;
use serde_json::Value;
use storage::Fault;
use storage::environments::AccessKey;

use crate::service::Provider;
use crate::{aws, cloudflare, digitalocean};

/// One provider's credentials.
pub struct Minted {
    /// As handed out by the control plane.
    pub document: Value,
    /// The keys among them that sign requests.
    pub keys: Vec<AccessKey>,
}

/// For whom credentials are minted.
#[derive(Clone, Copy, Debug)]
pub struct Holder<'a> {
    /// Account, project or team to make keys for; `None` makes a new one. A branch keeps its parent's: what
    /// is stored names its owner.
    pub account: Option<&'a str>,
    /// Shown where the provider shows the owner's name.
    pub name: &'a str,
}

/// Credentials for a provider. Those of a provider whose services are not built hold nothing yet.
pub fn mint(provider: Provider, holder: Holder<'_>) -> Result<Option<Minted>, Fault> {
    Ok(Some(match provider {
        Provider::Aws => aws::credentials::mint(holder)?,
        Provider::Cloudflare => cloudflare::credentials::mint(holder)?,
        Provider::DigitalOcean => digitalocean::credentials::mint(holder)?,
        Provider::Azure | Provider::Gcp | Provider::Supabase | Provider::Neon => return Ok(None),
    }))
}

/// `bytes` random bytes, encoded.
pub fn random(bytes: usize, encoding: &Encoding) -> Result<String, Fault> {
    let mut raw = vec![0; bytes];
    fill(&mut raw)?;
    Ok(encoding.encode(&raw))
}

/// `count` random decimal digits, the first of them not zero.
pub fn random_digits(count: usize) -> Result<String, Fault> {
    let mut digits = String::with_capacity(count);
    let mut raw = [0; 16];
    while digits.len() < count {
        fill(&mut raw)?;
        // Bytes from 250 on would make small digits likelier.
        let fair = raw.iter().filter(|byte| **byte < 250).map(|byte| byte % 10);
        for digit in fair {
            if digits.len() < count && !(digits.is_empty() && digit == 0) {
                digits.push(char::from(b'0' + digit));
            }
        }
    }
    Ok(digits)
}

fn fill(bytes: &mut [u8]) -> Result<(), Fault> {
    rand::fill(bytes).map_err(|_| Fault::Internal(anyhow::anyhow!("the operating system's random source failed")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `shape`: `x` stands for a hexadecimal digit, `9` for a decimal one, `A` for base32, `*` for any base64.
    #[track_caller]
    fn check(provider: Provider, field: &str, shape: &str) {
        let minted = mint(provider, Holder { account: None, name: "acme" }).expect("randomness").expect("keys");
        let value = minted.document[field].as_str().unwrap_or_default().to_owned();
        let fits = |(got, want): (u8, u8)| match want {
            b'x' => matches!(got, b'0'..=b'9' | b'a'..=b'f'),
            b'9' => got.is_ascii_digit(),
            b'A' => matches!(got, b'A'..=b'Z' | b'2'..=b'7'),
            b'*' => got.is_ascii_alphanumeric() || matches!(got, b'+' | b'/' | b'-' | b'_'),
            want => got == want,
        };
        assert_eq!(value.len(), shape.len(), "{field}: {value}");
        assert!(value.bytes().zip(shape.bytes()).all(fits), "{field}: {value} is not like {shape}");
    }

    #[test]
    fn each_in_its_providers_shape() {
        check(Provider::Aws, "account_id", &"9".repeat(12));
        check(Provider::Aws, "access_key_id", "AKIAAAAAAAAAAAAAAAAA");
        check(Provider::Aws, "secret_access_key", &"*".repeat(40));
        check(Provider::Aws, "region", "us-east-1");
        check(Provider::Aws, "canonical_user_id", &"x".repeat(64));
        check(Provider::Aws, "display_name", "acme");
        check(Provider::Cloudflare, "account_id", &"x".repeat(32));
        check(Provider::Cloudflare, "api_token", &"*".repeat(40));
        check(Provider::Cloudflare, "r2_access_key_id", &"x".repeat(32));
        check(Provider::Cloudflare, "r2_secret_access_key", &"x".repeat(64));
        check(Provider::DigitalOcean, "token", &format!("dop_v1_{}", "x".repeat(64)));
        check(Provider::DigitalOcean, "spaces_access_key_id", &format!("DO00{}", "A".repeat(16)));
        check(Provider::DigitalOcean, "spaces_secret_access_key", &"*".repeat(43));
    }

    #[test]
    fn keys_agree_with_the_document_and_keep_the_account() {
        for provider in [Provider::Aws, Provider::Cloudflare, Provider::DigitalOcean] {
            let first = mint(provider, Holder { account: None, name: "a" }).expect("randomness").expect("keys");
            let account = first.keys[0].account.clone();
            let again = mint(provider, Holder { account: Some(&account), name: "a" });
            let again = again.expect("randomness").expect("keys");
            assert_eq!(again.keys[0].account, account);
            assert_ne!(again.keys[0].id, first.keys[0].id);
            assert_eq!(again.document.get("canonical_user_id"), first.document.get("canonical_user_id"));
            assert_eq!(first.keys[0].provider, provider.id());
            let text = first.document.to_string();
            assert!(text.contains(&first.keys[0].id) && text.contains(&first.keys[0].secret));
        }
    }
}
