//! Environments over HTTP: made, listed, changed, branched, reset, deleted.

use std::collections::BTreeMap;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use storage::environments::{
    AccessKey, AuthMode, Environment, EnvironmentId, EnvironmentPatch, EnvironmentRecord, NewEnvironment, State,
};
use storage::{Fault, Kind, Timestamp};

use super::accounts;
use super::fields::{Fields, duration_ms, instant_ms, invalid, name, number, text, texts, word};
use super::observed::page_size;
use super::selection::{self, Selection, Wish, providers_of};
use super::{Reply, Request, routes::BASE, view};
use crate::credentials::{Holder, mint};
use crate::fault::Error;
use crate::serve::Cloud;

/// Environments in one answer: what is asked for by default, and the most there can be.
const PAGE_DEFAULT: usize = 100;
const PAGE_MAX: usize = 1000;

const AUTH_MODES: &[(&str, AuthMode)] = &[("strict", AuthMode::Strict), ("relaxed", AuthMode::Relaxed)];
const STATES: &[(&str, State)] = &[("ready", State::Ready), ("stopped", State::Stopped)];

pub async fn create(mut request: Request<'_>) -> Result<Reply, Error> {
    let body = &mut request.body;
    let given_name = body.optional("name", name)?;
    let (provider, package) = (body.optional("provider", text)?, body.optional("package", text)?);
    let services = body.optional("services", texts)?;
    let auth = body.optional("auth", word(AUTH_MODES))?.unwrap_or_default();
    let expires_ms = expiry(body, storage::clock::system_now())?.flatten();
    let idle_stop_s = body.optional("idle_stop", duration_ms)?.map(whole_seconds);
    request.body.finish()?;
    request.query.finish()?;
    let wish = Wish { provider: provider.as_deref(), package: package.as_deref(), services: services.as_deref() };
    let Selection { provider, services, quote } = selection::select(wish)?;

    let id = EnvironmentId::random()?;
    let name = given_name.unwrap_or_else(|| id.as_str().to_owned());
    let minted = mint_for(&services, &name, &BTreeMap::new(), &[])?;
    let new = NewEnvironment {
        id: Some(id),
        name,
        provider,
        services,
        auth,
        keys: minted.keys,
        credentials: minted.credentials,
        expires_ms,
        idle_stop_s,
        hourly_rate_cents: quote.cents,
    };
    let environment = request.cloud.environments.create(new).await?;
    Ok(created(&request, &environment))
}

pub fn show(mut request: Request<'_>) -> Result<Reply, Error> {
    request.query.finish()?;
    let environment = find(request.cloud, id(&request.path))?;
    Ok(Reply::ok(view::environment(request.cloud, &environment, request.scope)))
}

pub fn list(mut request: Request<'_>) -> Result<Reply, Error> {
    let name = request.query.optional("name", text)?;
    let state = request.query.optional("state", word(STATES))?;
    let fits = |record: &EnvironmentRecord| {
        name.as_ref().is_none_or(|name| record.name == *name) && state.is_none_or(|state| record.state == state)
    };
    page(&mut request, fits)
}

pub fn list_branches(mut request: Request<'_>) -> Result<Reply, Error> {
    let parent = find(request.cloud, id(&request.path))?.id().as_str().to_owned();
    page(&mut request, |record| record.parent.as_ref() == Some(&parent))
}

/// Oldest first; a cursor names the last one shown, by its age and id.
fn page(request: &mut Request<'_>, fits: impl Fn(&EnvironmentRecord) -> bool) -> Result<Reply, Error> {
    let limit = page_size(request.query.optional("limit", number)?, PAGE_DEFAULT, PAGE_MAX)?;
    let after = request.query.optional("cursor", text)?.map(|cursor| parse_cursor(&cursor)).transpose()?;
    request.query.finish()?;
    let mut found: Vec<_> = request.cloud.environments.list();
    found.retain(|environment| fits(&environment.record()));
    found.sort_by_cached_key(|environment| position(&environment.record()));
    let start = after.map_or(0, |after| found.partition_point(|environment| position(&environment.record()) <= after));
    let rest = found.get(start..).unwrap_or_default();
    let shown = rest.get(..limit).unwrap_or(rest);
    let next = (rest.len() > shown.len()).then(|| shown.last().map(|last| cursor(&last.record()))).flatten();
    let environments: Vec<Value> =
        shown.iter().map(|environment| view::environment(request.cloud, environment, request.scope)).collect();
    Ok(Reply::ok(json!({"environments": environments, "next_cursor": next})))
}

fn position(record: &EnvironmentRecord) -> (u64, String) {
    (record.created_ms, record.id.clone())
}

fn cursor(record: &EnvironmentRecord) -> String {
    BASE64URL_NOPAD.encode(format!("{}:{}", record.created_ms, record.id).as_bytes())
}

fn parse_cursor(cursor: &str) -> Result<(u64, String), Error> {
    let decoded = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let parts = decoded.as_deref().and_then(|text| text.split_once(':'));
    parts
        .and_then(|(created, id)| Some((created.parse().ok()?, id.to_owned())))
        .ok_or_else(|| invalid("cursor", "is not one that a list has answered"))
}

pub async fn update(mut request: Request<'_>) -> Result<Reply, Error> {
    let _edit = request.cloud.control.edits.lock().await;
    let id = id(&request.path);
    let record = find(request.cloud, id)?.record();
    let now = find(request.cloud, id)?.now();
    let body = &mut request.body;
    let mut patch = EnvironmentPatch {
        name: body.optional("name", name)?,
        auth: body.optional("auth", word(AUTH_MODES))?,
        expires_ms: expiry(body, now)?,
        idle_stop_s: body.patched("idle_stop", duration_ms)?.map(|ms| ms.map(whole_seconds)),
        state: body.optional("state", word(STATES))?,
        ..EnvironmentPatch::default()
    };
    let services = body.optional("services", texts)?;
    request.body.finish()?;
    request.query.finish()?;
    if let Some(services) = services {
        change_services(&record, &services, &mut patch)?;
    }
    let environment = request.cloud.environments.update(id, patch).await?;
    Ok(Reply::ok(view::environment(request.cloud, &environment, request.scope)))
}

/// Providers that are new get credentials. Those of a provider that goes are kept out of sight: what is stored
/// names its owner, and the service may come back.
fn change_services(record: &EnvironmentRecord, services: &[String], patch: &mut EnvironmentPatch) -> Result<(), Error> {
    let Selection { provider, services, quote } =
        selection::select(Wish { services: Some(services), ..Wish::default() })?;
    let minted = mint_for(&services, &record.name, &record.credentials, &record.keys)?;
    patch.add_keys = minted.keys;
    patch.credentials = minted.credentials;
    patch.hourly_rate_cents = Some(quote.cents);
    if record.provider != selection::MULTI_CLOUD {
        patch.provider = Some(provider);
    }
    patch.services = Some(services);
    Ok(())
}

pub async fn delete(mut request: Request<'_>) -> Result<Reply, Error> {
    request.query.finish()?;
    request.cloud.environments.delete(id(&request.path)).await?;
    Ok(Reply::no_content())
}

pub async fn branch(mut request: Request<'_>) -> Result<Reply, Error> {
    let parent = find(request.cloud, id(&request.path))?;
    let record = parent.record();
    let body = &mut request.body;
    let name = body.optional("name", name)?;
    let auth = body.optional("auth", word(AUTH_MODES))?.unwrap_or(record.auth);
    // A branch starts with its parent's clock.
    let expires_ms = expiry(body, parent.now())?.flatten();
    let idle_stop_s = body.optional("idle_stop", duration_ms)?.map(whole_seconds);
    request.body.finish()?;
    request.query.finish()?;

    let id = EnvironmentId::random()?;
    let name = name.unwrap_or_else(|| id.as_str().to_owned());
    let minted = mint_again(&record)?;
    let new = NewEnvironment {
        id: Some(id),
        name,
        provider: record.provider.clone(),
        services: record.services.clone(),
        auth,
        keys: minted.keys,
        credentials: minted.credentials,
        expires_ms,
        idle_stop_s,
        hourly_rate_cents: selection::quote_of(&record.services).cents,
    };
    let environment = request.cloud.environments.branch(&record.id, new).await?;
    Ok(created(&request, &environment))
}

pub async fn reset(mut request: Request<'_>) -> Result<Reply, Error> {
    request.body.finish()?;
    request.query.finish()?;
    let environment = request.cloud.environments.reset(id(&request.path)).await?;
    Ok(Reply::ok(view::environment(request.cloud, &environment, request.scope)))
}

fn created(request: &Request<'_>, environment: &Environment) -> Reply {
    let location = format!("{BASE}/environments/{}", environment.id().as_str());
    Reply::created(view::environment(request.cloud, environment, request.scope), location)
}

pub fn find(cloud: &Cloud, id: &str) -> Result<Arc<Environment>, Error> {
    Ok(cloud.environments.get(id).ok_or_else(|| Fault::not_found(Kind::Environment, shortened(id)))?)
}

/// The first name in the path's template.
pub fn id<'a>(path: &[&'a str]) -> &'a str {
    path.first().copied().unwrap_or_default()
}

/// An id that came from outside, in an error's text: not without bound.
fn shortened(id: &str) -> String {
    const ID_CHARS_MAX: usize = 64;
    id.chars().take(ID_CHARS_MAX).collect()
}

/// `expires_in` from `now`, or `expires_at`; `Some(None)` where one of them is `null`: never.
#[allow(clippy::option_option)]
fn expiry(body: &mut Fields, now: Timestamp) -> Result<Option<Option<u64>>, Error> {
    let within = body.patched("expires_in", duration_ms)?;
    let at = body.patched("expires_at", instant_ms)?;
    match (within, at) {
        (Some(_), Some(_)) => Err(invalid("expires_at", "give either this or expires_in")),
        (Some(within), None) => Ok(Some(within.map(|ms| now.plus_millis(ms).0))),
        (None, Some(Some(at))) if at <= now.0 => Err(invalid("expires_at", "is past")),
        (None, at) => Ok(at),
    }
}

fn whole_seconds(ms: u64) -> u64 {
    ms.div_ceil(1000)
}

/// New credentials and keys of several providers.
pub struct MintedFor {
    pub credentials: BTreeMap<String, Value>,
    pub keys: Vec<AccessKey>,
}

/// For every provider of `services` that has none in `present` yet.
pub fn mint_for(
    services: &[String],
    name: &str,
    present: &BTreeMap<String, Value>,
    keys: &[AccessKey],
) -> Result<MintedFor, Fault> {
    let mut minted = MintedFor { credentials: BTreeMap::new(), keys: Vec::new() };
    for provider in providers_of(services).filter(|provider| !present.contains_key(provider.id())) {
        let account = keys.iter().find(|key| key.provider == provider.id()).map(|key| key.account.as_str());
        if let Some(one) = mint(provider, Holder { account, name })? {
            minted.credentials.insert(provider.id().to_owned(), one.document);
            minted.keys.extend(one.keys);
        }
    }
    Ok(minted)
}

/// A branch's keys: other ones, for the same accounts.
fn mint_again(parent: &EnvironmentRecord) -> Result<MintedFor, Fault> {
    let mut minted = MintedFor { credentials: BTreeMap::new(), keys: Vec::new() };
    for provider in crate::service::Provider::ALL {
        let Some(document) = parent.credentials.get(provider.id()) else { continue };
        let first = parent.keys.iter().find(|key| key.provider == provider.id());
        let name = document["display_name"].as_str().unwrap_or(&parent.name);
        let holder = Holder { account: first.map(|key| key.account.as_str()), name };
        if let Some(mut one) = mint(provider, holder)? {
            one.keys.extend(accounts::mint_again(document, &mut one.document)?);
            minted.credentials.insert(provider.id().to_owned(), one.document);
            minted.keys.extend(one.keys);
        }
    }
    Ok(minted)
}
