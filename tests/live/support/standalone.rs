//! A Pravega for a single test, which can be stopped.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::process::{Signal, signal};
use super::{PATIENCE, Pravega};

/// How long the script may take to stop its JVM, which it kills after 5 s, and to remove its files.
const POLLS_OF_THE_END: u32 = 300;

/// A Pravega run by `scripts/pravega run`, all in memory. Dropping it stops it, also after a panic.
#[derive(Debug)]
pub(crate) struct Standalone {
    script: Child,
    heap: &'static str,
    pub(crate) pravega: Pravega,
}

impl Standalone {
    /// Starts one on free ports, with a heap such as `1g`, and waits until it answers.
    pub(crate) async fn start(heap: &'static str) -> Self {
        Self::run(heap, &[]).await
    }

    /// Stops it. All data is lost.
    pub(crate) async fn stop(mut self) -> Stopped {
        self.terminate();
        timeout(PATIENCE, self.script.wait()).await.expect("the script ends").expect("it is our child");
        Stopped { heap: self.heap, pravega: self.pravega.clone() }
    }

    async fn run(heap: &'static str, arguments: &[&str]) -> Self {
        let mut script = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/pravega"))
            .arg("run")
            .args(arguments)
            .env("PRAVEGA_HEAP", heap)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the script can be started");
        let mut printed = BufReader::new(script.stdout.take().expect("piped")).lines();
        // Owned by what stops it before anything can fail.
        let nowhere = Pravega { controller: String::new(), rest: String::new(), store: String::new() };
        let mut standalone = Self { script, heap, pravega: nowhere };
        let Pravega { controller, rest, store } = &mut standalone.pravega;
        for (name, address) in [("controller=", controller), ("rest=", rest), ("store=", store)] {
            let line = timeout(PATIENCE, printed.next_line()).await.expect("Pravega starts").expect("text");
            *address = line.and_then(|line| Some(line.strip_prefix(name)?.to_owned())).expect("NAME=ADDRESS");
        }
        standalone
    }

    fn terminate(&self) {
        if let Some(pid) = self.script.id() {
            signal(pid, Signal::TERM);
        }
    }
}

impl Drop for Standalone {
    fn drop(&mut self) {
        self.terminate();
        for _ in 0..POLLS_OF_THE_END {
            if !matches!(self.script.try_wait(), Ok(None)) {
                return;
            }
            // Drop cannot await.
            #[expect(clippy::disallowed_methods, reason = "blocks one test's thread at its end")]
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}

/// A stopped Pravega and its addresses.
#[derive(Debug)]
pub(crate) struct Stopped {
    heap: &'static str,
    pravega: Pravega,
}

impl Stopped {
    /// Starts an empty one on the same ports.
    pub(crate) async fn start(self) -> Standalone {
        let [grpc, rest, store] = [&self.pravega.controller, &self.pravega.rest, &self.pravega.store].map(|address| {
            let (_, port) = address.rsplit_once(':').expect("host:port");
            port
        });
        Standalone::run(self.heap, &["--grpc-port", grpc, "--rest-port", rest, "--store-port", store]).await
    }
}
