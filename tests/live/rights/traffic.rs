//! What reaches the store of callers on one stream: nothing before a token was bought for that very caller.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use futures::future::join_all;
use pravega_protocol::wire::{CommandType, DelegationToken, WireCommand};
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::support::proxy::{Proxy, Recording, Treatment};
use crate::support::secured::users::{ADMIN, OTHER, READER, User, WRITER};
use crate::support::secured::{Protection, SecuredPravega};
use crate::support::{Answer, Gateway, PATIENCE, Pravega};

const ORDERS: &str = "/v1/events?scope=shop&stream=orders";

/// Callers who hold a token and append all the time.
const POSTERS: usize = 8;

/// How long no answer comes from the controller.
const STALL: Duration = Duration::from_secs(2);

/// How often a caller without the right tries.
const ATTEMPTS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_caller_reaches_the_store_before_its_own_token_is_bought() {
    let pravega = SecuredPravega::embedded(Protection::USERS, &[]).await;
    let controller = Proxy::faithful(pravega.controller_address()).await;
    let (store, recording) = Proxy::recording(&pravega.pravega.store).await;
    let through = Pravega { controller: format!("tcp://{}", controller.address()), ..pravega.pravega.clone() };
    let gateway = pravega.gateway_before(&through, &["--segment-store-rewrite", &store.rule()]).await;
    append(&gateway, WRITER, "the first").await.expect(201);

    let (over, is_over) = watch::channel(false);
    let stored = AtomicUsize::new(0);
    let load = join_all((0..POSTERS).map(|_| post_until(&gateway, &stored, is_over.clone())));
    let trials = async {
        nothing_comes_while_no_token_can_be_bought(&gateway, &controller, &recording, &stored).await;
        nothing_comes_of_those_without_the_right(&gateway, &recording).await;
        over.send_replace(true);
    };
    tokio::join!(load, trials);

    everything_carried_a_token(&recording);
    drop(gateway);
    pravega.stop().await;
}

async fn append(gateway: &Gateway, user: User, text: &str) -> Answer {
    Answer::of(user.sends(gateway.post(ORDERS)).body(text.to_owned())).await
}

async fn read(gateway: &Gateway, user: User) -> Answer {
    Answer::of(user.sends(gateway.get(&format!("{ORDERS}&segment=0.%23epoch.0&offset=0&count=1")))).await
}

/// Appends with the token that was bought before anything else.
async fn post_until(gateway: &Gateway, stored: &AtomicUsize, is_over: watch::Receiver<bool>) {
    while !*is_over.borrow() {
        append(gateway, WRITER, "of the load").await.expect(201);
        stored.fetch_add(1, Ordering::Relaxed);
    }
}

/// A shared writer is set up and busy, and yet it takes nothing from a caller who has not paid.
async fn nothing_comes_while_no_token_can_be_bought(
    gateway: &Gateway,
    controller: &Proxy,
    recording: &Recording,
    stored: &AtomicUsize,
) {
    controller.treat(Treatment::Stalled);
    let appending = append(gateway, ADMIN, "marker of the admin");
    let reading = read(gateway, READER);
    let looking = async {
        let before = stored.load(Ordering::Relaxed);
        sleep(STALL).await;
        assert!(stored.load(Ordering::Relaxed) > before, "those who hold a token go on");
        assert!(!recording.holds("marker of the admin"), "it came before its token");
        assert_eq!(count(recording, CommandType::ReadSegment), 0, "it came before its token");
        controller.treat(Treatment::Faithful);
    };
    let (appended, page, ()) = timeout(PATIENCE, async { tokio::join!(appending, reading, looking) })
        .await
        .expect("answers come once the controller does");
    appended.expect(201);
    page.expect(200);
    assert!(recording.holds("marker of the admin"));
    assert!(count(recording, CommandType::ReadSegment) > 0);
}

async fn nothing_comes_of_those_without_the_right(gateway: &Gateway, recording: &Recording) {
    for attempt in 0..ATTEMPTS {
        let marker = |name| format!("marker of the {name} {attempt}");
        let (reader, other, mistyped) = (marker("reader"), marker("other"), marker("mistyped"));
        let (reader, other, mistyped, nobody, page) = tokio::join!(
            append(gateway, READER, &reader),
            append(gateway, OTHER, &other),
            append(gateway, WRITER.mistyped(), &mistyped),
            Answer::of(gateway.post(ORDERS).body(marker("nobody"))),
            read(gateway, OTHER),
        );
        for (answer, status) in [(reader, 403), (other, 403), (mistyped, 401), (nobody, 401), (page, 403)] {
            answer.expect(status);
        }
    }
    for name in ["reader", "other", "mistyped", "nobody"] {
        assert!(!recording.holds(&format!("marker of the {name}")), "the {name} reached the store");
    }
}

fn count(recording: &Recording, command: CommandType) -> usize {
    recording.frames().iter().filter(|frame| frame.code == command.info().code).count()
}

/// Each set-up and each read named the stream and the right in its token; nothing else asks for one.
fn everything_carried_a_token(recording: &Recording) {
    let mut granted = BTreeSet::new();
    for frame in recording.frames() {
        let (token, rights) = match frame.to_command().expect("a command").0 {
            WireCommand::SetupAppend(set_up) => (set_up.delegation_token, &["READ_UPDATE"][..]),
            WireCommand::ReadSegment(read) => (read.delegation_token, &["READ", "READ_UPDATE"][..]),
            WireCommand::GetStreamSegmentInfo(ask) => (ask.delegation_token, &["READ", "READ_UPDATE"][..]),
            _ => continue,
        };
        let right = claims(&token)["prn::/scope:shop/stream:orders"].as_str().expect("a right").to_owned();
        assert!(rights.contains(&&*right), "{right} for code {}", frame.code);
        granted.insert(right);
    }
    assert!(granted.contains("READ_UPDATE"), "{granted:?}");
}

fn claims(token: &DelegationToken) -> Map<String, Value> {
    let claims = token.0.as_str().split('.').nth(1).expect("a token is HEADER.CLAIMS.SIGNATURE");
    serde_json::from_slice(&BASE64.decode(claims).expect("base64")).expect("JSON")
}
