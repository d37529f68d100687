//! An answer of lines that goes out while the request is still worked on.
//!
//! ```text
//! work, a task of its own ─ lines ─▶ Waiting ─ bytes ─▶ ReportLines, the answer's body
//!       └──────── waits while many ◀─────┘                   └─ dropped: ends the work
//! ```

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::{BufMut as _, Bytes, BytesMut};
use futures::{FutureExt as _, Stream};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use parking_lot::Mutex;
use serde::Serialize;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

/// Bytes of lines that wait for the caller; beyond it the work waits, too.
const WAITING_BYTES: usize = 64 * 1024;

/// Where the work puts its lines.
#[derive(Debug, Clone, Default)]
pub(super) struct Sender(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    lines: BytesMut,
    /// Wakes the work when the lines are taken.
    work: Option<Waker>,
    /// Wakes the answer when there are lines.
    answer: Option<Waker>,
}

impl Sender {
    /// Adds a line.
    pub(super) fn push(&self, line: &impl Serialize) {
        let mut waiting = self.0.lock();
        serde_json::to_writer((&mut waiting.lines).writer(), line).expect("a buffer takes any bytes");
        waiting.lines.put_u8(b'\n');
        if let Some(answer) = waiting.answer.take() {
            answer.wake();
        }
    }

    /// Waits while too many lines wait for the caller.
    pub(super) async fn taken(&self) {
        std::future::poll_fn(|cx| {
            let mut waiting = self.0.lock();
            if waiting.lines.len() < WAITING_BYTES {
                return Poll::Ready(());
            }
            waiting.work = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// The lines that wait; where there are none, `cx` is woken by the next.
    fn poll_lines(&self, cx: &mut Context<'_>) -> Poll<Bytes> {
        let mut waiting = self.0.lock();
        if let Some(work) = waiting.work.take() {
            work.wake();
        }
        if waiting.lines.is_empty() {
            waiting.answer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(waiting.lines.split().freeze())
    }
}

/// Lines, and the work that makes them; dropping them ends it.
struct ReportLines {
    /// `None` once it has ended.
    work: Option<AbortOnDropHandle<()>>,
    sender: Sender,
}

impl Stream for ReportLines {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let ended = self.work.as_mut().and_then(|work| match work.poll_unpin(cx) {
            Poll::Ready(ended) => Some(ended),
            Poll::Pending => None,
        });
        if let Some(ended) = ended {
            self.work = None;
            if let Err(error) = ended {
                return Poll::Ready(Some(Err(io::Error::other(error))));
            }
        }
        match self.sender.poll_lines(cx) {
            Poll::Ready(lines) => Poll::Ready(Some(Ok(lines))),
            Poll::Pending if self.work.is_none() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Answers `207` at once, and with what `work` sends until it ends.
pub(super) fn answer<W: Future<Output = ()> + Send + 'static>(sender: Sender, work: W) -> Response {
    let work = AbortOnDropHandle::new(tokio::spawn(work.in_current_span()));
    let lines = ReportLines { work: Some(work), sender };
    let headers = [(CONTENT_TYPE, "application/x-ndjson"), (CACHE_CONTROL, "no-store")];
    (StatusCode::MULTI_STATUS, headers, Body::from_stream(lines)).into_response()
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;

    use super::*;

    #[tokio::test]
    async fn lines_go_out_while_the_work_goes_on() {
        let sender = Sender::default();
        let (go_on, resumed) = tokio::sync::oneshot::channel();
        let work_sender = sender.clone();
        let work = async move {
            work_sender.push(&1);
            work_sender.push(&"two");
            resumed.await.expect("the test goes on");
            work_sender.push(&3);
        };
        let mut body = answer(sender, work).into_body().into_data_stream();
        assert_eq!(body.next().await.expect("lines").expect("never fails"), "1\n\"two\"\n");
        go_on.send(()).expect("the work waits");
        assert_eq!(body.next().await.expect("a line").expect("never fails"), "3\n");
        assert!(body.next().await.is_none());
    }

    #[tokio::test]
    async fn work_goes_on_while_no_one_takes_its_lines_and_ends_with_the_answer() {
        let (first, second) = (tokio::sync::oneshot::channel(), tokio::sync::oneshot::channel::<()>());
        let sender = Sender::default();
        let work_sender = sender.clone();
        let response = answer(sender, async move {
            work_sender.push(&1);
            first.0.send(()).expect("the test waits");
            second.1.await.expect("never sent");
        });
        first.1.await.expect("it is worked on");
        let mut ended = second.0;
        drop(response);
        ended.closed().await;
    }

    #[tokio::test]
    async fn work_waits_for_a_caller_who_takes_lines_slowly() {
        let sender = Sender::default();
        let work_sender = sender.clone();
        let work = async move {
            for _ in 0..100 {
                work_sender.push(&"x".repeat(WAITING_BYTES / 4));
                work_sender.taken().await;
            }
        };
        let mut body = answer(sender, work).into_body().into_data_stream();
        let (mut longest, mut all) = (0, 0);
        while let Some(lines) = body.next().await {
            let length = lines.expect("never fails").len();
            longest = longest.max(length);
            all += length;
        }
        assert!(longest < 2 * WAITING_BYTES, "{longest}");
        assert_eq!(all, 100 * (WAITING_BYTES / 4 + 3));
    }
}
