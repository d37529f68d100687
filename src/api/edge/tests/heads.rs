//! Heads that are too large or too slow.

use tokio::time::Instant;

use super::*;

/// A header line that makes all lines of [`Client::get_with`] this many bytes.
fn padding(bytes: usize) -> String {
    let others = "host: gateway\r\n".len() + "x-padding: \r\n".len();
    format!("x-padding: {}\r\n", "x".repeat(bytes - others))
}

#[tokio::test]
async fn headers_are_a_problem_just_over_their_limit() {
    let server = TestServer::start(config()).await;
    let limit = 64 * 1024;
    let mut client = server.connect().await;
    assert_eq!(client.get_with("/ok", &padding(limit)).await.status, 200);
    let refused = client.get_with("/ok", &padding(limit + 1)).await;
    assert_eq!((refused.status, refused.code()), (431, "headers_too_large".to_owned()));
    assert_eq!(client.get("/ok").await.status, 200, "the connection goes on");
    assert_eq!(server.hits(Limit::Headers), 1);
}

#[tokio::test]
async fn headers_far_beyond_the_limit_are_refused_too() {
    let server = TestServer::start(config()).await;
    let mut client = server.connect().await;
    let refused = client.get_with("/ok", &padding(160 * 1024)).await;
    assert_eq!(refused.status, 431);
    until(|| server.hits(Limit::Headers) == 1).await;
}

#[tokio::test]
async fn a_head_that_is_not_whole_in_time_cuts_the_connection() {
    let server = TestServer::start(config()).await;
    for beginning in ["", "GET /ok HTTP/1.1\r\nhost:", "PRI * HT"] {
        let started = Instant::now();
        let mut client = server.connect().await;
        client.send(beginning).await;
        assert!(client.is_cut().await, "{beginning:?}");
        assert!(started.elapsed() >= config().limits.header_timeout);
    }
    until(|| server.hits(Limit::HeaderTimeout) == 3).await;
}

#[tokio::test]
async fn a_head_that_dribbles_in_is_cut_all_the_same() {
    let server = TestServer::start(config()).await;
    let stream = TcpStream::connect(server.socket_address()).await.expect("the server listens");
    let (reading, mut writing) = stream.into_split();
    let dribbling = async {
        while writing.write_all(b"x").await.is_ok() {
            tokio::time::sleep(config().limits.header_timeout / 10).await;
        }
    };
    tokio::time::timeout(PATIENCE, dribbling).await.expect("the server cuts the connection");
    drop(reading);
}

#[tokio::test]
async fn an_idle_connection_is_kept_and_a_later_slow_head_cut() {
    let server = TestServer::start(config()).await;
    let mut client = server.connect().await;
    for _ in 0..2 {
        assert_eq!(client.get("/ok").await.status, 200);
        tokio::time::sleep(config().limits.header_timeout * 2).await;
    }
    assert_eq!(client.get("/ok").await.status, 200);
    client.send("GET /ok HT").await;
    assert!(client.is_cut().await);
}

#[tokio::test]
async fn a_handler_may_take_longer_than_a_head() {
    let server = TestServer::start(config()).await;
    let mut client = server.connect().await;
    client.send("GET /held HTTP/1.1\r\nhost: gateway\r\n\r\n").await;
    tokio::time::sleep(config().limits.header_timeout * 2).await;
    server.app.gate.add_permits(1);
    assert_eq!(client.answer().await.body, "let go");
}

#[tokio::test]
async fn http2_with_prior_knowledge_is_served_and_kept_while_idle() {
    // building any client needs a provider; who installed it does not matter
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = TestServer::start(config()).await;
    let client = reqwest::Client::builder().http2_prior_knowledge().build().expect("a client");
    let url = format!("http://{}/peer", server.address);
    let mut peers = Vec::new();
    for _ in 0..2 {
        let answer = client.get(&url).send().await.expect("an answer");
        assert_eq!(answer.version(), http::Version::HTTP_2);
        assert!(answer.headers().contains_key("x-request-id"));
        peers.push(answer.text().await.expect("a body"));
        tokio::time::sleep(config().limits.header_timeout * 2).await;
    }
    assert_eq!(peers[0], peers[1], "it is the same connection");
}
