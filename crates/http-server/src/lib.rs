//! Serves an axum router on TCP, TLS and unix sockets, with every connection, head and body bounded.
//!
//! ```text
//! listen ─▶ accept_loop ─▶ serve: slots ─▶ tls ─▶ send_timeout ─▶ head_timeout ─▶ hyper ─▶ guarded_body ─▶ router
//! ```
//!
//! `axum::serve` bounds none of these. What is served, and what callers are told, is the router's affair.

mod accept_loop;
mod listen;
pub mod tls;

mod connection;
mod descriptors;
mod gauge_guard;
mod guarded_body;
mod head_timeout;
mod idle_timer;
mod send_timeout;
mod serve;

pub mod shutdown;

pub use accept_loop::{Accept, AcceptLoop};
pub use connection::Busy;
pub use descriptors::allowed_connections;
pub use gauge_guard::GaugeGuard;
pub use guarded_body::{BodyLimits, IdleTooLong};
pub use listen::{Accepted, BindError, ListenAddress, ListenAddressError, Listener, Peer};
pub use serve::{Arrival, ServeMetrics, ServeSettings, serve};
