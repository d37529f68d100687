//! The Pravega that this run tests against.

/// Addresses of a Pravega.
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
    /// The one that `TEST_PRAVEGA`, `TEST_PRAVEGA_REST` and `TEST_PRAVEGA_STORE` name, else the embedded one, which all
    /// tests of this process share.
    pub(crate) fn of_this_run() -> Self {
        if std::env::var_os("TEST_PRAVEGA").is_none() {
            return shared::embedded();
        }
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

#[cfg(feature = "embedded")]
mod shared {
    use std::sync::OnceLock;
    use std::sync::mpsc;

    use http_server::shutdown::Phases;
    use pravega_embedded::{Embedded, Settings};
    use pravega_gateway::api::server_settings;
    use pravega_gateway::config::Limits;

    use super::Pravega;

    /// Tests run in parallel and delete nothing.
    const MAX_BYTES: u64 = 4 << 30;

    /// The embedded Pravega, in memory, on a thread that ends with this process.
    pub(super) fn embedded() -> Pravega {
        static SHARED: OnceLock<Pravega> = OnceLock::new();
        SHARED.get_or_init(start).clone()
    }

    fn start() -> Pravega {
        let (sender, addresses) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let settings = Settings {
                    segment_store_port: 0,
                    controller_port: 0,
                    rest_port: 0,
                    max_bytes: MAX_BYTES,
                    ..Settings::default()
                };
                let node = Embedded::bind(&settings).await.expect("free ports");
                sender.send(node.addresses()).expect("a test waits");
                let phases = Phases::default();
                node.run(server_settings::private(&Limits::default()), phases.stop, phases.cut).await;
            });
        });
        let addresses = addresses.recv().expect("it starts");
        Pravega {
            controller: addresses.controller.to_string(),
            rest: format!("http://{}", addresses.rest),
            store: addresses.segment_store.to_string(),
        }
    }
}

#[cfg(not(feature = "embedded"))]
mod shared {
    use super::{Pravega, variable};

    /// This build has no embedded Pravega.
    pub(super) fn embedded() -> Pravega {
        panic!("this build has no embedded Pravega to test with, and {}", variable("TEST_PRAVEGA"))
    }
}
