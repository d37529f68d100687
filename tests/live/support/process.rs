//! Programs that run to completion.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, kill_process};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

pub(crate) use rustix::process::Signal;

use super::PATIENCE;

/// The exit status and output of a program.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Finished {
    /// What a successful program printed.
    pub(crate) fn success(self) -> Vec<u8> {
        assert!(self.status.success(), "{}: {}{}", self.status, self.stderr, String::from_utf8_lossy(&self.stdout));
        self.stdout
    }

    /// The lines that a successful program printed.
    pub(crate) fn lines(self) -> Vec<String> {
        let text = String::from_utf8(self.success()).expect("the program prints text");
        text.lines().map(str::to_owned).collect()
    }
}

/// Runs a program with this standard input; it must exit within [`PATIENCE`].
pub(crate) async fn run(command: &mut Command, stdin: impl AsRef<[u8]>) -> Finished {
    run_within(PATIENCE, command, stdin).await
}

/// Runs a program with this standard input; it must exit in time.
pub(crate) async fn run_within(patience: Duration, command: &mut Command, stdin: impl AsRef<[u8]>) -> Finished {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut input = child.stdin.take().expect("piped");
    let feeding = async move {
        // A program that needs no input may have exited already.
        let _ = input.write_all(stdin.as_ref()).await;
        drop(input);
    };
    let both = async { tokio::join!(feeding, child.wait_with_output()) };
    let ((), output) = timeout(patience, both).await.unwrap_or_else(|_| panic!("{command:?} does not end"));
    let output = output.expect("its output can be read");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Finished { status: output.status, stdout: output.stdout, stderr }
}

/// Sends a signal to one of our processes.
pub(crate) fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(pid, signal).expect("it is our child");
}

/// curl without progress output and without a proxy.
pub(crate) async fn curl(arguments: &[&str], stdin: impl AsRef<[u8]>) -> Finished {
    let mut command = Command::new("curl");
    command.args(["--noproxy", "*", "-sS", "--max-time", "90"]).args(arguments);
    run(&mut command, stdin).await
}

/// Runs subcommands of the gateway other than `serve`.
pub(crate) async fn gateway_cli(arguments: &[&str], stdin: impl AsRef<[u8]>) -> Finished {
    run(Command::new(env!("CARGO_BIN_EXE_pravega-gateway")).args(arguments), stdin).await
}
