//! Answers that arrive before the body is complete.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::problem::Problem;
use crate::support::process::curl;
use crate::support::raw_client::RawClient;
use crate::support::stream::payloads;
use crate::support::{Gateway, PATIENCE, Stream};

const MIB: usize = 1024 * 1024;

/// Posts a body with curl; returns the status and the problem that it received.
async fn curl_post(gateway: &Gateway, path: &str, arguments: &[&str], body: &[u8]) -> (String, serde_json::Value) {
    let url = gateway.url(path);
    let fixed = ["--data-binary", "@-", "-w", "\n%{http_code}", &url];
    let printed = curl(&[arguments, &fixed].concat(), body).await.success();
    let printed = String::from_utf8(printed).expect("text");
    let (problem, status) = printed.rsplit_once('\n').expect("two lines");
    (status.to_owned(), serde_json::from_str(problem).unwrap_or_else(|error| panic!("{error}: {printed}")))
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn curl_sees_why_it_was_refused_while_it_sends_12_mib() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let body = vec![b'x'; 12 * MIB];
    let unknown = format!("/v1/events?scope={}&stream=nothing", stream.scope);
    let lines = ["-H", "Content-Type: application/x-ndjson"];
    let ways: [&[&str]; 4] =
        [&["-H", "Expect: 100-continue"], &["-H", "Expect:"], &["--http2-prior-knowledge"], &lines];
    for way in ways {
        let (status, problem) = curl_post(&gateway, &unknown, way, &body).await;
        assert_eq!((status.as_str(), &problem["code"]), ("404", &"stream_not_found".into()), "{way:?}");
        let chunked = [way, &["-H", "Transfer-Encoding: chunked"]].concat();
        if !way.contains(&"--http2-prior-knowledge") {
            let (status, problem) = curl_post(&gateway, &unknown, &chunked, &body).await;
            assert_eq!((status.as_str(), &problem["code"]), ("404", &"stream_not_found".into()), "{chunked:?}");
        }
    }
    for way in &ways[..3] {
        let (status, problem) = curl_post(&gateway, &stream.events(), way, &body).await;
        assert_eq!((status.as_str(), &problem["code"]), ("413", &"event_too_large".into()), "{way:?}");
    }
    assert_eq!(stream.read_all(&gateway).await, []);
}

/// Sends a body of 200 MB and reads only once that fails; returns what was read.
async fn answer_after_failed_send(gateway: &Gateway, path: &str, length: &str) -> String {
    let address = gateway.url("").strip_prefix("http://").expect("plain HTTP").to_owned();
    let mut socket = TcpStream::connect(address).await.expect("the gateway listens");
    let head = format!("POST {path} HTTP/1.1\r\nHost: gateway\r\n{length}\r\n\r\n");
    socket.write_all(head.as_bytes()).await.expect("the gateway reads the head");
    // the size and the bytes of a chunk, or just bytes
    let part = [b"fffff\r\n".to_vec(), vec![b'x'; 0xf_ffff], b"\r\n".to_vec()].concat();
    let sending = async {
        for _ in 0..200 {
            if socket.write_all(&part).await.is_err() {
                return;
            }
        }
        panic!("all of it is taken");
    };
    timeout(PATIENCE, sending).await.expect("the gateway ends the connection");
    let mut answer = Vec::new();
    // Behind the response is the reset.
    let _ = timeout(PATIENCE, socket.read_to_end(&mut answer)).await.expect("the connection is over");
    String::from_utf8(answer).expect("text")
}

#[tokio::test]
async fn refusal_is_seen_by_a_client_that_reads_only_once_its_send_fails() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let unknown = format!("/v1/events?scope={}&stream=nothing", stream.scope);
    let calls = [
        (&unknown, "Content-Length: 209716700", "404 Not Found", "stream_not_found"),
        (&unknown, "Transfer-Encoding: chunked", "404 Not Found", "stream_not_found"),
        (&stream.events(), "Content-Length: 209716700", "413 Payload Too Large", "event_too_large"),
        (&stream.events(), "Transfer-Encoding: chunked", "413 Payload Too Large", "event_too_large"),
    ];
    for (path, length, status, code) in calls {
        let answer = answer_after_failed_send(&gateway, path, length).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")) && answer.contains(code), "{length}: {answer}");
    }
    assert_eq!(stream.read_all(&gateway).await, []);
}

#[tokio::test]
async fn caller_that_awaits_100_continue_is_refused_without_it() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let unknown = format!("/v1/events?scope={}&stream=nothing", stream.scope);
    let expect = ["Expect: 100-continue", "Content-Length: 5"];
    let refused = RawClient::begin(&gateway, "POST", &unknown, &expect).await;
    Problem::of(refused.answer().await, 404, "stream_not_found");
    let too_large = ["Expect: 100-continue", "Content-Length: 8388609"];
    let refused = RawClient::begin(&gateway, "POST", &stream.events(), &too_large).await;
    Problem::of(refused.answer().await, 413, "event_too_large");

    let mut taken = RawClient::begin(&gateway, "POST", &stream.events(), &expect).await;
    assert_eq!(taken.first_line().await, "HTTP/1.1 100 Continue");
    taken.send("event").await;
    assert_eq!(taken.first_line().await, "");
    assert_eq!(taken.answer().await.expect(201).json()["offset"], 0);
    assert_eq!(payloads(&stream.read_all(&gateway).await), [b"event"]);
}

#[tokio::test]
async fn refusal_comes_before_the_body_is_sent() {
    let gateway = Gateway::ready(&["--set", "limits.drain-time=100ms"]).await;
    let calls = [
        ("POST", "/v1/events?scope=s&stream=t&what=1", "parameter_unknown", 400),
        ("PUT", "/v1/events", "header_invalid", 400),
        ("POST", "/v1/wire/Nothing", "message_type_unknown", 400),
        ("POST", "/v1/nothing", "path_unknown", 404),
        ("DELETE", "/v1/events", "method_not_allowed", 405),
    ];
    for (method, path, code, status) in calls {
        let mut client = RawClient::begin(&gateway, method, path, &["Content-Length: 1000000"]).await;
        client.send("the rest never comes").await;
        Problem::of(client.answer().await, status, code).changed_nothing();
    }
}

#[tokio::test]
async fn body_that_stops_is_408_and_nothing_unfinished_is_written() {
    let gateway = Gateway::ready(&["--set", "limits.body-idle=1s"]).await;
    let stream = Stream::create(&gateway, 1).await;
    let by_fields = format!("/v1/wire/Event?segment={}", stream.segment(0).replace('#', "%23"));
    let message = ["Content-Length: 1000", "Message-Type: SealSegment", "Message-Length: 1000"];
    let calls = [
        ("POST", stream.events(), &message[..1]),
        ("POST", by_fields, &message[..1]),
        ("PUT", stream.events(), &message[..]),
    ];
    for (method, path, headers) in calls {
        let mut client = RawClient::begin(&gateway, method, &path, headers).await;
        client.send("part").await;
        Problem::of(client.answer().await, 408, "body_idle").says("1s").changed_nothing();
    }
    assert_eq!(stream.read_all(&gateway).await, []);
}

#[tokio::test]
async fn lines_before_a_body_stopped_are_written_and_told() {
    let gateway = Gateway::ready(&["--set", "limits.body-idle=1s"]).await;
    let stream = Stream::create(&gateway, 1).await;
    let headers = ["Content-Type: application/x-ndjson", "Content-Length: 1000"];
    let mut client = RawClient::begin(&gateway, "POST", &stream.events(), &headers).await;
    client.send("one\ntwo\nthr").await;
    let answer = client.answer().await.expect(207).json();
    assert_eq!(answer["events"], 2);
    let report = &answer["reports"][0];
    assert_eq!((&report["index"], &report["status"], &report["code"]), (&2.into(), &408.into(), &"body_idle".into()));
    assert_eq!(payloads(&stream.read_all(&gateway).await), [b"one", b"two"]);

    let mut nothing = RawClient::begin(&gateway, "POST", &stream.events(), &headers).await;
    nothing.send("fou").await;
    Problem::of(nothing.answer().await, 408, "body_idle").changed_nothing();
    assert_eq!(stream.read_all(&gateway).await.len(), 2);
}
