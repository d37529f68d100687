//! Callers who submit events, and the answers that they get.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{BufMut as _, BytesMut};
use futures::FutureExt as _;
use futures::future::join_all;
use futures::poll;
use parking_lot::Mutex;
use pravega_protocol::stream::{KeyPosition, ScopedStream, SegmentId};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::dice::Dice;
use super::odds::Odds;
use super::world::World;
use crate::append::router::WriterContext;
use crate::append::{Batch, Error, NewEvent, StreamAppender, Target, Ticket, Written};
use crate::budget::Budget;
use crate::controller::Grant;

/// What happened to an event, as far as its caller knows.
#[derive(Debug, Clone)]
pub(super) enum Fate {
    /// No answer yet.
    Open,
    /// The caller gave up before the event was submitted.
    NeverSubmitted,
    Written(Written),
    Failed(Error),
    /// The caller gave up later, and learned whether the event may be written.
    Withdrawn {
        may_have_been_written: bool,
    },
}

impl Fate {
    pub(super) fn is_certainly_unwritten(&self) -> bool {
        match self {
            Self::NeverSubmitted | Self::Withdrawn { may_have_been_written: false } => true,
            Self::Failed(error) => !error.may_have_been_written(),
            Self::Open | Self::Written(_) | Self::Withdrawn { .. } => false,
        }
    }
}

/// An event that a caller wanted to append.
#[derive(Debug, Clone)]
pub(super) struct EventRecord {
    pub(super) caller: usize,
    pub(super) stream: ScopedStream,
    pub(super) target: Target,
    pub(super) fate: Fate,
}

/// All events of a schedule; their payloads begin with their index here.
#[derive(Clone, Default)]
pub(super) struct EventRecords(Arc<Mutex<Vec<EventRecord>>>);

impl EventRecords {
    pub(super) fn all(&self) -> Vec<EventRecord> {
        self.0.lock().clone()
    }

    pub(super) fn len(&self) -> usize {
        self.0.lock().len()
    }

    fn add(&self, caller: usize, stream: ScopedStream, target: Target) -> usize {
        let mut all = self.0.lock();
        all.push(EventRecord { caller, stream, target, fate: Fate::Open });
        all.len() - 1
    }

    /// Whether none of a caller's events may be written later than it was told.
    fn are_settled(&self, caller: usize) -> bool {
        let all = self.0.lock();
        let is_settled = |fate: &Fate| matches!(fate, Fate::Written(_)) || fate.is_certainly_unwritten();
        all.iter().filter(|record| record.caller == caller).all(|record| is_settled(&record.fate))
    }

    fn settle(&self, event: usize, fate: Fate) {
        self.0.lock()[event].fate = fate;
    }
}

/// Submits events one after the other.
pub(super) struct Caller {
    pub(super) number: usize,
    pub(super) world: Arc<World>,
    pub(super) stream: ScopedStream,
    pub(super) appender: StreamAppender,
    pub(super) context: WriterContext,
    pub(super) budget: Budget,
    pub(super) records: EventRecords,
    pub(super) dice: Dice,
}

impl Caller {
    /// Submits as many events as the odds say, and waits until all are answered.
    pub(super) async fn run(mut self, odds: Odds) {
        let keys: Vec<_> = (0..self.dice.within(1..=3)).map(|_| self.dice.position()).collect();
        let waits_for_each = self.dice.chance(0.2);
        let most_at_once = if self.dice.chance(0.4) { self.dice.within(2..=8) as usize } else { 1 };
        let mut answers = JoinSet::new();
        let mut left = odds.events;
        while left > 0 {
            if self.dice.chance(0.5) {
                sleep(self.dice.millis(0..=odds.pause_ms)).await;
            }
            let count = (1 + self.dice.below(most_at_once)).min(left);
            left -= count;
            let targets: Vec<_> = (0..count).map(|_| self.target(&odds, &keys)).collect();
            let answer = match targets[..] {
                [target] => self.submit(target, &odds).await.boxed(),
                _ => self.submit_all(targets, &odds).await.boxed(),
            };
            if waits_for_each {
                answer.await;
                if self.records.are_settled(self.number) && self.dice.chance(odds.eviction) {
                    self.appender = StreamAppender::new(self.stream.clone(), self.context.clone());
                }
            } else {
                answers.spawn(answer);
            }
        }
        answers.join_all().await;
    }

    /// Submits to every part of the key space once all faults are over.
    pub(super) async fn submit_everywhere(mut self) {
        let odds = self.world.with(|state| state.odds.clone());
        for position in [0.01, 0.3, 0.5, 0.7, 0.99] {
            let position = KeyPosition::new(position).expect("in the key space");
            self.submit(Target::Position(position), &odds).await.await;
        }
    }

    fn target(&mut self, odds: &Odds, keys: &[f64]) -> Target {
        if self.dice.chance(odds.named) {
            let known = self.world.with(|state| state.history.all_named());
            let unknown = SegmentId::new(1_000_000, 0);
            let segment =
                if self.dice.chance(0.1) { unknown } else { *self.dice.pick(&known).expect("there are some") };
            return Target::Segment(segment);
        }
        let key = *self.dice.pick(keys).expect("there are some");
        Target::Position(KeyPosition::new(key).expect("in the key space"))
    }

    /// Submits an event; the future that comes back waits for its answer.
    pub(super) async fn submit(&mut self, target: Target, odds: &Odds) -> impl Future<Output = ()> + Send + use<> {
        let patience = self.patience(odds);
        let (event, new) = self.event(target);
        let frozen_for = self.dice.chance(odds.frozen).then(|| self.dice.millis(0..=20_000));
        let submitting = with_pause(self.appender.submit(new), frozen_for);
        let submitted = match patience {
            Some(patience) => timeout(patience, submitting).await.ok(),
            None => Some(submitting.await),
        };
        let settle = self.settler(event, target);
        async move {
            settle(match submitted {
                Some(Ok(ticket)) => answer(ticket, patience).await,
                Some(Err(error)) => Fate::Failed(error),
                None => Fate::NeverSubmitted,
            });
        }
    }

    /// Submits a batch; the future that comes back waits for all its answers.
    async fn submit_all(&mut self, targets: Vec<Target>, odds: &Odds) -> impl Future<Output = ()> + Send + use<> {
        let patience = self.patience(odds);
        let mut batch = Batch::default();
        let mut tickets = Vec::new();
        for target in targets {
            let (event, new) = self.event(target);
            tickets.push((self.settler(event, target), batch.push(new)));
        }
        let submitting = self.appender.submit_all(batch);
        let gave_up = match patience {
            Some(patience) => timeout(patience, submitting).await.is_err(),
            None => {
                submitting.await;
                false
            }
        };
        async move {
            let answers = tickets.into_iter().map(|(settle, ticket)| async move {
                settle(match answer(ticket, patience).await {
                    Fate::Failed(Error::Stopped { may_have_been_written: false }) if gave_up => Fate::NeverSubmitted,
                    fate => fate,
                });
            });
            join_all(answers).await;
        }
    }

    fn patience(&mut self, odds: &Odds) -> Option<Duration> {
        self.dice.chance(odds.impatient).then(|| self.dice.millis(0..=500))
    }

    fn event(&mut self, target: Target) -> (usize, NewEvent) {
        let event = self.records.add(self.number, self.stream.clone(), target);
        let mut payload = BytesMut::new();
        payload.put_u32(u32::try_from(event).expect("few events"));
        payload.put_bytes(0, if self.dice.chance(0.05) { 500 } else { self.dice.below(40) });
        let permit =
            self.budget.try_reserve_for_stream(payload.len()).expect("schedules take far less than the budget");
        (event, NewEvent { target, caller: Grant::open(), payload: payload.freeze(), permit })
    }

    /// Records what happens to an event.
    fn settler(&self, event: usize, target: Target) -> impl FnOnce(Fate) + Send + use<> {
        let (records, world) = (self.records.clone(), self.world.clone());
        move |fate| {
            world.with(|state| state.trace.note(|| format!("event {event} to {target:?}: {fate:?}")));
            records.settle(event, fate);
        }
    }
}

/// Begins something, and goes on with it only after a pause.
async fn with_pause<T>(begun: impl Future<Output = T>, pause: Option<Duration>) -> T {
    let mut begun = std::pin::pin!(begun);
    if let Some(pause) = pause {
        if let Poll::Ready(done) = poll!(&mut begun) {
            return done;
        }
        sleep(pause).await;
    }
    begun.await
}

async fn answer(mut ticket: Ticket, patience: Option<Duration>) -> Fate {
    let outcome = match patience {
        Some(patience) => timeout(patience, ticket.outcome()).await.ok(),
        None => Some(ticket.outcome().await),
    };
    match outcome {
        Some(Ok(written)) => Fate::Written(written),
        Some(Err(error)) => Fate::Failed(error),
        None => Fate::Withdrawn { may_have_been_written: ticket.withdraw() },
    }
}
