//! A collector that understands the part of OTLP that the tests check. Source: opentelemetry-proto,
//! `trace/v1/trace.proto`.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;
use http_body_util::StreamBody;
use prost::Message;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::PATIENCE;

/// `SPAN_KIND_SERVER`.
pub(crate) const SERVER: i32 = 2;

/// Length of a gRPC message's prefix: the compression flag and the message's length.
const PREFIX_BYTES: usize = 5;

/// Receives spans until it is dropped.
pub(crate) struct Collector {
    pub(crate) url: String,
    spans: mpsc::Receiver<(Option<String>, Span)>,
    serving: JoinHandle<()>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let (taken, spans) = mpsc::channel(64);
        let router = Router::new()
            .route("/opentelemetry.proto.collector.trace.v1.TraceService/Export", post(export))
            .with_state(taken);
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { url, spans, serving }
    }

    /// The next span and the name of its service.
    pub(crate) async fn span(&mut self) -> (Option<String>, Span) {
        timeout(PATIENCE, self.spans.recv()).await.expect("a span comes").expect("the collector runs")
    }

    /// Whether no more spans arrived.
    pub(crate) fn is_done(&mut self) -> bool {
        self.spans.try_recv().is_err()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn export(State(taken): State<mpsc::Sender<(Option<String>, Span)>>, body: Bytes) -> Response {
    let request = Export::decode(&body[PREFIX_BYTES..]).expect("a request for export");
    for ResourceSpans { resource, scopes } in request.resources {
        let service = resource.and_then(|resource| find(&resource.attributes, "service.name"));
        for span in scopes.into_iter().flat_map(|scope| scope.spans) {
            taken.send((service.clone(), span)).await.expect("the test listens");
        }
    }
    answer()
}

/// An empty message with status OK.
fn answer() -> Response {
    let mut trailers = HeaderMap::new();
    trailers.insert(HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"));
    let frames = [Frame::data(Bytes::from_static(&[0; PREFIX_BYTES])), Frame::trailers(trailers)];
    let body = StreamBody::new(futures::stream::iter(frames.map(Ok::<_, Infallible>)));
    ([("content-type", "application/grpc")], Body::new(body)).into_response()
}

#[derive(Clone, PartialEq, Message)]
struct Export {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeSpans {
    #[prost(message, repeated, tag = "2")]
    spans: Vec<Span>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Span {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    pub(crate) name: String,
    #[prost(int32, tag = "6")]
    pub(crate) kind: i32,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
}

impl Span {
    /// An attribute's value as text.
    pub(crate) fn attribute(&self, key: &str) -> Option<String> {
        find(&self.attributes, key)
    }
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(string, optional, tag = "1")]
    text: Option<String>,
    #[prost(int64, optional, tag = "3")]
    number: Option<i64>,
}

fn find(attributes: &[KeyValue], key: &str) -> Option<String> {
    let value = attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()?;
    value.text.clone().or_else(|| value.number.map(|number| number.to_string()))
}
