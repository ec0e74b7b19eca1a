//! The floor: what the HTTP stack alone costs. A bare hyper server that returns fixed bytes and swallows bodies.
//!
//! `GET` of a path with `large` in it answers 64 MiB from memory, any other 4 KiB; `PUT` reads the body and drops it.

use std::convert::Infallible;
use std::net::SocketAddr;

use anyhow::Context;
use bench::cases::{LARGE_BYTES, SMALL_BYTES};
use bytes::Bytes;
use clap::Parser;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;

#[derive(Parser)]
struct Arguments {
    /// Loopback port to listen on.
    #[arg(long)]
    port: u16,
    /// Worker threads; the machine's cores where not given.
    #[arg(long)]
    workers: Option<usize>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(workers) = arguments.workers {
        runtime.worker_threads(workers);
    }
    runtime.enable_all().build()?.block_on(serve(arguments.port))
}

async fn serve(port: u16) -> anyhow::Result<()> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let listener = TcpListener::bind(address).await.with_context(|| format!("listen on {address}"))?;
    let small = Bytes::from(vec![b's'; SMALL_BYTES]);
    let large = Bytes::from(vec![b'l'; LARGE_BYTES]);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (small, large) = (small.clone(), large.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, small.clone(), large.clone()));
            let builder = auto::Builder::new(TokioExecutor::new());
            // A client that goes away is no error of the server.
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>, small: Bytes, large: Bytes) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = if request.method() == Method::PUT {
        let mut body = request.into_body();
        while let Some(Ok(_)) = body.frame().await {}
        Bytes::new()
    } else if request.uri().path().contains("large") {
        large
    } else {
        small
    };
    Ok(Response::new(Full::new(body)))
}
