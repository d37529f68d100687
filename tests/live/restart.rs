//! A Pravega that is stopped under load and restarted without its data.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use reqwest::RequestBuilder;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::faults::calls;
use crate::support::ledger::{Ledger, Outcome, batch_outcomes, path, payload};
use crate::support::standalone::Standalone;
use crate::support::{Answer, Gateway, PATIENCE, Stream};

const POSTERS: usize = 8;
const UPLOADERS: usize = 2;

/// Lines of one upload; the next upload follows at once.
const LINES: usize = 20;

/// The deadline of every request, and how long its response may take on a busy machine.
const DEADLINE: &str = "3s";
const ANSWERED_WITHIN: Duration = Duration::from_secs(3 + 10);

/// Requests that each client must complete in a phase before the next one begins.
const ENOUGH: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Before,
    /// Pravega is stopped.
    Away,
    /// It is starting.
    Coming,
    /// The stream is recreated.
    Again,
    Over,
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs ./scripts/test"]
async fn gateway_recovers_by_itself_when_pravega_comes_back_empty() {
    let standalone = Standalone::start("1g").await;
    let gateway = Gateway::start(&standalone.pravega, &[]).await;
    gateway.await_ready().await;
    let stream = Stream::create(&gateway, 1).await;
    let clients = Clients::new(&gateway, &stream);
    let restart = async {
        clients.have_enough().await;
        let stopped = standalone.stop().await;
        clients.enter(Phase::Away);
        gateway.await_readiness(503).await;
        for answer in join_all(calls(&gateway, &stream).map(in_time)).await {
            assert_eq!(Outcome::of(answer), Outcome::NotStored);
        }
        clients.have_enough().await;

        clients.enter(Phase::Coming);
        let standalone = stopped.start().await;
        stream.create_scope(&gateway).await;
        stream.create_again(&gateway).await;
        clients.enter(Phase::Again);
        gateway.await_readiness(200).await;
        clients.have_enough().await;
        clients.enter(Phase::Over);
        standalone
    };
    let posters = join_all((0..POSTERS).map(|number| clients.post(format!("poster{number}"))));
    let uploaders = join_all((0..UPLOADERS).map(|number| clients.upload(format!("uploader{number}"))));
    let (posted, uploaded, (), _standalone) = tokio::join!(posters, uploaders, clients.read(), restart);

    let mut ledger = Ledger::default();
    posted.into_iter().chain(uploaded).for_each(|(key, outcomes)| ledger.record(&key, outcomes));
    let stored = stream.read_all(&gateway).await;
    ledger.check(stored.iter().map(|event| &event.payload));
    for answer in join_all(calls(&gateway, &stream).map(in_time)).await {
        assert!(answer.status.is_success(), "{answer:?}");
    }
}

/// Sends a request, which must be answered by its deadline.
async fn in_time(request: RequestBuilder) -> Answer {
    let answering = Answer::of(request.header("Request-Timeout", DEADLINE));
    timeout(ANSWERED_WITHIN, answering).await.expect("every request is answered")
}

/// Clients that run through all phases. Keys and numbers start over with the recreated stream: events that Pravega lost
/// are not checked.
struct Clients<'a> {
    gateway: &'a Gateway,
    stream: &'a Stream,
    phase: watch::Sender<Phase>,
    /// Expected answers in this phase, by client. While Pravega is away, refusals are expected.
    good: watch::Sender<BTreeMap<String, usize>>,
}

impl<'a> Clients<'a> {
    fn new(gateway: &'a Gateway, stream: &'a Stream) -> Self {
        Self { gateway, stream, phase: watch::Sender::new(Phase::Before), good: watch::Sender::default() }
    }

    fn enter(&self, phase: Phase) {
        self.phase.send_replace(phase);
        self.good.send_replace(BTreeMap::new());
    }

    /// Waits until every client has had enough expected answers.
    async fn have_enough(&self) {
        let mut good = self.good.subscribe();
        let all = POSTERS + UPLOADERS + 1;
        let enough = |good: &BTreeMap<_, _>| good.values().filter(|count| **count >= ENOUGH).count() == all;
        let waited = timeout(PATIENCE, good.wait_for(enough)).await.is_ok();
        assert!(waited, "{:?}: {:?}", *self.phase.borrow(), *self.good.borrow());
    }

    /// Counts the answer to a request that began in this phase.
    fn count(&self, client: &str, began: Phase, is_success: bool) {
        let is_good = is_success != (began == Phase::Away);
        assert!(is_good || began != Phase::Away, "{client}: succeeded while Pravega was down");
        if is_good && began == *self.phase.borrow() {
            self.good.send_modify(|good| *good.entry(client.to_owned()).or_default() += 1);
        }
    }

    /// Posts one event after another; returns the outcomes of those begun after Pravega was started again.
    async fn post(&self, client: String) -> (String, Vec<Outcome>) {
        let mut outcomes = Vec::new();
        loop {
            let phase = *self.phase.borrow();
            let (key, number) = match phase {
                Phase::Over => return (client, outcomes),
                Phase::Coming | Phase::Again => (client.clone(), outcomes.len()),
                Phase::Before | Phase::Away => ("lost".to_owned(), 0),
            };
            let request = self.gateway.post(&path(self.stream, &key)).body(payload(&key, number, 100));
            let this = event_outcome(in_time(request).await);
            self.count(&client, phase, this == Outcome::Stored);
            if matches!(phase, Phase::Coming | Phase::Again) {
                outcomes.push(this);
            }
        }
    }

    /// Uploads a few lines at a time; returns the outcomes of those begun after Pravega was started again.
    async fn upload(&self, client: String) -> (String, Vec<Outcome>) {
        let mut outcomes = Vec::new();
        loop {
            let phase = *self.phase.borrow();
            let (key, first) = match phase {
                Phase::Over => return (client, outcomes),
                Phase::Coming | Phase::Again => (client.clone(), outcomes.len()),
                Phase::Before | Phase::Away => ("lost".to_owned(), 0),
            };
            let lines: String = (first..first + LINES).map(|number| payload(&key, number, 10) + "\n").collect();
            let request = self.gateway.post(&path(self.stream, &key)).header("Content-Type", "application/x-ndjson");
            let answer = in_time(request.body(lines)).await;
            let these = match answer.status.as_u16() {
                404 => vec![event_outcome(answer); LINES],
                _ => batch_outcomes(&answer, LINES),
            };
            self.count(&client, phase, these.iter().all(|this| *this == Outcome::Stored));
            if matches!(phase, Phase::Coming | Phase::Again) {
                outcomes.extend(these);
            }
        }
    }

    /// Reads the head of a segment repeatedly.
    async fn read(&self) {
        loop {
            let phase = *self.phase.borrow();
            if phase == Phase::Over {
                return;
            }
            let request = self.gateway.get(&format!("{}&segment=0&count=1", self.stream.events()));
            let answer = in_time(request).await;
            let is_success = answer.status == 200;
            if !is_success {
                assert_eq!(event_outcome(answer), Outcome::NotStored);
            }
            self.count("reader", phase, is_success);
        }
    }
}

/// The outcome of an event, where the stream may also be missing or not recreated yet.
fn event_outcome(answer: Answer) -> Outcome {
    match answer.status.as_u16() {
        404 => Outcome::NotStored,
        _ => Outcome::of(answer),
    }
}
