//! Third-party clients of Pravega; `tests/foreign` describes their input and output.

use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::pravega::variable;
use super::process::{Finished, run, run_within};
use super::{PATIENCE, Pravega, Stream};

const ACCEPTANCE_PY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/foreign/acceptance.py");
/// A stuck program exits after 90 s, and only then do those queued behind it run.
const ACCEPTANCE_PATIENCE: Duration = Duration::from_secs(300);

/// Pravega's Java client, or its Python client, which wraps the Rust client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Foreign {
    Java,
    Python,
}

impl Foreign {
    /// Appends events in order, each a payload with an optional key.
    pub(crate) async fn write(self, stream: &Stream, events: &[(Option<&str>, &[u8])]) {
        let line = |(key, payload): &(Option<&str>, &[u8])| {
            json!({ "key": key, "base64": BASE64.encode(payload) }).to_string() + "\n"
        };
        let lines: String = events.iter().map(line).collect();
        let printed = self.run("write", stream, &[], &lines).await.lines();
        assert_eq!(printed.last().map(String::as_str), Some(&*json!({ "written": events.len() }).to_string()));
    }

    /// Reads the whole stream through a new reader group and returns the payloads in order of arrival. The stream must
    /// hold exactly `count` events.
    pub(crate) async fn read(self, stream: &Stream, count: usize) -> Vec<Vec<u8>> {
        let mut lines = values(self.run("read", stream, &[&count.to_string()], "").await);
        let summary = lines.pop().expect("a summary");
        assert_eq!(summary, json!({ "events": count, "more": false }), "{self:?}");
        lines.iter().map(payload).collect()
    }

    /// Runs all scenarios of `tests/foreign/acceptance` against this controller, where they must all succeed; returns
    /// what each printed.
    pub(crate) async fn acceptance(self, controller: &str) -> Vec<Value> {
        let mut program = match self {
            Self::Java => java_class("acceptance.Acceptance"),
            Self::Python => python_script(ACCEPTANCE_PY),
        };
        let scopes = format!("acceptance{}", uuid::Uuid::new_v4().simple());
        program.args([controller, &scopes]);
        let printed = values(run_within(ACCEPTANCE_PATIENCE, &mut program, "").await);
        assert!(!printed.is_empty(), "{self:?} ran nothing");
        printed
    }

    async fn run(self, command: &str, stream: &Stream, arguments: &[&str], stdin: &str) -> Finished {
        match self {
            Self::Java => java(command, stream, arguments, stdin).await,
            Self::Python => python(command, stream, arguments, stdin).await,
        }
    }
}

/// Runs a command of `ForeignClient.java`.
pub(crate) async fn java(command: &str, stream: &Stream, arguments: &[&str], stdin: &str) -> Finished {
    foreign(java_class("ForeignClient"), command, stream, arguments, stdin).await
}

fn java_class(name: &str) -> Command {
    let mut java = Command::new("java");
    // Runs are short: start quickly and leave memory to others.
    java.args(["-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
    java.args(["-cp", &variable("TEST_JAVA_CLASSPATH"), name]);
    java
}

fn python_script(path: &str) -> Command {
    let mut python = Command::new(variable("TEST_PYTHON"));
    python.env("PYTHONDONTWRITEBYTECODE", "1").arg(path);
    python
}

/// All current events as the Java client reads them: earlier epochs first, so that each key's events are in order.
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

/// Runs a command of `foreign_client.py`.
pub(crate) async fn python(command: &str, stream: &Stream, arguments: &[&str], stdin: &str) -> Finished {
    foreign(python_script(&variable("TEST_FOREIGN_PY")), command, stream, arguments, stdin).await
}

/// Runs a command of `ForeignClient.java` on another Pravega, with credentials in variables.
pub(crate) async fn java_at(controller: &str, variables: &[(&str, &str)], words: &[&str], stdin: &str) -> Finished {
    let mut java = java_class("ForeignClient");
    java.args([words[0], controller]).args(&words[1..]).envs(variables.iter().copied());
    run(&mut java, stdin).await
}

/// A reader of the Java client in a separate process.
#[derive(Debug)]
pub(crate) struct OpenReader(Child);

impl OpenReader {
    /// Opens it in a reader group of the stream, which is created if necessary.
    pub(crate) async fn open(controller: &str, scope: &str, stream: &str, group: &str, id: &str) -> Self {
        let mut java = java_class("ForeignClient");
        java.args(["stay", controller, scope, stream, group, id]).kill_on_drop(true);
        let mut child = java.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("there is a Java");
        let mut line = String::new();
        let mut printed = BufReader::new(child.stdout.as_mut().expect("piped"));
        timeout(PATIENCE, printed.read_line(&mut line)).await.expect("it opens").expect("text");
        assert_eq!(line.trim_end(), json!({ "open": id }).to_string());
        Self(child)
    }

    /// Closes it as a program does that exits normally.
    pub(crate) async fn close(mut self) {
        drop(self.0.stdin.take());
        let status = timeout(PATIENCE, self.0.wait()).await.expect("it ends").expect("our child");
        assert!(status.success(), "{status}");
    }

    /// Kills it as a crash would: its group is not informed.
    pub(crate) async fn kill(mut self) {
        self.0.kill().await.expect("it runs");
    }
}

async fn foreign(mut program: Command, command: &str, stream: &Stream, arguments: &[&str], stdin: &str) -> Finished {
    program.args([command, &Pravega::of_this_run().controller, &stream.scope, &stream.name]).args(arguments);
    run(&mut program, stdin).await
}

fn payload(event: &Value) -> Vec<u8> {
    BASE64.decode(event["base64"].as_str().expect("base64")).expect("base64")
}

/// The JSON lines that a client printed.
pub(crate) fn values(finished: Finished) -> Vec<Value> {
    finished.lines().iter().map(|line| serde_json::from_str(line).expect("JSON lines")).collect()
}
