//! Shutdown as an orchestrator requests it.

use std::time::Duration;

use futures::future::join_all;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::support::ledger::{Ledger, Outcome, path, payload};
use crate::support::metrics::sample;
use crate::support::process::Signal;
use crate::support::proxy::{Proxy, Treatment};
use crate::support::upload::upload;
use crate::support::{Answer, Gateway, PATIENCE, Pravega, Stream, http};

const POSTERS: usize = 64;

/// Acknowledgements after which the gateway gets SIGTERM.
const BEFORE_THE_END: usize = 500;

/// How long the gateway keeps serving after SIGTERM.
const DELAY: Duration = Duration::from_secs(4);

/// Requests that a stuck store blocks.
const STUCK: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn termination_under_load_refuses_nobody_too_early_and_loses_nothing() {
    let delay = format!("shutdown.delay={}s", DELAY.as_secs());
    let mut gateway = Gateway::ready(&["--set", &delay, "--set", "shutdown.grace=1m"]).await;
    let stream = Stream::create(&gateway, 4).await;
    let load = Load::new(gateway.url(&path(&stream, "")));
    let posters = join_all((0..POSTERS).map(|number| load.post(format!("poster{number}"), KEPT)));
    let newcomer = load.post("newcomer".to_owned(), NEW);
    let (_never, goes_on) = watch::channel(false);
    let uploading = upload(gateway.post(&path(&stream, "lines")), "lines", goes_on);
    let ending = async {
        load.have_acknowledged(BEFORE_THE_END).await;
        gateway.signal(Signal::TERM);
        load.asked_to_end.send_replace(Some(Instant::now()));
        gateway.await_readiness(503).await;
    };
    let (posters, newcomer, lines, ()) = tokio::join!(posters, newcomer, uploading, ending);

    assert_eq!(gateway.ended().await.code(), Some(0));
    assert!(lines.contains(&Outcome::Stored) && lines.ends_with(&[Outcome::NotStored]), "the upload was ended");
    let mut ledger = Ledger::default();
    posters.into_iter().enumerate().for_each(|(number, outcomes)| ledger.record(&format!("poster{number}"), outcomes));
    ledger.record("newcomer", newcomer);
    ledger.record("lines", lines);
    let direct = Gateway::ready(&[]).await;
    stream.seal(&direct).await;
    ledger.check(stream.read_all(&direct).await.iter().map(|event| &event.payload));
}

/// Idle connections that a client keeps: reuses its connection, or opens one per request.
const KEPT: usize = 1;
const NEW: usize = 0;

struct Load {
    url: String,
    acknowledged: watch::Sender<usize>,
    asked_to_end: watch::Sender<Option<Instant>>,
}

impl Load {
    fn new(url: String) -> Self {
        Self { url, acknowledged: watch::Sender::new(0), asked_to_end: watch::Sender::new(None) }
    }

    async fn have_acknowledged(&self, count: usize) {
        let mut acknowledged = self.acknowledged.subscribe();
        let waited = timeout(PATIENCE, acknowledged.wait_for(|so_far| *so_far >= count)).await;
        waited.expect("posts are acknowledged").expect("the sender is ours");
    }

    /// Posts until the gateway stops answering, which must not be before the delay is over.
    async fn post(&self, key: String, idle_connections: usize) -> Vec<Outcome> {
        let client = http::builder().pool_max_idle_per_host(idle_connections).build().expect("no setting is wrong");
        let mut outcomes = Vec::new();
        loop {
            let request = client.post(self.url.clone() + &key).body(payload(&key, outcomes.len(), 100));
            match request.send().await {
                Ok(response) => outcomes.push(self.record(Answer::from(response).await)),
                Err(error) => {
                    let since = self.asked_to_end.borrow().map(|asked| asked.elapsed());
                    assert!(since >= Some(DELAY), "{key}, {since:?} after SIGTERM: {error:?}");
                    // The gateway may have accepted it without answering.
                    outcomes.push(Outcome::MayBeStored);
                    return outcomes;
                }
            }
        }
    }

    /// The outcome that an answer reports. On a busy machine Pravega may be too slow, but the gateway must not refuse.
    fn record(&self, answer: Answer) -> Outcome {
        if answer.status == 201 {
            self.acknowledged.send_modify(|count| *count += 1);
        } else {
            assert_eq!(answer.json()["code"], "deadline_exceeded");
        }
        Outcome::of(answer)
    }
}

/// A gateway with events in flight to a store that has stopped reading.
async fn stuck(settings: &[&str]) -> (Gateway, Vec<tokio::task::JoinHandle<reqwest::Result<reqwest::Response>>>) {
    let proxy = Proxy::faithful(&Pravega::of_this_run().store).await;
    let rule = proxy.rule();
    let gateway = Gateway::ready(&[&["--segment-store-rewrite", &rule], settings].concat()).await;
    let stream = Stream::create(&gateway, 1).await;
    stream.append(&gateway, None, "before").await;
    proxy.treat(Treatment::Stalled);
    let posts = (0..STUCK).map(|_| tokio::spawn(gateway.post(&stream.events()).body("stuck").send())).collect();
    while sample(&gateway, "pravega_gateway_http_requests_in_flight").await < STUCK as f64 {
        tokio::task::yield_now().await;
    }
    (gateway, posts)
}

/// Checks that the process exited with 1 and logged how many requests it cut, and why.
async fn assert_cut(mut gateway: Gateway, cause: &str) {
    assert_eq!(gateway.ended().await.code(), Some(1));
    let said = gateway.logged("ending with requests in flight: they are cut").await;
    assert_eq!((&said["requests"], &said["cause"]), (&STUCK.into(), &cause.into()));
}

#[tokio::test]
async fn stuck_store_is_waited_for_until_the_grace_is_over() {
    let grace = Duration::from_secs(2);
    let (gateway, posts) = stuck(&["--set", "shutdown.grace=2s"]).await;
    let begun = Instant::now();
    gateway.signal(Signal::TERM);
    assert_cut(gateway, "the grace is over").await;
    assert!(begun.elapsed() >= grace);
    for post in posts {
        post.await.expect("it does not panic").expect_err("the outcome is unknown");
    }
}

#[tokio::test]
async fn second_signal_ends_at_once_in_every_phase() {
    const TERM: Signal = Signal::TERM;
    const INT: Signal = Signal::INT;
    let long = ["--set", "shutdown.grace=10m", "--set", "shutdown.delay=10m"];
    let delaying = "not ready any more, still serving";
    let finishing = "accepting no more, finishing what is in flight";
    for (first, phase, second) in
        [(TERM, delaying, TERM), (TERM, delaying, INT), (INT, finishing, TERM), (INT, finishing, INT)]
    {
        let (gateway, _posts) = stuck(&long).await;
        gateway.signal(first);
        gateway.logged(phase).await;
        gateway.signal(second);
        assert_cut(gateway, "a second signal came").await;
    }
}
