//! The controller's REST interface: `/v1` as Pravega's swagger and server have it, where they differ as the server.

mod body;
mod groups;
mod health;
mod model;
mod router;
mod scopes;
mod streams;

pub(super) use router::router;
