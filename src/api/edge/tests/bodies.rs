//! What becomes of bodies that are too large, idle or unread.

use super::*;

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn a_silent_body_is_a_408() {
    let server = TestServer::start(config()).await;
    for path in ["/whole", "/streamed"] {
        let mut client = server.connect().await;
        client.post_head(path, 10, "").await;
        client.send("12345").await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.code()), (408, "body_idle".to_owned()), "{path}");
        assert_eq!(answer.problem()["retryable"], true);
        assert!(client.is_cut().await, "what comes next could not be distinguished from the body");
    }
    assert_eq!(server.hits(Limit::BodyIdle), 2);
}

#[tokio::test]
async fn a_body_is_taken_at_its_limit_and_refused_just_over_it() {
    let server = TestServer::start(config()).await;
    let mut client = server.connect().await;
    client.post_head("/whole", LONGEST_BODY, "").await;
    client.send(vec![b'x'; LONGEST_BODY]).await;
    assert_eq!(client.answer().await.body, LONGEST_BODY.to_string());
    client.post_head("/whole", LONGEST_BODY + 1, "").await;
    client.send(vec![b'x'; LONGEST_BODY + 1]).await;
    let refused = client.answer().await;
    assert_eq!((refused.status, refused.code()), (413, "event_too_large".to_owned()));
    assert_eq!(server.hits(Limit::Event), 1);
}

#[tokio::test]
async fn a_caller_that_is_still_sending_sees_the_refusal_and_may_go_on() {
    let server = TestServer::start(config()).await;
    let mut client = server.connect().await;
    for _ in 0..2 {
        client.post_head("/refused", 8 * MIB, "").await;
        client.send(vec![b'x'; 8 * MIB]).await;
        let refused = client.answer().await;
        assert_eq!((refused.status, refused.code()), (404, "stream_not_found".to_owned()));
    }
    assert_eq!(client.get("/ok").await.status, 200);
}

#[tokio::test]
async fn a_refusal_is_not_held_back_by_the_body() {
    let server = TestServer::start(config()).await;
    let mut client = server.connect().await;
    client.post_head("/refused", 8 * MIB, "").await;
    client.send("the first few bytes").await;
    assert_eq!(client.answer().await.status, 404);
}

#[tokio::test]
async fn a_refused_body_beyond_what_is_thrown_away_ends_the_connection() {
    let mut config = config();
    config.limits.drain_bytes = Size::kib(64);
    let server = TestServer::start(config).await;
    let mut client = server.connect().await;
    client.post_head("/refused", 64 * MIB, "").await;
    let piece = vec![b'x'; MIB];
    let mut sent = 0;
    while sent < 64 && client.stream.write_all(&piece).await.is_ok() {
        sent += 1;
    }
    assert!(sent < 64, "the server went on reading");
}

#[tokio::test]
async fn a_caller_that_asks_before_sending_is_refused_without_100_continue() {
    let server = TestServer::start(config()).await;
    for (path, length, status) in [("/refused", 10, 404), ("/whole", LONGEST_BODY + 1, 413)] {
        let mut client = server.connect().await;
        client.post_head(path, length, "expect: 100-continue\r\n").await;
        let answer = client.answer().await;
        assert_eq!(answer.status, status, "the first answer is the last");
        assert!(client.is_cut().await, "whether the body will come is unknown");
    }
}

#[tokio::test]
async fn a_caller_that_asks_before_sending_is_told_to_go_on() {
    let server = TestServer::start(config()).await;
    let mut client = server.connect().await;
    client.post_head("/whole", 5, "Expect: 100-Continue\r\n").await;
    assert_eq!(client.answer().await.status, 100);
    client.send("12345").await;
    assert_eq!(client.answer().await.body, "5");
}

#[tokio::test]
async fn an_exhausted_budget_is_a_503_with_retry_after() {
    let server = TestServer::start(with_budget(4)).await;
    let held = server.app.budget.reserve(Part::WholeBodies, 4096).await.expect("no one else is there");
    let mut client = server.connect().await;
    client.post_head("/whole", 5, "expect: 100-continue\r\n").await;
    let refused = client.answer().await;
    assert_eq!((refused.status, refused.code()), (503, "overloaded".to_owned()));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(server.hits(Limit::BytesInFlight), 1);
    drop(held);
    let mut client = server.connect().await;
    client.post_head("/whole", 5, "").await;
    client.send("12345").await;
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(server.app.budget.available(), server.app.budget.total());
}

#[tokio::test]
async fn a_body_of_unknown_length_takes_budget_as_it_grows() {
    let server = TestServer::start(with_budget(2)).await;
    let mut client = server.connect().await;
    client.send("POST /whole HTTP/1.1\r\nhost: gateway\r\ntransfer-encoding: chunked\r\n\r\n").await;
    for _ in 0..3 {
        client.send(format!("400\r\n{}\r\n", "x".repeat(1024))).await;
    }
    let refused = client.answer().await;
    assert_eq!((refused.status, refused.code()), (413, "body_too_large".to_owned()));
    assert!(refused.body.contains("limits.bytes-in-flight"), "{}", refused.body);
}

#[tokio::test]
async fn a_caller_that_hangs_up_leaves_nothing_behind() {
    let server = TestServer::start(config()).await;
    let mut client = server.connect().await;
    client.post_head("/whole", 4096, "").await;
    client.send("12345").await;
    server.in_flight(1).await;
    drop(client);
    server.in_flight(0).await;
    until(|| server.metrics.http_connections.get() == 0).await;
    assert_eq!(server.app.budget.available(), server.app.budget.total());
}
