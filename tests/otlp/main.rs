//! Traces that the program exports to a collector.

mod collector;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use collector::Collector;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// The longest that a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(30);

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// The program without a Pravega, exporting its spans to a collector. Dropping it kills the process.
struct Gateway {
    child: Child,
    address: String,
}

impl Gateway {
    async fn start(collector: &str) -> Self {
        let program = env!("CARGO_BIN_EXE_pravega-gateway");
        let endpoint = format!("telemetry.otlp-endpoint={collector}");
        let child = Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0", "--management", "127.0.0.1:0", "--controller", "127.0.0.1:1"])
            .args(["--set", &endpoint, "--set", "log.format=json", "--set", "shutdown.delay=0s"])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        let mut gateway = Self { child, address: String::new() };
        let stderr = gateway.child.stderr.take().expect("piped");
        let (found, address) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || follow(BufReader::new(stderr), found));
        let waited = tokio::time::timeout(PATIENCE, address).await;
        gateway.address = waited.expect("it starts in time").expect("it serves");
        gateway
    }

    async fn post(&self, traceparent: Option<String>) -> u16 {
        // Fails only if another test has installed the provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().expect("no setting is wrong");
        let mut request = client.post(format!("http://{}/v1/events?scope=s&stream=t", self.address)).body("event");
        if let Some(traceparent) = traceparent {
            request = request.header("traceparent", traceparent);
        }
        request.send().await.expect("it answers").status().as_u16()
    }

    /// Sends SIGTERM and waits for the process to exit.
    async fn stop(mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, Signal::TERM).expect("it is our child");
        let ending = async {
            while self.child.try_wait().expect("it is our child").is_none() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, ending).await.expect("it ends");
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Both fail only if the process has exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads the log to its end and reports the address that the program serves on.
fn follow(log: impl BufRead, found: tokio::sync::oneshot::Sender<String>) {
    let mut found = Some(found);
    for line in log.lines().map_while(Result::ok) {
        let line: Value = serde_json::from_str(&line).unwrap_or_default();
        if line["message"] == "serving" {
            let address = line["address"].as_str().expect("an address").to_owned();
            let _ = found.take().map(|found| found.send(address));
        }
    }
}

#[tokio::test]
async fn span_of_a_post_belongs_to_the_callers_trace_and_is_sent_at_the_end() {
    let mut collector = Collector::start().await;
    let gateway = Gateway::start(&collector.url).await;
    assert_eq!(gateway.post(Some(format!("00-{TRACE}-{PARENT}-01"))).await, 503, "there is no controller");
    gateway.stop().await;
    let (service, span) = collector.span().await;
    assert_eq!(service.as_deref(), Some("pravega-gateway"));
    assert_eq!((hex::encode(&span.trace_id).as_str(), hex::encode(&span.parent_span_id).as_str()), (TRACE, PARENT));
    assert_eq!((span.name.as_str(), span.kind), ("POST /v1/events", collector::SERVER));
    assert_eq!(span.attribute("http.response.status_code"), Some("503".to_owned()));
    assert_eq!(span.attribute("error.type"), Some("controller_unavailable".to_owned()));
    assert_eq!(span.attribute("http.route"), Some("/v1/events".to_owned()));
}

#[tokio::test]
async fn trace_begins_here_where_the_caller_has_none_and_ends_where_it_is_not_sampled() {
    let mut collector = Collector::start().await;
    let gateway = Gateway::start(&collector.url).await;
    gateway.post(Some(format!("00-{TRACE}-{PARENT}-00"))).await;
    gateway.post(None).await;
    gateway.stop().await;
    let (_, span) = collector.span().await;
    assert_ne!(hex::encode(&span.trace_id), TRACE, "the caller's is not sampled");
    assert_eq!((span.trace_id.len(), span.parent_span_id.len()), (16, 0));
    assert!(collector.is_done(), "there is one span");
}

#[tokio::test]
async fn gateway_serves_and_ends_without_a_collector() {
    let gateway = Gateway::start("http://127.0.0.1:1").await;
    assert_eq!(gateway.post(None).await, 503);
    gateway.stop().await;
}
