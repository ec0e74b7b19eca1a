//! DigitalOcean tokens and Spaces keys.

use data_encoding::{BASE32_NOPAD, BASE64_NOPAD, HEXLOWER};
use serde_json::json;
use storage::Fault;
use storage::environments::AccessKey;

use crate::credentials::{Holder, Minted, random, random_digits};
use crate::service::Provider;

/// The number by which Spaces knows a team; it stands in no credential, only as the owner of what is stored.
const TEAM_DIGITS: usize = 8;
/// `dop_v1_` and 64 hexadecimal digits.
const TOKEN_BYTES: usize = 32;
/// `DO00` and 16 characters of base32.
const KEY_ID_BYTES: usize = 10;
/// 43 characters of base64 without padding.
const SECRET_BYTES: usize = 32;

pub fn mint(holder: Holder<'_>) -> Result<Minted, Fault> {
    let account = match holder.account {
        Some(account) => account.to_owned(),
        None => random_digits(TEAM_DIGITS)?,
    };
    let id = format!("DO00{}", random(KEY_ID_BYTES, &BASE32_NOPAD)?);
    let secret = random(SECRET_BYTES, &BASE64_NOPAD)?;
    let document = json!({
        "token": format!("dop_v1_{}", random(TOKEN_BYTES, &HEXLOWER)?),
        "spaces_access_key_id": id,
        "spaces_secret_access_key": secret,
    });
    let key = AccessKey { id, secret, account, provider: Provider::DigitalOcean.id().to_owned() };
    Ok(Minted { document, keys: vec![key] })
}
