//! Cloudflare API tokens, and the S3 keys of R2 that come of them.

use aws_lc_rs::digest;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde_json::json;
use storage::Fault;
use storage::environments::AccessKey;

use crate::credentials::{Holder, Minted, random};
use crate::service::Provider;

/// Account and key ids are 32 hexadecimal digits.
const ID_BYTES: usize = 16;
/// 40 characters of URL-safe base64.
const TOKEN_BYTES: usize = 30;

pub fn mint(holder: Holder<'_>) -> Result<Minted, Fault> {
    let account = match holder.account {
        Some(account) => account.to_owned(),
        None => random(ID_BYTES, &HEXLOWER)?,
    };
    let api_token = random(TOKEN_BYTES, &BASE64URL_NOPAD)?;
    let id = random(ID_BYTES, &HEXLOWER)?;
    // As Cloudflare does it: the S3 secret is the SHA-256 of the API token.
    let secret = HEXLOWER.encode(digest::digest(&digest::SHA256, api_token.as_bytes()).as_ref());
    let document = json!({
        "account_id": account,
        "api_token": api_token,
        "r2_access_key_id": id,
        "r2_secret_access_key": secret,
    });
    let key = AccessKey { id, secret, account, provider: Provider::Cloudflare.id().to_owned() };
    Ok(Minted { document, keys: vec![key] })
}
