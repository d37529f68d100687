//! The controller's calls over gRPC and REST: a real controller and the embedded one get the same calls, and their
//! answers are compared field by field.
//!
//! gRPC codes are compared, but not their messages, which each controller words differently. Values that each side
//! draws or counts for itself (transaction ids, times, tokens of lists) are masked. [`ALLOWED`] lists what else may
//! differ.

mod groups;
mod lists;
mod rest;
mod restart;
mod scaling;
mod side;
mod streams;
mod tables;
mod transactions;

use self::side::{Exchange, Side};
use crate::support::Embedded;
use crate::support::standalone::Standalone;

/// Calls whose answers may differ, each with the reason.
const ALLOWED: [(&str, &str); 1] = [("get_uri", "the real controller answers 0.0.0.0, the embedded one an address")];

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn embedded_controller_answers_every_call_as_a_real_one() {
    let scope = format!("calls{:x}", rand::random::<u64>());
    // not the shared one: deletions that it refuses may block its other work for good
    let standalone = Standalone::start("1g").await;
    let node = Embedded::start(&[]).await;
    let real = exchanges_with(Side::at(&standalone.pravega.controller, &standalone.pravega.rest, &scope).await).await;
    drop(standalone);
    let ours = exchanges_with(Side::at(&node.pravega.controller, &node.pravega.rest, &scope).await).await;
    node.stop().await;
    assert_eq!(real.len(), ours.len(), "both sides got the same calls");
    let differ = |(real, ours): &(&Exchange, &Exchange)| {
        real.answer != ours.answer && !ALLOWED.iter().any(|(call, _)| real.call.starts_with(call))
    };
    let differences: Vec<String> = real
        .iter()
        .zip(&ours)
        .filter(differ)
        .map(|(real, ours)| format!("{}\n  real     {}\n  embedded {}", real.call, real.answer, ours.answer))
        .collect();
    assert!(differences.is_empty(), "{} of {} differ\n{}", differences.len(), real.len(), differences.join("\n"));
}

async fn exchanges_with(mut side: Side) -> Vec<Exchange> {
    streams::ask(&mut side).await;
    scaling::ask(&mut side).await;
    transactions::ask(&mut side).await;
    groups::ask(&mut side).await;
    tables::ask(&mut side).await;
    lists::ask(&mut side).await;
    rest::ask(&mut side).await;
    side.exchanges
}
