//! The controller's calls, gRPC and REST: the same list goes to a real controller and to the embedded one, and the
//! answers are compared field by field.
//!
//! Compared are gRPC codes, not messages, which are each controller's own words; what is drawn or counted anew on each
//! side (transaction numbers, times, tokens of lists) is masked. What else may differ stands in [`ALLOWED`].

mod groups;
mod lists;
mod rest;
mod restart;
mod scaling;
mod side;
mod streams;
mod tables;
mod transactions;

use self::side::{Side, Told};
use crate::support::Embedded;
use crate::support::standalone::Standalone;

/// Calls whose answers may differ, each with the reason.
const ALLOWED: [(&str, &str); 1] = [("get_uri", "the real controller answers 0.0.0.0, the embedded one an address")];

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn embedded_controller_answers_every_call_as_a_real_one() {
    let scope = format!("calls{:x}", rand::random::<u64>());
    // of its own: what it is asked to delete and refuses may keep it from other work for good
    let standalone = Standalone::start("1g").await;
    let node = Embedded::start(&[]).await;
    let real = told(Side::at(&standalone.pravega.controller, &standalone.pravega.rest, &scope).await).await;
    drop(standalone);
    let ours = told(Side::at(&node.pravega.controller, &node.pravega.rest, &scope).await).await;
    node.stop().await;
    assert_eq!(real.len(), ours.len(), "both sides are asked the same");
    let differ = |(real, ours): &(&Told, &Told)| {
        real.answer != ours.answer && !ALLOWED.iter().any(|(call, _)| real.asked.starts_with(call))
    };
    let differences: Vec<String> = real
        .iter()
        .zip(&ours)
        .filter(differ)
        .map(|(real, ours)| format!("{}\n  real     {}\n  embedded {}", real.asked, real.answer, ours.answer))
        .collect();
    assert!(differences.is_empty(), "{} of {} differ\n{}", differences.len(), real.len(), differences.join("\n"));
}

async fn told(mut side: Side) -> Vec<Told> {
    streams::ask(&mut side).await;
    scaling::ask(&mut side).await;
    transactions::ask(&mut side).await;
    groups::ask(&mut side).await;
    tables::ask(&mut side).await;
    lists::ask(&mut side).await;
    rest::ask(&mut side).await;
    side.told
}
