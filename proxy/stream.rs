//! The byte streams under HTTP: [`Replay`] gives back what detection read, [`Paced`] watches the peer.

use std::future::Future;
use std::io::{Error, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::connection::Connection;
use crate::limits::LINGER_TIMEOUT;

/// A stream whose first bytes have been read already.
pub(crate) struct Replay<S> {
    first: Bytes,
    inner: S,
}

impl<S> Replay<S> {
    pub fn new(first: Bytes, inner: S) -> Self {
        Self { first, inner }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Replay<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<(), Error>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.inner).poll_read(cx, buf);
        }
        let length = self.first.len().min(buf.remaining());
        buf.put_slice(&self.first[..length]);
        self.first.advance(length);
        if self.first.is_empty() {
            // An empty slice of the buffer would keep all of it.
            self.first = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Replay<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Error>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize, Error>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// A stream that fails when the peer takes nothing for too long, notes what it sends, and lingers on close.
pub(crate) struct Paced<S> {
    inner: S,
    connection: Arc<Connection>,
    stall_timeout: Duration,
    /// Set while a write waits.
    stalled: bool,
    timer: Option<Pin<Box<Sleep>>>,
    /// HTTP/1 only: HTTP/2 says goodbye in frames.
    lingers: bool,
    closing: Closing,
}

#[derive(Clone, Copy, PartialEq)]
enum Closing {
    No,
    /// Our side is closed; the peer's bytes are read off.
    Lingering,
    Done,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Paced<S> {
    pub fn new(inner: S, connection: Arc<Connection>, stall_timeout: Duration, lingers: bool) -> Self {
        Self { inner, connection, stall_timeout, stalled: false, timer: None, lingers, closing: Closing::No }
    }

    fn arm(&mut self, timeout: Duration) -> &mut Pin<Box<Sleep>> {
        match &mut self.timer {
            Some(timer) => timer.as_mut().reset(Instant::now() + timeout),
            none => *none = Some(Box::pin(sleep(timeout))),
        }
        self.timer.as_mut().expect("set above")
    }

    /// Bounds the wait of a write that could not go on.
    fn bound<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<Result<T, Error>>) -> Poll<Result<T, Error>> {
        if outcome.is_ready() {
            self.stalled = false;
            return outcome;
        }
        if !self.stalled {
            self.stalled = true;
            self.arm(self.stall_timeout);
        }
        let timer = self.timer.as_mut().expect("armed above");
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "the peer takes nothing")))
    }

    /// Reads off and forgets, until the peer closes too or the time is over.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        const SCRATCH_BYTES: usize = 16 * 1024;
        let mut scratch = [std::mem::MaybeUninit::uninit(); SCRATCH_BYTES];
        loop {
            if self.timer.as_mut().is_none_or(|timer| timer.as_mut().poll(cx).is_ready()) {
                return Poll::Ready(());
            }
            let mut buf = ReadBuf::uninit(&mut scratch);
            match ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => {}
                _ => return Poll::Ready(()),
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Paced<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<(), Error>> {
        let before = buf.filled().len();
        let outcome = Pin::new(&mut self.inner).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.connection.note_read();
        }
        outcome
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, Error>> {
        let outcome = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.bound(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize, Error>> {
        let outcome = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.bound(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let outcome = Pin::new(&mut self.inner).poll_flush(cx);
        self.bound(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.closing == Closing::No {
            let outcome = Pin::new(&mut self.inner).poll_shutdown(cx);
            ready!(self.bound(cx, outcome))?;
            if self.lingers && self.connection.has_unread() {
                self.closing = Closing::Lingering;
                self.arm(LINGER_TIMEOUT);
            } else {
                self.closing = Closing::Done;
            }
        }
        if self.closing == Closing::Lingering {
            ready!(self.poll_linger(cx));
            self.closing = Closing::Done;
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;
    use crate::connection::Connections;
    use crate::meter::Meter;

    fn connection() -> Arc<Connection> {
        Connections::new(8, 8, Meter::new()).open().expect("room")
    }

    #[tokio::test]
    async fn what_was_read_comes_first() {
        let (near, mut far) = duplex(64);
        far.write_all(b"world").await.expect("write");
        drop(far);
        let mut all = String::new();
        let mut stream = Replay::new(Bytes::from_static(b"hello "), near);
        stream.read_to_string(&mut all).await.expect("read");
        assert_eq!(all, "hello world");
    }

    #[tokio::test]
    async fn a_peer_that_takes_nothing_is_cut_off() {
        let (near, _far) = duplex(8);
        let mut stream = Paced::new(near, connection(), Duration::from_millis(20), true);
        let error = stream.write_all(&[0; 64]).await.expect_err("nobody reads");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn an_upload_is_read_off_after_the_close() {
        let (near, mut far) = duplex(8);
        let connection = connection();
        connection.set_unread(true);
        let mut stream = Paced::new(near, connection, Duration::from_mins(1), true);
        let client = tokio::spawn(async move {
            let sent = far.write_all(&[0; 4096]).await;
            drop(far);
            sent
        });
        stream.shutdown().await.expect("close");
        client.await.expect("join").expect("all of it was taken");
    }
}
