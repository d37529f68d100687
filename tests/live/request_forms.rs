//! Requests as clients really send them: names of types, byte order marks, preferences, half-closed connections.

use crate::support::problem::{Problem, refused};
use crate::support::raw_client::RawClient;
use crate::support::stream::payloads;
use crate::support::{Answer, Gateway, Stream};

const MARK: &str = "\u{feff}";

async fn gateway_and_stream() -> (Gateway, Stream) {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    (gateway, stream)
}

#[tokio::test]
async fn lines_are_cut_under_every_name_in_use() {
    let (gateway, stream) = gateway_and_stream().await;
    for name in [
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/x-jsonl",
        "application/jsonlines",
        "application/x-jsonlines",
        "application/json-lines",
        "text/x-ndjson",
        "text/ndjson",
        "Text/JSONL; charset=UTF-8",
    ] {
        let request = gateway.post(&stream.events()).header("Content-Type", name).body("1\n2\n");
        assert_eq!(Answer::of(request).await.expect(200).json()["events"], 2, "{name}");
    }
}

#[tokio::test]
async fn byte_order_mark_is_dropped_where_a_body_is_cut_or_parsed() {
    let (gateway, stream) = gateway_and_stream().await;
    let post = |more: &str, content_type: &str, body: String| {
        let request = gateway.post(&(stream.events() + more)).header("Content-Type", content_type);
        Answer::of(request.body(body))
    };
    post("", "application/x-ndjson", format!("{MARK}one\n{MARK}two\n")).await.expect(200);
    post("&split=", "application/json", format!("{MARK}[1]")).await.expect(200);
    let described = format!("{MARK}{{\"events\":[{{\"text\":\"three\"}}]}}");
    post("", "application/vnd.pravega.events+json", described).await.expect(200);
    let whole = format!("{MARK}{{\"k\":1}}");
    post("&key-from=/k", "application/json", whole.clone()).await.expect(201);
    let second = format!("{MARK}two");
    let expected = ["one", &second, "1", "three", &whole].map(str::as_bytes);
    assert_eq!(payloads(&stream.read_all(&gateway).await), expected);
}

#[tokio::test]
async fn text_in_another_encoding_is_refused_where_it_is_cut_or_parsed() {
    let (gateway, stream) = gateway_and_stream().await;
    for (more, content_type) in [
        ("", "application/x-ndjson; charset=iso-8859-1"),
        ("&split=/items", "application/json; charset=utf-16"),
        ("&key-from=/k", "application/json; charset=\"utf-16\""),
    ] {
        let request = gateway.post(&(stream.events() + more)).header("Content-Type", content_type).body("{}");
        refused(request, 415, "unsupported_encoding").await.says("charset");
    }
    let single = gateway.post(&stream.events()).header("Content-Type", "text/plain; charset=iso-8859-1");
    Answer::of(single.body(vec![0xe9])).await.expect(201);
    for bad in ["text", "text/plain, text/html", "text/plain; charset"] {
        let request = gateway.post(&stream.events()).header("Content-Type", bad).body("x");
        refused(request, 400, "header_invalid").await.says("Content-Type");
    }
}

#[tokio::test]
async fn json_that_some_parsers_refuse_comes_as_text() {
    let (gateway, stream) = gateway_and_stream().await;
    let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    let shown = [
        (r#"{"a":[1,"\ud83d\ude00"]}"#.to_owned(), "json"),
        (deep(128), "json"),
        (deep(129), "text"),
        ("[1e309]".to_owned(), "text"),
        (r#""\ud800""#.to_owned(), "text"),
        ("{".to_owned(), "text"),
    ];
    for (payload, _) in &shown {
        stream.append(&gateway, None, payload.as_bytes()).await;
    }
    let path = stream.events() + "&encoding=json";
    let page = Answer::of(gateway.get(&path).header("Accept", "application/x-ndjson")).await.expect(200).text();
    for (line, (payload, member)) in page.lines().zip(&shown) {
        assert!(line.contains(&format!("\"{member}\":")), "{payload} as {line}");
    }
    assert_eq!(page.lines().count(), shown.len());
}

#[tokio::test]
async fn strict_batch_that_fails_in_part_has_the_status_of_its_failure() {
    let (gateway, stream) = gateway_and_stream().await;
    let body = "{\"k\":1}\nbroken\n{\"k\":2}\n";
    let post = |prefer: &str| {
        let request = gateway.post(&(stream.events() + "&key-from=/k")).header("Prefer", prefer);
        let request = request.header("Content-Type", "application/x-ndjson");
        Answer::of(request.header("Accept", "application/x-ndjson").body(body))
    };
    let lenient = post("handling=lenient").await.expect(207);
    assert_eq!(lenient.header("content-type"), "application/x-ndjson");
    let strict = post("handling=strict").await.expect(400);
    assert_eq!(strict.header("preference-applied"), "handling=strict");
    assert_eq!(strict.header("content-type"), "application/json");
    let answer = strict.json();
    assert_eq!((&answer["events"], &answer["reports"][0]["code"]), (&1.into(), &"body_invalid".into()));
    assert_eq!(stream.read_all(&gateway).await.len(), 2, "what was stored stays");
}

#[tokio::test]
async fn webhook_that_fails_in_part_has_the_status_of_its_failure() {
    let first = Gateway::ready(&[]).await;
    let stream = Stream::create(&first, 1).await;
    let webhook = format!("webhooks=w=scope={}&stream={}&key-from=/k", stream.scope, stream.name);
    let gateway = Gateway::ready(&["--set", &webhook]).await;
    let request = gateway.post("/v1/webhooks/w").header("Content-Type", "application/x-ndjson");
    let answer = Answer::of(request.body("{\"k\":1}\nbroken\n")).await.expect(400);
    assert_eq!(answer.json()["events"], 1);
    assert!(!answer.headers.contains_key("preference-applied"));
}

#[tokio::test]
async fn sender_that_ends_its_side_after_the_body_gets_its_answer() {
    let (gateway, stream) = gateway_and_stream().await;
    for number in 0..20 {
        let mut client = RawClient::begin(&gateway, "POST", &stream.events(), &["Content-Length: 5"]).await;
        client.send("event").await;
        client.end_sending().await;
        assert_eq!(client.answer().await.expect(201).json()["offset"], 13 * number);
    }
    let mut reader = RawClient::begin(&gateway, "GET", &stream.events(), &["Prefer: wait=1"]).await;
    reader.end_sending().await;
    reader.answer().await.expect(200);
}

#[tokio::test]
async fn body_that_falls_silent_is_408_before_the_deadline_can_hide_it() {
    let (gateway, stream) = gateway_and_stream().await;
    let headers = ["Content-Length: 100", "Request-Timeout: 500ms"];
    for path in [stream.events(), stream.events() + "&split=/items"] {
        let mut client = RawClient::begin(&gateway, "POST", &path, &headers).await;
        client.send("{").await;
        Problem::of(client.answer().await, 408, "body_idle").changed_nothing();
    }
}
