//! The edge itself: pingora's server with one service on all ports, and the way of a connection through it.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::IntoRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use pingora_core::apps::ServerApp;
use pingora_core::listeners::{L4BufferSettings, ListenerConfig};
use pingora_core::protocols::Stream;
use pingora_core::server::configuration::ServerConf;
use pingora_core::server::{ListenFds, RunArgs, Server, ShutdownWatch};
use pingora_core::services::Service as PingoraService;
use pingora_core::services::listening::Service as ListeningService;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::Instrument;

use crate::Dispatch;
use crate::ca::Authority;
use crate::config::{EdgeConfig, EdgeError};
use crate::connection::{Arrival, Connection, Connections};
use crate::detect::{Protocol, first_bytes};
use crate::http::Http;
use crate::limits::{BLOCKING_THREADS_MAX, LINGER_TIMEOUT, Limits, RUNTIME_END_TIMEOUT};
use crate::listen::{self, Bound};
use crate::meter::Meter;
use crate::shutdown::{EdgeHandle, Signals, Stop};
use crate::stream::{Paced, Replay};
use crate::tls::Tls;

/// An edge whose ports are bound; clients can connect already, and are answered once it runs.
pub struct Edge {
    listeners: Vec<TcpListener>,
    bound: Bound,
    ca_certificate: PathBuf,
    threads: usize,
    app: App,
    handle: EdgeHandle,
}

impl Edge {
    /// Opens the CA and binds the ports.
    pub fn new(config: EdgeConfig, dispatch: Arc<dyn Dispatch>) -> Result<Self, EdgeError> {
        let mut listeners = Vec::new();
        let mut bind = |listen: &Option<_>| -> Result<Vec<SocketAddr>, EdgeError> {
            let Some(listen) = listen else { return Ok(Vec::new()) };
            let sockets = listen::bind(listen)?;
            listeners.extend(sockets.listeners);
            Ok(sockets.addresses)
        };
        let bound = Bound { http: bind(&config.http)?, https: bind(&config.https)? };
        let authority = Authority::open(&config.ca_dir, SystemTime::now())?;
        let ca_certificate = authority.certificate_path();
        let tls = Arc::new(Tls::new(authority, &config.domain, dispatch.clone())?);
        let limits = config.limits;
        let connections = Connections::new(limits.connections, limits.connections_per_tenant, Meter::new());
        let https_ports = bound.https.iter().map(SocketAddr::port).collect();
        let http = Arc::new(Http::new(dispatch, limits.clone()));
        let app = App { connections, tls, http, https_ports, limits };
        Ok(Self { listeners, bound, ca_certificate, threads: config.threads, app, handle: EdgeHandle::new() })
    }

    pub fn bound(&self) -> &Bound {
        &self.bound
    }

    /// The certificate that clients are to trust, PEM.
    pub fn ca_certificate(&self) -> &Path {
        &self.ca_certificate
    }

    pub fn handle(&self) -> EdgeHandle {
        self.handle.clone()
    }

    /// Serves until it is stopped. Must be called outside of any runtime; `on_ready` runs once, when requests are
    /// answered.
    pub fn run(self, signals: Signals, on_ready: impl FnOnce() + Send + 'static) {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let conf = ServerConf {
            threads: if self.threads == 0 { cores() } else { self.threads },
            grace_period_seconds: Some(0),
            graceful_shutdown_timeout_seconds: Some(RUNTIME_END_TIMEOUT.as_secs()),
            // Beyond it pingora takes tokio's timers; its own cost a thread that wakes a hundred times a second.
            fast_timeout_to_tokio_threshold_seconds: Some(1),
            max_blocking_threads: Some(BLOCKING_THREADS_MAX),
            ..ServerConf::default()
        };
        let stop = Stop {
            connections: self.app.connections.clone(),
            stopping: watch::Sender::new(false),
            listening: watch::Sender::new(false),
            handle: self.handle,
            signals,
            drain: self.app.limits.drain,
        };
        let service = EdgeService {
            app: Some(self.app),
            listeners: self.listeners,
            stopping: stop.stopping.subscribe(),
            listening: stop.listening.subscribe(),
            on_ready: Mutex::new(Some(Box::new(on_ready))),
        };
        let mut server = Server::new_with_opt_and_conf(None, conf);
        server.add_service(service);
        server.run(RunArgs { shutdown_signal: Box::new(stop) });
    }
}

/// pingora's listening service, given our bound sockets and our own signal to stop.
struct EdgeService {
    app: Option<App>,
    listeners: Vec<TcpListener>,
    stopping: ShutdownWatch,
    listening: watch::Receiver<bool>,
    on_ready: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

#[async_trait]
impl PingoraService for EdgeService {
    async fn start_service(&mut self, fds: Option<ListenFds>, _: ShutdownWatch, tasks_per_listener: usize) {
        let app = self.app.take().expect("pingora starts a service once");
        let mut service = ListeningService::new("edge".to_owned(), app);
        let fds = fds.expect("pingora passes its table of sockets");
        for listener in self.listeners.drain(..) {
            let Ok(address) = listener.local_addr().map(|address| address.to_string()) else { continue };
            // pingora takes a socket over when the table holds one for the address.
            fds.lock().add(address.clone(), listener.into_raw_fd());
            service.add_listener(ListenerConfig::tcp(address).l4_buffer(L4BufferSettings::unbuffered()));
        }
        // Whoever is told that it is ready may stop it at once. An error means that it is being stopped.
        let _ = self.listening.wait_for(|listening| *listening).await;
        if let Some(on_ready) = self.on_ready.lock().unwrap_or_else(PoisonError::into_inner).take() {
            on_ready();
        }
        PingoraService::start_service(&mut service, Some(fds), self.stopping.clone(), tasks_per_listener).await;
    }

    fn name(&self) -> &'static str {
        "edge"
    }
}

/// What a connection is handed to.
struct App {
    connections: Arc<Connections>,
    tls: Arc<Tls>,
    http: Arc<Http>,
    https_ports: Vec<u16>,
    limits: Limits,
}

#[async_trait]
impl ServerApp for App {
    async fn process_new(self: &Arc<Self>, stream: Stream, stop: &ShutdownWatch) -> Option<Stream> {
        let connection = self.connections.open()?;
        let digest = stream.get_socket_digest();
        let peer = digest.as_ref().and_then(|digest| digest.peer_addr()?.as_inet().copied());
        let peer = peer.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let port = digest.as_ref().and_then(|digest| digest.local_addr()?.as_inet().map(SocketAddr::port));
        let tls_only = port.is_some_and(|port| self.https_ports.contains(&port));
        let span = tracing::debug_span!("connection", %peer);
        self.take(stream, connection, peer, tls_only, stop).instrument(span).await;
        None
    }
}

impl App {
    async fn take(
        &self,
        mut stream: Stream,
        connection: Arc<Connection>,
        peer: SocketAddr,
        tls_only: bool,
        stop: &ShutdownWatch,
    ) {
        let first = first_bytes(&mut stream);
        let Some(Ok(Some((protocol, first)))) = self.bounded(self.limits.header_read, stop, first).await else {
            return;
        };
        let stream = Replay::new(first, stream);
        match protocol {
            // Boxed, so that a plain connection need not have room for it.
            Protocol::Tls => Box::pin(self.take_tls(stream, connection, peer, stop)).await,
            _ if tls_only => refuse_plain(stream, connection).await,
            _ => {
                let arrival = Arrival { https: false, peer, connection };
                self.http.serve(stream, arrival, protocol == Protocol::Http2, stop).await;
            }
        }
    }

    async fn take_tls(
        &self,
        stream: Replay<Stream>,
        connection: Arc<Connection>,
        peer: SocketAddr,
        stop: &ShutdownWatch,
    ) {
        let meter = &self.connections.meter;
        let handshake = self.tls.accept(stream, meter);
        let mut stream = match self.bounded(self.limits.tls_handshake, stop, handshake).await {
            Some(Ok(stream)) => stream,
            Some(Err(error)) => {
                meter.handshakes_failed.increment(1);
                tracing::debug!(%error, "TLS handshake failed");
                return;
            }
            None => return meter.handshakes_failed.increment(1),
        };
        meter.handshakes_ok.increment(1);
        let arrival = Arrival { https: true, peer, connection };
        if let Some(protocol) = stream.get_ref().1.alpn_protocol() {
            let is_http2 = protocol == b"h2";
            return self.http.serve(stream, arrival, is_http2, stop).await;
        }
        // A client without ALPN may still know beforehand that we speak HTTP/2.
        let first = first_bytes(&mut stream);
        if let Some(Ok(Some((protocol, first)))) = self.bounded(self.limits.header_read, stop, first).await {
            let stream = Replay::new(first, stream);
            self.http.serve(stream, arrival, protocol == Protocol::Http2, stop).await;
        }
    }

    /// The outcome, or `None` when time is over or the edge stops.
    async fn bounded<T>(&self, bound: Duration, stop: &ShutdownWatch, work: impl Future<Output = T>) -> Option<T> {
        let mut stop = stop.clone();
        tokio::select! {
            outcome = timeout(bound, work) => {
                if outcome.is_err() {
                    self.connections.meter.timeouts.increment(1);
                }
                outcome.ok()
            }
            _ = stop.wait_for(|stopped| *stopped) => None,
        }
    }
}

/// Answers plain HTTP on a port that speaks TLS.
async fn refuse_plain<S: AsyncRead + AsyncWrite + Unpin>(stream: S, connection: Arc<Connection>) {
    const ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 51\r\n\
        connection: close\r\n\r\nThis port speaks TLS. Use https:// in the address.\n";
    connection.set_unread(true);
    let mut stream = Paced::new(stream, connection, LINGER_TIMEOUT, true);
    // The peer is being turned away; whether it hears why is its own affair.
    let _ = stream.write_all(ANSWER).await;
    let _ = stream.shutdown().await;
}
