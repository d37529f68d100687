//! Request bodies that must keep arriving, and whose unread rest is drained.
//!
//! ```text
//! read by the handler ──────▶ end
//!   │ └─ no byte for `idle` ─▶ IdleTooLong
//!   └─ dropped before its end ─▶ drained: at most `drain_bytes`, for at most `drain_time`
//! ```

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::connection::RequestGuard;
use crate::idle_timer::IdleTimer;

/// No byte of a request's body arrived for too long.
#[derive(Debug, thiserror::Error)]
#[error("no byte of the body arrived for {}", humantime::format_duration(*silence))]
pub struct IdleTooLong {
    silence: Duration,
}

/// Limits of a request's body.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// Longest time without a byte of it; also how long a response may wait to be read.
    pub idle: Duration,
    /// Bytes of an unread body to drain.
    pub drain_bytes: u64,
    /// Time for draining it.
    pub drain_time: Duration,
}

/// A request's body. It fails if nothing arrives for too long, and counts its bytes. If it is dropped half read, the
/// rest is drained, so that a caller who is still sending sees the response instead of a reset connection.
///
/// A caller who awaits a `100 Continue` that was not sent is not sending: nothing is drained.
pub(crate) struct GuardedBody<B>
where
    B: HttpBody<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    /// `None` once it has ended or failed.
    body: Option<Arriving<B>>,
    limits: BodyLimits,
    idle: IdleTimer,
    awaits_continue: bool,
    request: RequestGuard,
}

impl<B> GuardedBody<B>
where
    B: HttpBody<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    /// Holds `request` until the body is read or drained, and counts its bytes there.
    pub(crate) fn new(body: B, headers: &HeaderMap, limits: BodyLimits, request: RequestGuard) -> Self {
        let expect = headers.get(header::EXPECT);
        Self {
            body: Some(Arriving { body, request: request.clone() }),
            limits,
            idle: IdleTimer::default(),
            awaits_continue: expect.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue")),
            request,
        }
    }
}

impl<B> HttpBody for GuardedBody<B>
where
    B: HttpBody<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.get_mut();
        let Some(body) = this.body.as_mut() else {
            return Poll::Ready(None);
        };
        this.awaits_continue = false; // it is sent when the body is first polled
        let Poll::Ready(frame) = body.poll_frame(cx) else {
            let silence = this.limits.idle;
            return this.idle.poll(silence, cx).map(|()| {
                this.body = None;
                Some(Err(IdleTooLong { silence }.into()))
            });
        };
        this.idle.reset();
        match &frame {
            Some(Ok(frame)) => this.request.add_received(frame.data_ref().map_or(0, Bytes::len)),
            Some(Err(_)) | None => this.body = None,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(|arriving| arriving.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), |arriving| arriving.body.size_hint())
    }
}

impl<B> Drop for GuardedBody<B>
where
    B: HttpBody<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    fn drop(&mut self) {
        let Some(arriving) = self.body.take() else { return };
        if arriving.body.is_end_stream() || self.awaits_continue {
            return;
        }
        // outside a runtime there is no connection either
        if let Ok(runtime) = Handle::try_current() {
            // needs no owner: bounded in time, and one per request of an open connection
            runtime.spawn(drain(arriving, self.limits));
        }
    }
}

async fn drain<B>(mut arriving: Arriving<B>, limits: BodyLimits)
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<axum::BoxError>,
{
    let reading = async {
        let mut left = limits.drain_bytes;
        while let Some(Ok(frame)) = poll_fn(|cx| arriving.poll_frame(cx)).await {
            let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
            match left.checked_sub(bytes) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    };
    // either way the caller has had time to see the response
    let _ = timeout(limits.drain_time, reading).await;
}

/// A body that is on its way, and the request that it belongs to. It fails if its sender ends its side before.
struct Arriving<B> {
    body: B,
    request: RequestGuard,
}

impl<B> Arriving<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<axum::BoxError>,
{
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(frame.map(|frame| frame.map_err(Into::into))),
            Poll::Pending => self.request.connection().poll_body_ended(cx).map(|()| {
                let detail = "the caller ended the connection before the body";
                Some(Err(io::Error::new(io::ErrorKind::UnexpectedEof, detail).into()))
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::ConnectionState;
    use futures::channel::mpsc;
    use futures::{SinkExt, StreamExt, stream};
    use http_body_util::BodyExt as _;
    use http_body_util::Full;
    use http_body_util::StreamBody;
    use prometheus_client::metrics::gauge::Gauge;
    use std::convert::Infallible;
    use std::sync::Arc;
    use tokio::time::Instant;

    const LIMITS: BodyLimits =
        BodyLimits { idle: Duration::from_secs(30), drain_bytes: 10, drain_time: Duration::from_secs(2) };

    type Pieces = mpsc::Sender<Result<Frame<Bytes>, Infallible>>;

    fn guarded(
        headers: &HeaderMap,
    ) -> (Pieces, GuardedBody<impl HttpBody<Data = Bytes, Error = Infallible> + Unpin + use<>>) {
        let (pieces, body) = mpsc::channel(0);
        let body = StreamBody::new(body);
        (pieces, GuardedBody::new(body, headers, LIMITS, request()))
    }

    fn request() -> RequestGuard {
        Arc::new(ConnectionState::default()).begin_request(http::Version::HTTP_11, &Gauge::default())
    }

    fn piece(bytes: &'static [u8]) -> Result<Frame<Bytes>, Infallible> {
        Ok(Frame::data(Bytes::from_static(bytes)))
    }

    /// Sends until the body is no longer read.
    async fn stream_ends_after(pieces: &mut Pieces) -> bool {
        let mut sending = stream::iter(std::iter::repeat_with(|| piece(b"1"))).take(100);
        while let Some(next) = sending.next().await {
            if pieces.send(next).await.is_err() {
                return true;
            }
        }
        false
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_a_body_and_every_byte_breaks_it() {
        let (mut pieces, body) = guarded(&HeaderMap::new());
        let sending = async {
            for _ in 0..3 {
                tokio::time::sleep(LIMITS.idle * 9 / 10).await;
                pieces.send(piece(b"x")).await.expect("the body is being read");
            }
            pieces
        };
        let started = Instant::now();
        let (collected, _pieces) = tokio::join!(body.collect(), sending);
        assert!(collected.expect_err("it is silent").is::<IdleTooLong>());
        assert_eq!(started.elapsed().as_secs(), 27 * 3 + 30);
    }

    #[tokio::test]
    async fn the_rest_of_a_dropped_body_is_drained_up_to_the_limit() {
        let (mut pieces, body) = guarded(&HeaderMap::new());
        drop(body);
        pieces.send(piece(b"1234567890")).await.expect("still read");
        assert!(stream_ends_after(&mut pieces).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_not_drained_for_longer_than_the_limit() {
        let (mut pieces, body) = guarded(&HeaderMap::new());
        let dropped = Instant::now();
        drop(body);
        futures::future::poll_fn(|cx| pieces.poll_ready(cx)).await.expect("room for one piece");
        tokio::time::sleep(LIMITS.drain_time * 2).await;
        assert!(pieces.send(piece(b"1")).await.is_err());
        assert!(dropped.elapsed() >= LIMITS.drain_time);
    }

    #[tokio::test]
    async fn a_caller_that_awaits_100_continue_is_not_read_from() {
        let headers = HeaderMap::from_iter([(header::EXPECT, http::HeaderValue::from_static("100-continue"))]);
        let (mut pieces, body) = guarded(&headers);
        drop(body);
        assert!(pieces.send(piece(b"1")).await.is_err());
    }

    #[tokio::test]
    async fn bytes_are_counted() {
        let request = request();
        let full = Full::new(Bytes::from_static(b"12345"));
        let body = GuardedBody::new(full, &HeaderMap::new(), LIMITS, request.clone());
        body.collect().await.expect("it is whole");
        assert_eq!(request.received_bytes(), 5);
    }

    #[tokio::test]
    async fn body_that_was_read_to_its_end_is_not_drained() {
        let (mut pieces, mut body) = guarded(&HeaderMap::new());
        pieces.close_channel();
        assert!(body.frame().await.is_none());
        assert!(body.is_end_stream() && body.size_hint().exact() == Some(0));
        assert!(body.frame().await.is_none(), "polling after the end is harmless");
    }

    #[test]
    fn idle_error_names_the_allowance() {
        let error = IdleTooLong { silence: Duration::from_secs(90) };
        assert_eq!(error.to_string(), "no byte of the body arrived for 1m 30s");
    }
}
