//! A small client beside one who takes all he can get: the 99th percentile of its latency, and its failures.
//!
//! Needs a Pravega, which the variables that `scripts/soak neighbours` sets name. The gateway runs with its defaults,
//! except that it takes 1,000 connections at most where the attack is to fill them. A bare axum server is treated in the
//! same way in the same round: what an attack adds there, it takes from the machine.
//!
//! `NEIGHBOURS_ROUNDS` (3) and `NEIGHBOURS_ONLY`, a part of attacks' names, may be set. With `NEIGHBOURS_ELSEWHERE`, the
//! attackers go to another gateway before the same Pravega: what they add then, they take from Pravega.

mod attacks;
#[path = "../support/http_load.rs"]
mod http_load;
mod no_op;
#[path = "../support/servers.rs"]
#[allow(dead_code, reason = "each benchmark uses a part")]
mod servers;
mod stores;
mod victim;

use std::net::SocketAddr;
use std::time::Duration;

use attacks::{ATTACKS, Attack};
use http_load::HttpLoad;
use no_op::NoOpProcess;
use servers::{GatewayProcess, variable};
use tokio::time::sleep;
use victim::{Experience, KINDS};

/// How long the victim is measured alone, and during an attack.
const ALONE: Duration = Duration::from_secs(8);
const ATTACKED: Duration = Duration::from_secs(20);

/// Time for a server to recover from an attack.
const BETWEEN: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() {
    if NoOpProcess::is_this_process() {
        return no_op::serve().await;
    }
    rlimit::increase_nofile_limit(u64::MAX).expect("a limit");
    let controller = stores::start(&variable("TEST_PRAVEGA"), &variable("TEST_PRAVEGA_STORE")).await;
    let rest = variable("TEST_PRAVEGA_REST");
    let usual = ["--controller", &controller, "--controller-rest", &rest, "--set", "auto-create=true"];
    let (gateway, _) = GatewayProcess::start_with(&usual);
    let (small, _) = GatewayProcess::start_with(&[&usual[..], &["--set", "limits.connections=1000"]].concat());
    let no_op = NoOpProcess::start();
    fill_streams(gateway.address).await;

    let rounds = std::env::var("NEIGHBOURS_ROUNDS").map_or(3, |rounds| rounds.parse().expect("a number"));
    let only = std::env::var("NEIGHBOURS_ONLY").unwrap_or_default();
    let elsewhere = std::env::var_os("NEIGHBOURS_ELSEWHERE").map(|_| GatewayProcess::start_with(&usual).0);
    let mut all_hold = true;
    println!("| attack | request | alone | attacked | bare server | its attacked | bound | failures |");
    println!("|---|---|---|---|---|---|---|---|");
    for attack in ATTACKS.iter().filter(|attack| attack.name.contains(&only)) {
        let gateway = if attack.fills_connections { &small } else { &gateway };
        let mut measured = Vec::new();
        for _ in 0..rounds {
            let attacked = elsewhere.as_ref().unwrap_or(gateway).address;
            measured.push(Round {
                gateway: both(attack, gateway.address, attacked).await,
                no_op: both(attack, no_op.address, no_op.address).await,
            });
        }
        all_hold &= report(attack, &measured);
    }
    println!("{}", if all_hold { "Every bound holds, and nothing failed." } else { "Not every bound holds." });
}

/// The path of events of a stream that all attacks know.
pub(crate) fn path(stream: &str, parameters: &str) -> String {
    format!("/v1/events?scope=bench&stream={stream}{parameters}")
}

/// Creates the streams: `large` has two pages and a bit of large events, the others have one small event.
async fn fill_streams(gateway: SocketAddr) {
    for stream in ["victim", "other", "parked", "silent", "slow"] {
        HttpLoad::connect(gateway, &path(stream, ""), 1).await.run(1).await;
    }
    HttpLoad::connect_with(gateway, &path("large", ""), 1, 1 << 20).await.run(20).await;
}

/// What the victim met in one round, alone and attacked, first at the gateway and then at the bare server.
struct Round {
    gateway: [Experience; 2],
    no_op: [Experience; 2],
}

async fn both(attack: &Attack, victim: SocketAddr, attacked: SocketAddr) -> [Experience; 2] {
    let alone = victim::run(victim, ALONE).await;
    let attackers = attack.begin(attacked);
    let attacked = victim::run(victim, ATTACKED).await;
    drop(attackers);
    sleep(BETWEEN).await;
    [alone, attacked]
}

/// Prints a line for each kind of request; returns whether the bound holds and nothing failed.
fn report(attack: &Attack, rounds: &[Round]) -> bool {
    let failures: Vec<_> = rounds.iter().flat_map(|round| &round.gateway).flat_map(|met| &met.failures).collect();
    let mut holds = failures.is_empty();
    let medians = [
        median(rounds, |round| &round.gateway[0]),
        median(rounds, |round| &round.gateway[1]),
        median(rounds, |round| &round.no_op[0]),
        median(rounds, |round| &round.no_op[1]),
    ];
    for (kind, name) in KINDS.iter().enumerate() {
        let [alone, attacked, bare, bare_attacked] = medians.map(|kinds| kinds[kind].as_secs_f64() * 1e3);
        let bound = 2.0 * alone + (bare_attacked - bare).max(0.0);
        holds &= attacked <= bound;
        println!(
            "| {} | {name} | {alone:.2} ms | {attacked:.2} ms | {bare:.2} ms | {bare_attacked:.2} ms | {bound:.2} ms | {} |",
            attack.name,
            failures.len(),
        );
    }
    if let Some(first) = failures.first() {
        println!("first failure: {first}");
    }
    holds
}

/// The median of the rounds' percentiles, for each kind of request.
fn median(rounds: &[Round], side: impl Fn(&Round) -> &Experience) -> [Duration; 3] {
    let percentiles: Vec<_> = rounds.iter().map(|round| side(round).p99()).collect();
    std::array::from_fn(|kind| {
        let mut all: Vec<_> = percentiles.iter().map(|kinds| kinds[kind]).collect();
        all.sort_unstable();
        all[all.len() / 2]
    })
}
