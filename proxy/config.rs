//! What the edge is told, and what may be wrong with it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use crate::ca::CaError;
use crate::limits::Limits;

/// One port on one or more addresses.
#[derive(Clone, Debug)]
pub struct Listen {
    pub hosts: Vec<IpAddr>,
    /// 0 takes a free one, the same for all hosts.
    pub port: u16,
    /// The flag that sets the port, for the error that says it is taken.
    pub flag: &'static str,
}

impl Listen {
    /// `localhost` resolves to either loopback address, so both are listened on.
    pub fn loopback(port: u16, flag: &'static str) -> Self {
        Self { hosts: vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)], port, flag }
    }
}

#[derive(Clone, Debug)]
pub struct EdgeConfig {
    /// Takes HTTP/1.1, plaintext HTTP/2 and TLS.
    pub http: Option<Listen>,
    /// Takes TLS only.
    pub https: Option<Listen>,
    /// Where the local CA lies, or is made.
    pub ca_dir: PathBuf,
    /// The domain under which any name gets a certificate.
    pub domain: String,
    /// Threads that serve requests; 0 for one per core.
    pub threads: usize,
    pub limits: Limits,
}

#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    #[error("port {} is taken (address {address}); choose another one with {flag}", address.port())]
    PortTaken { address: SocketAddr, flag: &'static str },
    #[error("can't listen on {address} ({flag}): {error}")]
    Listen { address: SocketAddr, flag: &'static str, error: std::io::Error },
    #[error("there is no address to listen on for {flag}")]
    NoAddress { flag: &'static str },
    #[error(transparent)]
    Ca(#[from] CaError),
    #[error("TLS can't be set up: {0}")]
    Tls(#[from] rustls::Error),
}
