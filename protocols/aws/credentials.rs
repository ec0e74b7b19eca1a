//! AWS access keys and accounts.

use aws_lc_rs::digest;
use data_encoding::{BASE32_NOPAD, BASE64, HEXLOWER};
use serde_json::json;
use storage::Fault;
use storage::environments::AccessKey;

use crate::credentials::{Holder, Minted, random, random_digits};
use crate::service::Provider;

pub const REGION: &str = "us-east-1";
const ACCOUNT_DIGITS: usize = 12;
/// `AKIA` and 16 characters of base32.
const KEY_ID_BYTES: usize = 10;
/// 40 characters of base64.
const SECRET_BYTES: usize = 30;

pub fn mint(holder: Holder<'_>) -> Result<Minted, Fault> {
    let account = match holder.account {
        Some(account) => account.to_owned(),
        None => random_digits(ACCOUNT_DIGITS)?,
    };
    let id = format!("AKIA{}", random(KEY_ID_BYTES, &BASE32_NOPAD)?);
    let secret = random(SECRET_BYTES, &BASE64)?;
    Ok(with_key(account, id, secret, holder.name))
}

/// Credentials around a key chosen elsewhere.
pub fn with_key(account: String, id: String, secret: String, display_name: &str) -> Minted {
    let document = json!({
        "account_id": account,
        "access_key_id": id,
        "secret_access_key": secret,
        "region": REGION,
        "canonical_user_id": canonical_user_id(&account),
        "display_name": display_name,
    });
    let key = AccessKey { id, secret, account, provider: Provider::Aws.id().to_owned() };
    Minted { document, keys: vec![key] }
}

/// The 64 hexadecimal digits by which S3 knows an account. Always the same for one account, so that an
/// owner's id needs no look-up and survives a branch.
pub fn canonical_user_id(account: &str) -> String {
    let text = format!("canonical user of account {account}");
    HEXLOWER.encode(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}
