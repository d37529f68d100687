//! Tokens that end while appends and reads go on, and users who are removed.

use std::time::Duration;

use futures::future::join_all;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::support::ledger::{Ledger, Outcome, payload};
use crate::support::secured::users::{ADMIN, OTHER, READER, User, WRITER, assert_discreet};
use crate::support::secured::{Protection, SecuredPravega};
use crate::support::{Answer, Gateway};

/// A token's life, as an argument and as a time.
const LIFE: (&str, Duration) = ("10s", Duration::from_secs(10));

/// How long it may take until the node has read its users again.
const RELOADED_WITHIN: Duration = Duration::from_secs(5);

/// How long tokens end under load, unless `TEST_TOKENS_FOR` says so: more than two lives.
const USUAL_TIME: Duration = Duration::from_secs(25);

/// Posters, each with a key, and readers of each kind.
const POSTERS: usize = 4;
const READERS: usize = 2;

/// Between two events of a poster, and two pages of a reader who does not wait.
const PAUSE: Duration = Duration::from_millis(10);

const ORDERS: &str = "/v1/events?scope=shop&stream=orders";
const LEDGER: &str = "/v1/events?scope=office&stream=ledger";

/// The last event of all.
const END: &str = "end";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_doubled_or_refused_while_tokens_end() {
    let pravega = SecuredPravega::embedded(Protection::FULL, &["--token-life", LIFE.0]).await;
    let gateway = pravega.gateway(&[]).await;
    let (over, is_over) = watch::channel(false);

    let posting = async {
        let all = join_all((0..POSTERS).map(|number| post_until(&gateway, number, is_over.clone()))).await;
        post(&gateway, ADMIN, END, 0).await;
        all
    };
    let pages = join_all((0..READERS).map(|_| read_to_end(&gateway, READER, None)));
    let waits = join_all((0..READERS).map(|_| read_to_end(&gateway, WRITER, Some("wait=20"))));
    let quiet = wait_in_vain(&gateway, is_over.clone());
    let waiting = async {
        sleep(running_time()).await;
        over.send_replace(true);
    };
    let (posted, pages, waits, (), ()) = tokio::join!(posting, pages, waits, quiet, waiting);

    let mut ledger = Ledger::default();
    posted.into_iter().enumerate().for_each(|(number, outcomes)| ledger.record(&key(number), outcomes));
    ledger.record(END, vec![Outcome::Stored]);
    println!("{} events", ledger.count(Outcome::Stored));
    pages.iter().chain(&waits).for_each(|read| ledger.check(read));
    assert_discreet("the gateway's metrics", &gateway.metrics().await);
    drop(gateway);
    pravega.stop().await;
}

fn running_time() -> Duration {
    std::env::var("TEST_TOKENS_FOR")
        .map_or(USUAL_TIME, |text| humantime::parse_duration(&text).expect("TEST_TOKENS_FOR is a time such as 5m"))
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

#[tokio::test]
async fn users_who_lose_their_rights_are_refused_after_a_tokens_life_at_most() {
    let pravega = SecuredPravega::embedded(Protection::FULL, &["--token-life", LIFE.0]).await;
    let gateway = pravega.gateway(&[]).await;
    for (user, path) in [(WRITER, ORDERS), (OTHER, LEDGER)] {
        append(&gateway, user, path).await.expect(201);
    }

    pravega.replace_users(&[ADMIN, READER, OTHER.with_rights_of(READER)]).await;
    let latest = Instant::now() + LIFE.1 + RELOADED_WITHIN;
    tokio::join!(
        refused_by(latest, &gateway, WRITER, ORDERS, 401),
        refused_by(latest, &gateway, OTHER, LEDGER, 403),
        goes_on_until(latest, &gateway),
    );
    for (user, path, status) in [(WRITER, ORDERS, 401), (OTHER, LEDGER, 403)] {
        append(&gateway, user, path).await.expect(status);
        Answer::of(user.sends(gateway.get(&format!("{path}&offset=0")))).await.expect(status);
    }
    drop(gateway);
    pravega.stop().await;
}

async fn append(gateway: &Gateway, user: User, path: &str) -> Answer {
    Answer::of(user.sends(gateway.post(path)).body("one")).await
}

/// Appends until it is refused, for good.
async fn refused_by(latest: Instant, gateway: &Gateway, user: User, path: &str, status: u16) {
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
async fn goes_on_until(latest: Instant, gateway: &Gateway) {
    while Instant::now() < latest {
        append(gateway, ADMIN, ORDERS).await.expect(201);
        Answer::of(READER.sends(gateway.get(&format!("{ORDERS}&offset=0&count=1")))).await.expect(200);
        sleep(10 * PAUSE).await;
    }
}
