//! The REST proxy against an interface that repeats what it received.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::extract::Request as Received;
use axum::response::IntoResponse;
use axum::routing::get;
use futures::StreamExt;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{Empty, Full, StreamBody};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::*;
use crate::upstream_tls::authority::{Authority, CaFile, Identity};

/// A REST interface that says what it was sent.
struct Running {
    address: SocketAddr,
    pings: Arc<AtomicU32>,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn echo(request: Received) -> impl IntoResponse {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes();
    let mut said = format!("{} {}\n", parts.method, parts.uri);
    for (name, value) in &parts.headers {
        said += &format!("{name}: {}\n", value.to_str().expect("text"));
    }
    said += "\n";
    said += std::str::from_utf8(&body).expect("text");
    let headers = [("connection", "x-hop"), ("x-hop", "1"), ("keep-alive", "timeout=5"), ("x-kept", "1")];
    (StatusCode::IM_A_TEAPOT, headers, said)
}

async fn serve_at(address: SocketAddr) -> Running {
    let listener = TcpListener::bind(address).await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let pings = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&pings);
    let ping = move |headers: HeaderMap| async move {
        assert!(!headers.contains_key("authorization"));
        counted.fetch_add(1, Ordering::Relaxed);
    };
    let redirect = (StatusCode::FOUND, [("location", "/v1/scopes/elsewhere")]);
    let app = Router::new()
        .route("/ping", get(ping))
        .route("/v1/scopes/moved", get(move || async move { redirect }))
        .fallback(echo);
    let task = tokio::spawn(axum::serve(listener, app).into_future()).abort_handle();
    Running { address, pings, task }
}

async fn serve() -> Running {
    serve_at(([127, 0, 0, 1], 0).into()).await
}

/// Searches these places and not the usual ports, on which a real controller may be running.
fn searching(places: &[SocketAddr]) -> RestProxy {
    let mut proxy = RestProxy::new(&RestSettings::new("127.0.0.1:1".parse().expect("an address"))).expect("a client");
    let place = |address: &SocketAddr| format!("http://{address}").parse().expect("a URL");
    proxy.discovery = Discovery::among(places.iter().map(place).collect());
    proxy
}

fn given(base: &str) -> RestProxy {
    let mut settings = RestSettings::new("127.0.0.1:1".parse().expect("an address"));
    settings.base = Some(base.parse().expect("a URL"));
    RestProxy::new(&settings).expect("a client")
}

async fn closed_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("bound")
}

fn proxy_to(running: &Running) -> RestProxy {
    searching(&[running.address])
}

fn request<B>(method: Method, path: &str, body: B) -> Request<B> {
    Request::builder().method(method).uri(path).body(body).expect("a request")
}

fn get_request(path: &str) -> Request<Empty<Bytes>> {
    request(Method::GET, path, Empty::new())
}

async fn text(answer: Response<impl Body<Data = Bytes, Error = reqwest::Error>>) -> String {
    let body = answer.into_body().collect().await.expect("a whole body").to_bytes();
    String::from_utf8(body.to_vec()).expect("text")
}

#[tokio::test]
async fn a_request_arrives_as_it_was_sent() {
    let rest = serve().await;
    let path = "/v1/scopes/a%2Fb/streams?filter_value=%41+%2e%2e/../";
    let mut request = request(Method::PUT, path, Full::new(Bytes::from_static(b"{\"x\":1}")));
    for (name, value) in
        [("authorization", "Basic eDp5"), ("host", "gateway"), ("connection", "x-drop"), ("x-drop", "1")]
    {
        request.headers_mut().insert(name, value.parse().expect("a value"));
    }
    let answer = proxy_to(&rest).forward(request).await.expect("an answer");
    let said = text(answer).await;
    assert!(said.starts_with(&format!("PUT {path}\n")), "{said}");
    assert!(said.contains("authorization: Basic eDp5\n"), "{said}");
    assert!(said.contains(&format!("host: {}\n", rest.address)), "{said}");
    assert!(said.contains("content-length: 7\n"), "{said}");
    assert!(!said.contains("x-drop"), "{said}");
    assert!(said.ends_with("\n\n{\"x\":1}"), "{said}");
}

#[tokio::test]
async fn an_answer_comes_back_as_it_was_given() {
    let rest = serve().await;
    let answer = proxy_to(&rest).forward(get_request("/v1/scopes")).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::IM_A_TEAPOT);
    assert!(answer.headers().contains_key("x-kept"));
    for name in ["connection", "x-hop", "keep-alive"] {
        assert!(!answer.headers().contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn a_request_without_a_body_stays_without() {
    let rest = serve().await;
    let answer = proxy_to(&rest).forward(get_request("/v1/scopes")).await.expect("an answer");
    let said = text(answer).await;
    assert!(!said.contains("content-length") && !said.contains("transfer-encoding"), "{said}");
}

#[tokio::test]
async fn redirects_are_the_callers_business() {
    let rest = serve().await;
    let answer = proxy_to(&rest).forward(get_request("/v1/scopes/moved")).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::FOUND);
    assert_eq!(answer.headers()["location"], "/v1/scopes/elsewhere");
}

#[tokio::test]
async fn bodies_flow_both_ways_while_they_are_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    // Sends every chunk back as it comes.
    let app = Router::new()
        .route("/ping", get(|| async {}))
        .fallback(|request: Received| async { axum::body::Body::new(request.into_body()) });
    let server = tokio::spawn(axum::serve(listener, app).into_future());

    let (send, receive) = mpsc::channel(1);
    let chunks = futures::stream::unfold(receive, |mut receive| async {
        let chunk: Bytes = receive.recv().await?;
        Some((Ok::<_, std::io::Error>(http_body::Frame::data(chunk)), receive))
    });
    let post = request(Method::POST, "/v1/scopes", StreamBody::new(Box::pin(chunks)));
    let proxy = searching(&[address]);
    let answer = timeout(Duration::from_secs(10), proxy.forward(post)).await.expect("in time").expect("an answer");
    let mut body = std::pin::pin!(answer.into_body().into_data_stream());
    for chunk in ["one", "two"] {
        send.send(Bytes::from(chunk)).await.expect("still open");
        let back = timeout(Duration::from_secs(10), body.next()).await.expect("in time");
        assert_eq!(back.expect("a chunk").expect("whole"), chunk);
    }
    drop(send);
    assert!(body.next().await.is_none());
    server.abort();
}

#[tokio::test]
async fn the_interface_is_looked_for_once_and_again_after_a_loss() {
    let rest = serve().await;
    let proxy = proxy_to(&rest);
    for _ in 0..3 {
        proxy.forward(get_request("/v1/scopes")).await.expect("an answer");
    }
    assert_eq!(rest.pings.load(Ordering::Relaxed), 1);

    let address = rest.address;
    drop(rest);
    let lost = async {
        let searches = |error: &RestError| matches!(error, RestError::NotFoundAnywhere { .. });
        while !proxy.forward(get_request("/v1/scopes")).await.err().as_ref().is_some_and(searches) {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), lost).await.expect("the loss is noticed");
    let rest = serve_at(address).await;
    proxy.forward(get_request("/v1/scopes")).await.expect("an answer");
    assert_eq!(rest.pings.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_silent_place_does_not_hide_a_later_one() {
    // Accepts connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let silent_address = silent.local_addr().expect("bound");
    let rest = serve().await;
    let proxy = searching(&[silent_address, rest.address]);
    let answer = timeout(Duration::from_secs(10), proxy.forward(get_request("/v1/scopes"))).await.expect("in time");
    assert_eq!(answer.expect("an answer").status(), StatusCode::IM_A_TEAPOT);
}

#[tokio::test]
async fn nothing_found_names_the_places_that_were_tried() {
    let closed = [closed_port().await, closed_port().await];
    let error = searching(&closed).forward(get_request("/v1/scopes")).await.err().expect("no one there");
    let tried = closed.map(|address| format!("http://{address}/")).to_vec();
    assert_eq!(error, RestError::NotFoundAnywhere { tried, tls_error: None });
}

/// Where only the handshakes of TLS are served.
async fn tls_place(identity: Identity) -> (SocketAddr, AbortHandle) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let serving = async move {
        loop {
            let (socket, _) = listener.accept().await.expect("a connection");
            // The client decides whether it succeeds.
            let _ = identity.accept(socket).await;
        }
    };
    (address, tokio::spawn(serving).abort_handle())
}

#[tokio::test]
async fn a_certificate_that_is_not_believed_is_the_reason_that_is_given() {
    let (ours, other) = (Authority::new(), Authority::new());
    let (address, serving) = tls_place(other.vouch_for(&["127.0.0.1"])).await;
    let reason = "the certificate is not from an authority in upstream.ca";
    let base: reqwest::Url = format!("https://{address}").parse().expect("a URL");
    let mut settings = RestSettings::new("tls://127.0.0.1:1".parse().expect("an address"));
    settings.tls = Some(CaFile::of(&ours).tls());
    let mut proxy = RestProxy::new(&settings).expect("a client");
    proxy.discovery = Discovery::among(vec![base.clone()]);
    let error = proxy.forward(get_request("/v1/scopes")).await.err().expect("not believed").to_string();
    assert_eq!(error, format!("controller REST interface not found, tried {base}: {reason}"));
    settings.base = Some(base);
    let given = RestProxy::new(&settings).expect("a client");
    let error = given.forward(get_request("/v1/scopes")).await.err().expect("not believed");
    assert!(!error.may_have_happened() && error.to_string().ends_with(reason), "{error}");
    serving.abort();
}

#[tokio::test]
async fn https_without_authorities_is_refused_at_once() {
    let mut settings = RestSettings::new("127.0.0.1:1".parse().expect("an address"));
    settings.base = Some("https://localhost:9091".parse().expect("a URL"));
    let error = RestProxy::new(&settings).expect_err("no authorities").to_string();
    assert!(error.starts_with("controller.rest https://localhost:9091/: https:// needs upstream.ca"), "{error}");
}

#[tokio::test]
async fn a_given_base_is_taken_without_a_ping() {
    let rest = serve().await;
    let proxy = given(&format!("http://{}/base/", rest.address));
    let said = text(proxy.forward(get_request("/v1/scopes/%7E")).await.expect("an answer")).await;
    assert!(said.starts_with("GET /base/v1/scopes/%7E\n"), "{said}");
    assert_eq!(rest.pings.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_refused_connection_to_a_given_base_is_known_not_to_have_happened() {
    let proxy = given(&format!("http://{}", closed_port().await));
    let error = proxy.forward(get_request("/v1/scopes")).await.err().expect("no one there");
    assert!(matches!(&error, RestError::Unavailable { refused: true, .. }), "{error:?}");
    assert!(!error.may_have_happened() && error.is_retryable());
}

#[tokio::test]
async fn a_connection_lost_in_mid_request_may_have_happened() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let proxy = given(&format!("http://{}", listener.local_addr().expect("bound")));
    let (read, was_read) = oneshot::channel();
    let hangs_up = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        socket.read_buf(&mut Vec::new()).await.expect("a request");
        read.send(()).expect("awaited");
    });
    let delete = request(Method::DELETE, "/v1/scopes/a", Empty::<Bytes>::new());
    let error = proxy.forward(delete).await.err().expect("hung up");
    was_read.await.expect("the request arrived");
    assert!(error.may_have_happened(), "{error:?}");
    hangs_up.await.expect("it ended");
}

#[tokio::test]
async fn a_path_outside_the_scopes_is_not_sent() {
    let rest = serve().await;
    let error = proxy_to(&rest).forward(get_request("/v1/scopes/%2e%2e/ping")).await.err().expect("refused");
    assert!(matches!(error, RestError::PathInvalid { .. }));
    assert_eq!(rest.pings.load(Ordering::Relaxed), 0);
}
