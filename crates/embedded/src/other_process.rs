//! Tests that run themselves once more as another process.

use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// Tells a test that it is the other process, and its directory.
const DIRECTORY: &str = "EMBEDDED_TEST_DIRECTORY";

/// The directory to work on, in the other process.
pub(crate) fn directory() -> Option<PathBuf> {
    std::env::var_os(DIRECTORY).map(PathBuf::from)
}

/// This program, asked to run one test of `embedded` as the other process.
fn command(test: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "--nocapture", test]).env(DIRECTORY, dir);
    command
}

/// Runs a test as the other process, and says whether it passed.
pub(crate) fn passes(test: &str, dir: &Path) -> bool {
    command(test, dir).status().expect("a process").success()
}

/// Runs a test as the other process, whose directory is a file system of 1 MiB. It lies in a mount namespace, so it is gone
/// with the process, however that ends. `None` when the machine allows no such thing.
pub(crate) fn on_small_file_system(test: &str, dir: &Path) -> Option<bool> {
    const MOUNT: &str = r#"mount -t tmpfs -o size=1m tmpfs "$EMBEDDED_TEST_DIRECTORY" || exit 99; exec "$@""#;
    let test = command(test, dir);
    let mut namespace = Command::new("unshare");
    namespace
        .args(["--mount", "--map-root-user", "sh", "-c", MOUNT, "sh"])
        .arg(test.get_program())
        .args(test.get_args());
    let ended = namespace.env(DIRECTORY, dir).stderr(Stdio::inherit()).output().ok()?;
    // 99: could not mount. 1 and no test that ran: no namespace.
    let ran = String::from_utf8_lossy(&ended.stdout).contains("running 1 test");
    ran.then(|| ended.status.success())
}

/// The other process, killed when this is dropped.
pub(crate) struct Other {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Other {
    pub(crate) fn start(test: &str, dir: &Path) -> Self {
        let mut child = command(test, dir).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a process");
        let lines = BufReader::new(child.stdout.take().expect("is piped")).lines();
        Self { child, lines }
    }

    /// The rest of its next line that contains `prefix`; `None` when it ended.
    pub(crate) fn line_after(&mut self, prefix: &str) -> Option<String> {
        let mut lines = self.lines.by_ref().map_while(Result::ok);
        lines.find_map(|line| line.split_once(prefix).map(|(_, rest)| rest.to_owned()))
    }

    /// Kills it as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ended");
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
