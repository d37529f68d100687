//! Batches with invalid lines.

use serde_json::{Value, json};

use super::gateway_and_stream;
use crate::support::problem::{Problem, refused};
use crate::support::stream::payloads;
use crate::support::{Answer, Gateway, Stream};

/// Posts lines with the member `k` as routing key, and more parameters.
async fn post(gateway: &Gateway, stream: &Stream, more: &str, body: &str) -> Answer {
    let path = format!("{}&key-from=/k{more}", stream.events());
    let request = gateway.post(&path).header("Content-Type", "application/x-ndjson").body(body.to_owned());
    Answer::of(request).await
}

/// A report without its human-readable parts.
fn essence(report: &Value) -> Value {
    assert!(report["detail"].is_string() && report["title"].is_string() && report["retryable"].is_boolean());
    let member = |name: &str| (name.to_owned(), report[name].clone());
    ["index", "status", "code", "sideEffects"].map(member).into_iter().collect()
}

fn broken(index: u64) -> Value {
    json!({ "index": index, "status": 400, "code": "body_invalid", "sideEffects": "none" })
}

fn not_written(index: u64) -> Value {
    json!({ "index": index, "status": 424, "code": "not_written", "sideEffects": "none" })
}

#[tokio::test]
async fn broken_line_ends_the_batch_before_it() {
    let (gateway, stream) = gateway_and_stream(1).await;
    for bad in ["not json", "{}", r#"{"k":null}"#, r#"{"k":{}}"#, r#"{"k":[]}"#, r#"{"k":1} x"#] {
        let before = stream.read_all(&gateway).await.len();
        let body = format!("{{\"k\":\"a\"}}\n\n{{\"k\":\"b\"}}\n{bad}\n{{\"k\":\"c\"}}\n{{\"k\":\"d\"}}\n");
        let answer = post(&gateway, &stream, "", &body).await.expect(207).json();
        assert_eq!((&answer["events"], &answer["segments"][0]["events"]), (&json!(2), &json!(2)), "{answer}");
        let reports = answer["reports"].as_array().expect("reports");
        assert_eq!(reports.iter().map(essence).collect::<Vec<_>>(), [broken(2), not_written(3)], "{bad}");
        assert_eq!(reports[0]["count"], 1);
        let events = stream.read_all(&gateway).await;
        assert_eq!(payloads(&events[before..]), [br#"{"k":"a"}"#, br#"{"k":"b"}"#], "{bad}");
    }
}

#[tokio::test]
async fn broken_first_line_is_400_with_reports_and_nothing_is_written() {
    let (gateway, stream) = gateway_and_stream(1).await;
    let answer = post(&gateway, &stream, "", "{}\n{\"k\":\"a\"}\n").await;
    let problem = Problem::of(answer, 400, "body_invalid");
    let reports = problem.changed_nothing().member("reports").as_array().expect("reports");
    assert_eq!(reports.iter().map(essence).collect::<Vec<_>>(), [broken(0), not_written(1)]);
    assert_eq!(stream.read_all(&gateway).await, []);
}

#[tokio::test]
async fn broken_last_line_without_its_end_leaves_nothing_unreported() {
    let (gateway, stream) = gateway_and_stream(1).await;
    let answer = post(&gateway, &stream, "", "{\"k\":\"a\"}\n{\"k\"").await.expect(207).json();
    let reports = answer["reports"].as_array().expect("reports");
    assert_eq!(reports.iter().map(essence).collect::<Vec<_>>(), [broken(1)]);
    assert_eq!(stream.read_all(&gateway).await.len(), 1);
}

#[tokio::test]
async fn key_that_is_missing_may_be_random_but_json_must_be_json() {
    let (gateway, stream) = gateway_and_stream(1).await;
    let body = "{\"k\":\"a\"}\n{}\n{\"k\":null}\n{\"k\":[1]}\n[]\n";
    let answer = post(&gateway, &stream, "&key-from-missing=random", body).await.expect(200).json();
    assert_eq!(answer["events"], 5);
    let answer = post(&gateway, &stream, "&key-from-missing=random", "not json\n").await;
    Problem::of(answer, 400, "body_invalid").says("not JSON");
    assert_eq!(stream.read_all(&gateway).await.len(), 5);
}

#[tokio::test]
async fn batch_of_no_lines_is_200_and_writes_nothing() {
    let (gateway, stream) = gateway_and_stream(1).await;
    for body in ["", "\n", "\r\n\n\r\n"] {
        let answer = post(&gateway, &stream, "", body).await.expect(200).json();
        assert_eq!(answer, json!({ "events": 0, "segments": [] }), "{body:?}");
    }
    assert_eq!(stream.read_all(&gateway).await, []);
}

#[tokio::test]
async fn line_over_the_limit_of_an_event_is_413_in_its_report() {
    let gateway = Gateway::ready(&["--set", "append.max-event=1KiB"]).await;
    let stream = Stream::create(&gateway, 1).await;
    let lines = |length: usize| format!("first\n{}\nlast\n", "x".repeat(length));
    let send = |body: String| gateway.post(&stream.events()).header("Content-Type", "application/x-ndjson").body(body);
    Answer::of(send(lines(1024))).await.expect(200);
    let answer = Answer::of(send(lines(1025))).await.expect(207).json();
    assert_eq!((&answer["events"], &answer["reports"][0]["index"]), (&json!(1), &json!(1)));
    assert_eq!(
        (&answer["reports"][0]["status"], &answer["reports"][0]["code"]),
        (&json!(413), &json!("event_too_large"))
    );
    assert_eq!(stream.read_all(&gateway).await.len(), 4);
}

#[tokio::test]
async fn batch_for_an_unknown_stream_is_404_without_reports() {
    let (gateway, stream) = gateway_and_stream(1).await;
    let path = format!("/v1/events?scope={}&stream=nothing", stream.scope);
    let request = gateway.post(&path).header("Content-Type", "application/jsonl").body("line\n");
    refused(request, 404, "stream_not_found").await;
}
