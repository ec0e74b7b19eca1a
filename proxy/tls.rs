//! TLS with a certificate for the name that the client asks for, minted when it is first asked for.
//!
//! A wildcard covers one label, so a leaf is minted for a name's parent: `*.env-a.example` serves every service of an
//! environment, `*.s3.env-a.example` every bucket. Names under the domain, `localhost` and what the dispatch knows get
//! one; clients that name nothing (IP addresses) get the base leaf; others are refused.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use quick_cache::sync::Cache;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{Acceptor, ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::ca::Authority;
use crate::limits::{CERTIFICATES_MAX, TLS_READ_BUFFER_BYTES};
use crate::meter::Meter;
use crate::{BoxError, Dispatch};

/// In the order of our liking.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// What a client that names no host gets, and the names of the appliance itself.
const BASE: &str = "";

pub(crate) struct Tls {
    domain: String,
    dispatch: Arc<dyn Dispatch>,
    authority: Mutex<Authority>,
    provider: Arc<CryptoProvider>,
    /// What all configurations share; its own resolver knows no name.
    template: ServerConfig,
    leaves: Cache<String, Minted>,
}

#[derive(Clone)]
struct Minted {
    config: Arc<ServerConfig>,
    renew_at: SystemTime,
}

/// A TLS connection after its handshake.
pub(crate) type Secured<S> = TlsStream<BufReader<S>>;

impl Tls {
    pub fn new(authority: Authority, domain: &str, dispatch: Arc<dyn Dispatch>) -> Result<Self, rustls::Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut template = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(NoName));
        template.alpn_protocols = PROTOCOLS.map(Vec::from).to_vec();
        // Tickets, not a table: resumption costs no memory here.
        template.session_storage = Arc::new(NoServerSessionStorage {});
        template.ticketer = aws_lc_rs::Ticketer::new()?;
        Ok(Self {
            domain: domain.to_ascii_lowercase(),
            dispatch,
            authority: Mutex::new(authority),
            provider,
            template,
            leaves: Cache::new(CERTIFICATES_MAX),
        })
    }

    /// The handshake of one connection.
    pub async fn accept<S>(self: &Arc<Self>, stream: S, meter: &Meter) -> Result<Secured<S>, BoxError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let stream = BufReader::with_capacity(TLS_READ_BUFFER_BYTES, stream);
        let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let name = hello.client_hello().server_name().map(str::to_ascii_lowercase);
        let config = self.config_for(name.as_deref().unwrap_or(BASE), SystemTime::now(), meter).await?;
        Ok(hello.into_stream(config).await?)
    }

    async fn config_for(
        self: &Arc<Self>,
        name: &str,
        now: SystemTime,
        meter: &Meter,
    ) -> Result<Arc<ServerConfig>, BoxError> {
        let Some(cover) = self.cover(name) else {
            // Its resolver finds nothing, and rustls says so to the client.
            return Ok(Arc::new(self.template.clone()));
        };
        if let Some(minted) = self.leaves.get(cover.key()) {
            if now < minted.renew_at {
                return Ok(minted.config);
            }
            self.leaves.remove_if(cover.key(), |minted| now >= minted.renew_at);
        }
        // Whoever comes while it is minted waits for that one.
        let minted = self
            .leaves
            .get_or_insert_async(cover.key(), async {
                let tls = self.clone();
                let names = cover.names(&self.domain);
                meter.certificates_minted.increment(1);
                tokio::task::spawn_blocking(move || tls.mint(&names, now)).await?
            })
            .await?;
        Ok(minted.config)
    }

    fn mint(&self, names: &[String], now: SystemTime) -> Result<Minted, BoxError> {
        let leaf = self.authority.lock().unwrap_or_else(PoisonError::into_inner).mint(names, now)?;
        let key = CertifiedKey::from_der(vec![leaf.certificate], leaf.key, &self.provider)?;
        let mut config = self.template.clone();
        config.cert_resolver = Arc::new(SingleCertAndKey::from(key));
        Ok(Minted { config: Arc::new(config), renew_at: leaf.renew_at })
    }

    /// Which leaf serves a name (lower case).
    fn cover<'a>(&'a self, name: &'a str) -> Option<Cover<'a>> {
        if name == BASE || name == "localhost" || name == self.domain {
            return Some(Cover::Base);
        }
        let Some((_, parent)) = name.split_once('.') else {
            return self.dispatch.names(name).then_some(Cover::Name(name));
        };
        if !is_under(name, &self.domain) && !is_under(name, "localhost") {
            return self.dispatch.names(name).then_some(Cover::Name(name));
        }
        if parent == self.domain && parent.contains('.') {
            return Some(Cover::Base);
        }
        // Verifiers don't take a wildcard that stands before a single label, so `a.localhost` gets its children's leaf.
        Some(Cover::Family(if parent.contains('.') { parent } else { name }))
    }
}

fn is_under(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Cover<'a> {
    /// The appliance itself, by any name or address.
    Base,
    /// This parent and everything one label below it.
    Family(&'a str),
    /// This name only.
    Name(&'a str),
}

impl Cover<'_> {
    /// Where its leaf is kept.
    fn key(&self) -> &str {
        match self {
            Cover::Base => BASE,
            Cover::Family(parent) => parent,
            Cover::Name(name) => name,
        }
    }

    fn names(&self, domain: &str) -> Vec<String> {
        match self {
            Cover::Base => {
                let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(String::from).to_vec();
                if domain != "localhost" {
                    names.push(domain.to_owned());
                }
                if domain.contains('.') {
                    names.push(format!("*.{domain}"));
                }
                names
            }
            Cover::Family(parent) => vec![format!("*.{parent}"), (*parent).to_owned()],
            Cover::Name(name) => vec![(*name).to_owned()],
        }
    }
}

/// The resolver of a configuration that has no certificate.
#[derive(Debug)]
struct NoName;

impl ResolvesServerCert for NoName {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Answer, Arrival, Body};

    struct Nobody;

    impl Dispatch for Nobody {
        fn http(self: Arc<Self>, _: Arrival, _: http::Request<Body>) -> Answer {
            unreachable!("no request is made")
        }

        fn names(&self, sni: &str) -> bool {
            sni == "known.test"
        }
    }

    fn tls(domain: &str, dir: &std::path::Path) -> Arc<Tls> {
        let authority = Authority::open(dir, SystemTime::now()).expect("CA");
        Arc::new(Tls::new(authority, domain, Arc::new(Nobody)).expect("TLS"))
    }

    #[test]
    fn names_are_covered_by_the_widest_leaf_that_verifiers_take() {
        let dir = tempfile::tempdir().expect("dir");
        let check = |domain: &str, name: &str, expected: Option<&[&str]>| {
            let tls = tls(domain, dir.path());
            let names = tls.cover(name).map(|cover| cover.names(&tls.domain));
            let expected = expected.map(|names| names.iter().copied().map(String::from).collect::<Vec<_>>());
            assert_eq!(names, expected, "{name} under {domain}");
        };
        let base: &[&str] = &["localhost", "127.0.0.1", "::1", "mf.test", "*.mf.test"];
        check("mf.test", "", Some(base));
        check("mf.test", "mf.test", Some(base));
        check("mf.test", "env-a.mf.test", Some(base));
        check("mf.test", "s3.env-a.mf.test", Some(&["*.env-a.mf.test", "env-a.mf.test"]));
        check("mf.test", "b.s3.env-a.mf.test", Some(&["*.s3.env-a.mf.test", "s3.env-a.mf.test"]));
        check("mf.test", "a.localhost", Some(&["*.a.localhost", "a.localhost"]));
        check("mf.test", "known.test", Some(&["known.test"]));
        check("mf.test", "a.known.test", None);
        check("mf.test", "xmf.test", None);
        check("MF.test", "env-a.mf.test", Some(base));
        check("localhost", "env-a.localhost", Some(&["*.env-a.localhost", "env-a.localhost"]));
        check("localhost", "s3.env-a.localhost", Some(&["*.env-a.localhost", "env-a.localhost"]));
        check("localhost", "localhost", Some(&["localhost", "127.0.0.1", "::1"]));
        check("lan", "lan", Some(&["localhost", "127.0.0.1", "::1", "lan"]));
        check("lan", "env-a.lan", Some(&["*.env-a.lan", "env-a.lan"]));
    }

    #[tokio::test]
    async fn a_leaf_is_kept_until_its_renewal_is_due() {
        let dir = tempfile::tempdir().expect("dir");
        let tls = tls("mf.test", dir.path());
        let meter = Meter::new();
        let now = SystemTime::now();
        let at = async |days: u64| {
            let now = now + Duration::from_hours(24 * days);
            tls.config_for("s3.env-a.mf.test", now, &meter).await.expect("config")
        };
        let first = at(0).await;
        assert!(Arc::ptr_eq(&first, &at(365).await));
        let second = at(367).await;
        assert!(!Arc::ptr_eq(&first, &second));
        assert!(Arc::ptr_eq(&second, &at(700).await));
    }
}
