//! A body of lines that is sent while the test runs.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::unfold;
use reqwest::RequestBuilder;
use tokio::sync::watch;

use super::Answer;
use super::ledger::{Outcome, batch_outcomes, payload};

/// Lines sent at a time, every few milliseconds.
const BURST: usize = 10;
const PAUSE: Duration = Duration::from_millis(5);

/// Appends events of one key in a single request until stopped or refused; returns their outcomes.
pub(crate) async fn upload(request: RequestBuilder, key: &str, stop: watch::Receiver<bool>) -> Vec<Outcome> {
    let sent = Arc::new(AtomicUsize::new(0));
    let request = request.header("Content-Type", "application/x-ndjson");
    let answer = Answer::of(request.body(lines(key.to_owned(), stop, sent.clone()))).await;
    batch_outcomes(&answer, sent.load(Ordering::Relaxed))
}

/// A body of events of one key, until it is stopped; `sent` counts them.
pub(crate) fn lines(key: String, stop: watch::Receiver<bool>, sent: Arc<AtomicUsize>) -> reqwest::Body {
    let bursts = unfold((key, stop, sent), async |(key, stop, sent)| {
        tokio::time::sleep(PAUSE).await;
        if *stop.borrow() {
            return None;
        }
        let first = sent.fetch_add(BURST, Ordering::Relaxed);
        let lines: String = (first..first + BURST).map(|number| payload(&key, number, number % 300) + "\n").collect();
        Some((Ok::<_, Infallible>(lines), (key, stop, sent)))
    });
    reqwest::Body::wrap_stream(bursts.boxed())
}
