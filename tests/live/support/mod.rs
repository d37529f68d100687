//! Shared by the tests: the gateway as a process, streams in Pravega, HTTP, and third-party clients.

pub(crate) mod certificates;
pub(crate) mod checks;
pub(crate) mod closed_port;
pub(crate) mod cluster;
#[cfg(feature = "embedded")]
pub(crate) mod embedded;
pub(crate) mod events;
pub(crate) mod fault;
pub(crate) mod foreign;
pub(crate) mod gateway;
pub(crate) mod http;
pub(crate) mod ledger;
pub(crate) mod metrics;
pub(crate) mod pravega;
pub(crate) mod problem;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod raw_client;
pub(crate) mod scripted_store;
pub(crate) mod secured;
#[cfg(feature = "embedded")]
pub(crate) mod small_disk;
pub(crate) mod standalone;
pub(crate) mod stream;
pub(crate) mod upload;
pub(crate) mod wire;

use std::time::Duration;

#[cfg(feature = "embedded")]
pub(crate) use embedded::Embedded;
pub(crate) use gateway::Gateway;
pub(crate) use http::Answer;
pub(crate) use pravega::Pravega;
pub(crate) use stream::Stream;

/// The longest that a test waits for anything; a test that reaches it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(100);
