//! Responses, which keep their requests in progress until they are sent.
//!
//! HTTP/1.1 writes a response to the socket, which [`SendTimeout`](crate::send_timeout) watches. HTTP/2 asks for the next
//! bytes only when the caller's window has room for them, while its socket takes pings all the same: there each response
//! is watched, and handed out in pieces, since what was handed out is kept until the caller takes it.
//!
//! ```text
//! asked ─▶ a piece ─▶ asked ─▶ … ─▶ end: the request is over
//!              └─ not asked for `idle` ─▶ ended: what it holds is dropped, and the stream fails if it is asked again
//! ```

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::connection::RequestGuard;

/// A response's body.
pub(crate) enum ResponseBody {
    /// On a connection that carries one response at a time.
    Alone(Option<Content>),
    /// On one that carries several.
    Watched(Arc<WatchedResponse>),
}

/// Most bytes that HTTP/2 gets at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// What is sent, and what lasts until it is.
pub(crate) struct Content {
    body: Body,
    /// What is left of the body's last frame.
    rest: Bytes,
    _request: RequestGuard,
}

/// A body that can be ended from outside.
#[derive(Debug)]
pub(crate) struct WatchedResponse(Mutex<State>);

struct State {
    phase: Phase,
    /// Since when it is the caller's turn; `None` while the body has nothing to send.
    untaken_since: Option<Instant>,
}

enum Phase {
    Sending(Content),
    Sent,
    /// The caller took nothing for too long.
    Ended,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("untaken_since", &self.untaken_since).finish_non_exhaustive()
    }
}

impl ResponseBody {
    /// A body of which an HTTP/2 caller must take something within `longest`.
    pub(crate) fn new(body: Body, request: RequestGuard, longest: Duration) -> Self {
        let state = Arc::clone(request.connection());
        let content = Content { body, rest: Bytes::new(), _request: request };
        if !state.is_http2() || content.is_end_stream() {
            return Self::Alone(Some(content));
        }
        let watched = State { phase: Phase::Sending(content), untaken_since: Some(Instant::now()) };
        let watched = Arc::new(WatchedResponse(Mutex::new(watched)));
        state.watch(&watched, longest);
        Self::Watched(watched)
    }
}

impl Content {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            match std::task::ready!(self.poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                end => return Poll::Ready(end),
            }
        }
        let piece = self.rest.split_to(self.rest.len().min(PIECE_BYTES));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, body) = (self.rest.len() as u64, self.body.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(rest + body.lower());
        if let Some(upper) = body.upper() {
            hint.set_upper(rest + upper);
        }
        hint
    }
}

impl WatchedResponse {
    fn poll_frame(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut state = self.0.lock();
        match &mut state.phase {
            Phase::Sending(content) => {
                let piece = content.poll_piece(cx);
                if is_last(&piece) {
                    state.phase = Phase::Sent;
                }
                state.untaken_since = piece.is_ready().then(Instant::now);
                piece
            }
            Phase::Sent => Poll::Ready(None),
            Phase::Ended => Poll::Ready(Some(Err(axum::Error::new(io::Error::new(
                io::ErrorKind::TimedOut,
                "the caller took none of the response for too long",
            ))))),
        }
    }

    /// Ends the response if it has been the caller's turn for this long.
    pub(crate) fn end_if_untaken(&self, after: Duration) {
        let mut state = self.0.lock();
        let is_late = state.untaken_since.is_some_and(|since| since.elapsed() >= after);
        let ends = is_late && matches!(&state.phase, Phase::Sending(_));
        let ended = ends.then(|| std::mem::replace(&mut state.phase, Phase::Ended));
        drop(state);
        drop(ended);
    }
}

fn is_last(frame: &Poll<Option<Result<Frame<Bytes>, axum::Error>>>) -> bool {
    matches!(frame, Poll::Ready(None | Some(Err(_))))
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match self.get_mut() {
            Self::Watched(watched) => watched.poll_frame(cx),
            Self::Alone(content) => {
                let Some(sending) = content else {
                    return Poll::Ready(None);
                };
                let frame = sending.poll_frame(cx);
                if is_last(&frame) {
                    *content = None;
                }
                frame
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Alone(content) => content.as_ref().is_none_or(Content::is_end_stream),
            Self::Watched(watched) => match &watched.0.lock().phase {
                Phase::Sending(content) => content.is_end_stream(),
                Phase::Sent => true,
                Phase::Ended => false,
            },
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Alone(content) => content.as_ref().map_or_else(SizeHint::default, Content::size_hint),
            Self::Watched(watched) => match &watched.0.lock().phase {
                Phase::Sending(content) => content.size_hint(),
                Phase::Sent | Phase::Ended => SizeHint::default(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::stream::pending;
    use http::Version;
    use http_body_util::BodyExt as _;
    use prometheus_client::metrics::gauge::Gauge;

    use super::*;
    use crate::connection::ConnectionState;

    const IDLE: Duration = Duration::from_secs(30);

    fn response(version: Version, body: Body) -> (Arc<ConnectionState>, ResponseBody) {
        let state = Arc::new(ConnectionState::default());
        let guard = state.begin_request(version, &Gauge::default());
        (state, ResponseBody::new(body, guard, IDLE))
    }

    #[tokio::test]
    async fn response_ends_its_request_with_its_last_byte() {
        for version in [Version::HTTP_11, Version::HTTP_2] {
            let (state, mut body) = response(version, Body::from("x"));
            assert_eq!(body.size_hint().exact(), Some(1));
            body.frame().await.expect("a frame").expect("no error");
            assert_eq!(state.idle_for(), None);
            assert!(body.frame().await.is_none());
            assert!(state.idle_for().is_some());
            assert!(body.is_end_stream());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn response_on_http_2_that_is_not_taken_ends_and_one_that_is_goes_on() {
        let (state, mut body) = response(Version::HTTP_2, Body::from(vec![0; PIECE_BYTES + 1]));
        tokio::time::sleep(IDLE * 9 / 10).await;
        body.frame().await.expect("a frame").expect("it goes on");
        tokio::time::sleep(IDLE * 9 / 10).await;
        assert_eq!(state.idle_for(), None);
        tokio::time::sleep(IDLE).await;
        assert!(state.idle_for().is_some(), "its request is over");
        let error = body.frame().await.expect("the end is reported").expect_err("as an error");
        assert!(error.to_string().contains("took none of the response"), "{error}");
        assert!(!body.is_end_stream());
    }

    #[tokio::test]
    async fn http_2_gets_a_long_frame_in_pieces() {
        let bytes: Vec<_> = (0..3 * PIECE_BYTES + 7).map(|index| index as u8).collect();
        let (_, mut body) = response(Version::HTTP_2, Body::from(bytes.clone()));
        let mut pieces: Vec<Bytes> = Vec::new();
        while !body.is_end_stream() {
            let left = bytes.len() - pieces.concat().len();
            assert_eq!(body.size_hint().exact(), Some(left as u64));
            let piece = body.frame().await.expect("a piece").expect("no error").into_data().expect("bytes");
            assert!(piece.len() <= PIECE_BYTES);
            pieces.push(piece);
        }
        assert_eq!((pieces.len(), pieces.concat() == bytes), (4, true));
    }

    #[tokio::test(start_paused = true)]
    async fn body_that_has_nothing_to_send_is_not_the_callers_fault() {
        let (state, mut body) = response(Version::HTTP_2, Body::from_stream(pending::<io::Result<Bytes>>()));
        assert!(futures::poll!(body.frame()).is_pending());
        tokio::time::sleep(2 * IDLE).await;
        assert_eq!(state.idle_for(), None);
    }
}
