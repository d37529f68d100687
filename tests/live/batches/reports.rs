//! Reports of single events, in the response or streamed as events are acknowledged.

use bytes::Bytes;
use futures::StreamExt as _;
use reqwest::Response;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{FRAMES, LINES, framed, post, reports};
use crate::support::{Answer, Gateway, PATIENCE, Stream};

#[tokio::test]
async fn each_event_is_reported_with_its_place() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 4).await;
    let body: String = (0..100).map(|number| format!("{{\"k\":{number}}}\n")).collect();
    let answer = post(&gateway, &stream, LINES, "&key-from=/k&report=each", body).await.expect(200).json();
    let stored = stream.read_all(&gateway).await;
    assert_eq!(reports(&answer), (0..100).map(|index| (index, 1, 201)).collect::<Vec<_>>());
    for (number, report) in answer["reports"].as_array().expect("reports").iter().enumerate() {
        let payload = format!("{{\"k\":{number}}}").into_bytes();
        let event = stored.iter().find(|event| event.payload == payload).expect("it is stored");
        let place = (&report["segment"], &report["offset"], &report["nextOffset"]);
        assert_eq!(place, (&json!(event.segment), &json!(event.offset), &json!(event.next_offset)));
    }
}

#[tokio::test]
async fn failures_are_reported_one_by_one_too() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let body = "{\"k\":1}\n{}\n{\"k\":2}\n{\"k\":3}\n";
    let answer = post(&gateway, &stream, LINES, "&key-from=/k&report=each", body).await.expect(207).json();
    assert_eq!(reports(&answer), [(0, 1, 201), (1, 1, 400), (2, 1, 424), (3, 1, 424)]);
}

#[tokio::test]
async fn answer_holds_ten_thousand_reports_and_says_that_there_were_more() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let body = |events: usize| framed(b"x").repeat(events);
    let answer = post(&gateway, &stream, FRAMES, "&report=each", body(10_000)).await.expect(200).json();
    assert_eq!((reports(&answer).len(), answer.get("truncated")), (10_000, None));
    let answer = post(&gateway, &stream, FRAMES, "&report=each", body(10_001)).await.expect(200).json();
    assert_eq!((reports(&answer).len(), &answer["truncated"]), (10_000, &json!(true)));
    assert_eq!(answer["events"], 10_001);
}

/// An upload whose body the test sends piece by piece while it reads the reports.
struct Conversation {
    pieces: mpsc::Sender<Result<String, std::io::Error>>,
    response: Response,
    unread: Vec<u8>,
}

impl Conversation {
    async fn begin(gateway: &Gateway, stream: &Stream, more: &str) -> Self {
        let (pieces, body) = mpsc::channel(1);
        let body =
            futures::stream::unfold(
                body,
                |mut body: mpsc::Receiver<_>| async move { Some((body.recv().await?, body)) },
            );
        let request = gateway.post(&(stream.events() + more)).header("Content-Type", LINES);
        let request = request.header("Accept", "application/x-ndjson").body(reqwest::Body::wrap_stream(body.boxed()));
        let response = timeout(PATIENCE, request.send()).await.expect("it answers at once").expect("it answers");
        assert_eq!(response.status(), 207);
        assert_eq!(response.headers()["content-type"], "application/x-ndjson");
        Self { pieces, response, unread: Vec::new() }
    }

    async fn send(&self, piece: impl Into<String>) {
        self.pieces.send(Ok(piece.into())).await.expect("the gateway reads on");
    }

    /// The next line; `None` at the end.
    async fn receive(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<_> = self.unread.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).expect("a line of JSON"));
            }
            let chunk: Option<Bytes> =
                timeout(PATIENCE, self.response.chunk()).await.expect("it continues").expect("it is not cut off");
            self.unread.extend_from_slice(&chunk?);
        }
    }
}

#[tokio::test]
async fn reports_stream_out_while_the_body_is_still_sent() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let mut talk = Conversation::begin(&gateway, &stream, "&report=each").await;
    for number in 0..3_i64 {
        talk.send(format!("event {number}\n")).await;
        let report = talk.receive().await.expect("a report");
        let expected = json!({ "index": number, "count": 1, "status": 201, "segment": "0.#epoch.0",
            "offset": number * 15, "nextOffset": number * 15 + 15 });
        assert_eq!(report, expected);
    }
    talk.send("last, without its end").await;
    let Conversation { pieces, response, unread } = talk;
    drop(pieces);
    let mut talk = Conversation { pieces: mpsc::channel(1).0, response, unread };
    assert_eq!(talk.receive().await.expect("a report")["index"], 3);
    let segment = json!({ "segment": "0.#epoch.0", "events": 4, "offset": 0, "nextOffset": 74 });
    assert_eq!(talk.receive().await, Some(json!({ "events": 4, "segments": [segment] })));
    assert_eq!(talk.receive().await, None);
}

#[tokio::test]
async fn broken_line_ends_streamed_reports_with_a_summary() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let mut talk = Conversation::begin(&gateway, &stream, "&key-from=/k").await;
    talk.send("{\"k\":1}\n{}\n{\"k\":2}\n{\"k\":3}\n").await;
    drop(std::mem::replace(&mut talk.pieces, mpsc::channel(1).0));
    let broken = talk.receive().await.expect("a report");
    assert_eq!(
        (&broken["index"], &broken["status"], &broken["code"]),
        (&json!(1), &json!(400), &json!("body_invalid"))
    );
    let rest = talk.receive().await.expect("a report");
    assert_eq!((&rest["index"], &rest["count"], &rest["code"]), (&json!(2), &json!(2), &json!("not_written")));
    let summary = talk.receive().await.expect("a summary");
    assert_eq!((&summary["events"], summary.get("reports")), (&json!(1), None));
    assert_eq!(talk.receive().await, None);
    assert_eq!(stream.read_all(&gateway).await.len(), 1);
}

#[tokio::test]
async fn streamed_reports_are_all() {
    const EVENTS: u64 = 25_000;
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 4).await;
    let body = framed(b"x").repeat(usize::try_from(EVENTS).expect("few"));
    let request = gateway.post(&(stream.events() + "&report=each")).header("Content-Type", FRAMES);
    let answer = Answer::of(request.header("Accept", "application/x-ndjson").body(body)).await.expect(207);
    let text = answer.text();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let (summary, reports) = lines.split_last().expect("lines");
    assert_eq!(summary["events"], EVENTS);
    let indexes: Vec<_> = reports.iter().map(|report| report["index"].as_u64().expect("an index")).collect();
    assert!(indexes == (0..EVENTS).collect::<Vec<_>>(), "{} reports", indexes.len());
    assert!(reports.iter().all(|report| report["status"] == 201));
}

#[tokio::test]
async fn stream_that_is_not_there_has_its_own_status_also_for_streamed_reports() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let path = format!("/v1/events?scope={}&stream=nothing", stream.scope);
    let request = gateway.post(&path).header("Content-Type", LINES).header("Accept", "application/x-ndjson");
    assert_eq!(Answer::of(request.body("x\n")).await.expect(404).json()["code"], "stream_not_found");
}
