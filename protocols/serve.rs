//! The one entrance: routes a request, calls its handler, renders its errors, and counts it.

use std::sync::Arc;

use storage::environments::Environments;

use crate::body::{Request, Response};

/// What handlers may reach: the environments and how the appliance is addressed.
pub struct Cloud {
    pub environments: Arc<Environments>,
    /// `mockfactory.localhost`, lower case.
    pub domain: String,
}

/// How the request came in.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    pub https: bool,
    pub peer: std::net::SocketAddr,
}

#[allow(clippy::todo, clippy::unused_async, unused_variables)]
pub async fn serve(cloud: &Cloud, arrival: Arrival, request: Request) -> Response {
    todo!()
}
