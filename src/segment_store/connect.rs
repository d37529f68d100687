//! How sessions are opened, so that a simulation can open them in its own way.

use std::fmt::Debug;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use prometheus_client::metrics::gauge::Gauge;

use super::error::Error;
use super::session::{Session, SessionTimes};
use crate::controller::Endpoint;
use crate::upstream_tls::UpstreamTls;

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

/// Over TCP; with TLS inside, if there is any.
#[derive(Debug)]
pub(super) struct Tcp(pub(super) Option<UpstreamTls>);

impl Connect for Tcp {
    fn connect<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        times: SessionTimes,
        open: &'a Gauge,
    ) -> BoxFuture<'a, Result<Session, Error>> {
        Session::open(endpoint, self.0.as_ref(), times, open).boxed()
    }
}
