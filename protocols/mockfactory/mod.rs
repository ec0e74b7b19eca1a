//! The control plane: environments, tokens, catalogue and prices, as JSON under `/api/v1`; health and metrics
//! beside it.
//!
//! - One table ([`routes::ROUTES`]) drives both the dispatch and the OpenAPI document.
//! - A request is read whole (up to [`BODY_BYTES_MAX`]), every field by name; unknown ones are errors.
//! - What it shows of an environment is made in one place, [`view`].

pub mod catalogue;
pub mod default_environment;
pub mod durations;
pub mod planned;
pub mod tokens;

mod accounts;
mod environments;
mod fields;
mod health;
mod observed;
mod openapi;
mod routes;
mod schemas;
mod selection;
mod token_routes;
mod view;

#[cfg(test)]
mod api_tests;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt, Collected, LengthLimitError, Limited};
use serde_json::Value;
use storage::Fault;
use storage::clock::system_now;

use crate::body::{Body, BoxError, Response, empty, full};
use crate::fault::{Error, WireError};
use crate::serve::Cloud;
use crate::service::{BoxFuture, Trace};
use crate::wire::plain_json::{JSON, PLAIN_JSON, with_newline};
use crate::wire::{About, Wire};
use fields::Fields;
use routes::{Access, Found, Handler};
use tokens::{Scope, Tokens};

/// What logs and metrics call the control plane among the services.
pub const SERVICE_ID: &str = "mockfactory";
/// Largest request body, in bytes. The largest sensible one names every service.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// The control plane's own state.
pub struct Control {
    pub tokens: Arc<Tokens>,
    /// Metrics in Prometheus' text format.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// Held by changes that read a record and write it back.
    pub(crate) edits: tokio::sync::Mutex<()>,
    ready: AtomicBool,
}

impl Control {
    pub fn new(tokens: Arc<Tokens>, metrics: Box<dyn Fn() -> String + Send + Sync>) -> Self {
        Self { tokens, metrics, edits: tokio::sync::Mutex::default(), ready: AtomicBool::new(false) }
    }

    /// Tells `/readyz`. Not ready before the listeners stand, nor while draining.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }

    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }
}

/// A request that has found its route and may take it.
pub(crate) struct Request<'a> {
    pub cloud: &'a Cloud,
    pub scope: Scope,
    /// What stands in the path where the template has a name, in order.
    pub path: Vec<&'a str>,
    pub query: Fields,
    pub body: Fields,
}

/// An answer before it is written out.
pub(crate) struct Reply {
    pub status: StatusCode,
    pub content: Content,
    pub location: Option<String>,
}

pub(crate) enum Content {
    Nothing,
    Json(Value),
    Text(&'static str, String),
}

impl Reply {
    pub fn ok(value: Value) -> Self {
        Self { status: StatusCode::OK, content: Content::Json(value), location: None }
    }

    pub fn created(value: Value, location: String) -> Self {
        Self { status: StatusCode::CREATED, content: Content::Json(value), location: Some(location) }
    }

    pub fn no_content() -> Self {
        Self { status: StatusCode::NO_CONTENT, content: Content::Nothing, location: None }
    }
}

/// Answers a request that [`crate::route`] found to be the control plane's.
pub async fn handle(cloud: &Cloud, parts: Parts, body: Body, request_id: &str, trace: &mut Trace) -> Response {
    match answer(cloud, &parts, body, trace).await {
        Ok(reply) => render(reply, request_id),
        Err(error) => {
            if let Error::Fault(Fault::Internal(cause)) = &error {
                tracing::error!(request = request_id, "internal: {cause:#}");
            }
            let head = parts.method == Method::HEAD;
            PLAIN_JSON.error(&error, &About { request_id, resource: parts.uri.path(), head })
        }
    }
}

async fn answer(cloud: &Cloud, parts: &Parts, body: Body, trace: &mut Trace) -> Result<Reply, Error> {
    let found = routes::find(&parts.method, parts.uri.path());
    let open = matches!(&found, Found::Route(route, _) if route.access == Access::Open);
    let scope = if open { Scope::Read } else { authenticate(cloud, parts)? };
    let (route, path) = match found {
        Found::Route(route, path) => (route, path),
        Found::Nothing => {
            let message = "no such path; GET /api/v1/openapi.json describes those there are";
            return Err(WireError::new(StatusCode::NOT_FOUND, "not_found", message).into());
        }
        Found::OtherMethods(allow) => return Err(method_not_allowed(&parts.method, &allow)),
    };
    trace.operation = route.operation;
    if route.access == Access::Admin && scope != Scope::Admin {
        let message = "this token has the scope \"read\", which changes nothing";
        return Err(WireError::new(StatusCode::FORBIDDEN, "forbidden", message).into());
    }
    let body = if route.request.is_some() { read(parts, body).await? } else { Fields::default() };
    let query = fields::query(parts.uri.query())?;
    let request = Request { cloud, scope, path, query, body };
    match route.handler {
        Handler::Now(handler) => handler(request),
        Handler::Later(handler) => handler(request).await,
    }
}

fn authenticate(cloud: &Cloud, parts: &Parts) -> Result<Scope, Error> {
    let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = header
        .and_then(|value| value.split_once(' '))
        .and_then(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()));
    let scope = token.and_then(|token| cloud.control.tokens.scope(token, system_now()));
    scope.ok_or_else(|| {
        let message = if token.is_some() {
            "the token is unknown, revoked or expired"
        } else {
            "send \"Authorization: Bearer <token>\"; the admin token lies in the data directory's file admin-token"
        };
        let mut error = WireError::new(StatusCode::UNAUTHORIZED, "unauthorized", message);
        error.headers.push((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        error.into()
    })
}

fn method_not_allowed(method: &Method, allow: &str) -> Error {
    let message = format!("{method} is not for this path; it takes {allow}");
    let mut error = WireError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message);
    if let Ok(value) = HeaderValue::from_str(allow) {
        error.headers.push((ALLOW, value));
    }
    error.into()
}

/// The body as fields. A type that cannot be JSON is refused; `curl -d`'s default is let pass.
async fn read(parts: &Parts, body: Body) -> Result<Fields, Error> {
    const FORGIVEN: [&str; 3] = ["application/json", "application/x-www-form-urlencoded", "text/plain"];
    let declared = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or(FORGIVEN[0]);
    let essence = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let bytes = collect(body).await?;
    if !FORGIVEN.contains(&essence.as_str()) && !essence.ends_with("+json") {
        let message = "send the body as application/json";
        return Err(WireError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message).into());
    }
    Fields::parse(&bytes)
}

async fn collect(body: Body) -> Result<Bytes, Error> {
    match limited(body).await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) => Err(unreadable(&error)),
    }
}

/// Boxed, since the compiler cannot see that `Limited` over our body type is `Send` within an async function.
fn limited(body: Body) -> BoxFuture<'static, Result<Collected<Bytes>, BoxError>> {
    Box::pin(Limited::new(body, BODY_BYTES_MAX).collect())
}

fn unreadable(error: &BoxError) -> Error {
    if error.is::<LengthLimitError>() {
        let message = format!("the body is larger than {BODY_BYTES_MAX} bytes");
        let mut error = WireError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message);
        error.close = true;
        return error.into();
    }
    let slow = error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::TimedOut);
    if slow { Fault::Timeout { what: "the body" }.into() } else { Fault::Disconnected.into() }
}

fn render(reply: Reply, request_id: &str) -> Response {
    const NO_STORE: (HeaderName, HeaderValue) = (http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let (content_type, body) = match reply.content {
        Content::Nothing => (None, empty()),
        Content::Json(value) => (Some(JSON), full(with_newline(&value, request_id))),
        Content::Text(content_type, text) => (Some(HeaderValue::from_static(content_type)), full(text)),
    };
    let mut response = http::Response::new(body);
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    // Answers hold credentials.
    headers.insert(NO_STORE.0, NO_STORE.1);
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, content_type);
    }
    if let Some(location) = reply.location.and_then(|location| HeaderValue::from_str(&location).ok()) {
        headers.insert(LOCATION, location);
    }
    response
}
