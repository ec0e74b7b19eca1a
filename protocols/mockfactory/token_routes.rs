//! Tokens over HTTP. Their files are written on a thread that may wait for the disk.

use std::sync::Arc;

use serde_json::{Value, json};
use storage::Fault;
use storage::clock::system_now;

use super::fields::{duration_ms, invalid, name, word};
use super::tokens::{ADMIN_ID, Scope, Token, Tokens};
use super::view::rfc3339;
use super::{Reply, Request, routes::BASE};
use crate::fault::Error;

const SCOPES: &[(&str, Scope)] = &[("admin", Scope::Admin), ("read", Scope::Read)];

pub fn list(mut request: Request<'_>) -> Result<Reply, Error> {
    request.query.finish()?;
    let admin = json!({
        "id": ADMIN_ID, "name": "the appliance's admin token", "scope": Scope::Admin,
        "created_at": null, "expires_at": null, "expired": false,
    });
    let others = request.cloud.control.tokens.all();
    let tokens: Vec<Value> = std::iter::once(admin).chain(others.iter().map(show)).collect();
    Ok(Reply::ok(json!({"tokens": tokens})))
}

pub async fn create(mut request: Request<'_>) -> Result<Reply, Error> {
    let name = request.body.optional("name", name)?;
    let scope = request.body.optional("scope", word(SCOPES))?.unwrap_or(Scope::Admin);
    let expires_in = request.body.optional("expires_in", duration_ms)?;
    request.body.finish()?;
    request.query.finish()?;
    let name = name.ok_or_else(|| invalid("name", "is required"))?;
    let now = system_now();
    let expires_ms = expires_in.map(|ms| now.plus_millis(ms).0);
    let (token, text) = off_thread(&request, move |tokens| tokens.create(name, scope, now, expires_ms)).await?;
    let mut shown = show(&token);
    shown["token"] = Value::String(text);
    Ok(Reply::created(shown, format!("{BASE}/tokens/{}", token.id)))
}

pub async fn delete(request: Request<'_>) -> Result<Reply, Error> {
    let id = request.path.first().copied().unwrap_or_default().to_owned();
    off_thread(&request, move |tokens| tokens.delete(&id)).await?;
    Ok(Reply::no_content())
}

fn show(token: &Token) -> Value {
    let expired = token.expires_ms.is_some_and(|expires| expires <= system_now().0);
    json!({
        "id": token.id,
        "name": token.name,
        "scope": token.scope,
        "created_at": rfc3339(token.created_ms),
        "expires_at": token.expires_ms.map(rfc3339),
        "expired": expired,
    })
}

async fn off_thread<T: Send + 'static>(
    request: &Request<'_>,
    work: impl FnOnce(&Tokens) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Error> {
    let tokens = Arc::clone(&request.cloud.control.tokens);
    let done = tokio::task::spawn_blocking(move || work(&tokens)).await;
    Ok(done.map_err(|error| Fault::Internal(error.into()))??)
}
