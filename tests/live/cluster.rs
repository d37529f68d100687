//! A real cluster that loses its controller for a minute, and then one of its two stores.

use std::time::Duration;

use futures::future::join_all;
use parking_lot::Mutex;
use reqwest::RequestBuilder;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::support::closed_port::ClosedPort;
use crate::support::cluster::Cluster;
use crate::support::ledger::{Ledger, Outcome, path, payload};
use crate::support::{Answer, Gateway, PATIENCE, Stream};

const POSTERS: usize = 4;

/// The deadline of every request, and how much later it may be answered on a busy machine.
const DEADLINE: Duration = Duration::from_secs(2);
const LATE: Duration = Duration::from_secs(3);

/// Time between two requests of a client, which leaves the machine to the cluster.
const PAUSE: Duration = Duration::from_millis(5);

/// Answers on a stream in a phase before the next phase may begin.
const ENOUGH: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Warming,
    Healthy,
    ControllerSilent,
    ControllerAway,
    ControllerBack,
    StoreSilent,
    StoreAway,
    StoreReplaced,
    Over,
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn what_is_there_goes_on_while_the_controller_or_a_store_is_away() {
    let mut cluster = Cluster::start().await;
    let gateway = Gateway::start(&cluster.pravega, &[]).await;
    gateway.await_ready().await;
    let [lost, kept] = stream_on_each_store(&cluster, &gateway).await;
    ready_with_either_store(&cluster).await;
    let phase = watch::Sender::new(Phase::Warming);
    let [lost, kept] = [lost, kept].map(|stream| Clients::new(&gateway, stream, &phase));
    let both = [&lost, &kept];

    let outages = async {
        enough(&both).await;
        for (next, duration) in [(Phase::Healthy, 10), (Phase::ControllerSilent, 60)] {
            if next == Phase::ControllerSilent {
                cluster.controller.pause();
            }
            phase.send_replace(next);
            sleep(Duration::from_secs(duration)).await;
            enough(&both).await;
        }
        phase.send_replace(Phase::ControllerAway);
        cluster.controller.kill();
        enough(&both).await;
        cluster.controller.start_again().await;
        cluster.await_controller().await;
        phase.send_replace(Phase::ControllerBack);
        enough(&both).await;

        phase.send_replace(Phase::StoreSilent);
        cluster.stores[0].pause();
        sleep(Duration::from_secs(15)).await;
        enough(&[&kept]).await;
        phase.send_replace(Phase::StoreAway);
        cluster.stores[0].kill();
        enough(&[&kept]).await;
        timeout(PATIENCE, lost.succeed()).await.expect("the other store takes the segments over");
        phase.send_replace(Phase::StoreReplaced);
        enough(&both).await;
        phase.send_replace(Phase::Over);
    };
    let (lost_outcomes, kept_outcomes, ()) = tokio::join!(lost.run(), kept.run(), outages);

    println!("{}{}", lost.table("the stream of the lost store"), kept.table("the stream of the other one"));
    for (clients, outcomes) in [(&lost, lost_outcomes), (&kept, kept_outcomes)] {
        let mut ledger = Ledger::default();
        outcomes.into_iter().for_each(|(key, outcomes)| ledger.record(&key, outcomes));
        let stored = clients.stream.read_all(&gateway).await;
        ledger.check(stored.iter().map(|event| &event.payload));
    }
    assert_eq!(kept.failures(Phase::Over), 0, "the store was there all the time");
    assert_eq!(lost.failures(Phase::StoreSilent), 0, "only the controller was away");
    let again = Stream::create(&gateway, 4).await;
    again.append(&gateway, Some("key"), "event").await;
}

/// A gateway that reaches only one of the two stores is ready, whichever it is.
async fn ready_with_either_store(cluster: &Cluster) {
    for lost in &cluster.stores {
        let closed = ClosedPort::new();
        let rule = format!("{}={}", lost.address, closed.address());
        Gateway::start(&cluster.pravega, &["--segment-store-rewrite", &rule]).await.await_ready().await;
    }
}

/// Creates streams of one segment until each store has one.
async fn stream_on_each_store(cluster: &Cluster, gateway: &Gateway) -> [Stream; 2] {
    let mut found = [None, None];
    let looking = async {
        loop {
            let stream = Stream::create(gateway, 1).await;
            let store = cluster.store_of(&stream.segment(0)).await;
            found[store] = Some(stream);
            if let [Some(first), Some(second)] = &found {
                return [first.clone(), second.clone()];
            }
        }
    };
    timeout(PATIENCE, looking).await.expect("containers are spread over both stores")
}

/// Waits until each stream had enough answers in this phase.
async fn enough(clients: &[&Clients<'_>]) {
    let had = async {
        for clients in clients {
            let phase = *clients.phase.borrow();
            while clients.answers.lock().iter().filter(|answer| answer.began == phase).count() < ENOUGH {
                sleep(PAUSE).await;
            }
        }
    };
    timeout(PATIENCE, had).await.expect("requests are answered");
}

/// What became of a request.
struct Measured {
    is_post: bool,
    began: Phase,
    ended: Phase,
    took: Duration,
    is_success: bool,
}

/// Clients of one stream that run through all phases.
struct Clients<'a> {
    gateway: &'a Gateway,
    stream: Stream,
    phase: watch::Receiver<Phase>,
    answers: Mutex<Vec<Measured>>,
}

impl<'a> Clients<'a> {
    fn new(gateway: &'a Gateway, stream: Stream, phase: &watch::Sender<Phase>) -> Self {
        Self { gateway, stream, phase: phase.subscribe(), answers: Mutex::default() }
    }

    /// Posts and reads until the end; returns the outcomes of each key's events.
    async fn run(&self) -> Vec<(String, Vec<Outcome>)> {
        let posting = join_all((0..POSTERS).map(|number| self.post(format!("poster{number}"))));
        tokio::join!(posting, self.read()).0
    }

    async fn post(&self, key: String) -> (String, Vec<Outcome>) {
        let mut outcomes = Vec::new();
        while *self.phase.borrow() != Phase::Over {
            let event = payload(&key, outcomes.len(), 100);
            let answer = self.measure(true, self.gateway.post(&path(&self.stream, &key)).body(event)).await;
            outcomes.push(Outcome::of(answer));
            sleep(PAUSE).await;
        }
        (key, outcomes)
    }

    /// Reads the first events, and the same by the segment's full name.
    async fn read(&self) {
        for segment in ["", "&segment=0.%23epoch.0"].iter().cycle() {
            if *self.phase.borrow() == Phase::Over {
                return;
            }
            let request = self.gateway.get(&format!("{}&count=10{segment}", self.stream.events()));
            let answer = self.measure(false, request).await;
            if answer.status != 200 {
                assert_eq!(Outcome::of(answer), Outcome::NotStored);
            }
            sleep(PAUSE).await;
        }
    }

    async fn measure(&self, is_post: bool, request: RequestBuilder) -> Answer {
        let (began, since) = (*self.phase.borrow(), Instant::now());
        let request = request.header("Request-Timeout", format!("{}s", DEADLINE.as_secs()));
        let answer = timeout(DEADLINE + LATE, Answer::of(request)).await.expect("no answer is late");
        let (ended, took) = (*self.phase.borrow(), since.elapsed());
        let is_success = answer.status.is_success();
        self.answers.lock().push(Measured { is_post, began, ended, took, is_success });
        answer
    }

    /// Waits until events are stored again that were posted in this phase.
    async fn succeed(&self) {
        let phase = *self.phase.borrow();
        let is_stored = |answer: &Measured| answer.is_post && answer.is_success && answer.began == phase;
        while self.answers.lock().iter().filter(|answer| is_stored(answer)).count() < ENOUGH {
            sleep(PAUSE).await;
        }
    }

    /// Requests that failed though they were answered before this phase.
    fn failures(&self, before: Phase) -> usize {
        self.answers.lock().iter().filter(|answer| !answer.is_success && answer.ended < before).count()
    }

    /// Times in milliseconds for each phase and kind of request.
    fn table(&self, title: &str) -> String {
        let mut table = format!("{title}\n  phase             kind  answers  failed    p50    p99    max\n");
        let answers = self.answers.lock();
        let mut phases: Vec<_> = answers.iter().map(|answer| answer.began).collect();
        phases.dedup();
        phases.sort_unstable();
        phases.dedup();
        for (phase, is_post) in phases.into_iter().flat_map(|phase| [(phase, true), (phase, false)]) {
            let these: Vec<_> =
                answers.iter().filter(|answer| answer.began == phase && answer.is_post == is_post).collect();
            let failed = these.iter().filter(|answer| !answer.is_success).count();
            let mut times: Vec<_> = these.iter().map(|answer| answer.took.as_secs_f64() * 1e3).collect();
            times.sort_unstable_by(f64::total_cmp);
            let Some(last) = times.len().checked_sub(1) else { continue };
            let [median, p99, max] = [last / 2, last * 99 / 100, last].map(|index| times[index]);
            let kind = if is_post { "POST" } else { "GET" };
            let count = times.len();
            table += &format!(
                "  {:<17} {kind:<4} {count:>8} {failed:>7} {median:>6.1} {p99:>6.1} {max:>6.1}\n",
                format!("{phase:?}")
            );
        }
        table
    }
}
