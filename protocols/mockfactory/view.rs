//! An environment as the control plane shows it: endpoints, credentials, price, clock.

use serde_json::{Map, Value, json};
use storage::environments::{Environment, EnvironmentRecord};

use super::catalogue::dollars;
use super::selection::{providers_of, quote_of};
use super::tokens::Scope;
use crate::serve::Cloud;
use crate::service::{Endpoint, Service};
use crate::services;

const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;
const LOCAL_DOMAIN: &str = "localhost";

/// `scheme://host[:port]` before any path; the port is left out where it is the scheme's own.
struct Origin {
    scheme: &'static str,
    port: Option<u16>,
}

impl Origin {
    fn https_first(cloud: &Cloud) -> Self {
        cloud.https_port.map_or_else(|| Self::http(cloud.http_port), Self::https)
    }

    fn http_first(cloud: &Cloud) -> Self {
        match (cloud.http_port, cloud.https_port) {
            (None, Some(port)) => Self::https(port),
            (port, _) => Self::http(port),
        }
    }

    fn http(port: Option<u16>) -> Self {
        Self { scheme: "http", port: port.filter(|port| *port != HTTP_PORT) }
    }

    fn https(port: u16) -> Self {
        Self { scheme: "https", port: Some(port).filter(|port| *port != HTTPS_PORT) }
    }

    fn url(&self, host: &str, path: &str) -> String {
        let Self { scheme, port } = self;
        match port {
            Some(port) => format!("{scheme}://{host}:{port}{path}"),
            None => format!("{scheme}://{host}{path}"),
        }
    }
}

/// Credentials are for those who may use them: a token with scope `read` does not see them.
pub fn environment(cloud: &Cloud, environment: &Environment, scope: Scope) -> Value {
    let record = environment.record();
    let quote = quote_of(&record.services);
    let mut shown = json!({
        "id": record.id,
        "name": record.name,
        "provider": record.provider,
        "state": record.state,
        "stop_reason": record.stopped.map(|(reason, _)| reason),
        "services": record.services,
        "endpoints": endpoints(cloud, &record),
        "path_endpoints": path_endpoints(cloud, &record),
    });
    if scope == Scope::Admin {
        shown["credentials"] = credentials(&record);
    }
    let rest = json!({
        "auth": record.auth,
        "hourly_rate": dollars(record.hourly_rate_cents),
        "package": quote.package.map(|package| package.id),
        "parent": record.parent,
        "created_at": rfc3339(record.created_ms),
        "expires_at": record.expires_ms.map(rfc3339),
        "idle_stop": record.idle_stop_s,
        "clock": clock(environment),
    });
    if let (Value::Object(shown), Value::Object(rest)) = (&mut shown, rest) {
        shown.extend(rest);
    }
    shown
}

pub fn clock(environment: &Environment) -> Value {
    let clock = environment.clock();
    let seconds = std::time::Duration::from_millis(clock.offset_ms()).as_secs_f64();
    json!({"now": rfc3339(clock.now().0), "offset_seconds": seconds})
}

/// Milliseconds since the epoch as RFC 3339 in UTC, to the millisecond.
pub fn rfc3339(ms: u64) -> String {
    let instant = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    format!("{:.3}", instant.unwrap_or(jiff::Timestamp::MAX))
}

fn endpoints(cloud: &Cloud, record: &EnvironmentRecord) -> Map<String, Value> {
    let origin = Origin::https_first(cloud);
    each_service(record, |service| {
        let (label, path) = match service.endpoint {
            Endpoint::Host => (service.hosts.first().copied().unwrap_or(service.id), ""),
            Endpoint::Mount => (service.provider.id(), service.mount.unwrap_or_default()),
        };
        origin.url(&format!("{label}.{}.{}", record.id, cloud.domain), path)
    })
}

/// For clients that resolve no wildcard name: everything under one host.
fn path_endpoints(cloud: &Cloud, record: &EnvironmentRecord) -> Map<String, Value> {
    let origin = Origin::http_first(cloud);
    let local = cloud.domain == LOCAL_DOMAIN || cloud.domain.ends_with(".localhost");
    let host = if local { LOCAL_DOMAIN } else { &cloud.domain };
    each_service(record, |service| {
        let label = service.hosts.first().copied().unwrap_or(service.id);
        origin.url(host, &format!("/env/{}/{label}", record.id))
    })
}

fn each_service(record: &EnvironmentRecord, url: impl Fn(&Service) -> String) -> Map<String, Value> {
    let services = record.services.iter().filter_map(|id| services::by_id(id));
    services.map(|service| (service.id.to_owned(), Value::String(url(service)))).collect()
}

/// Of the providers whose services it has; those of services that were taken away are kept, and not shown.
fn credentials(record: &EnvironmentRecord) -> Value {
    let shown = providers_of(&record.services).filter_map(|provider| {
        record.credentials.get(provider.id()).map(|document| (provider.id().to_owned(), document.clone()))
    });
    Value::Object(shown.collect())
}
