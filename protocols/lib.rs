//! Providers: wire formats, authentication and handlers over the engines of `storage`.
//!
//! The way of a request: [`serve`] finds the service and the environment from the headers alone
//! ([`address`], [`route`]), the service's handler authenticates, decodes, calls an engine and encodes;
//! a [`fault::Error`] becomes the provider's own reply in its wire family's one place.
//!
//! Invariants:
//! - Knows no socket. The edge hands in a request and takes a reply.
//! - Providers import `dialects`, `wire`, `auth` and the modules here, never each other.
//! - A service is a folder and one line in [`services`].

pub mod address;
pub mod auth;
pub mod aws;
pub mod body;
pub mod cloudflare;
pub mod credentials;
pub mod dialects;
pub mod digitalocean;
pub mod fault;
pub mod meter;
pub mod mockfactory;
pub mod price;
pub mod request_id;
pub mod route;
pub mod serve;
pub mod service;
pub mod services;
pub mod wire;

pub use body::{Body, BoxError, empty, full};
pub use serve::{AccessLine, AccessLog, Arrival, Cloud, serve};
