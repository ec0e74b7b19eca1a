//! Binds the ports, before pingora sees them: its own listeners retry for half a minute and then panic on a taken
//! port. The bound sockets are handed over by file descriptor.

use std::io::{Error, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener};

use crate::config::{EdgeError, Listen};

/// How often another free port is tried when the one that IPv4 got is taken on IPv6.
const FREE_PORT_ATTEMPTS: usize = 16;

/// The addresses in use, with their real ports.
#[derive(Clone, Debug, Default)]
pub struct Bound {
    pub http: Vec<SocketAddr>,
    pub https: Vec<SocketAddr>,
}

/// A port that is listened on.
pub(crate) struct Sockets {
    pub listeners: Vec<TcpListener>,
    pub addresses: Vec<SocketAddr>,
}

pub(crate) fn bind(listen: &Listen) -> Result<Sockets, EdgeError> {
    let mut attempts = if listen.port == 0 { FREE_PORT_ATTEMPTS } else { 1 };
    loop {
        attempts -= 1;
        match bind_all(listen) {
            Err(EdgeError::PortTaken { .. }) if attempts > 0 => {}
            outcome => return outcome,
        }
    }
}

/// Binds all hosts to one port: the given one, or the one that the first host got.
fn bind_all(listen: &Listen) -> Result<Sockets, EdgeError> {
    let flag = listen.flag;
    let mut sockets = Sockets { listeners: Vec::new(), addresses: Vec::new() };
    let mut port = listen.port;
    for host in &listen.hosts {
        let address = SocketAddr::new(*host, port);
        match bind_one(address) {
            Ok((listener, bound)) => {
                port = bound.port();
                sockets.listeners.push(listener);
                sockets.addresses.push(bound);
            }
            Err(error) if error.kind() == ErrorKind::AddrInUse => return Err(EdgeError::PortTaken { address, flag }),
            // A machine without IPv6 is served on IPv4 alone.
            Err(error) if is_absent(*host, &error) => {}
            Err(error) => return Err(EdgeError::Listen { address, flag, error }),
        }
    }
    if sockets.listeners.is_empty() { Err(EdgeError::NoAddress { flag }) } else { Ok(sockets) }
}

fn bind_one(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

/// Whether the machine has no such address (as opposed to refusing it).
fn is_absent(host: IpAddr, error: &Error) -> bool {
    const EAFNOSUPPORT: i32 = 97;
    host.is_ipv6() && (error.kind() == ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(EAFNOSUPPORT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_is_the_same_on_all_hosts() {
        let sockets = bind(&Listen::loopback(0, "--http-port")).expect("bind");
        assert!(sockets.addresses.iter().all(|a| a.port() == sockets.addresses[0].port() && a.port() != 0));
    }

    #[test]
    fn a_taken_port_is_named_with_its_flag() {
        let first = bind(&Listen::loopback(0, "--http-port")).expect("bind");
        let port = first.addresses[0].port();
        let error = bind(&Listen::loopback(port, "--https-port")).err().expect("taken").to_string();
        assert!(error.contains(&port.to_string()) && error.contains("--https-port"), "{error}");
    }
}
