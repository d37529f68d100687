//! Serves an axum router on TCP, TLS and unix sockets, with every connection, head and body bounded.
//!
//! ```text
//! listen ─▶ accept_loop ─▶ serve: a slot ─▶ send_timeout ─▶ tls ─▶ head_timeout ─▶ hyper ─▶ guarded_body ─▶ router
//!                                                       │                            │
//!                                                       └──────── connection ────────┘   requests in progress,
//!                                                                      ▲                  idle time
//!                                                                response_body
//! ```
//!
//! `axum::serve` bounds none of these. What is served, and how errors are answered, is up to the router.
//! [`shutdown`] ends a process in phases: not ready, no longer accepting, cut.

mod descriptors;
mod listen;

mod accept_loop;

mod serve;

mod send_timeout;

pub mod tls;

mod head_timeout;

mod connection;
mod guarded_body;
mod idle_connections;
mod response_body;

mod gauge_guard;
mod idle_timer;

pub mod shutdown;

#[cfg(test)]
mod captured_log;

pub use accept_loop::{Accept, AcceptLoop};
pub use connection::RequestGuard;
pub use descriptors::allowed_connections;
pub use gauge_guard::GaugeGuard;
pub use guarded_body::{BodyLimits, IdleTooLong};
pub use listen::{Accepted, BindError, ListenAddress, ListenAddressError, Listener, Peer};
pub use serve::{Arrival, ServeMetrics, ServeSettings, serve};
