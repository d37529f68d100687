//! TLS towards Pravega: whose certificates are believed, and the handshakes.
//!
//! ```text
//! PEM file, read again when it changes ─▶ Trust ─▶ Verifier ─▶ ClientConfig ─┬─ connect ─▶ gRPC, segment stores
//!                                                                            └─ config ──▶ REST
//! ```

mod error;
mod pem_file;
mod trust;
mod upstream_tls;
mod verifier;

#[cfg(test)]
pub(crate) mod authority;
#[cfg(test)]
mod tests;

pub use error::{CaFileError, HandshakeError};
pub use upstream_tls::UpstreamTls;
pub(crate) use upstream_tls::config_without_trust;
