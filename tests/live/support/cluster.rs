//! A real Pravega cluster for a single test: a process for each part, any of which can be stopped.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use pravega_protocol::wire::{
    DelegationToken, FrameCodec, GetStreamSegmentInfo, JavaStr, RequestId, Segment, WireCommand,
};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_util::codec::Framed;

use super::pravega::variable;
use super::process::{Signal, signal};
use super::secured::users::ADMIN;
use super::{Answer, PATIENCE, Pravega, http};

/// Where BookKeeper's ledgers are listed in ZooKeeper.
const LEDGERS: &str = "/pravega/pravega-cluster/bookkeeper/ledgers";

/// Containers of the two segment stores together.
const CONTAINERS: u32 = 4;

/// Ports below the range that the system uses for outgoing connections.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// The password file of a guarded one.
const PASSWORDS: &str = "passwords";

/// What tokens are signed with.
const SIGNING_KEY: &str = "hush-sign-S2";

/// Another process may take a port after it was chosen and before it is bound.
const ATTEMPTS: usize = 3;

/// A running cluster: ZooKeeper, one bookie, a controller and two segment stores. Dropping it kills all of them.
#[derive(Debug)]
pub(crate) struct Cluster {
    // Dropped in this order.
    pub(crate) stores: [Node; 2],
    pub(crate) controller: Node,
    _bookie: Node,
    _zookeeper: Node,
    pub(crate) pravega: Pravega,
    files: tempfile::TempDir,
}

/// A part of the cluster.
#[derive(Debug)]
pub(crate) struct Node {
    program: Jvm,
    child: Child,
    /// Where it listens, `host:port`.
    pub(crate) address: String,
}

/// How to start a part.
#[derive(Debug, Clone)]
struct Jvm {
    name: &'static str,
    port: u16,
    class: &'static str,
    heap: &'static str,
    properties: Vec<String>,
    arguments: Vec<String>,
    directory: PathBuf,
}

impl Cluster {
    /// Starts one on free ports and waits until its controller and both stores answer.
    pub(crate) async fn start() -> Self {
        Self::start_with(None).await
    }

    /// As [`start`](Self::start), for some users only, [`ADMIN`] among them.
    pub(crate) async fn guarded(guard: Guard<'_>) -> Self {
        Self::start_with(Some(guard)).await
    }

    async fn start_with(guard: Option<Guard<'_>>) -> Self {
        for _ in 1..ATTEMPTS {
            match Self::try_start(guard).await {
                Ok(cluster) => return cluster,
                Err(ended) => eprintln!("{ended}"),
            }
        }
        Self::try_start(guard).await.unwrap_or_else(|ended| panic!("{ended}"))
    }

    async fn try_start(guard: Option<Guard<'_>>) -> Result<Self, String> {
        let files = tempfile::tempdir().expect("a directory");
        let directory = files.path();
        let [zookeeper, bookie, grpc, rest, first, second] = free_ports();

        let zookeeper = Jvm::zookeeper(directory, zookeeper).start().await?;
        let bookie = Jvm::bookie(directory, bookie, &zookeeper.address);
        Jvm::metaformat(&bookie).run().await?;
        let bookie = bookie.start().await?;
        let mut controller = Jvm::controller(directory, grpc, rest, &zookeeper.address);
        if let Some(guard) = guard {
            write(&directory.join(PASSWORDS), guard.passwords);
            controller.properties.extend(guard.of_controller(directory));
        }
        let controller = controller.start().await?;
        let rest = format!("http://127.0.0.1:{rest}");
        await_answer(&rest).await;
        let store = |name, port| {
            let mut store = Jvm::store(directory, name, port, &zookeeper.address, grpc);
            store.properties.extend(guard.into_iter().flat_map(Guard::of_store));
            store.start()
        };
        let (first, second) = tokio::join!(store("store-1", first), store("store-2", second));
        let stores = [first?, second?];
        let pravega = Pravega { controller: controller.address.clone(), rest, store: stores[0].address.clone() };
        Ok(Self { stores, controller, _bookie: bookie, _zookeeper: zookeeper, pravega, files })
    }

    /// Which of the two stores has a segment, or would have it if there were one.
    pub(crate) async fn store_of(&self, segment: &str) -> usize {
        let looking = async {
            loop {
                for (number, store) in self.stores.iter().enumerate() {
                    if store.has(segment).await {
                        return number;
                    }
                }
            }
        };
        timeout(PATIENCE, looking).await.expect("a store is responsible for every segment")
    }

    /// Restarts the controller with other users.
    pub(crate) async fn replace_users(&mut self, passwords: &str) {
        write(&self.files.path().join(PASSWORDS), passwords);
        self.controller.kill();
        self.controller.start_again().await;
        self.await_controller().await;
    }

    /// Waits until the controller's REST listener answers.
    pub(crate) async fn await_controller(&self) {
        await_answer(&self.pravega.rest).await;
    }
}

/// Who may use a cluster.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guard<'a> {
    /// The text of the password file.
    pub(crate) passwords: &'a str,
    /// How long a delegation token is good.
    pub(crate) token_life: Duration,
}

impl Guard<'_> {
    fn of_controller(self, directory: &Path) -> [String; 4] {
        [
            "controller.security.auth.enable=true".to_owned(),
            format!("controller.security.pwdAuthHandler.accountsDb.location={}", directory.join(PASSWORDS).display()),
            format!("controller.security.auth.delegationToken.signingKey.basis={SIGNING_KEY}"),
            format!("controller.security.auth.delegationToken.ttl.seconds={}", self.token_life.as_secs()),
        ]
    }

    /// A store writes its wishes to scale into a stream, as a user.
    fn of_store(self) -> [String; 5] {
        [
            "autoScale.controller.connect.security.auth.enable=true".to_owned(),
            format!("autoScale.security.auth.token.signingKey.basis={SIGNING_KEY}"),
            "pravega.client.auth.loadDynamic=false".to_owned(),
            "pravega.client.auth.method=Basic".to_owned(),
            format!("pravega.client.auth.token={}", ADMIN.credentials()),
        ]
    }
}

impl Node {
    /// Stops its process in whatever it does; its sockets stay open.
    pub(crate) fn pause(&self) {
        signal(self.child.id(), Signal::STOP);
    }

    /// Kills it, paused or not.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it is our child");
        self.child.wait().expect("it is our child");
    }

    /// Starts it again on the same port, once it was killed.
    pub(crate) async fn start_again(&mut self) {
        *self = self.program.clone().start().await.unwrap_or_else(|ended| panic!("{ended}"));
    }

    /// Asks it, a segment store, for a segment.
    async fn has(&self, segment: &str) -> bool {
        let question = GetStreamSegmentInfo {
            request_id: RequestId(1),
            segment_name: Segment(JavaStr::new(segment).expect("a short name")),
            delegation_token: DelegationToken::none(),
        };
        // One that is still starting closes the connection.
        let asking = async {
            let mut frames = Framed::new(TcpStream::connect(&self.address).await.ok()?, FrameCodec::client());
            frames.send(WireCommand::from(question).frame()).await.ok()?;
            let frame = frames.next().await?.ok()?;
            Some(frame.to_command().expect("stores answer as the table says").0)
        };
        let reply = timeout(PATIENCE, asking).await.expect("it answers or closes");
        reply.is_some_and(|reply| !matches!(reply, WireCommand::WrongHost(_)))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Both fail only if the process has exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Jvm {
    /// Starts it and waits until it listens on its port.
    ///
    /// # Errors
    /// The end of its log if it ends.
    async fn start(self) -> Result<Node, String> {
        let address = format!("127.0.0.1:{}", self.port);
        let child = self.command().spawn().expect("java can be started");
        let mut node = Node { child, address, program: self };
        let starting = async {
            while TcpStream::connect(&node.address).await.is_err() {
                if let Some(status) = node.child.try_wait().expect("it is our child") {
                    return Err(format!("{} {status}:\n{}", node.program.name, node.program.log_tail()));
                }
                sleep(Duration::from_millis(50)).await;
            }
            Ok(())
        };
        match timeout(PATIENCE, starting).await {
            Ok(started) => started?,
            Err(_) => panic!("{} does not listen:\n{}", node.program.name, node.program.log_tail()),
        }
        Ok(node)
    }

    /// Runs it to its end.
    async fn run(self) -> Result<(), String> {
        let mut child = tokio::process::Command::from(self.command()).kill_on_drop(true).spawn().expect("java");
        let status = timeout(PATIENCE, child.wait()).await.expect("it ends").expect("it is our child");
        if status.success() { Ok(()) } else { Err(format!("{} {status}:\n{}", self.name, self.log_tail())) }
    }

    /// Ends with the test's thread, also where that is killed.
    fn command(&self) -> Command {
        let log = File::options().create(true).append(true).open(self.log()).expect("a file of ours");
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "java"]);
        // Quick to start, and no more threads than the machine has cores.
        command.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:MaxDirectMemorySize=768m"]);
        command.arg(format!("-Xmx{}", self.heap));
        command.arg(format!("-Djava.io.tmpdir={}", self.directory.display()));
        command.arg(format!("-Dlogback.configurationFile={}", logging(&self.directory).display()));
        command.args(self.properties.iter().map(|property| format!("-D{property}")));
        command.args(["-cp", &variable("TEST_JAVA_CLASSPATH"), self.class]).args(&self.arguments);
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("an open file")).stderr(log);
        command
    }

    fn log(&self) -> PathBuf {
        self.directory.join(format!("{}.log", self.name))
    }

    fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

async fn await_answer(rest: &str) {
    let client = http::client();
    let asking = async {
        while client.get(format!("{rest}/ping")).send().await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
        Answer::of(client.get(format!("{rest}/ping"))).await.expect(200);
    };
    timeout(PATIENCE, asking).await.expect("the controller answers");
}

pub(crate) fn logging(directory: &Path) -> PathBuf {
    let path = directory.join("logback.xml");
    let appender = r#"<appender name="log" class="ch.qos.logback.core.ConsoleAppender"><encoder>
        <pattern>%d{HH:mm:ss.SSS} %-5level %logger{30} %msg%n</pattern></encoder></appender>"#;
    let root = r#"<root level="WARN"><appender-ref ref="log"/></root>"#;
    write(&path, &format!("<configuration>{appender}{root}</configuration>"));
    path
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("a file of ours");
}

/// The parts, and their settings.
impl Jvm {
    fn zookeeper(directory: &Path, port: u16) -> Jvm {
        let (file, data) = (directory.join("zookeeper.cfg"), directory.join("zookeeper"));
        let settings = format!(
            "tickTime=1000\ndataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n",
            data.display()
        );
        write(&file, &settings);
        Jvm {
            name: "zookeeper",
            port,
            class: "org.apache.zookeeper.server.ZooKeeperServerMain",
            heap: "256m",
            properties: Vec::new(),
            arguments: vec![file.display().to_string()],
            directory: directory.to_owned(),
        }
    }

    fn bookie(directory: &Path, port: u16, zookeeper: &str) -> Jvm {
        let file = directory.join("bookie.conf");
        let folder = |name| directory.join("bookie").join(name).display().to_string();
        let settings = [
            ("metadataServiceUri", format!("zk+hierarchical://{zookeeper}{LEDGERS}")),
            ("allowLoopback", "true".to_owned()),
            ("advertisedAddress", "127.0.0.1".to_owned()),
            ("bookiePort", port.to_string()),
            ("journalDirectories", folder("journal")),
            ("ledgerDirectories", folder("ledgers")),
            ("indexDirectories", folder("index")),
            ("diskUsageThreshold", "0.999".to_owned()),
            ("diskUsageWarnThreshold", "0.99".to_owned()),
        ];
        write(&file, &settings.map(|(key, value)| format!("{key}={value}\n")).concat());
        Jvm {
            name: "bookie",
            port,
            class: "org.apache.bookkeeper.server.Main",
            heap: "512m",
            properties: Vec::new(),
            arguments: vec!["--conf".to_owned(), file.display().to_string()],
            directory: directory.to_owned(),
        }
    }

    /// What prepares a bookie's ledgers in ZooKeeper.
    fn metaformat(bookie: &Jvm) -> Jvm {
        let configured = &bookie.arguments[1];
        Jvm {
            name: "metaformat",
            class: "org.apache.bookkeeper.bookie.BookieShell",
            arguments: ["-conf", configured, "metaformat", "-nonInteractive"].map(str::to_owned).into(),
            ..bookie.clone()
        }
    }

    fn controller(directory: &Path, grpc: u16, rest: u16, zookeeper: &str) -> Jvm {
        Jvm {
            name: "controller",
            port: grpc,
            class: "io.pravega.controller.server.Main",
            heap: "512m",
            properties: vec![
                format!("controller.zk.connect.uri={zookeeper}"),
                "controller.server.store.host.type=Zookeeper".to_owned(),
                format!("controller.service.rpc.listener.port={grpc}"),
                "controller.service.rpc.published.host.nameOrIp=127.0.0.1".to_owned(),
                format!("controller.service.rpc.published.port={grpc}"),
                format!("controller.service.rest.listener.port={rest}"),
                "controller.service.cluster.name=pravega-cluster".to_owned(),
                format!("controller.container.count={CONTAINERS}"),
                // Containers of a lost store come up elsewhere after 5 s instead of 20.
                "controller.rebalance.interval.seconds.min=1".to_owned(),
            ],
            arguments: Vec::new(),
            directory: directory.to_owned(),
        }
    }

    fn store(directory: &Path, name: &'static str, port: u16, zookeeper: &str, grpc: u16) -> Jvm {
        let file = directory.join("store.properties");
        write(&file, &format!("pravegaservice.container.count={CONTAINERS}\n"));
        let service = [
            ("service.listener.port", port.to_string()),
            ("service.listener.host.nameOrIp", "127.0.0.1".to_owned()),
            ("service.published.port", port.to_string()),
            ("service.published.host.nameOrIp", "127.0.0.1".to_owned()),
            ("zk.connect.uri", zookeeper.to_owned()),
            ("zk.connect.sessionTimeout.milliseconds", "4000".to_owned()),
            ("cluster.name", "pravega-cluster".to_owned()),
            ("container.count", CONTAINERS.to_string()),
            ("dataLog.impl.name", "BOOKKEEPER".to_owned()),
            ("storage.layout", "CHUNKED_STORAGE".to_owned()),
            ("storage.impl.name", "FILESYSTEM".to_owned()),
            ("cache.size.max", (256 << 20).to_string()),
            ("admin.gateway.enable", "false".to_owned()),
            ("rest.listener.enable", "false".to_owned()),
            ("instance.id", name.to_owned()),
        ];
        let bookkeeper = [
            ("zk.connect.uri", zookeeper),
            ("ledger.path", LEDGERS),
            ("ensemble.size", "1"),
            ("write.quorum.size", "1"),
            ("ack.quorum.size", "1"),
        ];
        let mut properties = vec![
            format!("pravega.configurationFile={}", file.display()),
            format!("filesystem.root={}", directory.join("storage").display()),
            format!("autoScale.controller.connect.uri=tcp://127.0.0.1:{grpc}"),
        ];
        properties.extend(service.map(|(key, value)| format!("pravegaservice.{key}={value}")));
        properties.extend(bookkeeper.map(|(key, value)| format!("bookkeeper.{key}={value}")));
        Jvm {
            name,
            port,
            class: "io.pravega.segmentstore.server.host.ServiceStarter",
            heap: "512m",
            properties,
            arguments: Vec::new(),
            directory: directory.to_owned(),
        }
    }
}

/// Distinct ports that nothing listens on.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    let mut ports: Vec<u16> = Vec::new();
    while ports.len() < N {
        let port = rand::random_range(PORTS);
        if !ports.contains(&port) && std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            ports.push(port);
        }
    }
    ports.try_into().expect("as many as were asked for")
}
