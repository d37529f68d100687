//! The limits of the listeners, as the settings say.

use http_server::tls::Acceptor;
use http_server::{BodyLimits, ServeMetrics, ServeSettings};

use crate::config;
use crate::telemetry::labels::Limit;
use crate::telemetry::metrics::Metrics;

/// Most connections of a listener that is not for callers: probes, a few scrapers.
const PRIVATE_CONNECTIONS: usize = 64;

/// For callers: `connections` as [`allowed_connections`](http_server::allowed_connections) says.
pub fn public(limits: &config::Limits, connections: usize, metrics: &Metrics) -> ServeSettings {
    metrics.http_connections_limit.set(i64::try_from(connections).unwrap_or(i64::MAX));
    let counted = ServeMetrics {
        open: metrics.http_connections.clone(),
        in_flight: metrics.http_requests_in_flight.clone(),
        accept_errors: metrics.http_accept_errors.clone(),
        connections_hits: metrics.hits_of(Limit::Connections),
        idle_hits: metrics.hits_of(Limit::Idle),
        headers_hits: metrics.hits_of(Limit::Headers),
        header_timeout_hits: metrics.hits_of(Limit::HeaderTimeout),
        http2_streams_hits: metrics.hits_of(Limit::Http2Streams),
    };
    ServeSettings { connections, metrics: counted, ..private(limits) }
}

/// For the management listener and the embedded node: few connections, which are not counted.
pub fn private(limits: &config::Limits) -> ServeSettings {
    ServeSettings {
        connections: PRIVATE_CONNECTIONS,
        idle: limits.idle,
        header_bytes: limits.headers.as_usize(),
        header_timeout: limits.header_timeout,
        http2_streams: limits.http2_streams,
        body: BodyLimits {
            idle: limits.body_idle,
            drain_bytes: limits.drain_bytes.as_u64(),
            drain_time: limits.drain_time,
        },
        acceptor: Acceptor::plain(),
        metrics: ServeMetrics::default(),
    }
}
