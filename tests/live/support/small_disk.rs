//! A file system that a test can fill.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

use super::PATIENCE;

/// Mounts a file system in memory and keeps it until standard input ends.
const HOLD: &str = r#"mount -t tmpfs -o size="$1" tmpfs "$2" && echo mounted && exec cat"#;

/// A file system of a few MiB. It is mounted in its own namespace, so it disappears with the processes in it, however
/// they end.
#[derive(Debug)]
pub(crate) struct SmallDisk {
    holder: Child,
    /// Closing it ends the holder, even if this process is killed.
    _input: ChildStdin,
    directory: TempDir,
}

impl SmallDisk {
    pub(crate) async fn of(mebibytes: u32) -> Self {
        let directory = TempDir::new().expect("a folder");
        let mut holder = Command::new("unshare")
            .args(["--mount", "--map-root-user", "sh", "-c", HOLD, "sh", &format!("{mebibytes}m")])
            .arg(directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("unshare can be run");
        let mut lines = BufReader::new(holder.stdout.take().expect("piped")).lines();
        let line = timeout(PATIENCE, lines.next_line()).await.expect("it mounts or ends").expect("text");
        assert_eq!(line.as_deref(), Some("mounted"), "this machine allows no mount namespace");
        let input = holder.stdin.take().expect("piped");
        Self { holder, _input: input, directory }
    }

    /// A directory on it.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// A program that runs in the namespace.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        let holder = self.holder.id().expect("it runs").to_string();
        command.args(["--target", &holder, "--user", "--mount", "--preserve-credentials", program]);
        command
    }

    /// Remounts it read-only, which the system refuses while a file is open for writing.
    pub(crate) async fn make_read_only(&self) {
        self.run("mount", &["-o", "remount,ro"], self.directory.path()).await;
    }

    /// Fills this many MiB of it; 0 frees them again.
    pub(crate) async fn fill(&self, mebibytes: u32) {
        let filler = self.directory.path().join("filler");
        match mebibytes {
            0 => self.run("rm", &[], &filler).await,
            mebibytes => self.run("fallocate", &["-l", &format!("{mebibytes}M")], &filler).await,
        }
    }

    async fn run(&self, program: &str, arguments: &[&str], path: &Path) {
        let status = self.command(program).args(arguments).arg(path).status().await.expect("it can be run");
        assert!(status.success(), "{program} {arguments:?} {}: {status}", path.display());
    }
}
