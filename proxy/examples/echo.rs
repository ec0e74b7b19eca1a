//! An edge in front of a trivial dispatch, to hold it against bare hyper: `cargo run --release --example echo -- PORT`.
//! Answers GET with 4 KiB (`/empty`: nothing, `/large`: 64 MiB in pieces) and everything else with the request's body.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use proxy::{Answer, Arrival, Body, BoxError, Dispatch, Edge, EdgeConfig, Limits, Listen, Signals};

const SMALL: &[u8] = &[b'x'; 4096];
const PIECE: &[u8] = &[b'x'; 256 * 1024];
const PIECES: usize = 256;

static LARGE: std::sync::LazyLock<Bytes> = std::sync::LazyLock::new(|| Bytes::from(vec![b'l'; 64 * 1024 * 1024]));

struct Echo;

impl Dispatch for Echo {
    fn http(self: Arc<Self>, arrival: Arrival, request: http::Request<Body>) -> Answer {
        Box::pin(async move {
            let is_tenant = arrival.connection.attribute("env-a");
            assert!(is_tenant, "bench with fewer connections");
            let body = match (request.method(), request.uri().path()) {
                (&http::Method::GET, "/one") => Full::new(LARGE.clone()).map_err(|never| match never {}).boxed_unsync(),
                (&http::Method::GET, "/large") => Pieces(PIECES).boxed_unsync(),
                (&http::Method::GET, "/empty") => full(b""),
                (&http::Method::GET, _) => full(SMALL),
                (&http::Method::PUT, _) => {
                    let mut body = request.into_body();
                    while body.frame().await.is_some() {}
                    full(b"")
                }
                _ => request.into_body(),
            };
            http::Response::new(body)
        })
    }

    fn names(&self, _: &str) -> bool {
        false
    }
}

fn full(bytes: &'static [u8]) -> Body {
    Full::new(Bytes::from_static(bytes)).map_err(|never| match never {}).boxed_unsync()
}

struct Pieces(usize);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(left) = self.0.checked_sub(1) else { return Poll::Ready(None) };
        self.0 = left;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(PIECE)))))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port: u16 = std::env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let config = EdgeConfig {
        http: Some(Listen::loopback(port, "PORT")),
        https: Some(Listen::loopback(if port == 0 { 0 } else { port + 1 }, "PORT")),
        ca_dir: std::env::temp_dir().join("mockfactory-echo-ca"),
        domain: "mockfactory.localhost".into(),
        threads: 0,
        limits: Limits::default(),
    };
    let edge = Edge::new(config, Arc::new(Echo))?;
    println!("{:?} {}", edge.bound(), edge.ca_certificate().display());
    edge.run(Signals::Process, || println!("ready"));
    Ok(())
}
