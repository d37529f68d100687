//! Bodies that end early, stop, or are refused while they are still sent.

mod cut;
mod early_answers;
mod overload;
mod share;
mod thousand;

use std::time::Duration;

use crate::support::metrics::sample;
use crate::support::{Gateway, PATIENCE};

const CONNECTIONS: &str = "pravega_gateway_http_connections";
const AVAILABLE: &str = "pravega_gateway_budget_available_bytes";

/// How soon what a caller held is free again once he is gone; shorter than every time limit of the gateways here that
/// could bring it about by itself.
const AT_ONCE: Duration = Duration::from_secs(1);

/// What callers hold of the gateway: its connections and the bytes of its budget that are free.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Held {
    pub(crate) connections: f64,
    pub(crate) available: f64,
}

impl Held {
    pub(crate) async fn now(gateway: &Gateway) -> Self {
        Self { connections: sample(gateway, CONNECTIONS).await, available: sample(gateway, AVAILABLE).await }
    }

    /// Waits until callers hold this.
    pub(crate) async fn await_this(self, gateway: &Gateway) {
        self.await_within(gateway, PATIENCE).await;
    }

    /// Waits for this no longer than any timer of the gateway takes, so that none can be what brings it about.
    pub(crate) async fn await_at_once(self, gateway: &Gateway) {
        self.await_within(gateway, AT_ONCE).await;
    }

    async fn await_within(self, gateway: &Gateway, limit: Duration) {
        await_that(limit, async || Self::now(gateway).await == self).await;
    }
}

/// Waits until so many bytes of the budget are free.
pub(crate) async fn await_available(gateway: &Gateway, bytes: f64) {
    await_that(AT_ONCE, async || sample(gateway, AVAILABLE).await == bytes).await;
}

/// Looks at something again and again until it is so.
async fn await_that(limit: Duration, is_so: impl AsyncFn() -> bool) {
    let mut looks = tokio::time::interval(Duration::from_millis(5));
    let looking = async {
        while !is_so().await {
            looks.tick().await;
        }
    };
    tokio::time::timeout(limit, looking).await.unwrap_or_else(|_| panic!("it is not so after {limit:?}"));
}
