//! What a service is: the row of THE TABLE ([`crate::services`]) that everything else is read from.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use storage::environments::{Environment, EnvironmentRecord};

use crate::body::{Body, Response};
use crate::fault::Error;
use crate::serve::Cloud;
use crate::wire::Wire;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Provider {
    Aws,
    Azure,
    Gcp,
    DigitalOcean,
    Supabase,
    Cloudflare,
    Neon,
}

impl Provider {
    pub const ALL: [Self; 7] =
        [Self::Aws, Self::Azure, Self::Gcp, Self::DigitalOcean, Self::Supabase, Self::Cloudflare, Self::Neon];

    /// Host label, path segment, and key in an environment's credentials.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Gcp => "gcp",
            Self::DigitalOcean => "digitalocean",
            Self::Supabase => "supabase",
            Self::Cloudflare => "cloudflare",
            Self::Neon => "neon",
        }
    }

    pub const fn title(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::Azure => "Azure",
            Self::Gcp => "Google Cloud",
            Self::DigitalOcean => "DigitalOcean",
            Self::Supabase => "Supabase",
            Self::Cloudflare => "Cloudflare",
            Self::Neon => "Neon",
        }
    }
}

/// How much of an operation is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Full,
    /// Works but for what the text says.
    Partial(&'static str),
    /// Answered with the provider's own "not implemented".
    Absent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The provider's own name for it.
    pub name: &'static str,
    pub level: Level,
}

/// A row of the table.
pub struct Service {
    /// As asked for at creation: `aws_s3`.
    pub id: &'static str,
    pub provider: Provider,
    pub title: &'static str,
    /// Labels that stand before the environment in a host name, or as a path segment: `s3`. The id always works too.
    pub hosts: &'static [&'static str],
    /// Path under the provider's own host: `/r2`. `None`: not mounted there (AWS routes by credential scope).
    pub mount: Option<&'static str>,
    /// Names in a SigV4 credential scope that mean this service.
    pub scopes: &'static [&'static str],
    /// Which of its names the control plane hands out as the endpoint.
    pub endpoint: Endpoint,
    /// Price per hour in US cents.
    pub price_cents: u32,
    pub operations: &'static [Operation],
    /// Renders faults and request ids as this service's clients expect.
    pub wire: &'static dyn Wire,
    pub handler: &'static dyn Handler,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `https://<first host>.<environment>.<domain>`
    Host,
    /// `https://<provider>.<environment>.<domain><mount>`
    Mount,
}

pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

pub trait Handler: Send + Sync {
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Result<Response, Error>>;
}

/// One request to one service of one environment.
pub struct Call<'a> {
    pub cloud: &'a Cloud,
    pub service: &'static Service,
    pub environment: Arc<Environment>,
    /// The record as it was when the request was routed.
    pub record: Arc<EnvironmentRecord>,
    pub parts: http::request::Parts,
    pub body: Body,
    /// Bytes of the URI's path that routed the request and name nothing in the service (`/env/<id>/s3`, `/r2`).
    /// Signatures are verified over the whole path; resources are named by what follows.
    pub prefix: usize,
    /// What stood in front of the service's host (`bucket`), in lower case.
    pub front: Option<String>,
    /// Reached by the bare endpoint: the environment came from the access key or is the default one.
    pub bare: bool,
    pub request_id: &'a str,
    pub https: bool,
    /// What the handler tells the log and the metrics.
    pub trace: &'a mut Trace,
}

/// What only the handler knows of a request.
#[derive(Debug, Default)]
pub struct Trace {
    pub operation: &'static str,
    pub access_key: Option<String>,
}
