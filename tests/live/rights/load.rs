//! Callers who post and read while their tokens end, or their rights.

use std::time::Duration;

use futures::future::join_all;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::support::ledger::{Ledger, Outcome, payload};
use crate::support::secured::users::{ADMIN, OTHER, READER, User, WRITER};
use crate::support::{Answer, Gateway};

/// Posters, each with a key, and readers of each kind.
const POSTERS: usize = 4;

const READERS: usize = 2;

/// Between two events of a poster, and two pages of a reader who does not wait.
const PAUSE: Duration = Duration::from_millis(10);

pub(super) const ORDERS: &str = "/v1/events?scope=shop&stream=orders";

pub(super) const LEDGER: &str = "/v1/events?scope=office&stream=ledger";

/// The last event of all.
const END: &str = "end";

/// Posts and reads for a while; every request must succeed, and every event be there once and in order.
pub(super) async fn nothing_is_lost_for(time: Duration, gateway: &Gateway) {
    let (over, is_over) = watch::channel(false);

    let posting = async {
        let all = join_all((0..POSTERS).map(|number| post_until(gateway, number, is_over.clone()))).await;
        post(gateway, ADMIN, END, 0).await;
        all
    };
    let pages = join_all((0..READERS).map(|_| read_to_end(gateway, READER, None)));
    let waits = join_all((0..READERS).map(|_| read_to_end(gateway, WRITER, Some("wait=20"))));
    let quiet = wait_in_vain(gateway, is_over.clone());
    let waiting = async {
        sleep(time).await;
        over.send_replace(true);
    };
    let (posted, pages, waits, (), ()) = tokio::join!(posting, pages, waits, quiet, waiting);

    let mut ledger = Ledger::default();
    posted.into_iter().enumerate().for_each(|(number, outcomes)| ledger.record(&key(number), outcomes));
    ledger.record(END, vec![Outcome::Stored]);
    println!("{} events", ledger.count(Outcome::Stored));
    pages.iter().chain(&waits).for_each(|read| ledger.check(read));
}

fn key(number: usize) -> String {
    format!("poster{number}")
}

/// Posts one event after another, each of which must be stored.
async fn post_until(gateway: &Gateway, number: usize, is_over: watch::Receiver<bool>) -> Vec<Outcome> {
    let user = if number.is_multiple_of(2) { WRITER } else { ADMIN };
    let mut outcomes = Vec::new();
    while !*is_over.borrow() {
        post(gateway, user, &key(number), outcomes.len()).await;
        outcomes.push(Outcome::Stored);
        sleep(PAUSE).await;
    }
    outcomes
}

async fn post(gateway: &Gateway, user: User, key: &str, number: usize) {
    let request = gateway.post(&format!("{ORDERS}&routing-key={key}")).body(payload(key, number, 0));
    Answer::of(user.sends(request)).await.expect(201);
}

/// Reads from the head to the last event of all, page by page, each of which must be answered; returns what it found.
async fn read_to_end(gateway: &Gateway, user: User, prefer: Option<&str>) -> Vec<String> {
    let (mut found, mut offset) = (Vec::new(), 0);
    loop {
        let request = gateway.get(&format!("{ORDERS}&segment=0.%23epoch.0&offset={offset}"));
        let request = prefer.into_iter().fold(request, |request, wish| request.header("Prefer", wish));
        let answer = Answer::of(user.sends(request)).await;
        if prefer.is_some() && answer.status == 204 {
            continue;
        }
        let page = answer.expect(200).json();
        offset = page["nextOffset"].as_i64().expect("an offset");
        let events = page["events"].as_array().expect("events").iter();
        found.extend(events.map(|event| event["text"].as_str().expect("we wrote text").to_owned()));
        if found.last() == Some(&payload(END, 0, 0)) {
            return found;
        }
        if prefer.is_none() {
            sleep(PAUSE).await;
        }
    }
}

/// Waits at the tail of a stream without events, each time longer than a token lives.
async fn wait_in_vain(gateway: &Gateway, mut is_over: watch::Receiver<bool>) {
    let waiting = async {
        loop {
            let request = gateway.get(&format!("{LEDGER}&segment=0.%23epoch.0&offset=0")).header("Prefer", "wait=20");
            Answer::of(OTHER.sends(request)).await.expect(204);
        }
    };
    tokio::select! {
        () = waiting => {}
        _ = is_over.wait_for(|over| *over) => {}
    }
}

pub(super) async fn append(gateway: &Gateway, user: User, path: &str) -> Answer {
    Answer::of(user.sends(gateway.post(path)).body("one")).await
}

/// Appends until it is refused, for good.
pub(super) async fn refused_by(latest: Instant, gateway: &Gateway, user: User, path: &str, status: u16) {
    loop {
        let begun = Instant::now();
        let answer = append(gateway, user, path).await;
        if answer.status == status {
            let problem: Value = answer.json();
            assert_eq!(problem["sideEffects"], "none", "{problem}");
            return;
        }
        answer.expect(201);
        assert!(begun < latest, "{} still appends", user.name);
        sleep(10 * PAUSE).await;
    }
}

/// Those who keep their rights notice nothing.
pub(super) async fn goes_on_until(latest: Instant, gateway: &Gateway) {
    while Instant::now() < latest {
        append(gateway, ADMIN, ORDERS).await.expect(201);
        Answer::of(READER.sends(gateway.get(&format!("{ORDERS}&offset=0&count=1")))).await.expect(200);
        sleep(10 * PAUSE).await;
    }
}
