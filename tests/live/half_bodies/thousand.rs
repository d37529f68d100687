//! A thousand callers that stop in the middle of their bodies.

use std::time::Duration;

use futures::future::join_all;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Held;
use crate::support::problem::Problem;
use crate::support::raw_client::RawClient;
use crate::support::stream::payloads;
use crate::support::{Gateway, Stream};

const CALLERS: usize = 1000;

/// Bytes that each announces, and of which it sends half.
const BODY: usize = 20_000;

/// The longest silence, and how much later a busy machine may answer.
const IDLE: Duration = Duration::from_secs(3);
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn thousand_callers_that_stop_in_mid_body_are_let_go_while_others_are_served() {
    rlimit::increase_nofile_limit(u64::MAX).expect("the limit can be raised");
    // Nothing else may end them in time.
    let settings = ["--set", "limits.body-idle=3s", "--set", "request.timeout=10m"];
    let gateway = Gateway::ready(&settings).await;
    let stream = Stream::create(&Gateway::ready(&[]).await, 2).await;
    let nothing = Held::now(&gateway).await;
    assert_eq!(nothing.connections, 0.0);

    let (done, is_done) = watch::channel(false);
    let stopping = async {
        join_all((0..CALLERS).map(|number| stop_in_mid_body(&gateway, &stream, number))).await;
        done.send_replace(true);
    };
    let ((), served) = tokio::join!(stopping, be_served(&gateway, &stream, is_done));
    assert!(served > 0);
    nothing.await_this(&gateway).await;
    let stored = stream.read_all(&gateway).await;
    assert_eq!(payloads(&stored), vec![b"whole"; served]);
}

/// Sends half of a body of one of three kinds and waits for the gateway's answer.
async fn stop_in_mid_body(gateway: &Gateway, stream: &Stream, number: usize) {
    let length = format!("Content-Length: {BODY}");
    let headers: &[&str] = match number % 3 {
        0 => &[&length],
        1 => &[&length, "Content-Type: application/x-ndjson"],
        _ => &["Transfer-Encoding: chunked"],
    };
    let mut client = RawClient::begin(gateway, "POST", &stream.events(), headers).await;
    if number % 3 == 2 {
        client.send(format!("{BODY:x}\r\n")).await;
    }
    client.send([b'x'; BODY / 2]).await;
    let stopped = Instant::now();
    Problem::of(client.answer().await, 408, "body_idle").changed_nothing();
    let waited = stopped.elapsed();
    assert!((IDLE / 2..IDLE + ANSWERED_WITHIN).contains(&waited), "it took {waited:?}");
}

/// Posts whole events, each acknowledged on its own connection; returns how many there were.
async fn be_served(gateway: &Gateway, stream: &Stream, is_done: watch::Receiver<bool>) -> usize {
    let mut served = 0;
    while !*is_done.borrow() {
        let mut client = RawClient::begin(gateway, "POST", &stream.events(), &["Content-Length: 5"]).await;
        client.send("whole").await;
        client.answer().await.expect(201);
        served += 1;
    }
    served
}
