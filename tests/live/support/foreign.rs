//! Clients of Pravega that were written elsewhere; `tests/foreign` tells what they take and print.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use tokio::process::Command;

use super::pravega::variable;
use super::process::{Finished, run};
use super::{Pravega, Stream};

/// Pravega's Java client, or its Python client, which is the Rust client underneath.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Foreign {
    Java,
    Python,
}

impl Foreign {
    /// Appends events in order: key or none, and payload.
    pub(crate) async fn write(self, stream: &Stream, events: &[(Option<&str>, &[u8])]) {
        let line = |(key, payload): &(Option<&str>, &[u8])| {
            json!({ "key": key, "base64": BASE64.encode(payload) }).to_string() + "\n"
        };
        let lines: String = events.iter().map(line).collect();
        let printed = self.run("write", stream, &[], &lines).await.lines();
        assert_eq!(printed.last().map(String::as_str), Some(&*json!({ "written": events.len() }).to_string()));
    }

    /// Reads the whole stream through a new reader group, which must hold `count` events and no more: payloads in
    /// the order of arrival.
    pub(crate) async fn read(self, stream: &Stream, count: usize) -> Vec<Vec<u8>> {
        let mut lines = values(self.run("read", stream, &[&count.to_string()], "").await);
        let summary = lines.pop().expect("a summary");
        assert_eq!(summary, json!({ "events": count, "more": false }), "{self:?}");
        lines.iter().map(payload).collect()
    }

    async fn run(self, command: &str, stream: &Stream, arguments: &[&str], stdin: &str) -> Finished {
        match self {
            Self::Java => java(command, stream, arguments, stdin).await,
            Self::Python => python(command, stream, arguments, stdin).await,
        }
    }
}

/// A command of `ForeignClient.java`.
pub(crate) async fn java(command: &str, stream: &Stream, arguments: &[&str], stdin: &str) -> Finished {
    let mut java = Command::new("java");
    // Short runs: start quickly, and leave memory to others.
    java.args(["-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
    java.args(["-cp", &variable("TEST_JAVA_CLASSPATH"), "ForeignClient"]);
    foreign(java, command, stream, arguments, stdin).await
}

/// All events that are there now, read by the Java client: those of earlier epochs first, so that each key's events stand
/// in their order.
pub(crate) async fn read_by_epochs(stream: &Stream) -> Vec<Vec<u8>> {
    let mut lines = values(java("batch", stream, &[], "").await);
    lines.pop().expect("a summary");
    lines.sort_by_key(|event| {
        let segment = event["segment"].as_str().expect("a segment");
        let (_, epoch) = segment.rsplit_once('.').expect("NUMBER.#epoch.EPOCH");
        (epoch.parse::<u32>().expect("a number"), event["offset"].as_i64())
    });
    lines.iter().map(payload).collect()
}

/// A command of `foreign_client.py`.
pub(crate) async fn python(command: &str, stream: &Stream, arguments: &[&str], stdin: &str) -> Finished {
    let mut python = Command::new(variable("TEST_PYTHON"));
    python.arg(variable("TEST_FOREIGN_PY"));
    foreign(python, command, stream, arguments, stdin).await
}

async fn foreign(mut program: Command, command: &str, stream: &Stream, arguments: &[&str], stdin: &str) -> Finished {
    program.args([command, &Pravega::from_env().controller, &stream.scope, &stream.name]).args(arguments);
    run(&mut program, stdin).await
}

fn payload(event: &Value) -> Vec<u8> {
    BASE64.decode(event["base64"].as_str().expect("base64")).expect("base64")
}

/// The JSON lines that a client printed.
pub(crate) fn values(finished: Finished) -> Vec<Value> {
    finished.lines().iter().map(|line| serde_json::from_str(line).expect("JSON lines")).collect()
}
