//! Whether the appliance lives and serves, its metrics, and a word to whoever opens it in a browser.

#![allow(clippy::needless_pass_by_value, clippy::unnecessary_wraps)] // the shape of every handler

use http::StatusCode;
use serde_json::json;

use super::{Content, Reply, Request, routes::BASE};
use crate::fault::Error;

const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub fn live(_: Request<'_>) -> Result<Reply, Error> {
    Ok(Reply::ok(json!({"status": "ok"})))
}

pub fn ready(request: Request<'_>) -> Result<Reply, Error> {
    if request.cloud.control.is_ready() {
        return Ok(Reply::ok(json!({"status": "ready"})));
    }
    let content = Content::Json(json!({"status": "not ready"}));
    Ok(Reply { status: StatusCode::SERVICE_UNAVAILABLE, content, location: None })
}

pub fn metrics(request: Request<'_>) -> Result<Reply, Error> {
    let text = (request.cloud.control.metrics)();
    Ok(Reply { status: StatusCode::OK, content: Content::Text(PROMETHEUS_TEXT, text), location: None })
}

pub fn front_page(_: Request<'_>) -> Result<Reply, Error> {
    Ok(Reply::ok(json!({
        "name": "MockFactory",
        "version": env!("CARGO_PKG_VERSION"),
        "control_plane": BASE,
        "description": format!("{BASE}/openapi.json"),
    })))
}
