//! Request bodies whose silence is bounded, and whose unread rest is thrown away.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::connection::Busy;
use crate::idle_timer::IdleTimer;

/// Nothing of the body arrived for too long.
#[derive(Debug, thiserror::Error)]
#[error("no byte of the body arrived for {}", humantime::format_duration(*silence))]
pub struct IdleTooLong {
    silence: Duration,
}

/// What a body may do.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// Longest silence.
    pub idle: Duration,
    /// Bytes of an unread body that are thrown away.
    pub drain_bytes: u64,
    /// Time for that.
    pub drain_time: Duration,
}

/// A request's body: ends with an error when it is silent too long, counts its bytes, and when it is dropped
/// half read, the rest is read and thrown away, so that a caller who is still sending gets to see the answer
/// instead of a reset connection.
///
/// A caller who awaits `100 Continue` and was not sent it has nothing under way: there, nothing is read.
pub(crate) struct GuardedBody<B: HttpBody<Data = Bytes> + Unpin + Send + 'static> {
    /// None once it ended or failed.
    body: Option<B>,
    limits: BodyLimits,
    silence: IdleTimer,
    awaits_continue: bool,
    busy: Busy,
}

impl<B: HttpBody<Data = Bytes> + Unpin + Send + 'static> GuardedBody<B> {
    /// `busy` is held until the body is done with, and told of its bytes.
    pub(crate) fn new(body: B, headers: &HeaderMap, limits: BodyLimits, busy: Busy) -> Self {
        let expect = headers.get(header::EXPECT);
        Self {
            body: Some(body),
            limits,
            silence: IdleTimer::default(),
            awaits_continue: expect.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue")),
            busy,
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
        let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) else {
            let silence = this.limits.idle;
            return this.silence.poll(silence, cx).map(|()| {
                this.body = None;
                Some(Err(IdleTooLong { silence }.into()))
            });
        };
        this.silence.reset();
        match &frame {
            Some(Ok(frame)) => {
                this.busy.add_received(frame.data_ref().map_or(0, Bytes::len));
            }
            Some(Err(_)) | None => this.body = None,
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin + Send + 'static> Drop for GuardedBody<B> {
    fn drop(&mut self) {
        let Some(body) = self.body.take() else { return };
        if body.is_end_stream() || self.awaits_continue {
            return;
        }
        // outside a runtime there is no connection either
        if let Ok(runtime) = Handle::try_current() {
            // ends by itself: bounded in time, and one per request of an open connection
            runtime.spawn(throw_away(body, self.limits, self.busy.clone()));
        }
    }
}

async fn throw_away<B: HttpBody<Data = Bytes> + Unpin>(mut body: B, limits: BodyLimits, busy: Busy) {
    let reading = async {
        let mut left = limits.drain_bytes;
        while let Some(Ok(frame)) = body.frame().await {
            let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
            match left.checked_sub(bytes) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    };
    // either way the caller has had its chance to see the answer
    let _ = timeout(limits.drain_time, reading).await;
    drop(body);
    drop(busy);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::ConnectionState;
    use futures::channel::mpsc;
    use futures::{SinkExt, StreamExt, stream};
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
        (pieces, GuardedBody::new(body, headers, LIMITS, busy()))
    }

    fn busy() -> Busy {
        Arc::new(ConnectionState::default()).begin_request(http::Version::HTTP_11, &Gauge::default())
    }

    fn piece(bytes: &'static [u8]) -> Result<Frame<Bytes>, Infallible> {
        Ok(Frame::data(Bytes::from_static(bytes)))
    }

    /// Sends until nobody reads any more.
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
    async fn the_rest_of_a_dropped_body_is_thrown_away_up_to_the_limit() {
        let (mut pieces, body) = guarded(&HeaderMap::new());
        drop(body);
        pieces.send(piece(b"1234567890")).await.expect("still read");
        assert!(stream_ends_after(&mut pieces).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_not_thrown_away_for_longer_than_the_limit() {
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
        let busy = busy();
        let full = Full::new(Bytes::from_static(b"12345"));
        let body = GuardedBody::new(full, &HeaderMap::new(), LIMITS, busy.clone());
        body.collect().await.expect("it is whole");
        assert_eq!(busy.received_bytes(), 5);
    }
}
