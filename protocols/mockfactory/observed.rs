//! What can be seen of an environment beside its record (clock, usage, requests), and the catalogue.

use serde_json::{Value, json};
use storage::clock::system_now;
use storage::environments::LoggedRequest;

use super::environments::{find, id};
use super::fields::{duration_ms, invalid, number};
use super::view::rfc3339;
use super::{Reply, Request, catalogue, view};
use crate::fault::Error;

/// Requests in one answer: what is asked for by default, and the most there can be.
const REQUESTS_DEFAULT: usize = 100;
const REQUESTS_MAX: usize = 1000;

pub fn clock(mut request: Request<'_>) -> Result<Reply, Error> {
    request.query.finish()?;
    let environment = find(request.cloud, id(&request.path))?;
    Ok(Reply::ok(view::clock(&environment)))
}

pub async fn advance_clock(mut request: Request<'_>) -> Result<Reply, Error> {
    let advance = request.body.optional("advance", duration_ms)?;
    request.body.finish()?;
    request.query.finish()?;
    let advance = advance.ok_or_else(|| invalid("advance", "is required: how far to move the clock forward"))?;
    let id = id(&request.path);
    request.cloud.environments.advance_clock(id, advance).await?;
    Ok(Reply::ok(view::clock(&*find(request.cloud, id)?)))
}

pub async fn usage(mut request: Request<'_>) -> Result<Reply, Error> {
    request.query.finish()?;
    let environment = find(request.cloud, id(&request.path))?;
    let usage = environment.usage(system_now()).await;
    Ok(Reply::ok(json!({
        "environment": environment.id().as_str(),
        "services": usage.services,
        "objects": usage.objects,
        "stored_bytes": usage.stored_bytes,
        "hours": rounded(usage.hours),
        "cost": rounded(usage.cost_cents / 100.0),
    })))
}

pub fn requests(mut request: Request<'_>) -> Result<Reply, Error> {
    let limit = request.query.optional("limit", number)?;
    let after = request.query.optional("after", number)?.unwrap_or_default();
    request.query.finish()?;
    let environment = find(request.cloud, id(&request.path))?;
    let limit = page_size(limit, REQUESTS_DEFAULT, REQUESTS_MAX)?;
    let page = environment.requests(after, limit);
    let requests: Vec<Value> = page.requests.iter().map(show).collect();
    Ok(Reply::ok(json!({"requests": requests, "next": page.next})))
}

pub fn catalogue(mut request: Request<'_>) -> Result<Reply, Error> {
    request.query.finish()?;
    Ok(Reply::ok(catalogue::document()))
}

pub fn packages(mut request: Request<'_>) -> Result<Reply, Error> {
    request.query.finish()?;
    Ok(Reply::ok(catalogue::packages()))
}

/// A page's size, from what was asked for.
pub fn page_size(asked: Option<u64>, default: usize, max: usize) -> Result<usize, Error> {
    let Some(asked) = asked else { return Ok(default) };
    let fits = usize::try_from(asked).ok().filter(|size| (1..=max).contains(size));
    fits.ok_or_else(|| invalid("limit", format_args!("must be 1 to {max}")))
}

fn show(logged: &LoggedRequest) -> Value {
    let request = &logged.request;
    json!({
        "sequence": logged.sequence,
        "at": rfc3339(request.at_ms),
        "request_id": request.request_id,
        "service": request.service,
        "operation": request.operation,
        "method": request.method,
        "path": request.path,
        "status": request.status,
        "bytes_in": request.bytes_in,
        "bytes_out": request.bytes_out,
        "duration_us": request.duration_us,
        "error": request.error,
    })
}

/// To the millionth: finer than any price, and free of the noise of binary fractions.
fn rounded(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}
