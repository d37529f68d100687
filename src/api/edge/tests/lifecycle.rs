//! Connections: how many, and how they end at a shutdown.

use super::*;

const HELD: &str = "GET /held HTTP/1.1\r\nhost: gateway\r\n\r\n";

#[tokio::test]
async fn connections_beyond_the_limit_wait_until_one_ends() {
    let mut config = config();
    config.limits.connections = 2;
    let server = TestServer::start(config).await;
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    first.send(HELD).await;
    second.send(HELD).await;
    server.in_flight(2).await;
    assert_eq!(server.hits(Limit::Connections), 0);
    let mut third = server.connect().await;
    third.send(HELD).await;
    until(|| server.hits(Limit::Connections) == 1).await;
    assert_eq!((server.metrics.http_connections.get(), server.metrics.http_requests_in_flight.get()), (2, 2));
    drop((first, second));
    server.app.gate.add_permits(3);
    assert_eq!(third.answer().await.body, "let go");
    assert!(server.metrics.encode().contains("http_connections_limit 2\n"));
}

#[tokio::test]
async fn connection_that_was_idle_longest_makes_room() {
    let mut config = config();
    config.limits.connections = 2;
    let server = TestServer::start(config).await;
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    assert_eq!(first.get("/ok").await.status, 200);
    assert_eq!(second.get("/ok").await.status, 200);
    let mut third = server.connect().await;
    assert_eq!(third.get("/ok").await.status, 200);
    assert!(first.is_cut().await, "it was idle longest");
    assert_eq!(second.get("/ok").await.status, 200);
    assert_eq!((server.hits(Limit::Connections), server.hits(Limit::Idle)), (1, 1));
}

#[tokio::test]
async fn connections_that_only_begin_a_head_make_room() {
    let mut config = config();
    config.limits.connections = 3;
    config.limits.header_timeout = Duration::from_secs(3600);
    let server = TestServer::start(config).await;
    let mut slow = Vec::new();
    for _ in 0..3 {
        let mut connection = server.connect().await;
        connection.send("GET /ok HTTP/1.1\r\n").await;
        slow.push(connection);
    }
    until(|| server.metrics.http_connections.get() == 3).await;
    let mut others = Vec::new();
    for _ in 0..3 {
        let mut other = server.connect().await;
        other.send(HELD).await;
        others.push(other);
    }
    server.in_flight(3).await;
    assert_eq!(server.hits(Limit::Idle), 3);
}

#[tokio::test]
async fn idle_connection_is_closed_and_one_with_a_request_is_not() {
    let mut config = config();
    config.limits.idle = Duration::from_millis(300);
    let server = TestServer::start(config).await;
    let (mut idle, mut busy) = (server.connect().await, server.connect().await);
    assert_eq!(idle.get("/ok").await.status, 200);
    busy.send(HELD).await;
    assert!(idle.is_cut().await);
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.app.gate.add_permits(1);
    assert_eq!(busy.answer().await.body, "let go");
}

#[tokio::test]
async fn stopping_answers_what_is_in_flight_and_ends_idle_connections() {
    let server = TestServer::start(config()).await;
    let mut idle = server.connect().await;
    assert_eq!(idle.get("/ok").await.status, 200);
    let mut busy = server.connect().await;
    busy.send(HELD).await;
    server.in_flight(1).await;
    server.stop.cancel();
    assert!(idle.is_cut().await);
    assert!(!server.serving.is_finished());
    server.app.gate.add_permits(1);
    let answer = busy.answer().await;
    assert_eq!((answer.body.as_str(), answer.header("connection")), ("let go", Some("close")));
    assert!(busy.is_cut().await);
    let refused = TcpStream::connect(server.socket_address()).await;
    assert!(refused.is_err(), "the listener is closed");
    assert_eq!(server.serving.await.expect("serving does not panic"), 0);
}

#[tokio::test]
async fn cutting_ends_everything_and_says_how_much() {
    let server = TestServer::start(config()).await;
    let mut client = server.connect().await;
    client.send(HELD).await;
    server.in_flight(1).await;
    server.stop.cancel();
    server.cut.cancel();
    assert!(client.is_cut().await);
    assert_eq!(server.serving.await.expect("serving does not panic"), 1);
    assert_eq!(server.metrics.http_requests_in_flight.get(), 0);
}

#[tokio::test]
async fn a_unix_socket_is_served_like_any_other() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("gateway.sock");
    let mut config = config();
    config.listen = vec![ListenAddress::Unix(path.clone())];
    let server = TestServer::start(config).await;
    assert_eq!(server.address.to_string(), format!("unix:{}", path.display()));
    let stream = tokio::net::UnixStream::connect(&path).await.expect("the server listens");
    assert_eq!(Client::new(stream).get("/peer").await.body, "unix");
    server.stop.cancel();
    server.serving.await.expect("serving does not panic");
    assert!(!path.exists());
}
