//! Tokens that end while appends and reads go on, and users who are removed.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::load::{LEDGER, ORDERS, append, goes_on_until, nothing_is_lost_for, refused_by};
use crate::support::Answer;
use crate::support::process::Signal;
use crate::support::secured::users::{ADMIN, OTHER, READER, WRITER, assert_discreet};
use crate::support::secured::{Protection, SecuredPravega};
use crate::support::upload::lines;

/// A token's life, as an argument and as a time.
const LIFE: (&str, Duration) = ("10s", Duration::from_secs(10));

/// How long it may take until the node has read its users again.
const RELOADED_WITHIN: Duration = Duration::from_secs(5);

/// How long tokens end under load, unless `TEST_TOKENS_FOR` says so: more than two lives.
const USUAL_TIME: Duration = Duration::from_secs(25);

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_doubled_or_refused_while_tokens_end() {
    let pravega = SecuredPravega::embedded(Protection::FULL, &["--token-life", LIFE.0]).await;
    let gateway = pravega.gateway(&[]).await;
    nothing_is_lost_for(running_time(), &gateway).await;
    assert_discreet("the gateway's metrics", &gateway.metrics().await);
    drop(gateway);
    pravega.stop().await;
}

/// The gateway has no time to move its writers before the store closes their connection.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_where_the_store_closes_a_connection_at_the_end_of_a_token() {
    let pravega = SecuredPravega::embedded(Protection::FULL, &["--token-life", "4s"]).await;
    let gateway = pravega.gateway(&[]).await;
    let frozen = async {
        for _ in 0..2 {
            sleep(Duration::from_secs(2)).await;
            gateway.signal(Signal::STOP);
            sleep(Duration::from_secs(5)).await;
            gateway.signal(Signal::CONT);
        }
    };
    tokio::join!(nothing_is_lost_for(Duration::from_secs(16), &gateway), frozen);
    let store = pravega.pravega.store.clone();
    gateway
        .logged_with("session ended", |line| {
            line["cause"] == "the store closed the connection" && line["store.endpoint"] == *store
        })
        .await;
    drop(gateway);
    pravega.stop().await;
}

fn running_time() -> Duration {
    std::env::var("TEST_TOKENS_FOR")
        .map_or(USUAL_TIME, |text| humantime::parse_duration(&text).expect("TEST_TOKENS_FOR is a time such as 5m"))
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

/// Others use the same writer all the time, so that no token of its own is needed to set it up again.
#[tokio::test(flavor = "multi_thread")]
async fn upload_ends_after_a_tokens_life_at_most_when_its_caller_loses_the_right() {
    let pravega = SecuredPravega::embedded(Protection::FULL, &["--token-life", LIFE.0]).await;
    let gateway = pravega.gateway(&[]).await;
    let (_never, is_over) = watch::channel(false);
    let request = gateway.post(&format!("{ORDERS}&routing-key=upload")).header("Content-Type", "application/x-ndjson");
    let body = lines("upload".to_owned(), is_over, Arc::default());
    let uploading = tokio::spawn(Answer::of(WRITER.sends(request.body(body))));

    goes_on_until(Instant::now() + Duration::from_secs(2), &gateway).await;
    assert!(!uploading.is_finished(), "it has the right");
    pravega.replace_users(&[ADMIN, READER, OTHER]).await;
    goes_on_until(Instant::now() + LIFE.1 + RELOADED_WITHIN, &gateway).await;
    assert!(uploading.is_finished(), "it had the right");
    let answer = uploading.await.expect("no panic").expect(207).json();
    let refused = &answer["reports"][0];
    assert_eq!((&refused["status"], &refused["code"]), (&json!(401), &json!("unauthenticated")), "{refused}");
    assert!(answer["events"].as_u64() > Some(0), "{answer}");
    drop(gateway);
    pravega.stop().await;
}
