//! The settings of a node.

use std::path::PathBuf;
use std::time::Duration;

/// A node's directory, ports and guards. It listens on 127.0.0.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Directory that keeps everything; `None` keeps it in memory.
    pub data: Option<PathBuf>,
    /// Most bytes of events and table entries in memory.
    pub max_bytes: u64,
    /// Port of the segment store; 0 takes a free one.
    pub segment_store_port: u16,
    /// Port of the controller, gRPC and REST; 0 takes a free one.
    pub controller_port: u16,
    /// Another port of the controller, where clients look for REST; 0 takes a free one.
    pub rest_port: u16,
    /// File of those who may use the node, in Pravega's own form; with `None`, anyone may.
    pub users: Option<PathBuf>,
    /// How long a delegation token is valid; `None` means without end.
    pub token_life: Option<Duration>,
    /// With these all ports speak TLS.
    pub tls: Option<TlsFiles>,
}

/// PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates, the leaf first.
    pub certificate: PathBuf,
    /// The leaf's key, not encrypted.
    pub key: PathBuf,
}

impl Default for Settings {
    /// In memory, at most 1 GiB, on Pravega's usual ports, open to anyone.
    fn default() -> Self {
        Self {
            data: None,
            max_bytes: 1 << 30,
            segment_store_port: 6000,
            controller_port: 9090,
            rest_port: 9091,
            users: None,
            token_life: Some(Duration::from_secs(600)),
            tls: None,
        }
    }
}
