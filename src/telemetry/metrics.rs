//! All metrics, as one table. Labels come from closed sets, never from what callers name.

use std::fmt::Write;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::MatchedPath;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// Content type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What every name begins with.
const PREFIX: &str = "pravega_gateway";

/// Histograms by label; the constructor is the same for all labels.
pub type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

macro_rules! metrics {
    ($( $(#[doc = $help:literal])+ $name:ident: $type:ty = $make:expr; )*) => {
        /// Every metric. The field's name is the metric's, after `pravega_gateway_`; counters end in `_total`.
        #[derive(Debug)]
        pub struct Table {
            $( $(#[doc = $help])+ pub $name: $type, )*
        }

        impl Table {
            fn registered_in(registry: &mut Registry) -> Self {
                let table = Self { $( $name: $make, )* };
                $( registry.register(stringify!($name), help(concat!($($help),+)), table.$name.clone()); )*
                table
            }
        }
    };
}

metrics! {
    /// Requests that were answered.
    http_requests: Family<RequestLabels, Counter> = Family::default();
    /// Time from the head of a request to its answer, or to the end of it where it is streamed.
    http_request_seconds: Histograms<RouteLabels> = by_label();
    /// Bytes of request bodies.
    http_received_bytes: Counter = Counter::default();
    /// Bytes of response bodies.
    http_sent_bytes: Counter = Counter::default();
    /// Requests that are not answered yet.
    http_requests_in_flight: Gauge = Gauge::default();
    /// Connections of callers.
    http_connections: Gauge = Gauge::default();
    /// Most connections of callers; more wait to be accepted.
    http_connections_limit: Gauge = Gauge::default();
    /// Failures to accept a connection.
    http_accept_errors: Counter = Counter::default();
    /// Bytes of bodies and pages that may still be held.
    budget_available_bytes: Gauge = Gauge::default();
    /// Most bytes of bodies and pages that may be held at once.
    budget_limit_bytes: Gauge = Gauge::default();
    /// Events that Pravega acknowledged.
    append_events: Counter = Counter::default();
    /// Payload bytes that Pravega acknowledged.
    append_bytes: Counter = Counter::default();
    /// Append blocks that Pravega acknowledged.
    append_blocks: Counter = Counter::default();
    /// Time from sending an append block to its acknowledgement.
    append_ack_seconds: Histogram = seconds();
    /// Requests that wait for something to read.
    read_waits: Gauge = Gauge::default();
    /// Open sessions with segment stores.
    store_sessions: Family<SessionLabels, Gauge> = Family::default();
    /// Sessions with segment stores that were opened in place of a lost one.
    store_reconnects: Family<SessionLabels, Counter> = Family::default();
    /// Requests to segment stores.
    store_requests: Family<StoreRequestLabels, Counter> = Family::default();
    /// Requests to the controller.
    controller_requests: Family<ControllerRequestLabels, Counter> = Family::default();
}

/// What tells answered requests apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// The route, as the router knows it.
    pub route: Route,
    /// The method.
    pub method: Method,
    /// The status; 499 when the caller hung up before there was one.
    pub status: u16,
    /// The error code of a problem, else empty.
    pub code: &'static str,
}

/// A route alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RouteLabels {
    /// The route, as the router knows it.
    pub route: Route,
}

/// A session's kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SessionLabels {
    /// What it is for.
    pub kind: SessionKind,
}

/// What tells requests to a store apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StoreRequestLabels {
    /// The command's name, from the table of commands.
    pub command: &'static str,
    /// How it ended.
    pub outcome: Outcome,
}

/// What tells requests to the controller apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ControllerRequestLabels {
    /// The call's name, from the controller's interface.
    pub call: &'static str,
    /// How it ended.
    pub outcome: Outcome,
}

macro_rules! label_values {
    ($( $(#[$meta:meta])* pub enum $name:ident { $( $(#[$doc:meta])* $variant:ident = $text:literal, )* } )*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $( $(#[$doc])* $variant, )*
        }

        impl EncodeLabelValue for $name {
            fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
                encoder.write_str(match self {
                    $( Self::$variant => $text, )*
                })
            }
        }
    )*};
}

label_values! {
    /// What a session with a segment store is for.
    pub enum SessionKind {
        /// Shared, appends.
        Append = "append",
        /// Shared, reads.
        Read = "read",
        /// Leased to one raw request.
        Exclusive = "exclusive",
    }

    /// How a request to Pravega ended.
    pub enum Outcome {
        /// With the reply that was hoped for.
        Ok = "ok",
        /// With a reply that refuses it.
        Refused = "refused",
        /// Without a reply: the connection was lost, or there was none.
        Lost = "lost",
        /// Without a reply in time.
        TimedOut = "timed_out",
    }

    /// A request's method.
    pub enum Method {
        /// DELETE
        Delete = "DELETE",
        /// GET
        Get = "GET",
        /// HEAD
        Head = "HEAD",
        /// OPTIONS
        Options = "OPTIONS",
        /// PATCH
        Patch = "PATCH",
        /// POST
        Post = "POST",
        /// PUT
        Put = "PUT",
        /// Any other; callers may make up names.
        Other = "other",
    }
}

impl From<&http::Method> for Method {
    fn from(method: &http::Method) -> Self {
        match *method {
            http::Method::DELETE => Self::Delete,
            http::Method::GET => Self::Get,
            http::Method::HEAD => Self::Head,
            http::Method::OPTIONS => Self::Options,
            http::Method::PATCH => Self::Patch,
            http::Method::POST => Self::Post,
            http::Method::PUT => Self::Put,
            _ => Self::Other,
        }
    }
}

/// A route as it stands in the router, or none. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Route(pub Option<MatchedPath>);

impl Route {
    /// The route's text; `none` where no route matched.
    pub fn as_str(&self) -> &str {
        self.0.as_ref().map_or("none", MatchedPath::as_str)
    }
}

impl PartialEq for Route {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Route {}

impl Hash for Route {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl EncodeLabelValue for Route {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        encoder.write_str(self.as_str())
    }
}

/// All metrics of one gateway; clones share them.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Registered>);

#[derive(Debug)]
struct Registered {
    registry: Registry,
    table: Table,
}

impl Metrics {
    /// Metrics that all stand at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let table = Table::registered_in(&mut registry);
        Self(Arc::new(Registered { registry, table }))
    }

    /// All values as OpenMetrics text, of type [`CONTENT_TYPE`].
    pub fn encode(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.0.registry).expect("text grows as needed");
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for Metrics {
    type Target = Table;

    fn deref(&self) -> &Table {
        &self.0.table
    }
}

/// Buckets from 100 µs to 52 s, each twice the one before.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 2.0, 20))
}

fn by_label<L: Clone + Eq + Hash>() -> Histograms<L> {
    Family::new_with_constructor(seconds)
}

/// A doc comment as help text; the encoder adds the full stop.
fn help(doc: &str) -> &str {
    doc.trim().trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doc_comments_are_the_help_texts() {
        let text = Metrics::new().encode();
        assert!(text.contains("# HELP pravega_gateway_append_events Events that Pravega acknowledged.\n"), "{text}");
        assert!(text.contains("# TYPE pravega_gateway_append_ack_seconds histogram"), "{text}");
    }

    #[test]
    fn clones_count_together() {
        let metrics = Metrics::new();
        metrics.clone().append_events.inc_by(2);
        metrics.append_events.inc();
        assert!(metrics.encode().contains("pravega_gateway_append_events_total 3\n"));
    }

    #[test]
    fn labels_are_from_closed_sets() {
        let metrics = Metrics::new();
        let method = http::Method::from_bytes(b"MADEUP").expect("a valid token");
        let labels =
            RequestLabels { route: Route(None), method: Method::from(&method), status: 404, code: "path_unknown" };
        metrics.http_requests.get_or_create(&labels).inc();
        let kind = SessionKind::Exclusive;
        metrics.store_sessions.get_or_create(&SessionLabels { kind }).inc();
        let text = metrics.encode();
        let line = "http_requests_total{route=\"none\",method=\"other\",status=\"404\",code=\"path_unknown\"} 1\n";
        assert!(text.contains(line), "{text}");
        assert!(text.contains("store_sessions{kind=\"exclusive\"} 1\n"), "{text}");
    }
}
