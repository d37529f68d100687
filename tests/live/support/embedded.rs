//! The embedded Pravega as a separate process, without a gateway.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::process::{Signal, signal};
use super::{PATIENCE, Pravega};

/// A running node on free ports. Dropping it kills the process; a panic inside it fails the test.
#[derive(Debug)]
pub(crate) struct Embedded {
    child: Child,
    log: tokio::task::JoinHandle<Vec<String>>,
    pub(crate) pravega: Pravega,
}

impl Embedded {
    /// Starts one with additional arguments and waits until it listens.
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        Self::try_start(arguments).await.unwrap_or_else(|log| panic!("it ended:\n{log}"))
    }

    /// Starts one that stores everything in a directory.
    pub(crate) async fn in_directory(data: &Path, arguments: &[&str]) -> Self {
        let data = data.to_str().expect("a path of ASCII");
        Self::start(&[&["--data", data], arguments].concat()).await
    }

    /// Like [`start`](Self::start), but returns the exit status and the log if it exits instead.
    pub(crate) async fn try_start(arguments: &[&str]) -> Result<Self, String> {
        Self::run(Command::new(env!("CARGO_BIN_EXE_pravega-gateway")), arguments).await
    }

    /// Like [`try_start`](Self::try_start), through a command that executes the program.
    pub(crate) async fn run(mut program: Command, arguments: &[&str]) -> Result<Self, String> {
        let mut child = program
            .args(["embedded", "--segment-store-port", "0", "--controller-port", "0", "--rest-port", "0"])
            .args(["--set", "log.format=json"])
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program can be started");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let mut before = Vec::new();
        let pravega = loop {
            let line = timeout(PATIENCE, lines.next_line()).await.expect("it starts or ends").expect("text");
            let Some(line) = line else {
                let status = timeout(PATIENCE, child.wait()).await.expect("it ends").expect("our child");
                return Err(format!("{status}\n{}", before.join("\n")));
            };
            match address(&line) {
                Some(pravega) => break pravega,
                None => before.push(line),
            }
        };
        let log = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                before.push(line);
            }
            before
        });
        Ok(Self { child, log, pravega })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Kills it in the middle of its work.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("it runs");
        self.check().await;
    }

    /// Sends SIGTERM and waits for it to exit; returns its log.
    pub(crate) async fn stop(mut self) -> String {
        signal(self.pid(), Signal::TERM);
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it ends").expect("our child");
        let log = self.check().await;
        assert!(status.success(), "{status}\n{log}");
        log
    }

    async fn check(self) -> String {
        let log =
            timeout(Duration::from_secs(10), self.log).await.expect("it has exited").expect("no panic").join("\n");
        assert!(!log.contains("panicked"), "it panicked:\n{log}");
        log
    }
}

fn address(line: &str) -> Option<Pravega> {
    let line: Value = serde_json::from_str(line).ok()?;
    let of = |name: &str| line[name].as_str().map(str::to_owned);
    Some(Pravega {
        controller: of("controller")?,
        rest: format!("http://{}", of("rest")?),
        store: of("segment_store")?,
    })
}
