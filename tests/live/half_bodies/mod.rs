//! Bodies that end early, stall, or are refused while they are still being sent.

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

/// How soon after a disconnect everything that the caller held must be free. Shorter than any timeout of the gateways
/// here, so that no timeout can be what released it.
const AT_ONCE: Duration = Duration::from_secs(1);

/// What callers hold: open connections, and how many bytes of the budget that leaves free.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Held {
    pub(crate) connections: f64,
    pub(crate) available: f64,
}

impl Held {
    pub(crate) async fn now(gateway: &Gateway) -> Self {
        Self { connections: sample(gateway, CONNECTIONS).await, available: sample(gateway, AVAILABLE).await }
    }

    /// Waits until callers hold exactly this.
    pub(crate) async fn await_this(self, gateway: &Gateway) {
        self.await_within(gateway, PATIENCE).await;
    }

    /// Waits for less time than any timeout of the gateway, so that no timeout can be the cause.
    pub(crate) async fn await_at_once(self, gateway: &Gateway) {
        self.await_within(gateway, AT_ONCE).await;
    }

    async fn await_within(self, gateway: &Gateway, limit: Duration) {
        await_that(limit, async || Self::now(gateway).await == self).await;
    }
}

/// Waits until exactly this many bytes of the budget are free.
pub(crate) async fn await_available(gateway: &Gateway, bytes: f64) {
    await_that(AT_ONCE, async || sample(gateway, AVAILABLE).await == bytes).await;
}

/// Polls a condition until it holds.
async fn await_that(limit: Duration, is_so: impl AsyncFn() -> bool) {
    let mut looks = tokio::time::interval(Duration::from_millis(5));
    let looking = async {
        while !is_so().await {
            looks.tick().await;
        }
    };
    tokio::time::timeout(limit, looking).await.unwrap_or_else(|_| panic!("it is not so after {limit:?}"));
}
