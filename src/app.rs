//! Everything that a request may reach.

use std::hash::Hash;
use std::sync::Arc;

use http_server::shutdown::Phases;
use pravega_protocol::stream::ScopedStream;

use crate::append::{Appenders, WriterIds};
use crate::budget::Budget;
use crate::config::Config;
use crate::controller::{Access, Controller, Credentials, Error, Grant, RestProxy};
use crate::read::{SegmentReader, Tails};
use crate::segment_store::SegmentStore;
use crate::telemetry::metrics::Metrics;

/// The parts of the gateway, built once. Clones share them.
#[derive(Debug, Clone)]
pub struct App {
    parts: Arc<Parts>,
    budget: Budget,
    /// Asks with the caller's credentials.
    controller: Controller,
}

#[derive(Debug)]
struct Parts {
    config: Config,
    rest: RestProxy,
    store: SegmentStore,
    appenders: Appenders,
    reader: SegmentReader,
    tails: Tails,
    metrics: Metrics,
    writer_ids: WriterIds,
    phases: Phases,
}

impl App {
    /// Joins the parts. `phases` say when streamed uploads and waits have to end.
    pub fn new(
        config: Config,
        store: SegmentStore,
        rest: RestProxy,
        budget: Budget,
        metrics: Metrics,
        phases: Phases,
    ) -> Self {
        let writer_ids = WriterIds::new(&gateway_name(&config));
        let reader = SegmentReader::new(store.clone(), metrics.clone());
        let controller = store.controller().clone();
        let parts = Parts {
            appenders: Appenders::new(store.clone(), &config.append, stalled_bytes(&config), metrics.clone()),
            tails: Tails::default(),
            reader,
            store,
            rest,
            config,
            metrics,
            writer_ids,
            phases,
        };
        Self { parts: Arc::new(parts), budget, controller }
    }

    /// The same, with no more of the budget than the caller may have that is known by `name`, and with what that caller
    /// shows.
    #[must_use]
    pub fn of_caller(&self, name: impl Hash, credentials: Credentials) -> Self {
        let controller = self.controller.of_caller(credentials);
        Self { parts: Arc::clone(&self.parts), budget: self.budget.of_caller(name), controller }
    }

    /// What the caller may do with a stream: shows that the controller sells a token of that level. Must come before
    /// anything else is asked or done for the caller with that stream, as what is known of it is shared by all callers.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`], [`Error::Forbidden`]; others as the controller gives them.
    pub async fn grant(&self, stream: &ScopedStream, access: Access) -> Result<Grant, Error> {
        self.controller.grant(stream, access).await
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.parts.config
    }

    /// What the controller knows, asked with the caller's credentials.
    pub fn controller(&self) -> &Controller {
        &self.controller
    }

    /// The controller's REST API.
    pub fn rest(&self) -> &RestProxy {
        &self.parts.rest
    }

    /// Segments, wherever they are, for callers who show nothing.
    pub fn store(&self) -> &SegmentStore {
        &self.parts.store
    }

    /// Writers of streams.
    pub fn appenders(&self) -> &Appenders {
        &self.parts.appenders
    }

    /// Reads segments for a caller.
    pub fn reader(&self, grant: &Grant) -> SegmentReader {
        self.parts.reader.with_grant(grant)
    }

    /// Waits where segments end.
    pub fn tails(&self) -> &Tails {
        &self.parts.tails
    }

    /// The bytes that may be in flight, or the caller's share of them.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Writer ids for appends by fields.
    pub fn writer_ids(&self) -> &WriterIds {
        &self.parts.writer_ids
    }

    /// Ends once the gateway is about to stop and takes nothing new.
    pub async fn stopping(&self) {
        self.parts.phases.stop.cancelled().await;
    }

    /// Whether a shutdown has begun: short requests are still served, waits are not.
    pub fn is_draining(&self) -> bool {
        self.parts.phases.draining.is_cancelled()
    }

    /// What is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.parts.metrics
    }
}

/// What events for stores that do not answer may hold: a quarter of the whole.
fn stalled_bytes(config: &Config) -> usize {
    config.limits.bytes_in_flight.as_usize() / 4
}

/// Identifies this gateway among others: its host and its listening addresses.
fn gateway_name(config: &Config) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let listen: Vec<_> = config.listen.iter().map(ToString::to_string).collect();
    format!("{}/{}", host.trim(), listen.join(","))
}
