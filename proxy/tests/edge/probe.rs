//! The dispatch under test: does what the path names.

use std::io::{Error, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use proxy::{Answer, Arrival, Body, BoxError, Dispatch};
use tokio::sync::Semaphore;

/// The one name outside of the domain that may have a certificate.
pub const KNOWN_NAME: &str = "storage.example.com";

pub struct Probe {
    /// A permit for each request that has reached `/hang`.
    pub arrived: Semaphore,
    /// A permit lets one of them go on.
    pub release: Semaphore,
}

impl Probe {
    pub fn new() -> Self {
        Self { arrived: Semaphore::new(0), release: Semaphore::new(0) }
    }

    async fn answer(&self, arrival: Arrival, request: Request<Body>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let (kind, rest) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
        match kind {
            "hello" => text(format!("{:?} https={} {}", request.version(), arrival.https, arrival.peer.ip())),
            "headers" => text(request.headers().len().to_string()),
            "echo" => Response::new(request.into_body()),
            "count" => text(count(request.into_body()).await),
            "ignore" => refused("not read"),
            "panic" => panic!("as asked"),
            "panic-later" => {
                tokio::task::yield_now().await;
                panic!("as asked, later")
            }
            "panic-in-body" => Response::new(PanicsInBody.boxed_unsync()),
            "tenant" if arrival.connection.attribute(rest) => text("counted".into()),
            "tenant" => refused("too many connections"),
            "large" => Response::new(Pieces(rest.parse().unwrap_or(0)).boxed_unsync()),
            "hang" => {
                self.arrived.add_permits(1);
                self.release.acquire().await.expect("open").forget();
                text(count(request.into_body()).await)
            }
            "upgrade" => upgraded(request),
            _ => refused("no such path"),
        }
    }
}

impl Dispatch for Probe {
    fn http(self: Arc<Self>, arrival: Arrival, request: Request<Body>) -> Answer {
        assert!(request.uri().path() != "/panic-at-once", "as asked, at once");
        Box::pin(async move { self.answer(arrival, request).await })
    }

    fn names(&self, sni: &str) -> bool {
        sni == KNOWN_NAME
    }
}

/// How many bytes came, or why they stopped coming.
async fn count(mut body: Body) -> String {
    let mut bytes = 0;
    loop {
        match body.frame().await {
            Some(Ok(frame)) => bytes += frame.data_ref().map_or(0, Bytes::len),
            Some(Err(error)) => {
                let kind = error.downcast_ref::<Error>().map(Error::kind);
                return format!("{bytes} then {:?}", kind.unwrap_or(ErrorKind::Other));
            }
            None => return bytes.to_string(),
        }
    }
}

/// Answers 101 and sends the peer's bytes back.
fn upgraded(mut request: Request<Body>) -> Response<Body> {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let stream = upgrade.await.expect("upgraded");
        let (mut read, mut write) = tokio::io::split(hyper_util::rt::TokioIo::new(stream));
        tokio::io::copy(&mut read, &mut write).await
    });
    let mut response = text(String::new());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(http::header::UPGRADE, http::HeaderValue::from_static("probe"));
    response.headers_mut().insert(http::header::CONNECTION, http::HeaderValue::from_static("upgrade"));
    response
}

fn text(text: String) -> Response<Body> {
    Response::new(Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync())
}

fn refused(why: &str) -> Response<Body> {
    let mut response = text(why.to_owned());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

/// So many pieces of 256 KiB.
struct Pieces(usize);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        const PIECE: &[u8] = &[b'x'; 256 * 1024];
        let Some(left) = self.0.checked_sub(1) else { return Poll::Ready(None) };
        self.0 = left;
        Poll::Ready(Some(Ok(Frame::data(Bytes::copy_from_slice(PIECE)))))
    }
}

struct PanicsInBody;

impl http_body::Body for PanicsInBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        panic!("as asked, in the body")
    }
}
