//! How sessions are opened, so that a simulation can open them in its own way.

use std::fmt::Debug;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use prometheus_client::metrics::gauge::Gauge;

use super::error::Error;
use super::session::{Session, SessionTimes};
use crate::controller::Endpoint;

/// How sessions come about: over TCP, unless a simulation has another way.
pub(crate) trait Connect: Debug + Send + Sync {
    /// Opens a session; `open` counts it while it lasts.
    ///
    /// # Errors
    /// [`Error::Connect`].
    ///
    /// # Cancel safety
    /// The connection is dropped.
    fn connect<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        times: SessionTimes,
        open: &'a Gauge,
    ) -> BoxFuture<'a, Result<Session, Error>>;
}

#[derive(Debug)]
pub(super) struct Tcp;

impl Connect for Tcp {
    fn connect<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        times: SessionTimes,
        open: &'a Gauge,
    ) -> BoxFuture<'a, Result<Session, Error>> {
        Session::open(endpoint, times, open).boxed()
    }
}
