//! Runs one schedule from its seed.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::callers::{Caller, EventRecords};
use super::claims::{Breach, Claim, breaches};
use super::controller::SimulatedController;
use super::dice::Dice;
use super::history::{the_neighbour, the_stream};
use super::network::SimulatedNetwork;
use super::odds::Odds;
use super::reader::Reader;
use super::rules::{LeftOut, Rule, leaves_out};
use super::trace::Trace;
use super::world::World;
use crate::append::StreamAppender;
use crate::append::reusable_ids::ReusableIds;
use crate::append::router::WriterContext;
use crate::append::segment_writer::WriterSettings;
use crate::append::stalls::Stalls;
use crate::budget::Budget;
use crate::config::{self, Size};
use crate::controller::{CacheSettings, Controller};
use crate::random::seeded::Seeded;
use crate::read::SegmentReader;
use crate::segment_store::{Pool, SegmentStore};
use crate::telemetry::metrics::Metrics;

/// Longest time, on the paused clock, until everything is answered: far more than all timeouts that faults may cost a
/// writer together.
const ALL_ANSWERED_IN: Duration = Duration::from_secs(800);

/// Longest time until nothing that began earlier can still disturb: stalls, blocked sockets, stores that lag.
const ALL_CALM_IN: Duration = Duration::from_secs(120);

/// Time for all to end once no one uses the gateway.
const ALL_GONE_IN: Duration = Duration::from_secs(200);

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
    let mut turning = JoinSet::new();
    turning.spawn({
        let world = world.clone();
        async move { world.turn().await }
    });
    let ids = ReusableIds::new();
    let cast = Cast::new(&world, &odds, ids.clone(), metrics, budget.clone());
    let records = cast.records.clone();
    let calm_from = timeout(ALL_ANSWERED_IN, cast.play(dice, odds)).await.ok();
    let held = match calm_from {
        Some(_) => {
            sleep(ALL_GONE_IN).await;
            what_is_held(&budget, &ids, turning.len(), world.with(|state| state.left_waiting))
        }
        None => Vec::new(),
    };
    let records = records.all();
    let mut run = world.with(|state| ScheduleRun {
        breaches: breaches(state, &records, calm_from.unwrap_or(records.len())),
        trace: state.trace.take(),
        events: records.len(),
    });
    run.breaches.extend(held.into_iter().map(|what| (Claim::NothingHeld, what)));
    run
}

/// What is left once all callers and the gateway are gone.
fn what_is_held(budget: &Budget, ids: &ReusableIds, others: usize, waiting: usize) -> Vec<String> {
    let bytes = budget.total() - budget.available();
    let tasks = Handle::current().metrics().num_alive_tasks() - others;
    let left = [("bytes", bytes), ("tasks", tasks), ("writer ids", ids.in_use()), ("calls and flows", waiting)];
    left.into_iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{count} {what}")).collect()
}

/// Those who act in a schedule, and the gateway that they share.
struct Cast {
    world: Arc<World>,
    context: WriterContext,
    appender: StreamAppender,
    neighbour: StreamAppender,
    reader: SegmentReader,
    budget: Budget,
    records: EventRecords,
}

impl Cast {
    fn new(world: &Arc<World>, odds: &Odds, ids: ReusableIds, metrics: Metrics, budget: Budget) -> Self {
        let context = writer_context(world, odds, ids, metrics.clone());
        Self {
            world: world.clone(),
            appender: StreamAppender::new(the_stream(), context.clone()),
            neighbour: StreamAppender::new(the_neighbour(), context.clone()),
            reader: SegmentReader::new(context.store.clone(), metrics),
            context,
            budget,
            records: EventRecords::default(),
        }
    }

    /// Plays everything; returns the first event that was submitted once all faults were over.
    async fn play(self, mut dice: Dice, odds: Odds) -> usize {
        let callers: JoinSet<()> =
            (0..odds.callers).map(|number| self.caller(number, &mut dice).run(odds.clone())).collect();
        let neighbour = self.neighbour(odds.callers, &mut dice).run(odds.of_neighbour());
        let reading = self.reader(&mut dice).run(odds.clone());
        let (storm, change) = (dice.split(), dice.split());
        let (world, answered) = (&self.world, callers.join_all());
        tokio::join!(world.storm(storm), world.change(change), answered, neighbour, reading);

        self.world.with(|state| state.odds = odds.clone().calm());
        sleep(ALL_CALM_IN).await;
        let calm_from = self.records.len();
        self.caller(odds.callers + 1, &mut dice).submit_everywhere().await;
        self.neighbour(odds.callers + 2, &mut dice).submit_everywhere().await;
        self.reader(&mut dice).read_all().await;
        calm_from
    }

    fn caller(&self, number: usize, dice: &mut Dice) -> Caller {
        Caller {
            number,
            world: self.world.clone(),
            stream: the_stream(),
            appender: self.appender.clone(),
            context: self.context.clone(),
            budget: self.budget.clone(),
            records: self.records.clone(),
            dice: dice.split(),
        }
    }

    fn neighbour(&self, number: usize, dice: &mut Dice) -> Caller {
        Caller { stream: the_neighbour(), appender: self.neighbour.clone(), ..self.caller(number, dice) }
    }

    fn reader(&self, dice: &mut Dice) -> Reader {
        Reader {
            world: self.world.clone(),
            reader: self.reader.clone(),
            budget: self.budget.clone(),
            dice: dice.split(),
        }
    }
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
