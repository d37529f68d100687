//! The controller as one value: what its servers and its background work share.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use tonic::service::Routes;

use super::access::Access;
use super::grpc::ControllerServiceServer;
use super::operations::scope;
use super::rest;
use crate::node::{ChangeError, Node, Purpose, State, Step};

/// Largest gRPC request taken; stream cuts of many segments are the largest there are.
const MAX_REQUEST_BYTES: usize = 4 * 1024 * 1024;

/// Where the segment store can be reached.
#[derive(Debug, Clone)]
pub(crate) struct StoreAddress {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl From<SocketAddr> for StoreAddress {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port() }
    }
}

/// The controller of a node; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Controller {
    pub(super) node: Arc<Node>,
    pub(super) store: StoreAddress,
    pub(super) access: Access,
}

impl Controller {
    /// Takes charge of the node's catalog.
    pub(crate) fn new(node: Arc<Node>, store: StoreAddress, access: Access) -> Self {
        node.step(scope::prepare).into_inner();
        Self { node, store, access }
    }

    /// Serves gRPC and REST side by side, on different paths. gRPC needs HTTP/2.
    pub(crate) fn router(&self) -> Router {
        let grpc = ControllerServiceServer::new(self.clone()).max_decoding_message_size(MAX_REQUEST_BYTES);
        Routes::new(grpc).into_axum_router().merge(rest::router(self.clone())).fallback(async || StatusCode::NOT_FOUND)
    }

    /// Runs one step, once there is room for what it adds, and waits until it is durable. Cancel safe: it has happened or
    /// has not.
    pub(super) async fn step<T>(&self, act: impl FnOnce(&mut Step<'_>) -> T) -> Result<T, ChangeError> {
        self.node.change(Purpose::Add, act).await
    }

    /// As [`step`](Self::step), for what gives room back: a full disk does not keep it from that.
    pub(super) async fn step_to_free<T>(&self, act: impl FnOnce(&mut Step<'_>) -> T) -> Result<T, ChangeError> {
        self.node.change(Purpose::Free, act).await
    }

    /// Looks at the state, and waits until what was seen is durable. Cancel safe.
    pub(super) async fn look<T>(&self, see: impl FnOnce(&State) -> T) -> Result<T, ChangeError> {
        self.node.look_durably(see).await
    }
}
