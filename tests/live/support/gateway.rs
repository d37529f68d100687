//! The gateway as a separate process.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::timeout;

use super::process::{self, Signal};
use super::secured::users::assert_discreet;
use super::{Answer, PATIENCE, Pravega, http};

/// A running gateway. Dropping it kills the process; a panic inside it, or a secret in its log, fails the test.
#[derive(Debug)]
pub(crate) struct Gateway {
    child: Child,
    log: watch::Receiver<Vec<String>>,
    reader: Option<JoinHandle<()>>,
    /// Where the public listener is, as a URL.
    origin: String,
    management: String,
    client: Client,
}

impl Gateway {
    /// Starts one in front of this run's Pravega and waits until `/readyz` reports that it is ready.
    pub(crate) async fn ready(arguments: &[&str]) -> Self {
        let gateway = Self::start(&Pravega::of_this_run(), arguments).await;
        gateway.await_ready().await;
        gateway
    }

    /// Starts one in front of any Pravega, with additional arguments, and waits until it listens.
    pub(crate) async fn start(pravega: &Pravega, arguments: &[&str]) -> Self {
        let usual = ["--controller", &pravega.controller, "--controller-rest", &pravega.rest];
        Self::spawn(&[&usual, arguments].concat()).await
    }

    /// Starts one with an embedded Pravega on free ports, and waits until it is ready.
    #[cfg(feature = "embedded")]
    pub(crate) async fn embedded(arguments: &[&str]) -> Self {
        let usual = ["--embedded", "--segment-store-port=0", "--controller-port=0", "--rest-port=0"];
        let gateway = Self::spawn(&[&usual, arguments].concat()).await;
        gateway.await_ready().await;
        gateway
    }

    async fn spawn(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_pravega-gateway"))
            .args(["serve", "--listen", "127.0.0.1:0", "--management", "127.0.0.1:0"])
            .args(["--set", "log.format=json", "--set", "shutdown.delay=0s"])
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the gateway's program can be started");
        let (log, reader) = follow(child.stderr.take().expect("piped"));
        let client = http::client();
        let mut gateway =
            Self { child, log, reader: Some(reader), origin: String::new(), management: String::new(), client };
        let serving = gateway.logged("serving").await;
        let address = serving["address"].as_str().expect("an address");
        gateway.origin = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        gateway.management = gateway.logged("management").await["address"].as_str().expect("an address").to_owned();
        gateway
    }

    /// Waits until the gateway has reached Pravega.
    pub(crate) async fn await_ready(&self) {
        self.logged("ready").await;
        Answer::of(self.client.get(self.management_url("/readyz"))).await.expect(200);
    }

    /// Waits until `/readyz` answers with this status.
    pub(crate) async fn await_readiness(&self, status: u16) {
        let mut looks = tokio::time::interval(Duration::from_millis(50));
        let looking = async {
            while Answer::of(self.client.get(self.management_url("/readyz"))).await.status != status {
                looks.tick().await;
            }
        };
        timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("/readyz is not {status}:\n{}", self.log_tail()));
    }

    /// A URL on the public listener.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// A URL on the management listener.
    pub(crate) fn management_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.management)
    }

    /// The same gateway to a caller with another client, which must trust it.
    pub(crate) fn called_by(mut self, client: Client) -> Self {
        self.client = client;
        self
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(self.url(path))
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(self.url(path))
    }

    pub(crate) fn put(&self, path: &str) -> RequestBuilder {
        self.client.put(self.url(path))
    }

    /// The metrics as text.
    pub(crate) async fn metrics(&self) -> String {
        Answer::of(self.client.get(self.management_url("/metrics"))).await.expect(200).text()
    }

    /// Waits for a log line with this message.
    pub(crate) async fn logged(&self, message: &str) -> Value {
        self.logged_with(message, |_| true).await
    }

    /// Waits for a log line with this message that is the one that is sought.
    pub(crate) async fn logged_with(&self, message: &str, is_sought: impl Fn(&Value) -> bool) -> Value {
        let mut log = self.log.clone();
        let found = |lines: &Vec<String>| find(lines, message, &is_sought).is_some();
        let waited = timeout(PATIENCE, log.wait_for(found)).await;
        match waited {
            Ok(Ok(lines)) => find(&lines, message, &is_sought).expect("just found"),
            _ => panic!("the gateway never logged {message:?}:\n{}", self.log_tail()),
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        process::signal(self.pid(), signal);
    }

    /// Stops it as an orchestrator does, and waits for it to exit.
    pub(crate) async fn stop(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended().await
    }

    /// Waits for it to exit.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let mut log = self.log.clone();
        let ended = async { while log.changed().await.is_ok() {} };
        timeout(PATIENCE, ended).await.unwrap_or_else(|_| panic!("it does not end:\n{}", self.log_tail()));
        self.child.wait().expect("it is our child")
    }

    fn log_tail(&self) -> String {
        let lines = self.log.borrow();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Both fail only if the process has exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            reader.join().expect("reading lines does not panic");
        }
        let panicked = self.log.borrow().iter().any(|line| line.contains("panicked"));
        if std::thread::panicking() {
            eprintln!("the gateway's last lines:\n{}", self.log_tail());
        } else {
            assert!(!panicked, "the gateway panicked:\n{}", self.log_tail());
            assert_discreet("the gateway's log", &self.log.borrow().join("\n"));
        }
    }
}

/// Collects the lines of standard error until it closes.
fn follow(stderr: ChildStderr) -> (watch::Receiver<Vec<String>>, JoinHandle<()>) {
    let (lines, log) = watch::channel(Vec::new());
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            lines.send_modify(|all| all.push(line));
        }
    });
    (log, reader)
}

fn find(lines: &[String], message: &str, is_sought: impl Fn(&Value) -> bool) -> Option<Value> {
    let lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.into_iter().find(|line| line["message"] == message && is_sought(line))
}
