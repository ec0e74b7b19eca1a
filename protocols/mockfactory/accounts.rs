//! Further AWS accounts of an environment: they share its bucket namespace, so that what one account allows
//! another can be tried. They are kept beside the first account's credentials, under [`ACCOUNTS`].

use std::collections::BTreeMap;

use serde_json::{Value, json};
use storage::environments::{AccessKey, EnvironmentPatch, EnvironmentRecord};
use storage::{Fault, Kind};

use super::environments::{find, id};
use super::fields::{invalid, name, text};
use super::selection::providers_of;
use super::{Reply, Request, routes::BASE};
use crate::credentials::{Holder, mint};
use crate::fault::Error;
use crate::service::Provider;

/// Where a provider's credentials hold its further accounts.
pub const ACCOUNTS: &str = "accounts";
/// Accounts beside the first.
const ACCOUNTS_MAX: usize = 100;
const PROVIDER: Provider = Provider::Aws;

pub fn list(mut request: Request<'_>) -> Result<Reply, Error> {
    request.query.finish()?;
    let record = find(request.cloud, id(&request.path))?.record();
    Ok(Reply::ok(json!({"accounts": held(&record)})))
}

pub async fn create(mut request: Request<'_>) -> Result<Reply, Error> {
    let provider = request.body.optional("provider", text)?;
    let name = request.body.optional("name", name)?;
    request.body.finish()?;
    request.query.finish()?;
    if provider.as_deref() != Some(PROVIDER.id()) {
        return Err(invalid("provider", format_args!("must be {:?}: only it has further accounts", PROVIDER.id())));
    }
    let name = name.ok_or_else(|| invalid("name", "is required"))?;
    let _edit = request.cloud.control.edits.lock().await;
    let record = find(request.cloud, id(&request.path))?.record();
    if !providers_of(&record.services).any(|provider| provider == PROVIDER) {
        return Err(invalid("provider", "the environment has no service of it"));
    }
    let mut accounts = held(&record);
    if accounts.len() >= ACCOUNTS_MAX {
        return Err(Fault::Quota { what: "accounts" }.into());
    }
    let Some(minted) = mint(PROVIDER, Holder { account: None, name: &name })? else {
        return Err(Fault::Unsupported { what: "accounts".to_owned() }.into());
    };
    let mut account = json!({"provider": PROVIDER.id(), "name": name});
    merge(&mut account, minted.document);
    accounts.push(account.clone());
    let patch = EnvironmentPatch {
        add_keys: minted.keys,
        credentials: with_accounts(&record, accounts),
        ..EnvironmentPatch::default()
    };
    request.cloud.environments.update(&record.id, patch).await?;
    let account_id = account["account_id"].as_str().unwrap_or_default();
    let location = format!("{BASE}/environments/{}/accounts/{account_id}", record.id);
    Ok(Reply::created(account, location))
}

pub async fn delete(mut request: Request<'_>) -> Result<Reply, Error> {
    request.query.finish()?;
    let _edit = request.cloud.control.edits.lock().await;
    let record = find(request.cloud, id(&request.path))?.record();
    let account_id = request.path.get(1).copied().unwrap_or_default();
    let mut accounts = held(&record);
    let before = accounts.len();
    accounts.retain(|account| account["account_id"] != account_id);
    if accounts.len() == before {
        return Err(Fault::not_found(Kind::Account, account_id).into());
    }
    let keys = record.keys.iter().filter(|key| key.provider != PROVIDER.id() || key.account != account_id);
    let patch = EnvironmentPatch {
        keys: Some(keys.cloned().collect()),
        credentials: with_accounts(&record, accounts),
        ..EnvironmentPatch::default()
    };
    request.cloud.environments.update(&record.id, patch).await?;
    Ok(Reply::no_content())
}

/// New keys for the accounts that `parent` (a provider's credentials) holds, put into `branch`.
pub fn mint_again(parent: &Value, branch: &mut Value) -> Result<Vec<AccessKey>, Fault> {
    let mut keys = Vec::new();
    let mut accounts = Vec::new();
    for account in parent[ACCOUNTS].as_array().into_iter().flatten() {
        let name = account["name"].as_str().unwrap_or_default();
        let Some(minted) = mint(PROVIDER, Holder { account: account["account_id"].as_str(), name })? else { continue };
        let mut fresh = account.clone();
        merge(&mut fresh, minted.document);
        accounts.push(fresh);
        keys.extend(minted.keys);
    }
    if !accounts.is_empty() {
        branch[ACCOUNTS] = Value::Array(accounts);
    }
    Ok(keys)
}

fn held(record: &EnvironmentRecord) -> Vec<Value> {
    let document = record.credentials.get(PROVIDER.id());
    document.and_then(|document| document[ACCOUNTS].as_array()).cloned().unwrap_or_default()
}

fn with_accounts(record: &EnvironmentRecord, accounts: Vec<Value>) -> BTreeMap<String, Value> {
    let mut document = record.credentials.get(PROVIDER.id()).cloned().unwrap_or_else(|| json!({}));
    document[ACCOUNTS] = Value::Array(accounts);
    BTreeMap::from([(PROVIDER.id().to_owned(), document)])
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}
