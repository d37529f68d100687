//! A bound on how long the head of a request may take to arrive; and callers that end their sending side.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::connection::ConnectionState;

/// A connection that fails with `TimedOut` if the head of a request does not arrive completely in time.
///
/// ```text
/// accept ──▶ head 1 due ──complete──▶ request ──answered──▶ idle ──first byte──▶ head n due ──complete──▶ request …
///            (from accept)                                  (no limit)           (HTTP/1.1 only)
/// ```
/// The first head is due from the moment of accepting, so a connection that sends nothing is cut. Between requests a
/// connection may stay idle: cutting it there would race with callers that reuse it. Later heads on HTTP/2 are watched
/// by its pings instead, which a partially sent head delays.
///
/// hyper's own timer counts idle time too, so it cannot be used.
///
/// A caller may end its sending side after a request and still wait for the answer: the end is reported only once that is
/// sent. hyper's own setting for this would no longer notice a connection that breaks meanwhile.
pub(crate) struct HeadTimeout<S> {
    stream: S,
    state: Arc<ConnectionState>,
    allowance: Duration,
    /// The deadline of the head being awaited, if any.
    due: Option<Due>,
    timer: Option<Pin<Box<Sleep>>>,
}

#[derive(Clone, Copy)]
struct Due {
    at: Instant,
    /// How many heads were complete when this one began.
    heads: usize,
}

/// A request's head did not arrive in time.
#[derive(Debug, thiserror::Error)]
#[error("the head of the request did not arrive in time")]
struct HeadLate;

/// Whether an error, or one of its causes, is that of a [`HeadTimeout`].
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
        if this.state.has_ended() {
            return this.state.poll_ended(cx).map(Ok);
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        match read {
            Poll::Ready(Ok(())) if buffer.filled().len() > before => this.bytes_arrived(),
            Poll::Ready(Ok(())) if buffer.remaining() > 0 => {
                return this.state.poll_ended(cx).map(Ok);
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use http::Version;
    use prometheus_client::metrics::gauge::Gauge;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::timeout;

    use crate::connection::RequestGuard;

    const ALLOWANCE: Duration = Duration::from_secs(10);

    struct Connection {
        near: HeadTimeout<DuplexStream>,
        far: DuplexStream,
        state: Arc<ConnectionState>,
    }

    impl Connection {
        fn open() -> Self {
            let (near, far) = duplex(64);
            let state = Arc::new(ConnectionState::default());
            Self { near: HeadTimeout::new(near, Arc::clone(&state), ALLOWANCE), far, state }
        }

        /// A byte arrives and is read.
        async fn byte(&mut self) {
            self.far.write_all(b"x").await.expect("room");
            self.near.read_u8().await.expect("a byte");
        }

        fn complete_head(&self, version: Version) -> RequestGuard {
            self.state.begin_request(version, &Gauge::default())
        }

        /// How long reading takes to fail, and whether it is for a late head.
        async fn fails_after(&mut self) -> (Duration, bool) {
            let began = Instant::now();
            let error = self.near.read_u8().await.expect_err("nothing arrives");
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            (began.elapsed(), is_cause_of(&error))
        }

        async fn is_idle_without_limit(&mut self) -> bool {
            timeout(ALLOWANCE * 100, self.near.read_u8()).await.is_err()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn connection_that_sends_nothing_is_cut() {
        assert_eq!(Connection::open().fails_after().await, (ALLOWANCE, true));
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_of_an_incomplete_head_do_not_extend_its_time() {
        let mut connection = Connection::open();
        tokio::time::sleep(ALLOWANCE / 2).await;
        connection.byte().await;
        assert_eq!(connection.fails_after().await, (ALLOWANCE / 2, true));
    }

    #[tokio::test(start_paused = true)]
    async fn connection_may_be_idle_between_requests() {
        let mut connection = Connection::open();
        connection.byte().await;
        drop(connection.complete_head(Version::HTTP_11));
        assert!(connection.is_idle_without_limit().await);
    }

    #[tokio::test(start_paused = true)]
    async fn next_head_is_due_from_its_first_byte() {
        let mut connection = Connection::open();
        drop(connection.complete_head(Version::HTTP_11));
        tokio::time::sleep(ALLOWANCE * 5).await;
        connection.byte().await;
        assert_eq!(connection.fails_after().await, (ALLOWANCE, true));
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_of_a_body_are_not_a_head() {
        let mut connection = Connection::open();
        let _request = connection.complete_head(Version::HTTP_11);
        connection.byte().await;
        assert!(connection.is_idle_without_limit().await);
    }

    #[tokio::test(start_paused = true)]
    async fn later_heads_of_http_2_are_not_timed() {
        let mut connection = Connection::open();
        drop(connection.complete_head(Version::HTTP_2));
        connection.byte().await;
        assert!(connection.is_idle_without_limit().await);
    }

    #[test]
    fn other_errors_are_not_those_of_a_late_head() {
        assert!(!is_cause_of(&io::Error::new(io::ErrorKind::TimedOut, "another")));
        assert!(!is_cause_of(&io::Error::from(io::ErrorKind::TimedOut)));
    }
}
