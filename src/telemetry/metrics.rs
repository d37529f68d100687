//! All metrics, as one table.

use std::hash::Hash;
use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::labels::{
    ControllerRequestLabels, Limit, LimitLabels, Refusal, RefusalLabels, RequestLabels, RouteLabels, SessionKind,
    SessionLabels, StoreError, StoreErrorLabels, StoreRequestLabels,
};

/// Content type of [`MetricTable::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What every name begins with.
const PREFIX: &str = "pravega_gateway";

/// Histograms by label; the constructor is the same for all labels.
pub type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

macro_rules! metrics {
    ($( $(#[doc = $help:literal])+ $name:ident: $type:ty = $make:expr; )*) => {
        /// Every metric. The field's name is the metric's, after `pravega_gateway_`; counters end in `_total`.
        #[derive(Debug)]
        pub struct MetricTable {
            $( $(#[doc = $help])+ pub $name: $type, )*
            registry: Registry,
        }

        impl MetricTable {
            /// Name and type of every metric, including those without a sample yet.
            pub const ALL: &'static [(&'static str, &'static str)] = &[
                $( (stringify!($name), stringify!($type)), )*
            ];

            fn registered() -> Self {
                let mut registry = Registry::with_prefix(PREFIX);
                $(
                    let $name: $type = $make;
                    registry.register(stringify!($name), help(concat!($($help),+)), $name.clone());
                )*
                Self { $( $name, )* registry }
            }
        }
    };
}

metrics! {
    /// Requests that were answered.
    http_requests: Family<RequestLabels, Counter> = Family::default();
    /// Time from the head of a request to its answer, or to the end of a streamed answer.
    http_request_seconds: Histograms<RouteLabels> = by_label();
    /// Bytes of request bodies.
    http_received_bytes: Counter = Counter::default();
    /// Bytes of response bodies.
    http_sent_bytes: Counter = Counter::default();
    /// Requests in flight.
    http_requests_in_flight: Gauge = Gauge::default();
    /// Open connections of callers.
    http_connections: Gauge = Gauge::default();
    /// Limit on connections of callers; further ones wait to be accepted.
    http_connections_limit: Gauge = Gauge::default();
    /// Connections that could not be accepted.
    http_accept_errors: Counter = Counter::default();
    /// Times a limit was reached, by the setting that holds it.
    limit_hits: Family<LimitLabels, Counter> = Family::default();
    /// Free bytes of the budget for bodies and pages.
    budget_available_bytes: Gauge = Gauge::default();
    /// Total bytes of the budget for bodies and pages.
    budget_limit_bytes: Gauge = Gauge::default();
    /// Requests that had to wait for bytes of the budget.
    budget_waits: Counter = Counter::default();
    /// Requests that were refused bytes of the budget, by reason.
    budget_refusals: Family<RefusalLabels, Counter> = Family::default();
    /// Events that Pravega acknowledged.
    append_events: Counter = Counter::default();
    /// Payload bytes that Pravega acknowledged.
    append_bytes: Counter = Counter::default();
    /// Append blocks that Pravega acknowledged.
    append_blocks: Counter = Counter::default();
    /// Time from sending an append block to its acknowledgement.
    append_ack_seconds: Histogram = seconds();
    /// Reads that wait for new events.
    read_waits: Gauge = Gauge::default();
    /// Events per append block, when it is first sent.
    append_block_events: Histogram = powers(1.0, 2.0, 18);
    /// Bytes of events with their headers per append block, when it is first sent.
    append_block_bytes: Histogram = powers(16.0, 4.0, 11);
    /// Append blocks that were sent again after a lost connection.
    append_resent_blocks: Counter = Counter::default();
    /// Writers that were set up on a session.
    append_set_ups: Counter = Counter::default();
    /// Sealed or deleted segments whose remaining events were handed over to their successors.
    append_handovers: Counter = Counter::default();
    /// Events that were read for callers.
    read_events: Counter = Counter::default();
    /// Payload bytes that were read for callers.
    read_bytes: Counter = Counter::default();
    /// Open sessions with segment stores.
    store_sessions: Family<SessionLabels, Gauge> = Family::default();
    /// Sessions with segment stores that replaced a lost one.
    store_reconnects: Family<SessionLabels, Counter> = Family::default();
    /// Requests to segment stores, by command and outcome.
    store_requests: Family<StoreRequestLabels, Counter> = Family::default();
    /// Refusals by segment stores, and replies and connections that failed.
    store_errors: Family<StoreErrorLabels, Counter> = Family::default();
    /// Requests to the controller, by call and outcome.
    controller_requests: Family<ControllerRequestLabels, Counter> = Family::default();
}

/// All metrics of one gateway, shared by its parts. `Metrics::default()` begins with every value at zero.
pub type Metrics = Arc<MetricTable>;

impl Default for MetricTable {
    fn default() -> Self {
        let table = Self::registered();
        table.begin_at_zero();
        table
    }
}

impl MetricTable {
    /// All values as OpenMetrics text, of type [`CONTENT_TYPE`].
    pub fn encode(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).expect("text grows as needed");
        text
    }

    /// Creates the samples that are rare, so that the first one counted is a rise and not a new series.
    fn begin_at_zero(&self) {
        for limit in Limit::ALL {
            self.hits_of(*limit);
        }
        for reason in Refusal::ALL {
            drop(self.budget_refusals.get_or_create(&RefusalLabels { reason: *reason }));
        }
        for kind in SessionKind::ALL {
            drop(self.store_sessions.get_or_create(&SessionLabels { kind: *kind }));
            drop(self.store_reconnects.get_or_create(&SessionLabels { kind: *kind }));
        }
    }

    /// Counts how often a limit is reached.
    pub fn hits_of(&self, limit: Limit) -> Counter {
        self.limit_hits.get_or_create(&LimitLabels { limit }).clone()
    }

    /// Counts what a segment store failed to do.
    pub fn store_failed(&self, error: StoreError) {
        self.store_errors.get_or_create(&StoreErrorLabels { error }).inc();
    }
}

/// Buckets from 100 µs to 52 s, each twice the one before.
fn seconds() -> Histogram {
    powers(0.0001, 2.0, 20)
}

fn powers(first: f64, factor: f64, buckets: u16) -> Histogram {
    Histogram::new(exponential_buckets(first, factor, buckets))
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
    use crate::telemetry::labels::{Method, Route};

    #[test]
    fn doc_comments_are_the_help_texts() {
        let text = Metrics::default().encode();
        assert!(text.contains("# HELP pravega_gateway_append_events Events that Pravega acknowledged.\n"), "{text}");
        assert!(text.contains("# TYPE pravega_gateway_append_ack_seconds histogram"), "{text}");
    }

    #[test]
    fn limits_are_there_before_they_are_met() {
        let text = Metrics::default().encode();
        assert!(text.contains("limit_hits_total{limit=\"limits.body-idle\"} 0\n"), "{text}");
    }

    #[test]
    fn clones_count_together() {
        let metrics = Metrics::default();
        metrics.clone().append_events.inc_by(2);
        metrics.append_events.inc();
        assert!(metrics.encode().contains("pravega_gateway_append_events_total 3\n"));
    }

    #[test]
    fn labels_are_from_closed_sets() {
        let metrics = Metrics::default();
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
