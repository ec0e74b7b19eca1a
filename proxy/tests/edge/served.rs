//! An edge on free ports for one test, and the clients that talk to it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use proxy::{Edge, EdgeConfig, EdgeHandle, Limits, Listen, Signals};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::probe::Probe;

pub const DOMAIN: &str = "mockfactory.localhost";
/// Beyond it a test has failed.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Served {
    pub http: Vec<SocketAddr>,
    pub https: SocketAddr,
    pub probe: Arc<Probe>,
    pub handle: EdgeHandle,
    ca_certificate: PathBuf,
    thread: Option<JoinHandle<()>>,
    _ca_dir: tempfile::TempDir,
}

impl Served {
    pub fn start() -> Self {
        Self::with(|_| {})
    }

    pub fn with(limit: impl FnOnce(&mut Limits)) -> Self {
        let ca_dir = tempfile::tempdir().expect("dir");
        let mut limits = Limits::default();
        limit(&mut limits);
        let config = EdgeConfig {
            http: Some(Listen::loopback(0, "--http-port")),
            https: Some(Listen::loopback(0, "--https-port")),
            ca_dir: ca_dir.path().to_owned(),
            domain: DOMAIN.into(),
            threads: 2,
            limits,
        };
        let probe = Arc::new(Probe::new());
        let edge = Edge::new(config, probe.clone()).expect("edge");
        let (http, https) = (edge.bound().http.clone(), edge.bound().https[0]);
        let (handle, ca_certificate) = (edge.handle(), edge.ca_certificate().to_owned());
        let (is_ready, ready) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            edge.run(Signals::Ignored, move || is_ready.send(()).expect("the test waits"));
        });
        ready.recv_timeout(PATIENCE).expect("ready");
        Self { http, https, probe, handle, ca_certificate, thread: Some(thread), _ca_dir: ca_dir }
    }

    /// Waits for the end of the edge, which something else has asked for.
    pub fn ended(&mut self) {
        self.thread.take().expect("once").join().expect("ran");
    }

    pub fn connect(&self) -> Client {
        Client::new(self.http[0])
    }

    /// Says all and reads until the edge closes.
    pub fn exchange(&self, request: &[u8]) -> String {
        let mut client = self.connect();
        client.say(request);
        client.rest()
    }

    /// A TLS connection, verified with the edge's CA only.
    pub async fn tls(&self, name: &str, alpn: &[&str]) -> std::io::Result<TlsStream<tokio::net::TcpStream>> {
        self.tls_at(self.https, name, alpn).await
    }

    pub async fn tls_at(
        &self,
        address: SocketAddr,
        name: &str,
        alpn: &[&str],
    ) -> std::io::Result<TlsStream<tokio::net::TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.ca_certificate).expect("CA")).expect("anchor");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let name = ServerName::try_from(name.to_owned()).expect("name");
        let stream = tokio::net::TcpStream::connect(address).await?;
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.handle.stop();
        self.handle.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A client that speaks bytes.
pub struct Client(pub TcpStream);

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("connect");
        stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("timeout");
        Self(stream)
    }

    pub fn say(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("write");
    }

    /// Everything until the close; a reset counts as a close.
    pub fn rest(&mut self) -> String {
        let mut all = Vec::new();
        let _ = self.0.read_to_end(&mut all);
        String::from_utf8_lossy(&all).into_owned()
    }

    /// Everything until the close, which must be an orderly one.
    pub fn rest_in_order(&mut self) -> String {
        let mut all = String::new();
        self.0.read_to_string(&mut all).expect("closed without a reset");
        all
    }

    /// One answer with a declared length.
    pub fn answer(&mut self) -> String {
        let head = self.until("\r\n\r\n");
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().expect("a number"));
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).expect("body");
        head + &String::from_utf8_lossy(&body)
    }

    pub fn until(&mut self, end: &str) -> String {
        let mut all = Vec::new();
        let mut byte = [0];
        while !all.ends_with(end.as_bytes()) {
            self.0.read_exact(&mut byte).expect("more to come");
            all.push(byte[0]);
        }
        String::from_utf8_lossy(&all).into_owned()
    }
}

/// An HTTP/2 connection over a stream.
pub async fn http2<S>(stream: S) -> SendRequest<Empty<Bytes>>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("handshake");
    tokio::spawn(connection);
    sender
}

pub async fn get(sender: &mut SendRequest<Empty<Bytes>>, path: &str) -> hyper::Result<(u16, String)> {
    let request = Request::get(format!("http://{DOMAIN}{path}")).body(Empty::new()).expect("request");
    let response: Response<_> = sender.send_request(request).await?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}
