//! Where the Pravega of this run is.

/// Addresses of a Pravega, and what its own clients need.
#[derive(Debug, Clone)]
pub(crate) struct Pravega {
    /// The controller's gRPC, `host:port`.
    pub(crate) controller: String,
    /// The controller's REST, a URL.
    pub(crate) rest: String,
    /// The segment store, `host:port`.
    pub(crate) store: String,
}

impl Pravega {
    /// The one that the environment names.
    pub(crate) fn from_env() -> Self {
        Self {
            controller: variable("TEST_PRAVEGA"),
            rest: variable("TEST_PRAVEGA_REST"),
            store: variable("TEST_PRAVEGA_STORE"),
        }
    }

    /// The segment store's TCP port.
    pub(crate) fn store_port(&self) -> u16 {
        let (_, port) = self.store.rsplit_once(':').expect("host:port");
        port.parse().expect("a port")
    }
}

/// A variable that `scripts/test` sets.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run ./scripts/test"))
}
