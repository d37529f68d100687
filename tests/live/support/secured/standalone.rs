//! A real Pravega that asks callers for passwords and speaks TLS.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use super::certificates::Certificates;
use super::users::{ADMIN, USERS, password_file};
use crate::support::cluster::{free_ports, logging};
use crate::support::pravega::variable;

/// Runs Java until standard input ends, also if that is because the tests were killed, and removes the folder.
const GUARDIAN: &str = r#"
    trap '' INT TERM HUP
    folder=$1
    shift
    setpriv --pdeathsig KILL "$@" </dev/null >"$folder/log" 2>&1 &
    cat >/dev/null
    kill -KILL $! 2>/dev/null
    wait
    rm -rf "$folder"
"#;

/// A running one. Everything it has ends with this value, or with this process.
#[derive(Debug)]
pub(super) struct Standalone {
    guardian: Child,
    lifeline: Option<ChildStdin>,
    folder: PathBuf,
    pub(super) ports: Ports,
}

/// Where it listens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    pub(super) controller: u16,
    pub(super) rest: u16,
    pub(super) store: u16,
    zookeeper: u16,
}

impl Standalone {
    /// Starts one in a folder, which it then owns, on ports that are free.
    pub(super) async fn start(folder: &Path, certificates: &Certificates) -> Self {
        let [controller, rest, store, zookeeper] = free_ports();
        let ports = Ports { controller, rest, store, zookeeper };
        let settings = folder.join("standalone.properties");
        std::fs::write(&settings, properties(folder, ports, certificates).await).expect("a file of ours");
        let log = File::create(folder.join("log")).expect("a file of ours");
        let mut guardian = Command::new("sh")
            .args(["-c", GUARDIAN, "guardian"])
            .arg(folder)
            .args(java(folder, &settings))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("there is a shell");
        let lifeline = guardian.stdin.take();
        Self { guardian, lifeline, folder: folder.to_owned(), ports }
    }

    /// The end of its log, for a message.
    pub(super) fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Standalone {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        // Fails only if it has exited already.
        let _ = self.guardian.wait();
    }
}

fn java(folder: &Path, settings: &Path) -> Vec<String> {
    let tmp = folder.join("tmp");
    std::fs::create_dir(&tmp).expect("a folder of ours");
    let properties = [
        format!("-Djava.io.tmpdir={}", tmp.display()),
        format!("-Dlogback.configurationFile={}", logging(folder).display()),
        format!("-Dpravegaservice.cache.size.max={}", 256 << 20),
        "-Dpravegaservice.rest.listener.enable=false".to_owned(),
        // Else the controller says 0.0.0.0, which is no name of any certificate.
        "-Dpravegaservice.service.published.host.nameOrIp=localhost".to_owned(),
        format!("-Dsinglenode.configurationFile={}", settings.display()),
    ];
    let java = ["java", "-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:MaxDirectMemorySize=768m"];
    let class = ["-cp".to_owned(), variable("TEST_JAVA_CLASSPATH"), "io.pravega.local.LocalPravegaEmulator".to_owned()];
    java.map(str::to_owned).into_iter().chain(properties).chain(class).collect()
}

async fn properties(folder: &Path, ports: Ports, certificates: &Certificates) -> String {
    let stores = certificates.java_stores().await;
    let passwords = folder.join("passwords");
    std::fs::write(&passwords, password_file(&USERS).await).expect("a file of ours");
    let shown = |path: &PathBuf| path.display().to_string();
    let settings = [
        ("zk.port", ports.zookeeper.to_string()),
        ("segmentStore.port", ports.store.to_string()),
        ("controller.rpc.port", ports.controller.to_string()),
        ("controller.rest.port", ports.rest.to_string()),
        ("admin.gateway.enable", "false".to_owned()),
        ("security.auth.enable", "true".to_owned()),
        ("security.auth.credentials.username", ADMIN.name.to_owned()),
        ("security.auth.credentials.pwd", ADMIN.password.to_owned()),
        ("security.auth.pwdAuthHandler.accountsDb.location", shown(&passwords)),
        ("security.tls.enable", "true".to_owned()),
        ("security.tls.certificate.location", shown(&certificates.certificate)),
        ("security.tls.privateKey.location", shown(&certificates.key)),
        ("security.tls.keyStore.location", shown(&stores.keys)),
        ("security.tls.keyStore.pwd.location", shown(&stores.password)),
        ("security.tls.trustStore.location", shown(&stores.trusted)),
    ];
    settings.map(|(key, value)| format!("singlenode.{key}={value}\n")).concat()
}
