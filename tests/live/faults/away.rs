//! A controller that is away after the gateway has asked it, and a store that it knows nothing of.

use std::time::Duration;

use futures::future::join_all;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::support::http::client;
use crate::support::metrics::count;
use crate::support::problem::Problem;
use crate::support::proxy::{Proxy, Treatment};
use crate::support::stream::payloads;
use crate::support::wire::path;
use crate::support::{Answer, Gateway, Pravega, Stream};

/// Longer than the gateway believes a store that a segment is sealed for good.
const SEAL_FORGOTTEN_AFTER: Duration = Duration::from_secs(12);

/// Two seconds, and what a busy machine adds.
const REFUSED_WITHIN: Duration = Duration::from_secs(4);

/// Longer than a probe of Pravega waits for anything.
const UNREADY_AFTER: Duration = Duration::from_secs(11);

/// Shorter than a controller counts as there that answered before.
const READY_FOR: Duration = Duration::from_secs(20);

/// What is true of the segment when a poster begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Sealed,
    Over,
}

/// Longer than the gateway believes the controller unasked about any segment.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(21);

/// A gateway that reaches its controller through a proxy, and a stream.
async fn behind_proxy() -> (Proxy, Gateway, Stream) {
    let pravega = Pravega::of_this_run();
    let proxy = Proxy::faithful(&pravega.controller).await;
    let through_proxy = Pravega { controller: proxy.address().to_owned(), ..pravega };
    let gateway = Gateway::start(&through_proxy, &[]).await;
    gateway.await_ready().await;
    let stream = Stream::create(&gateway, 1).await;
    (proxy, gateway, stream)
}

#[tokio::test]
async fn event_for_a_sealed_segment_is_503_soon_though_the_controller_was_there_a_moment_ago() {
    let (proxy, gateway, stream) = behind_proxy().await;
    stream.append(&gateway, None, "event").await;
    Answer::of(gateway.post(&path("SealSegment", &stream, 0))).await.expect(200);
    proxy.treat(Treatment::Severed);
    for _ in 0..3 {
        let asked = Instant::now();
        let answer = Answer::of(gateway.post(&stream.events()).header("Request-Timeout", "20s").body("event")).await;
        Problem::of(answer, 503, "controller_unavailable").changed_nothing();
        assert!(asked.elapsed() < REFUSED_WITHIN, "{:?}", asked.elapsed());
    }
}

#[tokio::test]
async fn callers_in_a_hurry_get_there_though_the_controller_takes_longer_than_any_of_them() {
    let (proxy, gateway, stream) = behind_proxy().await;
    proxy.treat(Treatment::Late(Duration::from_millis(700)));
    let asked = Instant::now();
    loop {
        let answer = Answer::of(gateway.post(&stream.events()).header("Request-Timeout", "400ms").body("event")).await;
        if answer.status == 201 {
            break;
        }
        Problem::of(answer, 503, "deadline_exceeded").changed_nothing();
        assert!(asked.elapsed() < Duration::from_secs(20), "none was ever stored");
    }
}

#[tokio::test]
async fn what_the_controller_said_serves_on_while_it_is_silent() {
    let (proxy, gateway, stream) = behind_proxy().await;
    stream.append(&gateway, None, "event").await;
    assert_eq!(payloads(&stream.read_all(&gateway).await), [b"event"]);

    proxy.treat(Treatment::Stalled);
    let silent_since = Instant::now();
    for pause in [Duration::from_secs(2), UNREADY_AFTER, FORGOTTEN_AFTER - UNREADY_AFTER] {
        sleep(pause).await;
        if silent_since.elapsed() < READY_FOR {
            let ready = Answer::of(client().get(gateway.management_url("/readyz"))).await;
            assert_eq!(ready.status, 200, "{}", ready.text());
        }
        let named = stream.events() + "&segment=0.%23epoch.0";
        let calls = [
            (gateway.get(&named), 200),
            (gateway.get(&stream.events()), 200),
            (gateway.post(&named).body("event"), 201),
            (gateway.post(&(stream.events() + "&routing-key=k")).body("event"), 201),
            (gateway.post(&path("GetStreamSegmentInfo", &stream, 0)), 200),
        ];
        for (call, status) in calls {
            Answer::of(call.header("Request-Timeout", "2s")).await.expect(status);
        }
    }
    gateway.await_readiness(503).await;
    let unknown = gateway.post("/v1/events?scope=s&stream=unknown").header("Request-Timeout", "1s").body("event");
    Problem::of(Answer::of(unknown).await, 503, "deadline_exceeded").changed_nothing();

    proxy.treat(Treatment::Faithful);
    gateway.await_readiness(200).await;
    assert_eq!(stream.read_all(&gateway).await.len(), 7);
}

#[tokio::test]
async fn segment_that_is_sealed_at_its_store_alone_is_409_for_every_poster() {
    assert_eq!(reconnects_by_a_seal(Duration::ZERO).await, 0, "writers of other streams share the connection");
}

/// The store closes the connection if a block arrives while its refusal of the one before is on its way.
#[tokio::test]
async fn segment_that_is_sealed_under_load_costs_no_other_writer_its_connection() {
    assert_eq!(reconnects_by_a_seal(Duration::from_millis(500)).await, 0, "a block came behind one that was refused");
}

/// Seals a segment at its store alone, with 16 posters on it that begin this long before, and posts to another stream.
/// Returns how often a connection for appends had to be opened again.
async fn reconnects_by_a_seal(load_before: Duration) -> u64 {
    let gateway = Gateway::ready(&[]).await;
    let (sealed, other) = (Stream::create(&gateway, 1).await, Stream::create(&gateway, 1).await);
    for stream in [&sealed, &other] {
        stream.append(&gateway, Some("key"), "event").await;
    }
    let state = watch::Sender::new(State::Open);
    let sealing = async {
        sleep(load_before).await;
        Answer::of(gateway.post(&path("SealSegment", &sealed, 0))).await.expect(200);
        state.send_replace(State::Sealed);
        sleep(SEAL_FORGOTTEN_AFTER).await;
        state.send_replace(State::Over);
    };
    let posts_elsewhere = async {
        let mut stored = 1;
        while *state.borrow() != State::Over {
            other.append(&gateway, Some("key"), "event").await;
            stored += 1;
        }
        stored
    };
    let posters = async {
        if load_before.is_zero() {
            state.subscribe().wait_for(|state| *state == State::Sealed).await.expect("it is in our hands");
            // Before, the writer counts as busy.
            sleep(Duration::from_secs(1)).await;
        }
        join_all((0..16).map(|number| post_until_over(&gateway, &sealed, number, &state))).await
    };
    let ((), stored_elsewhere, stored) = tokio::join!(sealing, posts_elsewhere, posters);
    let (stored, longest): (Vec<_>, Vec<_>) = stored.into_iter().unzip();
    println!("16 posters on a sealed segment: 409 after {:?} at most", longest.into_iter().max());
    assert_eq!(sealed.read_all(&gateway).await.len(), 1 + stored.iter().sum::<usize>());
    assert_eq!(other.read_all(&gateway).await.len(), stored_elsewhere);
    count(&gateway, "pravega_gateway_store_reconnects_total{kind=\"append\"}").await
}

/// Posts again and again; once the segment is sealed, every event must be refused. Returns how many were stored before,
/// and how long the slowest refusal took.
async fn post_until_over(
    gateway: &Gateway,
    stream: &Stream,
    number: usize,
    state: &watch::Sender<State>,
) -> (usize, Duration) {
    let keyed = format!("{}&routing-key=k{number}", stream.events());
    let (mut stored, mut refused, mut longest) = (0, 0, Duration::ZERO);
    loop {
        let (began, asked) = (*state.borrow(), Instant::now());
        if began == State::Over {
            assert!(refused > 1);
            return (stored, longest);
        }
        let answer = Answer::of(gateway.post(&keyed).header("Request-Timeout", "10s").body("event")).await;
        if began == State::Open && answer.status == 201 {
            stored += 1;
            continue;
        }
        Problem::of(answer, 409, "segment_sealed").changed_nothing();
        longest = longest.max(asked.elapsed());
        assert!(longest < REFUSED_WITHIN, "{longest:?}");
        refused += 1;
        sleep(Duration::from_millis(20)).await;
    }
}
