//! Shared by the tests: running the program, and the golden vectors.

use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

/// The program in an empty environment, so that the caller's variables do not change its settings.
pub(crate) fn gateway(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pravega-gateway"));
    command.env_clear().args(arguments);
    command
}

/// The exit status and output of the program.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// The lines printed by a successful run.
    #[track_caller]
    pub(crate) fn lines_of_success(&self) -> Vec<&str> {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""));
        self.stdout.lines().collect()
    }

    /// Fails unless the program exited with 1 and printed one line that contains all of these.
    #[track_caller]
    pub(crate) fn assert_refused(&self, parts: &[&str]) {
        assert_eq!(self.code, Some(1), "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is missing from {self:?}");
        }
    }
}

/// Runs the command until it exits.
pub(crate) fn finish(mut command: Command) -> Finished {
    let output = command.output().expect("the program can be run");
    Finished {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("stdout is text"),
        stderr: String::from_utf8(output.stderr).expect("stderr is text"),
    }
}

/// Runs the program with these arguments.
pub(crate) fn run(arguments: &[&str]) -> Finished {
    finish(gateway(arguments))
}

/// Runs the program with these arguments and this standard input.
pub(crate) fn run_with_stdin(arguments: &[&str], stdin: impl Into<Vec<u8>>) -> Finished {
    let mut command = gateway(arguments);
    command.write_stdin(stdin);
    finish(command)
}

/// The text of a file in `tests/golden`.
pub(crate) fn golden(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/protocol/tests/golden").join(name);
    let text = std::fs::read_to_string(&path).expect("golden vectors are in the repository");
    assert!(text.lines().count() > 10, "{} is no set of vectors", path.display());
    text
}

/// A JSON document per line.
pub(crate) fn json_lines<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<Value> {
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    lines.into_iter().map(parse).collect()
}
