//! Runs one schedule from its seed.

use std::sync::Arc;
use std::time::Duration;

use pravega_protocol::stream::KeyPosition;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::callers::{Caller, EventRecords};
use super::claims::{Breach, Claim, breaches};
use super::controller::SimulatedController;
use super::dice::Dice;
use super::history::the_stream;
use super::network::SimulatedNetwork;
use super::odds::Odds;
use super::rules::{LeftOut, Rule, leaves_out};
use super::trace::Trace;
use super::world::World;
use crate::append::reusable_ids::ReusableIds;
use crate::append::router::WriterContext;
use crate::append::segment_writer::WriterSettings;
use crate::append::stalls::Stalls;
use crate::append::{StreamAppender, Target};
use crate::budget::Budget;
use crate::config::{self, Size};
use crate::controller::{CacheSettings, Controller};
use crate::random::seeded::Seeded;
use crate::segment_store::{Pool, SegmentStore};
use crate::telemetry::metrics::Metrics;

/// Longest time, on the paused clock, until everything is answered: far more than all timeouts that faults may cost a
/// writer together.
const ALL_ANSWERED_IN: Duration = Duration::from_secs(500);

/// Few enough that schedules fill the queues.
const MOST_QUEUED_SUBMISSIONS: usize = 4;

/// The result of a schedule.
#[derive(Debug, Default, PartialEq)]
pub(super) struct ScheduleRun {
    pub(super) breaches: Vec<Breach>,
    /// What happened, if it was traced.
    pub(super) trace: Vec<String>,
    pub(super) events: usize,
}

/// Runs the schedule that follows from a seed, optionally without one rule.
pub(super) fn run(seed: u64, without: Option<Rule>, traced: bool, metrics: &Metrics) -> ScheduleRun {
    let _left_out = LeftOut::of(without);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without sockets");
    let mut dice = Dice::new(seed);
    let _seeded = Seeded::with(dice.seed());
    let budget = Budget::new(Size::mib(1), Duration::ZERO);
    let mut course = runtime.block_on(play(dice, traced, metrics.clone(), budget.clone()));
    drop(runtime);
    if budget.available() != budget.total() {
        let held = budget.total() - budget.available();
        course.breaches.push((Claim::NothingHeld, format!("{held} bytes are held after the end")));
    }
    course
}

async fn play(mut dice: Dice, traced: bool, metrics: Metrics, budget: Budget) -> ScheduleRun {
    let odds = Odds::draw(&mut dice);
    let mut trace = Trace::new(traced);
    trace.note(|| format!("{odds:?}"));
    let world = Arc::new(World::new(dice.split(), odds.clone(), trace));
    let records = EventRecords::default();
    let gateway = gateway(&world, &odds, metrics);
    let mut turning = JoinSet::new();
    turning.spawn({
        let world = world.clone();
        async move { world.turn().await }
    });
    let caller = |number, dice| Caller {
        number,
        world: world.clone(),
        appender: gateway.clone(),
        budget: budget.clone(),
        records: records.clone(),
        dice,
    };
    let mut callers: JoinSet<()> = (0..odds.callers).map(|number| caller(number, dice.split()).run()).collect();
    let (storm, change) = (dice.split(), dice.split());
    let all = async {
        tokio::join!(world.storm(storm), world.change(change), async { while callers.join_next().await.is_some() {} });
        still_takes_events(caller(odds.callers, dice.split()), &odds).await;
    };
    let _ = timeout(ALL_ANSWERED_IN, all).await;
    let records = records.all();
    world.with(|state| ScheduleRun {
        breaches: breaches(state, &records),
        trace: state.trace.take(),
        events: records.len(),
    })
}

/// Submits to every part of the key space once all faults are over: only a sealed stream may refuse.
async fn still_takes_events(mut caller: Caller, odds: &Odds) {
    let calm = Odds { impatient: 0.0, ..odds.clone() };
    for position in [0.01, 0.3, 0.5, 0.7, 0.99] {
        let position = KeyPosition::new(position).expect("in the key space");
        caller.submit(Target::Position(position), &calm).await.await;
    }
}

/// The stream's appender, with everything below it except sockets.
fn gateway(world: &Arc<World>, odds: &Odds, metrics: Metrics) -> StreamAppender {
    StreamAppender::new(the_stream(), writer_context(world, odds, ReusableIds::new(), metrics))
}

/// Everything below the stream's appender, except sockets.
pub(super) fn writer_context(world: &Arc<World>, odds: &Odds, ids: ReusableIds, metrics: Metrics) -> WriterContext {
    let cache = CacheSettings {
        capacity: 100,
        current_segments_for: odds.remembered_for,
        readable_segments_for: odds.remembered_for.min(Duration::from_secs(1)),
        endpoint_for: odds.remembered_for,
        ..CacheSettings::default()
    };
    let controller = Controller::new(Arc::new(SimulatedController(world.clone())), cache);
    let settings = config::SegmentStore { append_sessions: odds.sessions, ..config::SegmentStore::default() };
    let pool = Pool::with_connect(settings, Box::new(SimulatedNetwork(world.clone())), metrics.clone());
    let store = SegmentStore::new(controller, Arc::new(pool), metrics.clone());
    WriterContext { store, settings: writer_settings(odds), stalls: Stalls::new(usize::MAX / 2), ids, metrics }
}

fn writer_settings(odds: &Odds) -> WriterSettings {
    let usual = WriterSettings::new(odds.limits);
    let unless = |rule, timeout| if leaves_out(rule) { Duration::MAX } else { timeout };
    WriterSettings {
        queued_submissions: odds.queued_messages.min(MOST_QUEUED_SUBMISSIONS),
        setup_timeout: unless(Rule::SetupWaitIsBounded, usual.setup_timeout),
        ack_timeout: unless(Rule::AckWaitIsBounded, usual.ack_timeout),
        ..usual
    }
}
