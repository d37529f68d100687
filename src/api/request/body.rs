//! Reading a request's body whole, under the budget.

use std::error::Error;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt;
use http_server::IdleTooLong;

use crate::api::edge::deadline::{Deadline, Elapsed};
use crate::api::edge::header_limit::too_large;
use crate::api::error::{ApiError, ErrorCode};
use crate::budget::{Budget, Part, Permit};
use crate::telemetry::labels::Limit;

/// Most bytes of the budget that a body takes before it comes: so few that all connections together hold little, and
/// enough to refuse a body at once where nothing is left.
const FIRST_BYTES: usize = 256;

/// Bytes of memory that are set aside for a body before they come.
const SET_ASIDE_BYTES: usize = 64 * 1024;

/// Reads the body whole, holding its bytes of the budget.
///
/// An announced length is checked before anything is read, and a few bytes are taken from the budget, so a refusal comes
/// before `100 Continue`; the others are taken only as they come, since announcing many costs a caller nothing. A body
/// that came in one piece is not copied.
///
/// # Errors
/// That of `limit` beyond `max_bytes`; those of [`Budget::reserve`]; those of [`read_error`]; `408 body_idle` if the body
/// is not whole by the deadline.
///
/// # Cancel safety
/// Awaits the budget and the body: dropped, the bytes read so far are lost and the budget is whole again.
pub(crate) async fn collect_in_time(
    deadline: Deadline,
    mut body: Body,
    max_bytes: usize,
    limit: Limit,
    budget: &Budget,
) -> Result<(Bytes, Permit), ApiError> {
    let announced = body.size_hint().exact().map_or(0, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    check_length(announced, max_bytes, limit)?;
    budget.check(announced)?;
    let mut permit = deadline.timeout(budget.reserve(Part::WholeBodies, announced.min(FIRST_BYTES))).await??;
    let mut gathered = Gathered::Nothing;
    while let Some(frame) = deadline.timeout(body.frame()).await.map_err(not_whole)? {
        let Ok(data) = frame.map_err(read_error)?.into_data() else {
            continue; // trailers
        };
        let length = gathered.len() + data.len();
        check_length(length, max_bytes, limit)?;
        deadline.timeout(permit.grow_to(length)).await??;
        gathered = gathered.and(data, announced);
    }
    Ok((gathered.into_bytes(), permit))
}

/// The sender is to blame for a body that is not whole in time.
fn not_whole(elapsed: Elapsed) -> ApiError {
    ApiError::new(ErrorCode::BodyIdle, format!("reading the body {elapsed}"))
}

/// What a failure to read a request's body means to its caller: `408 body_idle`, or `400 body_invalid` when it
/// is malformed or the caller hung up (who then never sees it, but the access log does).
pub(crate) fn read_error(error: axum::Error) -> ApiError {
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

    /// `announced` bytes in all are to come; 0 if none were announced.
    fn and(self, data: Bytes, announced: usize) -> Self {
        match self {
            Self::Nothing => Self::One(data),
            Self::One(first) => {
                let mut all = BytesMut::with_capacity(announced.min(SET_ASIDE_BYTES).max(first.len() + data.len()));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Size;
    use futures::stream::{self, StreamExt as _};
    use http_body::Frame;
    use http_body_util::StreamBody;
    use std::convert::Infallible;
    use std::time::Duration;

    fn piece(bytes: &'static [u8]) -> Result<Frame<Bytes>, Infallible> {
        Ok(Frame::data(Bytes::from_static(bytes)))
    }

    fn chunked(pieces: &[&'static [u8]]) -> Body {
        let pieces: Vec<_> = pieces.iter().map(|bytes| piece(bytes)).collect();
        Body::new(StreamBody::new(stream::iter(pieces)))
    }

    fn deadline() -> Deadline {
        Deadline::after(Duration::from_secs(30))
    }

    fn budget() -> Budget {
        Budget::new(Size::kib(64), Duration::from_secs(1))
    }

    async fn collect(body: Body, max_bytes: usize) -> Result<Bytes, ErrorCode> {
        let collected = collect_in_time(deadline(), body, max_bytes, Limit::Event, &budget()).await;
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
            let collected = collect_in_time(deadline(), body, 4096, Limit::JsonDocument, &budget).await;
            let (_, permit) = collected.expect("it fits");
            assert_eq!(permit.bytes(), 3000);
            drop(permit);
            assert_eq!(budget.available(), budget.total());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn body_takes_only_what_has_come() {
        let budget = budget();
        let begun = Body::new(StreamBody::new(stream::iter([piece(&[0; 100])]).chain(stream::pending())));
        let mut reading = Box::pin(collect_in_time(deadline(), begun, 60_000, Limit::Event, &budget));
        assert!(futures::poll!(reading.as_mut()).is_pending());
        assert_eq!(budget.total() - budget.available(), 100);
        let late = reading.await.expect_err("no more comes");
        assert_eq!((late.code(), budget.available()), (ErrorCode::BodyIdle, budget.total()));
    }
}
