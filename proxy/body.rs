//! Bodies at the edge: a request's body with its bounds, an answer's body with its guard.
//!
//! A request body is bounded in time (a client that stalls) and in memory: the bytes of all bodies that were read and
//! not yet consumed are counted in one [`Budget`]. A frame counts until its reader comes back for the next one (by then
//! it has put the bytes where its own limits hold) or drops the body. No reader can therefore wait for bytes that it
//! holds itself, and the budget can't deadlock.

use std::error::Error as _;
use std::future::Future;
use std::io::{Error, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep};

use crate::connection::{Connection, InFlight};
use crate::{Body, BoxError};

/// The bytes of request bodies that are on the way, all connections together.
pub(crate) struct Budget {
    max: usize,
    in_flight: AtomicUsize,
    waiting: Mutex<Vec<Waker>>,
}

impl Budget {
    pub fn new(max: usize) -> Self {
        Self { max, in_flight: AtomicUsize::new(0), waiting: Mutex::default() }
    }

    /// Ready when there is room. The frame that is then read may be larger than the room: readers that were let in
    /// together can overshoot by a frame each.
    fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        if self.in_flight.load(Ordering::Acquire) < self.max {
            return Poll::Ready(());
        }
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(cx.waker().clone());
        // Room may have come about before the waker stood in the list.
        if self.in_flight.load(Ordering::Acquire) < self.max { Poll::Ready(()) } else { Poll::Pending }
    }

    fn take(&self, bytes: usize) {
        self.in_flight.fetch_add(bytes, Ordering::AcqRel);
    }

    fn give_back(&self, bytes: usize) {
        if bytes > 0 && self.in_flight.fetch_sub(bytes, Ordering::AcqRel) >= self.max {
            let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            waiting.into_iter().for_each(Waker::wake);
        }
    }
}

/// What a reader left of a request's body, for the edge to read off.
#[derive(Default)]
pub(crate) struct Leftover(Mutex<Option<Incoming>>);

impl Leftover {
    pub fn take(&self) -> Option<Incoming> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A request's body as the dispatch gets it.
pub(crate) struct RequestBody {
    inner: Option<Incoming>,
    finished: bool,
    held_bytes: usize,
    stall: Stall,
    budget: Arc<Budget>,
    connection: Arc<Connection>,
    /// HTTP/1 only: over HTTP/2 an unread stream is simply reset.
    leftover: Option<Arc<Leftover>>,
    /// The client waits for a 100 Continue, which hyper sends on the first poll.
    is_awaited: bool,
}

impl RequestBody {
    pub fn new(
        inner: Incoming,
        stall: Duration,
        budget: Arc<Budget>,
        connection: Arc<Connection>,
        leftover: Option<Arc<Leftover>>,
        is_awaited: bool,
    ) -> Self {
        let stall = Stall::new(stall);
        let inner = Some(inner);
        Self { inner, finished: false, held_bytes: 0, stall, budget, connection, leftover, is_awaited }
    }

    fn finish(&mut self) {
        self.finished = true;
        self.inner = None;
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let body = self.get_mut();
        body.budget.give_back(std::mem::take(&mut body.held_bytes));
        let Some(inner) = &mut body.inner else { return Poll::Ready(None) };
        ready!(body.budget.poll_room(cx));
        body.is_awaited = false;
        match Pin::new(inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                body.stall.progress();
                body.held_bytes = frame.data_ref().map_or(0, Bytes::len);
                body.budget.take(body.held_bytes);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                body.finish();
                Poll::Ready(Some(Err(describe(error).into())))
            }
            Poll::Ready(None) => {
                body.finish();
                Poll::Ready(None)
            }
            Poll::Pending => {
                ready!(body.stall.poll(cx));
                body.inner = None;
                let error = Error::new(ErrorKind::TimedOut, "no byte of the request body came in time");
                Poll::Ready(Some(Err(error.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.budget.give_back(self.held_bytes);
        let Some(leftover) = &self.leftover else { return };
        if self.finished || self.inner.as_ref().is_some_and(HttpBody::is_end_stream) {
            return;
        }
        self.connection.set_unread(true);
        if self.is_awaited {
            return; // To read it off would be to ask for it.
        }
        *leftover.0.lock().unwrap_or_else(PoisonError::into_inner) = self.inner.take();
    }
}

/// hyper's reasons in the kinds that dialects know.
fn describe(error: hyper::Error) -> Error {
    let cause = error.source().and_then(|source| source.downcast_ref::<Error>()).map(Error::kind);
    let kind = match cause {
        _ if error.is_incomplete_message() => ErrorKind::UnexpectedEof,
        Some(kind @ (ErrorKind::UnexpectedEof | ErrorKind::TimedOut)) => kind,
        Some(ErrorKind::InvalidData | ErrorKind::InvalidInput) => ErrorKind::InvalidData,
        _ => ErrorKind::ConnectionReset,
    };
    Error::new(kind, error)
}

/// Time without progress. The timer is made on the first wait, so that a body that is already there costs none.
struct Stall {
    timeout: Duration,
    armed: bool,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Stall {
    fn new(timeout: Duration) -> Self {
        Self { timeout, armed: false, timer: None }
    }

    fn progress(&mut self) {
        self.armed = false;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| {
            self.armed = true;
            Box::pin(sleep(self.timeout))
        });
        if !self.armed {
            self.armed = true;
            timer.as_mut().reset(Instant::now() + self.timeout);
        }
        timer.as_mut().poll(cx)
    }
}

/// An answer's body: keeps its request counted as in flight, and turns a panic into a broken body.
pub(crate) struct AnswerBody {
    inner: Body,
    guard: InFlight,
}

impl AnswerBody {
    pub fn new(inner: Body, guard: InFlight) -> Self {
        Self { inner, guard }
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let body = self.get_mut();
        catch_unwind(AssertUnwindSafe(|| Pin::new(&mut body.inner).poll_frame(cx))).unwrap_or_else(|panic| {
            body.guard.connection().report_panic(panic.as_ref());
            Poll::Ready(Some(Err(Error::other("the body's source panicked").into())))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_budget_wakes_its_waiters_when_there_is_room() {
        let budget = Budget::new(10);
        let cx = Context::from_waker(Waker::noop());
        assert!(budget.poll_room(&cx).is_ready());
        budget.take(8);
        assert!(budget.poll_room(&cx).is_ready());
        budget.take(8);
        assert!(budget.poll_room(&cx).is_pending());
        budget.give_back(8);
        assert!(budget.waiting.lock().expect("lock").is_empty());
        assert!(budget.poll_room(&cx).is_ready());
    }
}
