//! Stands in for the node in a build that leaves it out.

use std::net::SocketAddr;

use futures::Stream;
use http_server::shutdown::{Exit, Signal};
use tokio_util::sync::CancellationToken;

use crate::config::{self, Config};

/// There is no node in this build.
#[derive(Debug)]
pub enum Embedded {}

/// A node was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this program was built without the feature embedded (embedded.enabled, --embedded); name a controller, or build it \
     with the feature"
)]
pub struct StartError;

/// As [`StartError`]: the user file belongs to the node.
pub type UserLineError = StartError;

/// Where a node would listen.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// Wire commands.
    pub segment_store: SocketAddr,
    /// gRPC and REST.
    pub controller: SocketAddr,
    /// The same again.
    pub rest: SocketAddr,
}

impl Embedded {
    /// Fails.
    ///
    /// # Errors
    /// Always: this build has no node.
    ///
    /// # Cancel safety
    /// Awaits nothing.
    pub async fn bind(_config: &Config) -> Result<Self, StartError> {
        Err(StartError)
    }

    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        match *self {}
    }

    /// Never called.
    ///
    /// # Cancel safety
    /// Awaits nothing.
    pub async fn run(self, _stop: CancellationToken, _cut: CancellationToken) {
        match self {}
    }

    /// Never called.
    ///
    /// # Cancel safety
    /// Awaits nothing.
    pub async fn serve(self, _shutdown: &config::Shutdown, _signals: impl Stream<Item = Signal>) -> Exit {
        match self {}
    }
}

/// Fails.
///
/// # Errors
/// Always: this build has no node.
pub fn check() -> Result<(), StartError> {
    Err(StartError)
}

/// Fails.
///
/// # Errors
/// Always: this build has no node.
pub fn user_line(_user: &str, _password: &str, _entries: &[&str]) -> Result<String, UserLineError> {
    Err(StartError)
}
