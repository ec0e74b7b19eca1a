//! HTTP/1.1 and HTTP/2 on a stream, by hyper: one task for a connection, requests answered in it (HTTP/2: in a task for
//! each stream, hyper's way).
//!
//! hyper's own header timer is not used: it makes and drops a timer for every request. [`drive`] watches a connection
//! with one timer that is rarely touched.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, EXPECT, HeaderValue};
use http::{Request, Response, StatusCode, Version};
use http_body::Body as HttpBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use pingora_core::server::ShutdownWatch;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep};

use crate::body::{AnswerBody, Budget, Leftover, RequestBody};
use crate::connection::{Arrival, Connection, InFlight};
use crate::limits::{
    DRAIN_IDLE_GRACE, HEADER_LINES_MAX, HTTP2_CONNECTION_WINDOW_BYTES, HTTP2_ERROR_RESETS_MAX, HTTP2_FRAME_BYTES_MAX,
    HTTP2_PENDING_RESETS_MAX, HTTP2_PING_INTERVAL, HTTP2_PING_TIMEOUT, HTTP2_SEND_BUFFER_BYTES,
    HTTP2_STREAM_WINDOW_BYTES, HTTP2_STREAMS_MAX, Limits, READ_BUFFER_BYTES_MAX, UNREAD_BODY_BYTES_MAX,
    UNREAD_BODY_TIMEOUT,
};
use crate::stream::Paced;
use crate::{Answer, Body, Dispatch};

/// What all HTTP connections share.
pub(crate) struct Http {
    dispatch: Arc<dyn Dispatch>,
    budget: Arc<Budget>,
    limits: Limits,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
}

impl Http {
    pub fn new(dispatch: Arc<dyn Dispatch>, limits: Limits) -> Self {
        let mut http1 = http1::Builder::new();
        // Not `pipeline_flush`: it copies bodies into one buffer without a bound.
        http1.max_header_size(limits.header_bytes).max_headers(HEADER_LINES_MAX).max_buf_size(READ_BUFFER_BYTES_MAX);
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
            .max_concurrent_streams(HTTP2_STREAMS_MAX)
            .initial_stream_window_size(HTTP2_STREAM_WINDOW_BYTES)
            .initial_connection_window_size(HTTP2_CONNECTION_WINDOW_BYTES)
            .max_frame_size(HTTP2_FRAME_BYTES_MAX)
            .max_send_buf_size(HTTP2_SEND_BUFFER_BYTES)
            .max_pending_accept_reset_streams(HTTP2_PENDING_RESETS_MAX)
            .max_local_error_reset_streams(HTTP2_ERROR_RESETS_MAX)
            .keep_alive_interval(HTTP2_PING_INTERVAL)
            .keep_alive_timeout(HTTP2_PING_TIMEOUT);
        let budget = Arc::new(Budget::new(limits.body_bytes_in_flight));
        Self { dispatch, budget, limits, http1, http2 }
    }

    /// Serves one connection to its end.
    pub async fn serve<S>(self: &Arc<Self>, stream: S, arrival: Arrival, http2: bool, stop: &ShutdownWatch)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let connection = arrival.connection.clone();
        let io = TokioIo::new(Paced::new(stream, connection.clone(), self.limits.response_stall, !http2));
        let requests = Requests { http: self.clone(), arrival };
        let outcome = if http2 {
            let conn = self.http2.serve_connection(io, requests);
            // Boxed, so that an HTTP/1 connection need not have room for it.
            Box::pin(drive(conn, &connection, stop, &self.limits, None)).await
        } else {
            // The bytes that told the protocol began a header section.
            connection.note_read();
            let header_read = Some(self.limits.header_read);
            let conn = self.http1.serve_connection(io, requests).with_upgrades();
            drive(conn, &connection, stop, &self.limits, header_read).await
        };
        match outcome {
            End::Closed(Ok(())) => {}
            End::Closed(Err(error)) => tracing::debug!(%error, "connection failed"),
            End::TimedOut => {
                tracing::debug!("connection closed for its peer's slowness");
                connection.note_timeout();
            }
        }
    }
}

/// A connection that can be asked to come to its end.
trait Graceful: Future<Output = hyper::Result<()>> {
    fn finish(self: Pin<&mut Self>);
}

impl<I> Graceful for http1::UpgradeableConnection<I, Requests>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I> Graceful for http2::Connection<I, Requests, TokioExecutor>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

enum End {
    Closed(hyper::Result<()>),
    TimedOut,
}

/// What the watch on a connection waits for.
#[derive(Clone, Copy, PartialEq)]
enum Phase {
    /// The next look at whether requests still come; `requests` had come at the last one.
    Idle { requests: u64 },
    /// The end of a header section that had begun when `requests` had come.
    Head { requests: u64 },
    /// The end of the connection, which has been asked for.
    Finishing,
}

/// Polls a connection, and bounds its idleness, its header sections and its end.
async fn drive<C: Graceful>(
    conn: C,
    connection: &Connection,
    stop: &ShutdownWatch,
    limits: &Limits,
    header_read: Option<Duration>,
) -> End {
    let mut stop = stop.clone();
    let mut conn = pin!(conn);
    let mut stopped = pin!(async move {
        // An error means that the edge itself is gone, which is a stop too.
        let _ = stop.wait_for(|stopped| *stopped).await;
    });
    let mut timer = pin!(sleep(limits.idle));
    let mut phase = Phase::Idle { requests: 0 };
    let mut seen: Option<Waker> = None;
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(outcome) = conn.as_mut().poll(cx) {
                return Poll::Ready(End::Closed(outcome));
            }
            if let (Phase::Idle { .. }, Some(bound), true) = (phase, header_read, connection.is_reading_head()) {
                phase = Phase::Head { requests: connection.requests() };
                wait(timer.as_mut(), bound, cx);
            }
            // The timer and the stop keep the waker they were polled with, so that most polls need not touch them.
            let is_known = seen.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
            if is_known && !timer.is_elapsed() && !connection.is_stopping() {
                return Poll::Pending;
            }
            seen = Some(cx.waker().clone());
            if phase != Phase::Finishing && stopped.as_mut().poll(cx).is_ready() {
                phase = Phase::Finishing;
                wait(timer.as_mut(), DRAIN_IDLE_GRACE, cx);
                conn.as_mut().finish();
                continue;
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            phase = match phase {
                Phase::Finishing if !connection.is_busy() => return Poll::Ready(End::TimedOut),
                Phase::Finishing => {
                    wait(timer.as_mut(), DRAIN_IDLE_GRACE, cx);
                    Phase::Finishing
                }
                Phase::Head { requests } if connection.is_reading_head() && requests == connection.requests() => {
                    return Poll::Ready(End::TimedOut);
                }
                Phase::Idle { requests } if requests == connection.requests() && !connection.is_busy() => {
                    wait(timer.as_mut(), DRAIN_IDLE_GRACE, cx);
                    conn.as_mut().finish();
                    Phase::Finishing
                }
                Phase::Head { .. } | Phase::Idle { .. } => {
                    wait(timer.as_mut(), limits.idle, cx);
                    Phase::Idle { requests: connection.requests() }
                }
            };
        }
    })
    .await
}

/// Sets the timer and leaves the waker with it.
fn wait(mut timer: Pin<&mut Sleep>, duration: Duration, cx: &mut Context<'_>) {
    timer.as_mut().reset(Instant::now() + duration);
    let _ = timer.poll(cx);
}

/// hyper's service of one connection.
struct Requests {
    http: Arc<Http>,
    arrival: Arrival,
}

impl Service<Request<Incoming>> for Requests {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        let connection = &self.arrival.connection;
        let guard = connection.begin();
        let (parts, incoming) = request.into_parts();
        let is_http1 = parts.version < Version::HTTP_2;
        let mut upload = None;
        let body = if incoming.is_end_stream() {
            empty()
        } else {
            connection.set_unread(false);
            let leftover = is_http1.then(Arc::<Leftover>::default);
            upload.clone_from(&leftover);
            let (stall, budget) = (self.http.limits.body_stall, self.http.budget.clone());
            let is_awaited = parts.headers.contains_key(EXPECT);
            RequestBody::new(incoming, stall, budget, connection.clone(), leftover, is_awaited).boxed_unsync()
        };
        let request = Request::from_parts(parts, body);
        let dispatch = self.http.dispatch.clone();
        let arrival = self.arrival.clone();
        let step = match catch_unwind(AssertUnwindSafe(|| dispatch.http(arrival, request))) {
            Ok(answer) => Step::Waiting(answer),
            Err(panic) => {
                connection.report_panic(panic.as_ref());
                Step::Answered(Some(panicked()))
            }
        };
        Answering { step, upload, guard: Some(guard), is_http1 }
    }
}

/// A request on its way to its answer.
struct Answering {
    step: Step,
    upload: Option<Arc<Leftover>>,
    guard: Option<InFlight>,
    is_http1: bool,
}

enum Step {
    Waiting(Answer),
    /// The answer is there; what the dispatch left of the request's body is read off before it is sent.
    ReadingOff {
        answer: Option<Response<Body>>,
        rest: Incoming,
        bytes: u64,
        timer: Pin<Box<Sleep>>,
    },
    Answered(Option<Response<Body>>),
}

impl Future for Answering {
    type Output = Result<Response<AnswerBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            match &mut this.step {
                Step::Waiting(answer) => {
                    let answer = match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx))) {
                        Ok(Poll::Pending) => return Poll::Pending,
                        Ok(Poll::Ready(answer)) => answer,
                        Err(panic) => {
                            this.connection().report_panic(panic.as_ref());
                            panicked()
                        }
                    };
                    // Dropping the dispatch's future lets go of the body that it may still have.
                    this.step = Step::Answered(None);
                    this.step = this.after(answer);
                }
                Step::ReadingOff { answer, rest, bytes, timer } => {
                    let end = match Pin::new(rest).poll_frame(cx) {
                        Poll::Ready(Some(Ok(frame))) => {
                            *bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                            if *bytes <= UNREAD_BODY_BYTES_MAX {
                                continue;
                            }
                            false
                        }
                        Poll::Ready(None) => true,
                        Poll::Pending if timer.as_mut().poll(cx).is_pending() => return Poll::Pending,
                        Poll::Ready(Some(Err(_))) | Poll::Pending => false,
                    };
                    let answer = answer.take();
                    if end {
                        this.connection().set_unread(false);
                    }
                    this.step = Step::Answered(answer);
                }
                Step::Answered(answer) => {
                    let mut answer = answer.take().expect("polled once after the answer");
                    let guard = this.guard.take().expect("taken once");
                    if this.is_http1 && guard.connection().has_unread() {
                        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                    }
                    return Poll::Ready(Ok(answer.map(|body| AnswerBody::new(body, guard))));
                }
            }
        }
    }
}

impl Answering {
    fn connection(&self) -> &Connection {
        self.guard.as_ref().expect("there until the answer").connection()
    }

    /// Reads off what is left of the body where that is little.
    fn after(&mut self, answer: Response<Body>) -> Step {
        let Some(rest) = self.upload.take().and_then(|upload| upload.take()) else {
            return Step::Answered(Some(answer));
        };
        let is_large = rest.size_hint().lower() > UNREAD_BODY_BYTES_MAX;
        if is_large {
            return Step::Answered(Some(answer));
        }
        Step::ReadingOff { answer: Some(answer), rest, bytes: 0, timer: Box::pin(sleep(UNREAD_BODY_TIMEOUT)) }
    }
}

fn empty() -> Body {
    http_body_util::Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// The answer to a request whose dispatch panicked; its connection closes, for its state is unknown.
fn panicked() -> Response<Body> {
    let body = Full::new(Bytes::from_static(b"internal error\n")).map_err(|never| match never {}).boxed_unsync();
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}
