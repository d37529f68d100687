//! The gateway as its users run it, and a server that only answers.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use axum::Router;
use axum::routing::post;

/// A gateway process in front of the Pravega that the environment names. Dropping it stops the process.
pub(crate) struct GatewayProcess {
    pub(crate) process: Child,
    /// The address that it serves on.
    pub(crate) address: SocketAddr,
}

/// A stream of one segment.
pub(crate) struct BenchStream {
    pub(crate) scope: String,
    pub(crate) stream: String,
}

impl BenchStream {
    /// The path to post events to.
    pub(crate) fn path(&self) -> String {
        format!("/v1/events?scope={}&stream={}", self.scope, self.stream)
    }
}

/// A variable that `scripts/bench` sets.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run scripts/bench"))
}

impl GatewayProcess {
    /// Starts it on free ports and waits until it logs its address.
    pub(crate) fn start() -> Self {
        let (controller, rest) = (variable("TEST_PRAVEGA"), variable("TEST_PRAVEGA_REST"));
        Self::start_with(&["--controller", &controller, "--controller-rest", &rest]).0
    }

    /// Like [`start`](Self::start), with these arguments instead of those that name a Pravega; also returns what it
    /// logged before it served.
    pub(crate) fn start_with(arguments: &[&str]) -> (Self, Vec<serde_json::Value>) {
        let mut process = Command::new(env!("CARGO_BIN_EXE_pravega-gateway"))
            .args(["serve", "--listen", "127.0.0.1:0", "--management", "127.0.0.1:0"])
            .args(arguments)
            .args(["--set", "log.format=json", "--set", "log.access=false"])
            .stderr(Stdio::piped())
            .spawn()
            .expect("the gateway starts");
        let log = BufReader::new(process.stderr.take().expect("piped"));
        let mut lines = log.lines().map_while(Result::ok);
        let mut before = Vec::new();
        let address = loop {
            let line = lines.next().expect("the gateway logs its address");
            let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            match serving_address(&line) {
                Some(address) => break address,
                None => before.push(line),
            }
        };
        std::thread::spawn(move || lines.for_each(drop));
        (Self { process, address }, before)
    }

    /// Creates a stream of one segment with a unique name.
    pub(crate) fn create_stream(&self) -> BenchStream {
        let created = BenchStream { scope: "bench".to_owned(), stream: format!("s{}", std::process::id()) };
        let BenchStream { scope, stream } = &created;
        self.post("/v1/scopes", &format!(r#"{{"scopeName":"{scope}"}}"#));
        let policy = r#"{"type":"FIXED_NUM_SEGMENTS","minSegments":1}"#;
        let body = format!(r#"{{"streamName":"{stream}","scalingPolicy":{policy}}}"#);
        self.post(&format!("/v1/scopes/{scope}/streams"), &body);
        created
    }

    fn post(&self, path: &str, body: &str) {
        let url = format!("http://{}{path}", self.address);
        let done = Command::new("curl")
            .args(["-sS", "-o", "/dev/null", "-H", "Content-Type: application/json", "-d", body, &url])
            .status();
        assert!(done.expect("curl runs").success(), "{url}");
    }
}

fn serving_address(line: &serde_json::Value) -> Option<SocketAddr> {
    (line["message"] == "serving").then(|| line["address"].as_str()?.parse().ok())?
}

impl Drop for GatewayProcess {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An axum server that reads a body and answers `201`.
pub(crate) async fn no_op_server() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let router = Router::new().route("/", post(|_body: bytes::Bytes| async { http::StatusCode::CREATED }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}
