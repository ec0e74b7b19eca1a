//! The edge: ports, TLS, HTTP, limits and an orderly stop, in front of one [`Dispatch`].
//!
//! A connection comes from a pingora listener ([`listen`]), is told apart by its first bytes ([`detect`]), unwrapped
//! from TLS with a certificate minted for its name ([`tls`], [`ca`]) and read as HTTP/1.1 or HTTP/2 ([`http`]); each
//! request goes to [`Dispatch::http`] in the task of its connection.
//!
//! Invariants:
//! - Knows no provider and no storage; what a name or a path means is the dispatch's business.
//! - A body is streamed in both directions; no request waits for another one's body.
//! - Every wait on a peer has a bound in [`Limits`].
//! - Whoever was answered is answered whole: an orderly stop drains, a refused upload is read off before the close.
//!
//! Errors of a request body are boxed [`std::io::Error`]s: `TimedOut` when the client stalls, `UnexpectedEof` when it
//! closes before the declared end, `InvalidData` for broken framing, `ConnectionReset` otherwise.

mod body;
mod ca;
mod config;
mod connection;
mod detect;
mod edge;
mod http;
mod limits;
mod listen;
mod meter;
mod shutdown;
mod stream;
mod tls;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

pub use ca::{CA_CERTIFICATE_FILE, CaError};
pub use config::{EdgeConfig, EdgeError, Listen};
pub use connection::{Arrival, Connection};
pub use edge::Edge;
pub use limits::Limits;
pub use listen::Bound;
pub use shutdown::{EdgeHandle, Signals};

pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// A body on its way in or out.
pub type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, BoxError>;
/// What [`Dispatch::http`] answers with.
pub type Answer = Pin<Box<dyn Future<Output = ::http::Response<Body>> + Send>>;

/// What stands behind the edge.
pub trait Dispatch: Send + Sync + 'static {
    /// Answers one request. Panics are caught and become a 500.
    fn http(self: Arc<Self>, arrival: Arrival, request: ::http::Request<Body>) -> Answer;

    /// Whether a certificate may be minted for a name outside of the edge's own domain (lower case, without port).
    fn names(&self, sni: &str) -> bool;
}
