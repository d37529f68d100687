//! A bound on how long the head of a request may take.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::connection::ConnectionState;

/// A connection that fails with `TimedOut` when a request's head is not whole in time.
///
/// ```text
/// accept ──▶ head 1 due ──whole──▶ busy ──answered──▶ idle ──first byte──▶ head n due ──whole──▶ busy …
///            (from accept)                            (no limit)           (HTTP/1.1 only)
/// ```
/// The first head is due from the moment of accepting, so a connection that never says anything is cut. Between
/// requests a connection may be idle for as long as it likes: cutting it there races with callers that reuse it.
/// Later heads on HTTP/2 are watched by its pings instead, which a half sent head holds up.
///
/// hyper's own timer counts idle time too, hence this one.
pub(crate) struct HeadTimeout<S> {
    stream: S,
    state: Arc<ConnectionState>,
    allowance: Duration,
    /// The head that is awaited, if any.
    due: Option<Due>,
    timer: Option<Pin<Box<Sleep>>>,
}

#[derive(Clone, Copy)]
struct Due {
    at: Instant,
    /// How many heads were whole when it began.
    heads: usize,
}

/// A request's head was not whole in time.
#[derive(Debug, thiserror::Error)]
#[error("the request's head was not whole in time")]
struct HeadLate;

/// Whether an error, or what caused it, is that of a [`HeadTimeout`].
pub(crate) fn is_cause_of(error: &(dyn Error + 'static)) -> bool {
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    inner.is_some_and(|inner| inner.is::<HeadLate>()) || error.source().is_some_and(is_cause_of)
}

impl<S> HeadTimeout<S> {
    pub(crate) fn new(stream: S, state: Arc<ConnectionState>, allowance: Duration) -> Self {
        let at = Instant::now() + allowance;
        Self { stream, state, allowance, due: Some(Due { at, heads: 0 }), timer: None }
    }

    fn bytes_arrived(&mut self) {
        let heads = self.state.heads();
        let is_running = self.due.is_some_and(|due| due.heads == heads);
        if !is_running && self.state.awaits_head() {
            let at = Instant::now() + self.allowance;
            self.due = Some(Due { at, heads });
        }
    }

    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(due) = self.due else { return false };
        if due.heads != self.state.heads() {
            self.due = None;
            return false;
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due.at)));
        if timer.deadline() != due.at {
            timer.as_mut().reset(due.at);
        }
        timer.as_mut().poll(cx).is_ready()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for HeadTimeout<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        match read {
            Poll::Ready(Ok(())) if buffer.filled().len() > before => this.bytes_arrived(),
            Poll::Pending if this.is_late(cx) => {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, HeadLate)));
            }
            _ => {}
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for HeadTimeout<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
