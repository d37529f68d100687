//! Reading a request's body whole, under the budget.

use std::error::Error;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt;
use http_server::IdleTooLong;

use crate::api::edge::deadline::Deadline;
use crate::api::edge::header_limit::too_large;
use crate::api::error::{ApiError, ErrorCode};
use crate::budget::{Budget, Permit};
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
pub(crate) async fn collect_whole(
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
pub(crate) async fn collect_in_time(
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Size;
    use futures::stream;
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
}
