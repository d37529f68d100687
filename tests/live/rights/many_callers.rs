//! Writers belong to the gateway, not to its callers.

use std::collections::HashSet;

use futures::{StreamExt as _, stream};
use pravega_protocol::wire::{WireCommand, WriterId};

use crate::support::Answer;
use crate::support::proxy::{Proxy, Recording};
use crate::support::secured::users::{USERS, assert_discreet, password_file, quick_line};
use crate::support::secured::{Protection, SecuredPravega};

const ORDERS: &str = "/v1/events?scope=shop&stream=orders";

/// Of each caller.
const RIGHTS: &str = "prn::/scope:shop/stream:orders,READ_UPDATE";

/// Callers, unless `TEST_CALLERS` says so.
const USUAL_CALLERS: usize = 500;

/// Requests under way at once.
const AT_ONCE: usize = 64;

#[tokio::test(flavor = "multi_thread")]
async fn callers_leave_no_more_writers_on_a_segment_than_one() {
    let callers =
        std::env::var("TEST_CALLERS").map_or(USUAL_CALLERS, |text| text.parse().expect("TEST_CALLERS is a number"));
    let lines: String =
        (0..callers).map(|number| quick_line(&name(number), &password(number), RIGHTS) + "\n").collect();
    let passwords = password_file(&USERS).await + &lines;
    let pravega = SecuredPravega::embedded_for(&passwords, Protection::USERS, &[]).await;

    let of_one = writers_of(&pravega, AT_ONCE, |_| 0).await;
    let of_all = writers_of(&pravega, callers, |number| number).await;
    println!("{} writers of one caller, {} of {callers}", of_one.len(), of_all.len());
    assert!(!of_one.is_empty() && of_all.len() <= of_one.len());
    pravega.stop().await;
}

/// Which writers a new gateway sets up for this many appends, each of the caller with the number that is given to it.
async fn writers_of(pravega: &SecuredPravega, appends: usize, caller: impl Fn(usize) -> usize) -> HashSet<WriterId> {
    let (store, recording) = Proxy::recording(&pravega.pravega.store).await;
    let gateway = pravega.gateway(&["--segment-store-rewrite", &store.rule()]).await;
    let requests = stream::iter((0..appends).map(|number| {
        let caller = caller(number);
        gateway.post(ORDERS).basic_auth(name(caller), Some(password(caller))).body("one")
    }));
    let answers = requests.map(Answer::of).buffer_unordered(AT_ONCE);
    answers.for_each(async |answer| drop(answer.expect(201))).await;
    assert_discreet("the gateway's metrics", &gateway.metrics().await);
    writers(&recording)
}

fn writers(recording: &Recording) -> HashSet<WriterId> {
    let commands = recording.frames().into_iter().filter_map(|frame| frame.to_command().ok());
    let set_ups = commands.filter_map(|(command, _)| match command {
        WireCommand::SetupAppend(set_up) => Some(set_up.writer_id),
        _ => None,
    });
    set_ups.collect()
}

fn name(caller: usize) -> String {
    format!("caller{caller}")
}

fn password(caller: usize) -> String {
    format!("hush-{caller}")
}
