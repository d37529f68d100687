//! Request bodies: how long a silence is borne, what becomes of one that nobody read, and reading one whole.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::connection::Busy;
use super::deadline::Deadline;
use super::error::{ApiError, ErrorCode};
use super::limits::too_large;
use super::silence::Silence;
use crate::budget::{Budget, Permit};
use crate::config;
use crate::telemetry::labels::Limit;

/// Reads the body whole, holding its bytes of the budget.
///
/// An announced length is checked, and reserved, before anything is read, so a refusal comes before
/// `100 Continue`. A body that came in one piece is not copied.
///
/// # Errors
/// That of `limit` beyond `max_bytes`; those of [`Budget::reserve`]; those of [`read_error`].
///
/// # Cancel safety
/// Awaits the budget and the body: dropped, the bytes read so far are lost and the budget is whole again.
pub async fn collect_whole(
    mut body: Body,
    max_bytes: usize,
    limit: Limit,
    budget: &Budget,
) -> Result<(Bytes, Permit), ApiError> {
    let announced = body.size_hint().exact().map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    let expected = announced.unwrap_or(0);
    check_length(expected, max_bytes, limit)?;
    let mut permit = budget.reserve(expected).await?;
    let mut gathered = Gathered::Nothing;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(read_error)?.into_data() else {
            continue; // trailers
        };
        let length = gathered.len() + data.len();
        check_length(length, max_bytes, limit)?;
        permit.grow_to(length).await?;
        gathered = gathered.and(data, expected);
    }
    Ok((gathered.into_bytes(), permit))
}

/// As [`collect_whole`], within the request's deadline.
///
/// # Errors
/// Those of [`collect_whole`], and `503 deadline_exceeded`.
///
/// # Cancel safety
/// As [`collect_whole`].
pub async fn collect_in_time(
    deadline: Deadline,
    body: Body,
    max_bytes: usize,
    limit: Limit,
    budget: &Budget,
) -> Result<(Bytes, Permit), ApiError> {
    deadline.timeout(collect_whole(body, max_bytes, limit, budget)).await?
}

/// What a failure to read a request's body means to its caller: `408 body_idle`, or `400 body_invalid` when it
/// is malformed or the caller hung up (who then never sees it, but the access log does).
pub fn read_error(error: axum::Error) -> ApiError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(current) = cause {
        if let Some(idle) = current.downcast_ref::<IdleTooLong>() {
            return ApiError::new(ErrorCode::BodyIdle, idle.to_string()).over(Limit::BodyIdle);
        }
        cause = current.source();
    }
    let detail = format!("the body ended early or is malformed: {error}");
    ApiError::new(ErrorCode::BodyInvalid, detail)
}

fn check_length(bytes: usize, max_bytes: usize, limit: Limit) -> Result<(), ApiError> {
    if bytes <= max_bytes {
        return Ok(());
    }
    Err(too_large(limit, format!("the body exceeds {max_bytes} bytes")).member("maxBytes", max_bytes))
}

/// The pieces of a body, copied only when there are several.
enum Gathered {
    Nothing,
    One(Bytes),
    Several(BytesMut),
}

impl Gathered {
    fn len(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::One(bytes) => bytes.len(),
            Self::Several(bytes) => bytes.len(),
        }
    }

    /// `expected` bytes in all were announced, and reserved; 0 if none were.
    fn and(self, data: Bytes, expected: usize) -> Self {
        match self {
            Self::Nothing => Self::One(data),
            Self::One(first) => {
                let mut all = BytesMut::with_capacity(expected.max(first.len() + data.len()));
                all.extend_from_slice(&first);
                all.extend_from_slice(&data);
                Self::Several(all)
            }
            Self::Several(mut all) => {
                all.extend_from_slice(&data);
                Self::Several(all)
            }
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Nothing => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Several(bytes) => bytes.freeze(),
        }
    }
}

/// Nothing of the body arrived for too long.
#[derive(Debug, thiserror::Error)]
#[error("no byte of the body arrived for {}", humantime::format_duration(*silence))]
struct IdleTooLong {
    silence: Duration,
}

/// What a body may do.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyLimits {
    /// Longest silence.
    pub(super) idle: Duration,
    /// Bytes of an unread body that are thrown away.
    pub(super) drain_bytes: u64,
    /// Time for that.
    pub(super) drain_time: Duration,
}

impl From<&config::Limits> for BodyLimits {
    fn from(limits: &config::Limits) -> Self {
        Self { idle: limits.body_idle, drain_bytes: limits.drain_bytes.as_u64(), drain_time: limits.drain_time }
    }
}

/// A request's body: ends with an error when it is silent too long, counts its bytes, and when it is dropped
/// half read, the rest is read and thrown away, so that a caller who is still sending gets to see the answer
/// instead of a reset connection.
///
/// A caller who awaits `100 Continue` and was not sent it has nothing under way: there, nothing is read.
pub(super) struct GuardedBody<B: HttpBody<Data = Bytes> + Unpin + Send + 'static> {
    /// None once it ended or failed.
    body: Option<B>,
    limits: BodyLimits,
    silence: Silence,
    awaits_continue: bool,
    busy: Busy,
}

impl<B: HttpBody<Data = Bytes> + Unpin + Send + 'static> GuardedBody<B> {
    /// `busy` is held until the body is done with, and told of its bytes.
    pub(super) fn new(body: B, headers: &HeaderMap, limits: BodyLimits, busy: Busy) -> Self {
        let expect = headers.get(header::EXPECT);
        Self {
            body: Some(body),
            limits,
            silence: Silence::default(),
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
        this.silence.end();
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
    use crate::api::connection::ConnectionState;
    use crate::config::Size;
    use futures::channel::mpsc;
    use futures::{SinkExt, StreamExt, stream};
    use http_body_util::{Full, StreamBody};
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

    fn chunked(pieces: &[&'static [u8]]) -> Body {
        let pieces: Vec<_> = pieces.iter().map(|bytes| piece(bytes)).collect();
        Body::new(StreamBody::new(stream::iter(pieces)))
    }

    fn budget() -> Budget {
        Budget::new(Size::kib(64), Duration::from_secs(1))
    }

    async fn collect(body: Body, max_bytes: usize) -> Result<Bytes, ErrorCode> {
        let collected = collect_whole(body, max_bytes, Limit::Event, &budget()).await;
        collected.map(|(bytes, _)| bytes).map_err(|error| error.code())
    }

    #[tokio::test]
    async fn a_body_in_one_piece_is_not_copied() {
        let bytes = Bytes::from(vec![7; 100]);
        let collected = collect(Body::from(bytes.clone()), 100).await.expect("it fits");
        assert_eq!(collected.as_ptr(), bytes.as_ptr());
    }

    #[tokio::test]
    async fn a_body_is_refused_just_over_the_limit_announced_or_not() {
        assert_eq!(collect(Body::from("12345"), 5).await.as_deref(), Ok(&b"12345"[..]));
        assert_eq!(collect(chunked(&[b"12", b"34", b"5"]), 5).await.as_deref(), Ok(&b"12345"[..]));
        assert_eq!(collect(Body::from("123456"), 5).await, Err(ErrorCode::EventTooLarge));
        assert_eq!(collect(chunked(&[b"123", b"456"]), 5).await, Err(ErrorCode::EventTooLarge));
        assert_eq!(collect(Body::empty(), 0).await.as_deref(), Ok(&b""[..]));
    }

    #[tokio::test]
    async fn the_budget_is_held_as_long_as_the_permit() {
        let budget = budget();
        for body in [Body::from(vec![0; 3000]), chunked(&[&[0; 1500], &[0; 1500]])] {
            let (_, permit) = collect_whole(body, 4096, Limit::JsonDocument, &budget).await.expect("it fits");
            assert_eq!(permit.bytes(), 3000);
            drop(permit);
            assert_eq!(budget.available(), budget.total());
        }
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
        let (collected, _pieces) = tokio::join!(collect(Body::new(body), 100), sending);
        assert_eq!(collected, Err(ErrorCode::BodyIdle));
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
        collect(Body::new(body), 5).await.expect("it fits");
        assert_eq!(busy.received_bytes(), 5);
    }
}
