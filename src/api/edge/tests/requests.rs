//! Ids, deadlines, problems and records of requests.

use super::*;
use crate::config::LogFormat;
use crate::telemetry::log::tests::Captured;

#[tokio::test]
async fn every_answer_carries_the_request_id() {
    let server = TestServer::start(config()).await;
    let mut client = server.connect().await;
    for path in ["/ok", "/nowhere", "/panic"] {
        let answer = client.get_with(path, "x-request-id: order-17\r\n").await;
        assert_eq!(answer.header("x-request-id"), Some("order-17"), "{path}");
    }
    let made = client.get("/ok").await;
    assert_eq!(made.header("x-request-id").map(str::len), Some(32));
}

#[tokio::test]
async fn a_trace_is_carried_on() {
    let server = TestServer::start(config()).await;
    let mut client = server.connect().await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736";
    let answer = client.get_with("/trace", &format!("traceparent: {trace}-00f067aa0ba902b7-01\r\n")).await;
    assert!(answer.body.starts_with(trace) && !answer.body.contains("00f067aa0ba902b7"), "{}", answer.body);
    assert_eq!(client.get("/trace").await.body.len(), 55);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let server = TestServer::start(config()).await;
    let mut client = server.connect().await;
    let unknown = client.get("/nowhere").await;
    assert_eq!((unknown.status, unknown.code()), (404, "path_unknown".to_owned()));
    let wrong = client.get("/whole").await;
    assert_eq!((wrong.status, wrong.code()), (405, "method_not_allowed".to_owned()));
    assert_eq!(wrong.header("allow"), Some("POST"));
}

#[tokio::test]
async fn a_panic_is_a_500_that_tells_nothing() {
    let (captured, _guard) = Captured::install(LogFormat::Text, "error");
    let server = TestServer::start(config()).await;
    let mut client = server.connect().await;
    let answer = client.get_with("/panic", "x-request-id: p1\r\n").await;
    assert_eq!((answer.status, answer.code()), (500, "internal".to_owned()));
    assert!(!answer.body.contains("broken"), "{}", answer.body);
    let log = captured.text();
    assert!(log.contains("this handler is broken") && log.contains("request.id=\"p1\""), "{log}");
    assert_eq!(client.get("/ok").await.status, 200);
}

#[tokio::test]
async fn a_request_may_lower_its_deadline() {
    let server = TestServer::start(config()).await;
    let mut client = server.connect().await;
    let late = client.get_with("/deadline", "request-timeout: 10ms\r\n").await;
    assert_eq!((late.status, late.code()), (503, "deadline_exceeded".to_owned()));
    assert_eq!(late.problem()["sideEffects"], "none");
    let malformed = client.get_with("/ok", "request-timeout: soon\r\n").await;
    assert_eq!((malformed.status, malformed.code()), (400, "header_invalid".to_owned()));
}

#[tokio::test]
async fn a_request_is_counted_by_route_and_code() {
    let server = TestServer::start(config()).await;
    let mut client = server.connect().await;
    client.get("/named/alice").await;
    client.get("/named/bob").await;
    client.get("/nowhere").await;
    client.post_head("/streamed", 5, "").await;
    client.send("12345").await;
    assert_eq!(client.answer().await.body, "12345");
    server.in_flight(0).await;
    let text = server.metrics.encode();
    for line in [
        r#"http_requests_total{route="/named/{name}",method="GET",status="200",code=""} 2"#,
        r#"http_requests_total{route="none",method="GET",status="404",code="path_unknown"} 1"#,
        r#"http_request_seconds_count{route="/named/{name}"} 2"#,
        "http_received_bytes_total 5",
        "http_connections 1",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[tokio::test]
async fn a_request_leaves_one_line_without_what_is_the_callers() {
    let (captured, _guard) = Captured::install(LogFormat::Json, "access=info");
    let server = TestServer::start(config()).await;
    let mut client = server.connect().await;
    let headers = "x-request-id: r1\r\nauthorization: Basic c2VjcmV0\r\n";
    client.get_with("/nowhere?stream=t&routing-key=alice", headers).await;
    let log = captured.text();
    let line: serde_json::Value = serde_json::from_str(&log).expect("exactly one line");
    for (name, value) in [
        ("http.method", serde_json::json!("GET")),
        ("url.path", serde_json::json!("/nowhere")),
        ("url.query", serde_json::json!("stream=t&routing-key=…")),
        ("http.status", serde_json::json!(404)),
        ("error.code", serde_json::json!("path_unknown")),
        ("request.id", serde_json::json!("r1")),
        ("received_bytes", serde_json::json!(0)),
    ] {
        assert_eq!(line[name], value, "{name} in {log}");
    }
    assert!(line["peer"].as_str().is_some_and(|peer| peer.starts_with("127.0.0.1:")), "{log}");
    assert_eq!(line["trace.id"].as_str().map(str::len), Some(32), "{log}");
    assert!(!log.contains("c2VjcmV0") && !log.contains("alice"), "{log}");
}

#[tokio::test]
async fn the_access_log_can_be_turned_off() {
    let (captured, _guard) = Captured::install(LogFormat::Json, "access=info");
    let mut config = config();
    config.log.access = false;
    let server = TestServer::start(config).await;
    server.connect().await.get("/ok").await;
    assert_eq!(captured.text(), "");
}

#[tokio::test]
async fn a_caller_that_hangs_up_unanswered_is_recorded_so() {
    let (captured, _guard) = Captured::install(LogFormat::Json, "access=info");
    let server = TestServer::start(config()).await;
    let mut client = server.connect().await;
    client.send("GET /held HTTP/1.1\r\nhost: gateway\r\n\r\n").await;
    server.in_flight(1).await;
    client.reset();
    server.in_flight(0).await;
    assert!(captured.text().contains("\"http.status\":499"), "{}", captured.text());
}

#[tokio::test]
async fn caller_that_ends_its_sending_side_gets_its_answer_and_then_the_end() {
    let server = TestServer::start(config()).await;
    let mut client = server.connect().await;
    client.post_head("/whole", 5, "").await;
    client.send("12345GET /held HTTP/1.1\r\nhost: gateway\r\n\r\n").await;
    client.stream.get_mut().shutdown().await.expect("the server is there");
    assert_eq!(client.answer().await.body, "5");
    server.in_flight(1).await;
    server.app.gate.add_permits(1);
    assert_eq!(client.answer().await.body, "let go");
    assert!(client.is_cut().await);
}
