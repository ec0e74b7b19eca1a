//! From an address to a service and an environment: the look-ups that [`crate::address`] leaves out.
//!
//! Routing reads the request's head alone. Order of decisions: an environment named by host or path wins;
//! else a signed request is the bare AWS endpoint's (its access key names the environment, its credential
//! scope the service); else the control plane's paths; else the default environment's S3.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use http::request::Parts;
use storage::environments::{Environment, EnvironmentRecord, State};
use storage::{Fault, Kind};

use crate::address::{self, Address, AddressError};
use crate::auth::{self, Hint};
use crate::fault::{Error, WireError};
use crate::serve::Cloud;
use crate::service::{Provider, Service};
use crate::services::{PLANNED, SERVICES};
use crate::wire::Wire;

/// The environment that unknown access keys of the bare endpoint fall into, where the appliance keeps one.
pub const DEFAULT_ENVIRONMENT: &str = "env-default";
/// What an unsigned request to the bare endpoint means: S3, for public objects and forms.
const DEFAULT_SCOPE: &str = "s3";

pub enum Route {
    Service(Routed),
    /// The control plane: `/api/v1`, health, metrics, and the front page.
    Control,
}

pub struct Routed {
    pub service: &'static Service,
    pub environment: Arc<Environment>,
    pub record: Arc<EnvironmentRecord>,
    pub prefix: usize,
    pub front: Option<String>,
    pub bare: bool,
}

/// A request that reaches nothing, and the wire to say so in (`None`: no provider's, our own).
pub struct Astray {
    pub wire: Option<&'static dyn Wire>,
    pub service: Option<&'static Service>,
    /// Boxed: every step of routing returns room for it.
    pub error: Box<Error>,
}

impl Astray {
    fn own(status: http::StatusCode, code: &'static str, message: String) -> Self {
        Self { wire: None, service: None, error: Box::new(WireError::new(status, code, message).into()) }
    }

    fn within(service: &'static Service, error: impl Into<Error>) -> Self {
        Self { wire: Some(service.wire), service: Some(service), error: Box::new(error.into()) }
    }
}

/// Where a label of a host name or a path segment leads.
#[derive(Clone, Copy)]
enum Label {
    Service(&'static Service),
    Provider(Provider),
}

pub fn route(cloud: &Cloud, parts: &Parts) -> Result<Route, Astray> {
    let path = parts.uri.path();
    let hint = auth::hint(parts);
    if !is_one_host(parts) {
        return Err(astray_address(AddressError::BadHost));
    }
    let address = match address::parse(host(parts), path, &cloud.domain) {
        Ok(address) => address,
        // A signed request names its environment by its key: under any host name (a container's, a proxy's).
        // So does a form, by one of its fields; and those who probe know no name.
        Err(AddressError::ForeignHost) if hint.is_some() || is_form(parts) || is_probe(path) => {
            Address { local: true, ..Address::default() }
        }
        Err(error) => return Err(astray_address(error)),
    };
    if let Some(id) = &address.environment {
        // What speaks for itself as S3's may have a bucket where others have a service's name.
        let may_be_front = address.path_prefix == 0 && (hint.is_some() || is_form(parts));
        return addressed(cloud, id, &address, hint.as_ref(), path, may_be_front);
    }
    if hint.is_none() && address.front.is_none() && is_control(parts) {
        return Ok(Route::Control);
    }
    bare(cloud, address.front, hint.as_ref())
}

/// An upload from a browser's form.
fn is_form(parts: &Parts) -> bool {
    let content_type = parts.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    parts.method == http::Method::POST && content_type.is_some_and(|value| value.starts_with("multipart/form-data"))
}

/// At most one `Host`, and that one text: of two, whoever stands between may have meant the other.
fn is_one_host(parts: &Parts) -> bool {
    let mut hosts = parts.headers.get_all(http::header::HOST).iter();
    hosts.next().is_none_or(|host| host.to_str().is_ok()) && hosts.next().is_none()
}

/// `Host`, or `:authority`, where HTTP/2 carries it.
pub fn host(parts: &Parts) -> Option<&str> {
    match parts.headers.get(http::header::HOST) {
        Some(host) => host.to_str().ok(),
        None => parts.uri.authority().map(http::uri::Authority::as_str),
    }
}

fn addressed(
    cloud: &Cloud,
    id: &str,
    address: &Address,
    hint: Option<&Hint<'_>>,
    path: &str,
    may_be_front: bool,
) -> Result<Route, Astray> {
    // `env-a.<domain>` alone is the environment's own bare AWS endpoint.
    let name = address.label.as_deref().unwrap_or(Provider::Aws.id());
    let (service, mount) = match labels().get(name) {
        Some(Label::Service(service)) => (*service, 0),
        Some(Label::Provider(provider)) => under_provider(*provider, hint, path, address.path_prefix)?,
        None if may_be_front && PLANNED.iter().all(|planned| planned.id != name) => {
            return bucket_before(cloud, id, address, hint, path);
        }
        None => return Err(unknown_label(name)),
    };
    let environment =
        cloud.environments.get(id).ok_or_else(|| Astray::within(service, Fault::not_found(Kind::Environment, id)))?;
    enter(service, environment, address.path_prefix + mount, address.front.clone(), false)
}

/// `bucket.env-a.<domain>`: a client of the environment's own bare endpoint, with its bucket in front.
fn bucket_before(
    cloud: &Cloud,
    id: &str,
    address: &Address,
    hint: Option<&Hint<'_>>,
    path: &str,
) -> Result<Route, Astray> {
    let front: Vec<&str> = address.front.as_deref().into_iter().chain(address.label.as_deref()).collect();
    let bare = Address { label: None, front: Some(front.join(".")), ..address.clone() };
    addressed(cloud, id, &bare, hint, path, false)
}

fn under_provider(
    provider: Provider,
    hint: Option<&Hint<'_>>,
    path: &str,
    prefix: usize,
) -> Result<(&'static Service, usize), Astray> {
    if provider == Provider::Aws {
        return Ok((by_scope(provider, hint.and_then(|hint| hint.service))?, 0));
    }
    if !SERVICES.iter().any(|service| service.provider == provider) {
        return Err(not_built(format!("no service of {} is built yet", provider.title())));
    }
    let rest = &path[prefix..];
    SERVICES
        .iter()
        .filter(|service| service.provider == provider)
        .filter_map(|service| service.mount.filter(|mount| is_under(rest, mount)).map(|mount| (*service, mount.len())))
        .max_by_key(|(_, mount)| *mount)
        .ok_or_else(|| {
            let known: Vec<_> =
                SERVICES.iter().filter(|s| s.provider == provider).filter_map(|service| service.mount).collect();
            Astray::own(
                http::StatusCode::NOT_FOUND,
                "unknown_service",
                format!("no service of {} is mounted at this path; there are: {}", provider.title(), known.join(", ")),
            )
        })
}

fn is_under(path: &str, mount: &str) -> bool {
    path.strip_prefix(mount).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn by_scope(provider: Provider, scope: Option<&str>) -> Result<&'static Service, Astray> {
    let scope = scope.unwrap_or(DEFAULT_SCOPE);
    SERVICES.iter().find(|service| service.provider == provider && service.scopes.contains(&scope)).copied().ok_or_else(
        || not_built(format!("the {} service that signs as \"{scope}\" is not built yet", provider.title())),
    )
}

fn bare(cloud: &Cloud, front: Option<String>, hint: Option<&Hint<'_>>) -> Result<Route, Astray> {
    let scope = hint.and_then(|hint| hint.service);
    let owner = hint.and_then(|hint| cloud.environments.by_access_key(hint.access_key));
    let (service, environment) = if let Some((environment, key)) = owner {
        let provider = Provider::ALL.into_iter().find(|p| p.id() == key.provider).unwrap_or(Provider::Aws);
        (by_scope(provider, scope)?, environment)
    } else {
        let service = by_scope(Provider::Aws, scope)?;
        let environment = cloud.environments.get(DEFAULT_ENVIRONMENT).ok_or_else(|| {
            let key = hint.map(|hint| hint.access_key).unwrap_or_default();
            Astray::within(service, Fault::not_found(Kind::AccessKey, key))
        })?;
        (service, environment)
    };
    enter(service, environment, 0, front, true)
}

fn enter(
    service: &'static Service,
    environment: Arc<Environment>,
    prefix: usize,
    front: Option<String>,
    bare: bool,
) -> Result<Route, Astray> {
    let record = environment.record();
    if record.state == State::Stopped {
        let why = format!("environment {} is stopped", record.id);
        return Err(Astray::within(service, Fault::Unavailable { why }));
    }
    if !record.services.iter().any(|id| id == service.id) {
        return Err(Astray::within(service, Fault::not_found(Kind::Service, service.id)));
    }
    Ok(Route::Service(Routed { service, environment, record, prefix, front, bare }))
}

/// Paths that are the control plane's on a bare host, when nothing says that an AWS client is calling.
fn is_control(parts: &Parts) -> bool {
    let path = parts.uri.path();
    match path {
        "/metrics" => true,
        _ if is_probe(path) => true,
        // A person with a browser; S3 clients accept anything but do not ask for HTML.
        "/" => {
            let accept = parts.headers.get(http::header::ACCEPT).and_then(|accept| accept.to_str().ok());
            accept.is_some_and(|accept| accept.contains("text/html"))
        }
        _ => is_under(path, "/api/v1"),
    }
}

fn is_probe(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz")
}

fn labels() -> &'static HashMap<&'static str, Label> {
    static LABELS: OnceLock<HashMap<&'static str, Label>> = OnceLock::new();
    LABELS.get_or_init(|| {
        let providers = Provider::ALL.into_iter().map(|provider| (provider.id(), Label::Provider(provider)));
        let services = SERVICES.iter().flat_map(|service| {
            service.hosts.iter().copied().chain([service.id]).map(move |name| (name, Label::Service(service)))
        });
        providers.chain(services).collect()
    })
}

fn unknown_label(name: &str) -> Astray {
    // `sqs` is `aws_sqs`, as it will be once it is built.
    let is_called = |id: &str| id == name || id.split_once('_').is_some_and(|(_, short)| short == name);
    if let Some(planned) = PLANNED.iter().find(|planned| is_called(planned.id)) {
        return not_built(format!("{} is not built yet", planned.id));
    }
    Astray::own(
        http::StatusCode::NOT_FOUND,
        "unknown_service",
        format!("there is no service or provider called {name:?}"),
    )
}

fn not_built(message: String) -> Astray {
    Astray::own(http::StatusCode::NOT_IMPLEMENTED, "not_implemented", message)
}

fn astray_address(error: AddressError) -> Astray {
    let (code, message) = match error {
        AddressError::BadHost => ("bad_host", "the Host header is not a host name"),
        AddressError::ForeignHost => ("unknown_host", "this host name is not the appliance's; see its domain setting"),
        AddressError::BadPath => ("bad_path", "expected /env/<environment>/<service>/…"),
    };
    let status = match error {
        AddressError::BadHost => http::StatusCode::BAD_REQUEST,
        AddressError::ForeignHost | AddressError::BadPath => http::StatusCode::NOT_FOUND,
    };
    Astray::own(status, code, message.to_owned())
}
