//! The controller: which segments a stream has, where they live, what follows them, and the control calls.
//!
//! [`Controller`] is what the rest of the gateway holds. It answers from memory where it may, asks once for
//! all callers that wait, and hides which of several addresses is up. Below it, [`ControllerClient`] is one round of
//! calls, by gRPC in [`GrpcClient`]. [`RestProxy`] passes control requests on to the controller's REST
//! interface, untouched.
//!
//! ```text
//! append, read ─▶ Controller ─▶ single_flight ─▶ retry ─▶ ControllerClient ─▶ GrpcClient ─▶ controller:9090
//! api (control) ────────────────────────────────────▶ RestProxy ─────────────────────▶ controller:9091
//! ```

mod address;
mod cache;
mod client;
mod connector;
mod convert;
mod credentials;
mod endpoint;
mod error;
mod grant;
mod grpc;
mod health;
mod metered;
mod rest;
mod single_flight;
mod token;

pub use address::{AddressError, ControllerAddresses};
pub use cache::{CacheSettings, Controller};
pub use client::{Access, ControllerClient, Placement, SegmentLocation};
pub use credentials::Credentials;
pub use endpoint::{Endpoint, EndpointError, RewriteRule};
pub use error::{Error, Origin};
pub use grant::Grant;
pub use grpc::{GrpcClient, GrpcSettings, SetupError};
pub use health::Health;
pub use metered::MeteredClient;
pub use rest::{RestError, RestProxy, RestSettings};
pub use token::{Life, Token};
