//! The one entrance: routes a request, calls its handler, renders its errors, and counts it.

use std::sync::Arc;
use std::time::Instant;

use http::header::CONTENT_LENGTH;
use http_body::Body as _;
use storage::environments::{Environment, Environments, RequestRecord};
use tracing::Instrument;

use crate::body::{Request, Response};
use crate::fault::{Error, Fault, WireError};
use crate::mockfactory;
use crate::request_id::RequestId;
use crate::route::{self, Astray, Route, Routed};
use crate::service::{Call, Trace};
use crate::wire::{About, Wire, plain_json};

/// What handlers may reach: the environments, and how the appliance is addressed.
pub struct Cloud {
    pub environments: Arc<Environments>,
    /// `mockfactory.localhost`, lower case.
    pub domain: String,
    /// Ports clients reach it by; `None` where that listener is off.
    pub http_port: Option<u16>,
    pub https_port: Option<u16>,
    pub access_log: Box<dyn AccessLog>,
    /// The control plane's own state: tokens, metrics, start time.
    pub control: mockfactory::Control,
}

/// Takes one line per request; must not block.
pub trait AccessLog: Send + Sync {
    fn write(&self, line: &AccessLine<'_>);
}

pub struct AccessLine<'a> {
    pub environment: Option<&'a str>,
    pub access_key: Option<&'a str>,
    pub arrival: &'a Arrival<'a>,
    pub request: &'a RequestRecord,
}

/// How the request came in.
pub struct Arrival<'a> {
    pub https: bool,
    pub peer: std::net::SocketAddr,
    /// Counts the connection for this environment; false when that one has as many as it may.
    pub attribute: &'a (dyn Fn(&str) -> bool + Send + Sync),
}

pub async fn serve(cloud: &Arc<Cloud>, arrival: Arrival<'_>, request: Request) -> Response {
    let started = Instant::now();
    let at = storage::clock::system_now();
    let request_id = RequestId::new();
    let (parts, body) = request.into_parts();
    let method = parts.method.clone();
    // The query stays out: it may hold a signature that still works.
    let path = parts.uri.path().to_owned();
    let bytes_in = declared_length(&parts);
    let mut trace = Trace::default();
    let mut outcome = Outcome { environment: None, service: mockfactory::SERVICE_ID, error: None };

    let mut response = match route::route(cloud, &parts) {
        Ok(Route::Control) => mockfactory::handle(cloud, parts, body, request_id.as_str(), &mut trace).await,
        Ok(Route::Service(routed)) => {
            outcome.service = routed.service.id;
            outcome.environment = Some(Arc::clone(&routed.environment));
            if (arrival.attribute)(routed.environment.id().as_str()) {
                let span = tracing::debug_span!(
                    "request",
                    id = request_id.as_str(),
                    environment = routed.environment.id().as_str(),
                    service = routed.service.id,
                );
                call(cloud, &arrival, routed, parts, body, &request_id, &mut trace, &mut outcome).instrument(span).await
            } else {
                let error = Fault::Throttled { retry_ms: CONNECTIONS_RETRY_MS }.into();
                let about =
                    About { request_id: request_id.as_str(), resource: &path, head: method == http::Method::HEAD };
                render(routed.service.wire, &error, &about, &mut outcome)
            }
        }
        Err(astray) => {
            let about = About { request_id: request_id.as_str(), resource: &path, head: method == http::Method::HEAD };
            lost(&astray, &about, &mut outcome)
        }
    };
    let wire = wire_of(outcome.service);
    wire.stamp(&mut response, request_id.as_str());

    let record = RequestRecord {
        at_ms: at.0,
        request_id: request_id.as_str().to_owned(),
        service: outcome.service,
        operation: trace.operation,
        method: method.to_string(),
        path,
        status: response.status().as_u16(),
        bytes_in,
        bytes_out: response.body().size_hint().exact().unwrap_or_default(),
        duration_us: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        error: outcome.error,
    };
    crate::meter::count(&record);
    cloud.access_log.write(&AccessLine {
        environment: outcome.environment.as_ref().map(|environment| environment.id().as_str()),
        access_key: trace.access_key.as_deref(),
        arrival: &arrival,
        request: &record,
    });
    if let Some(environment) = outcome.environment {
        environment.observe(record);
    }
    response
}

/// How long a client is asked to wait when its environment has too many connections, in milliseconds.
const CONNECTIONS_RETRY_MS: u64 = 1000;

/// What the log learns of a request besides its answer.
struct Outcome {
    environment: Option<Arc<Environment>>,
    service: &'static str,
    error: Option<String>,
}

#[allow(clippy::too_many_arguments)] // the one place where all of a request's strands meet
async fn call(
    cloud: &Arc<Cloud>,
    arrival: &Arrival<'_>,
    routed: Routed,
    parts: http::request::Parts,
    body: crate::Body,
    request_id: &RequestId,
    trace: &mut Trace,
    outcome: &mut Outcome,
) -> Response {
    let service = routed.service;
    let resource = parts.uri.path()[routed.prefix..].to_owned();
    let head = parts.method == http::Method::HEAD;
    let call = Call {
        cloud,
        service,
        environment: routed.environment,
        record: routed.record,
        parts,
        body,
        prefix: routed.prefix,
        front: routed.front,
        bare: routed.bare,
        request_id: request_id.as_str(),
        https: arrival.https,
        trace,
    };
    match service.handler.call(call).await {
        Ok(response) => response,
        Err(error) => {
            let about = About { request_id: request_id.as_str(), resource: &resource, head };
            render(service.wire, &error, &about, outcome)
        }
    }
}

/// Renders an error for the client, and gives the log what the client may not read.
fn render(wire: &dyn Wire, error: &Error, about: &About<'_>, outcome: &mut Outcome) -> Response {
    match error {
        Error::Fault(Fault::Internal(cause)) => tracing::error!(request = about.request_id, "internal: {cause:#}"),
        Error::Fault(Fault::Corrupt { what }) => tracing::error!(request = about.request_id, "corrupt: {what}"),
        Error::Wire(WireError { cause: Some(cause), .. }) => {
            tracing::debug!(request = about.request_id, "{cause:#}");
        }
        _ => {}
    }
    outcome.error = Some(wire.code(error).into_owned());
    wire.error(error, about)
}

fn lost(astray: &Astray, about: &About<'_>, outcome: &mut Outcome) -> Response {
    if let Some(service) = astray.service {
        outcome.service = service.id;
    }
    render(astray.wire.unwrap_or(&plain_json::PLAIN_JSON), &astray.error, about, outcome)
}

fn wire_of(service: &str) -> &'static dyn Wire {
    crate::services::by_id(service).map_or(&plain_json::PLAIN_JSON as &dyn Wire, |service| service.wire)
}

fn declared_length(parts: &http::request::Parts) -> u64 {
    parts
        .headers
        .get(CONTENT_LENGTH)
        .or_else(|| parts.headers.get("x-amz-decoded-content-length"))
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.parse().ok())
        .unwrap_or_default()
}
