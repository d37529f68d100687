//! The embedded Pravega: startup time, memory, and appends to it compared with a real Pravega and the bare disk.
//!
//! Needs the variables that `scripts/bench` sets. Prints medians of interleaved rounds; only ratios within one run can
//! be compared.

#[path = "support/direct.rs"]
mod direct;
#[path = "support/http_load.rs"]
mod http_load;
#[path = "support/servers.rs"]
mod servers;

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use direct::DirectWriter;
use http_load::HttpLoad;
use servers::{BenchStream, GatewayProcess, no_op_server, variable};
use tokio::time::Instant;

const ROUNDS: usize = 5;
const FREE_PORTS: [&str; 3] = ["--segment-store-port=0", "--controller-port=0", "--rest-port=0"];

/// Events of 100 B that a Java client writes per round.
const JAVA_EVENTS: u32 = 300_000;

#[tokio::main]
async fn main() {
    start_up().await;
    java();
    posts().await;
    durable().await;
}

/// A gateway with an embedded Pravega, and the addresses of its controller and segment store.
struct Embedded {
    gateway: GatewayProcess,
    controller: String,
    store: String,
}

impl Embedded {
    fn start(embedded: &str) -> Self {
        let (gateway, log) = GatewayProcess::start_with(&[&[embedded], &FREE_PORTS[..]].concat());
        let of = |name: &str| log.iter().find_map(|line| line[name].as_str()).expect("it is logged").to_owned();
        Self { gateway, controller: of("controller"), store: of("segment_store") }
    }
}

/// Time from the start of the process to the response to its first POST, which creates the stream; and its memory.
async fn start_up() {
    let mut times = Vec::new();
    let mut memory = Vec::new();
    for _ in 0..11 {
        let begin = Instant::now();
        let Embedded { gateway, .. } = Embedded::start("--embedded");
        let load = HttpLoad::connect(gateway.address, "/v1/events?scope=bench&stream=first", 1).await;
        load.run(1).await;
        times.push(begin.elapsed());
        tokio::time::sleep(Duration::from_millis(500)).await;
        memory.push(resident_kib(gateway.process.id()));
    }
    println!("start to the first answered POST: {:.1} ms", median(&mut times).as_secs_f64() * 1e3);
    println!("resident memory after it, idle: {:.1} MiB", median(&mut memory) as f64 / 1024.0);
}

/// Pipelined appends by a Java client; the rate of the second half.
fn java() {
    let embedded = Embedded::start("--embedded");
    let real = variable("TEST_PRAVEGA");
    let mut rates = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        for (controller, rates) in [&embedded.controller, &real].into_iter().zip(&mut rates) {
            rates.push(java_rate(controller, round));
        }
    }
    let [embedded, real] = rates.map(|mut rates| median(&mut rates));
    println!("Java client, 100 B events, pipelined: {embedded}/s embedded in memory, {real}/s real standalone");
    println!("  ratio {:.2}", embedded as f64 / real as f64);
}

fn java_rate(controller: &str, round: usize) -> u64 {
    let stream = format!("java{}x{round}", std::process::id());
    let client = |command: &str, arguments: &[&str]| {
        let classes = variable("TEST_JAVA_CLASSPATH");
        let words = ["-Xmx1g", "-cp", &classes, "ForeignClient", command, controller, "bench", &stream];
        let output = Command::new("java").args(words).args(arguments).output().expect("java runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    client("create", &["1"]);
    let printed = client("write-many", &[&JAVA_EVENTS.to_string(), "100"]);
    let printed: serde_json::Value = serde_json::from_slice(&printed).expect("JSON");
    (f64::from(JAVA_EVENTS) / printed["seconds"].as_f64().expect("a number")) as u64
}

/// POSTs of 100 B on 64 connections.
async fn posts() {
    let (embedded, real) = (Embedded::start("--embedded").gateway, GatewayProcess::start());
    let no_op = no_op_server().await;
    let sides: [(SocketAddr, String); 3] = [
        (embedded.address, embedded.create_stream().path()),
        (real.address, real.create_stream().path()),
        (no_op, "/".to_owned()),
    ];
    let mut rates = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for ((address, path), rates) in sides.iter().zip(&mut rates) {
            let load = HttpLoad::connect(*address, path, 64).await;
            load.run(20_000).await;
            let events = 60_000;
            rates.push((events as f64 / load.run(events).await.as_secs_f64()) as u64);
        }
    }
    let [embedded, real, no_op] = rates.map(|mut rates| median(&mut rates));
    println!("POSTs on 64 connections: {embedded}/s embedded, {real}/s real standalone, {no_op}/s no-op server");
    println!("  ratio to the no-op {:.2} and {:.2}", embedded as f64 / no_op as f64, real as f64 / no_op as f64);
}

/// Appends that are on disk before they are acknowledged, compared with the disk's own rate.
async fn durable() {
    let folder = tempfile::tempdir_in(concat!(env!("CARGO_MANIFEST_DIR"), "/target")).expect("a folder");
    let data = format!("--embedded={}", folder.path().join("data").display());
    let Embedded { gateway, store, .. } = Embedded::start(&data);
    let stream: BenchStream = gateway.create_stream();
    println!("fdatasync of 4 KiB in a file that is there: {}/s", syncs_per_second(folder.path()));
    let writer = DirectWriter::connect(&stream, &store).await;
    for window in [1, 16, 256] {
        writer.run(2_000, window).await;
        let mut rates: Vec<u64> = Vec::new();
        for _ in 0..ROUNDS {
            let events = 1_000 * window.min(64) as u64;
            rates.push((events as f64 / writer.run(events, window).await.as_secs_f64()) as u64);
        }
        println!("  appends of 100 B to a directory, {window} in flight: {}/s", median(&mut rates));
    }
}

fn syncs_per_second(folder: &Path) -> u64 {
    let file = File::create(folder.join("syncs")).expect("a file");
    file.write_all_at(&vec![0; 64 << 20], 0).expect("room");
    file.sync_all().expect("a disk");
    let (begin, count) = (Instant::now(), 2_000);
    for block in 0..count {
        file.write_all_at(&[1; 4096], block * 4096).expect("room");
        file.sync_data().expect("a disk");
    }
    (count as f64 / begin.elapsed().as_secs_f64()) as u64
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn median<T: Ord + Copy>(values: &mut [T]) -> T {
    values.sort_unstable();
    values[values.len() / 2]
}
