//! Where a request points, read from its host and path alone: pure text work, before any look-up.
//!
//! Accepted forms (`DESIGN` section 4):
//! - `[front.]<label>.<environment>.<domain>/…` — label is a service or a provider;
//! - any host with `/env/<environment>/<label>/…`, the host's own front (`bucket.localhost`) kept;
//! - the bare domain, `localhost` and loopback addresses: the control plane or the bare AWS endpoint,
//!   with a front for clients that put the bucket there.
//!
//! Runs on unauthenticated bytes and is a fuzz target; it depends on nothing but `std`.

/// What host and path name. All parts but `path_prefix` are lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// `env-abc123`, as text; whether it exists is not known here.
    pub environment: Option<String>,
    /// Service or provider label: `s3`, `aws`, `aws_s3`.
    pub label: Option<String>,
    /// What stands in front of label or bare host: a bucket or an account. May hold dots.
    pub front: Option<String>,
    /// Bytes of the path that named environment and label (`/env/env-a/s3`), to be skipped by what follows.
    pub path_prefix: usize,
    /// The host is the bare domain, `localhost` (or under it) or a loopback address.
    pub local: bool,
}

/// Why an address names nothing that could exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressError {
    /// Not a host name, or longer than one may be.
    BadHost,
    /// A host that is neither ours nor local, and no `/env/…` path.
    ForeignHost,
    /// `/env/` without an environment and a label after it.
    BadPath,
}

/// Longest host name, in bytes (RFC 1035).
pub const HOST_BYTES_MAX: usize = 253;

/// Parses `host` (a `Host` header or `:authority`, port allowed) and the undecoded `path`.
pub fn parse(host: Option<&str>, path: &str, domain: &str) -> Result<Address, AddressError> {
    let mut address = match host {
        Some(host) => parse_host(host, domain),
        None => Ok(Address { local: true, ..Address::default() }),
    };
    if let Some(rest) = path.strip_prefix("/env/") {
        let mut address = match address {
            Err(AddressError::ForeignHost) => Address::default(),
            other => other?,
        };
        if address.environment.is_none() {
            let (environment, rest) = rest.split_once('/').ok_or(AddressError::BadPath)?;
            let label = rest.split('/').next().unwrap_or_default();
            if environment.is_empty() || label.is_empty() {
                return Err(AddressError::BadPath);
            }
            address.path_prefix = "/env/".len() + environment.len() + 1 + label.len();
            address.environment = Some(environment.to_ascii_lowercase());
            address.label = Some(label.to_ascii_lowercase());
        }
        return Ok(address);
    }
    if let Ok(address) = &mut address
        && address.environment.is_none()
        && !address.local
    {
        return Err(AddressError::ForeignHost);
    }
    address
}

fn parse_host(host: &str, domain: &str) -> Result<Address, AddressError> {
    let name = strip_port(host)?;
    if is_loopback(name) {
        return Ok(Address { local: true, ..Address::default() });
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() || name.len() > HOST_BYTES_MAX || !name.bytes().all(is_host_byte) {
        return Err(AddressError::BadHost);
    }
    let name = name.to_ascii_lowercase();
    if let Some(front) = under(&name, domain) {
        return Ok(parse_labels(front));
    }
    if let Some(front) = under(&name, "localhost") {
        return Ok(Address { front: front.map(str::to_owned), local: true, ..Address::default() });
    }
    Err(AddressError::ForeignHost)
}

/// `front` of `front.<domain>`; `Some(None)` for the domain itself.
#[allow(clippy::option_option)]
fn under<'a>(name: &'a str, domain: &str) -> Option<Option<&'a str>> {
    let front = name.strip_suffix(domain)?;
    if front.is_empty() {
        return Some(None);
    }
    front.strip_suffix('.').filter(|front| !front.is_empty()).map(Some)
}

fn parse_labels(front: Option<&str>) -> Address {
    let Some(front) = front else {
        return Address { local: true, ..Address::default() };
    };
    let (rest, last) = match front.rsplit_once('.') {
        Some((rest, last)) => (Some(rest), last),
        None => (None, front),
    };
    if !last.starts_with("env-") {
        // A bucket in front of the bare endpoint.
        return Address { front: Some(front.to_owned()), local: true, ..Address::default() };
    }
    let (front, label) = match rest.and_then(|rest| rest.rsplit_once('.')) {
        Some((front, label)) => (Some(front.to_owned()), Some(label)),
        None => (None, rest),
    };
    Address { environment: Some(last.to_owned()), label: label.map(str::to_owned), front, path_prefix: 0, local: false }
}

fn strip_port(host: &str) -> Result<&str, AddressError> {
    if let Some(rest) = host.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or(AddressError::BadHost)?;
        return if port.is_empty() || port.strip_prefix(':').is_some_and(is_port) {
            Ok(address)
        } else {
            Err(AddressError::BadHost)
        };
    }
    match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) => Ok(name),
        Some(_) => Err(AddressError::BadHost),
        None => Ok(host),
    }
}

fn is_port(port: &str) -> bool {
    port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit())
}

fn is_loopback(name: &str) -> bool {
    name.parse::<std::net::IpAddr>().is_ok_and(|ip| match ip {
        std::net::IpAddr::V4(ip) => ip.is_loopback() || ip.is_unspecified(),
        std::net::IpAddr::V6(ip) => ip.is_loopback() || ip.is_unspecified(),
    })
}

fn is_host_byte(byte: u8) -> bool {
    // Underscores: old S3 bucket names may hold them, and clients do put them in front.
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOMAIN: &str = "mockfactory.localhost";

    #[allow(clippy::unnecessary_wraps)]
    fn check(host: &str, path: &str, want: Result<(&str, &str, &str, usize, bool), AddressError>) {
        let got = parse(Some(host), path, DOMAIN);
        let got = got.as_ref().map_err(|e| *e).map(|a| {
            (
                a.environment.as_deref().unwrap_or(""),
                a.label.as_deref().unwrap_or(""),
                a.front.as_deref().unwrap_or(""),
                a.path_prefix,
                a.local,
            )
        });
        assert_eq!(got, want, "{host} {path}");
    }

    #[test]
    fn hosts_and_paths() {
        use AddressError::{BadHost, BadPath, ForeignHost};
        check("s3.env-a.mockfactory.localhost:8080", "/b/k", Ok(("env-a", "s3", "", 0, false)));
        check("my.bucket.s3.env-a.mockfactory.localhost", "/k", Ok(("env-a", "s3", "my.bucket", 0, false)));
        check("S3.ENV-A.MockFactory.localhost.", "/", Ok(("env-a", "s3", "", 0, false)));
        check("env-a.mockfactory.localhost", "/", Ok(("env-a", "", "", 0, false)));
        check("mockfactory.localhost:8080", "/api/v1/catalogue", Ok(("", "", "", 0, true)));
        check("bucket.mockfactory.localhost", "/k", Ok(("", "", "bucket", 0, true)));
        check("localhost:8080", "/b/k", Ok(("", "", "", 0, true)));
        check("bucket.localhost:8080", "/k", Ok(("", "", "bucket", 0, true)));
        check("127.0.0.1:8080", "/env/env-a/s3/b/k", Ok(("env-a", "s3", "", 13, true)));
        check("[::1]:8080", "/", Ok(("", "", "", 0, true)));
        check("bucket.localhost", "/env/env-a/s3/k", Ok(("env-a", "s3", "bucket", 13, true)));
        check("appliance.example.com", "/env/env-a/r2/b", Ok(("env-a", "r2", "", 13, false)));
        check("10.1.2.3", "/env/env-a/aws", Ok(("env-a", "aws", "", 14, false)));
        // Already routed by its host: the path is the client's own, a bucket called `env`.
        check("s3.env-a.mockfactory.localhost", "/env/x/y", Ok(("env-a", "s3", "", 0, false)));
        check("example.com", "/b", Err(ForeignHost));
        check("localhost", "/env/", Err(BadPath));
        check("localhost", "/env/env-a", Err(BadPath));
        check("localhost", "/env//s3", Err(BadPath));
        check("local host", "/", Err(BadHost));
        check("localhost:80:80", "/", Err(BadHost));
        check("notmockfactory.localhost", "/", Ok(("", "", "notmockfactory", 0, true)));
    }
}
