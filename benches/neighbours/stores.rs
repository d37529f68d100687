//! Two more segment stores, a silent and a slow one, and a controller that names them for two streams.
//!
//! Both are the real store behind a proxy, and so is the controller: only its answers to `getURI` are changed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::serve::ListenerExt as _;
use bytes::{BufMut as _, Bytes, BytesMut};
use futures::StreamExt as _;
use http::{HeaderMap, HeaderValue};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use pravega_protocol::controller::{NodeUri, SegmentId};
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

/// Bytes per second that the slow store takes on each connection.
pub(crate) const SLOW: f64 = 1024.0 * 1024.0;

/// Bytes that the silent store takes on each connection before it falls silent: it sets up writers and stores a few
/// events.
const BEFORE_SILENCE: usize = 4096;

const CHUNK: u64 = 16 * 1024;

/// The addresses of the two stores.
struct Stores {
    silent: SocketAddr,
    slow: SocketAddr,
}

/// Starts the two stores and the controller in front of the given ones; returns the controller's address.
pub(crate) async fn start(controller: &str, store: &str) -> String {
    let stores = Stores { silent: proxy(store, true).await, slow: proxy(store, false).await };
    let socket = TcpStream::connect(controller).await.expect("the controller listens");
    socket.set_nodelay(true).expect("a TCP socket");
    let (real, connection) = handshake(TokioExecutor::new(), TokioIo::new(socket)).await.expect("it speaks HTTP/2");
    tokio::spawn(connection);
    let (stores, controller) = (Arc::new(stores), controller.to_owned());
    let calls = move |request| call(Arc::clone(&stores), real.clone(), controller.clone(), request);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    let listener = listener.tap_io(|connection| connection.set_nodelay(true).expect("a TCP socket"));
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(calls)).await });
    address
}

async fn call(stores: Arc<Stores>, mut real: SendRequest<Body>, controller: String, request: Request) -> Response {
    let (mut head, body) = request.into_parts();
    let body = body.collect().await.expect("a whole call").to_bytes();
    if head.uri.path().ends_with("/getURI")
        && let Some(store) = stores.of_segment(&body)
    {
        return node_uri(store);
    }
    head.uri = format!("http://{controller}{}", head.uri.path()).parse().expect("a URL");
    real.ready().await.expect("the controller stands");
    let answer = real.send_request(Request::from_parts(head, Body::from(body))).await;
    answer.expect("the controller answers").map(Body::new)
}

impl Stores {
    /// The store for the segment of a gRPC message, unless it is the real one.
    fn of_segment(&self, message: &Bytes) -> Option<SocketAddr> {
        let segment = SegmentId::decode(message.slice(5..)).expect("a segment");
        match segment.stream_info.expect("of a stream").stream.as_str() {
            "silent" => Some(self.silent),
            "slow" => Some(self.slow),
            _ => None,
        }
    }
}

/// A whole gRPC response with this address.
fn node_uri(address: SocketAddr) -> Response {
    let uri = NodeUri { endpoint: address.ip().to_string(), port: i32::from(address.port()) }.encode_to_vec();
    let mut message = BytesMut::new();
    message.put_u8(0);
    message.put_u32(u32::try_from(uri.len()).expect("short"));
    message.put_slice(&uri);
    let trailers = HeaderMap::from_iter([("grpc-status".parse().expect("a name"), HeaderValue::from_static("0"))]);
    let frames = [Frame::data(message.freeze()), Frame::trailers(trailers)];
    let body = StreamBody::new(futures::stream::iter(frames).map(Ok::<_, std::convert::Infallible>));
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    response
}

/// Forwards connections to `target`, slowly or only at their beginning.
async fn proxy(target: &str, falls_silent: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let target = target.to_owned();
    tokio::spawn(async move {
        while let Ok((gateway, _)) = listener.accept().await {
            let store = TcpStream::connect(&target).await.expect("the store listens");
            for socket in [&gateway, &store] {
                socket.set_nodelay(true).expect("a TCP socket");
            }
            tokio::spawn(forward(gateway, store, falls_silent));
        }
    });
    address
}

async fn forward(gateway: TcpStream, store: TcpStream, falls_silent: bool) {
    let ((mut from_gateway, mut to_gateway), (mut from_store, mut to_store)) =
        (gateway.into_split(), store.into_split());
    let away = async {
        let mut bytes = BytesMut::new();
        let mut left = if falls_silent { BEFORE_SILENCE } else { usize::MAX };
        while matches!((&mut from_gateway).take(CHUNK).read_buf(&mut bytes).await, Ok(1..)) {
            let mut chunk = bytes.split();
            chunk.truncate(left);
            left -= chunk.len();
            if to_store.write_all(&chunk).await.is_err() {
                return;
            }
            if left == 0 {
                // Nothing is taken any more: the kernel's buffers fill.
                futures::future::pending::<()>().await;
            }
            if !falls_silent {
                sleep(Duration::from_secs_f64(chunk.len() as f64 / SLOW)).await;
            }
        }
    };
    tokio::select! {
        () = away => {}
        _ = tokio::io::copy(&mut from_store, &mut to_gateway) => {}
    }
}
