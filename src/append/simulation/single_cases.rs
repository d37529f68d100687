//! Cases that need the simulated Pravega, but no schedule.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use futures::poll;
use pravega_protocol::stream::{KeyPosition, KeyRange, SegmentId, SegmentName};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::dice::Dice;
use super::history::the_stream;
use super::odds::{Odds, StreamFate};
use super::schedule::writer_context;
use super::trace::Trace;
use super::world::World;
use crate::append::block_queue::BlockLimits;
use crate::append::event::{PendingEvent, Submission};
use crate::append::recovery::{Routing, submit_in_order};
use crate::append::reusable_ids::ReusableIds;
use crate::append::router::{StreamWriters, WriterContext};
use crate::append::routing::Route;
use crate::append::segment_writer::SegmentWriter;
use crate::append::ticket::ticket;
use crate::append::{Batch, Error, NewEvent, StreamAppender, Target};
use crate::budget::Budget;
use crate::config::Size;
use crate::controller::{Access, Credentials, Grant};
use crate::segment_store;
use crate::telemetry::metrics::Metrics;

/// A world in which nothing goes wrong, except what the test wants.
struct QuietWorld {
    world: Arc<World>,
    odds: Odds,
    budget: Budget,
    _turning: JoinSet<()>,
}

impl QuietWorld {
    fn new(change: impl FnOnce(Odds) -> Odds) -> Self {
        let mut dice = Dice::new(0);
        let odds = change(Odds {
            segments: 1,
            hop_ms: 1,
            commit_ms: 1,
            overtaking: 0.0,
            retention: 0.0,
            fate: StreamFate::Lives,
            ..Odds::draw(&mut dice).calm()
        });
        let world = Arc::new(World::new(dice, odds.clone(), Trace::new(false)));
        let mut turning = JoinSet::new();
        let turned = Arc::clone(&world);
        turning.spawn(async move { turned.turn().await });
        Self { world, odds, budget: Budget::new(Size::mib(1), Duration::ZERO), _turning: turning }
    }

    fn appender(&self, ids: &ReusableIds) -> StreamAppender {
        let context = writer_context(&self.world, &self.odds, ids.clone(), Metrics::default());
        StreamAppender::new(the_stream(), context)
    }

    fn event(&self, position: f64) -> NewEvent {
        let payload = Bytes::from_static(&[0; 4]);
        let target = Target::Position(KeyPosition::new(position).expect("in the key space"));
        NewEvent {
            target,
            caller: Grant::open(),
            permit: self.budget.try_reserve_for_stream(payload.len()).expect("room"),
            payload,
        }
    }

    /// Writers whose attribute the stream's only segment has.
    fn writers(&self) -> usize {
        self.world.with(|state| state.segments.values().map(|segment| segment.accepted.len()).sum())
    }
}

#[tokio::test(start_paused = true)]
async fn writer_that_ends_in_order_leaves_its_id_to_the_next() {
    let (world, ids) = (QuietWorld::new(|odds| odds), ReusableIds::new());
    for _ in 0..3 {
        let appender = world.appender(&ids);
        for _ in 0..2 {
            let mut ticket = appender.submit(world.event(0.5)).await.expect("the stream takes events");
            ticket.outcome().await.expect("it is stored");
        }
        drop(appender);
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(world.writers(), 1);
    let stored: usize = world.world.with(|state| state.segments.values().map(|segment| segment.stored.len()).sum());
    assert_eq!(stored, 6);
}

#[tokio::test(start_paused = true)]
async fn writer_that_ends_with_a_block_on_its_way_takes_its_id_with_it() {
    let (world, ids) = (QuietWorld::new(|odds| Odds { deaf_acks: 1.0, ..odds }), ReusableIds::new());
    for writers in 1..4 {
        let appender = world.appender(&ids);
        let mut ticket = appender.submit(world.event(0.5)).await.expect("the stream takes events");
        timeout(Duration::from_secs(1), ticket.outcome()).await.expect_err("no acknowledgement arrives");
        assert!(ticket.withdraw(), "it was sent");
        drop(appender);
        sleep(Duration::from_secs(200)).await;
        assert_eq!(world.writers(), writers);
    }
}

#[tokio::test(start_paused = true)]
async fn full_queue_of_one_successor_does_not_delay_what_goes_to_another() {
    let world = QuietWorld::new(|odds| odds);
    let context = writer_context(&world.world, &world.odds, ReusableIds::new(), Metrics::default());
    let writer = |number| {
        let name = SegmentName::new(the_stream(), SegmentId::new(number, 0));
        SegmentWriter::new(name, 1, context.stalls.writer())
    };
    let ((full, mut full_inbox), (free, mut free_inbox)) = (writer(0), writer(1));
    let route = |low, high, writer| Route { range: KeyRange::new(low, high).expect("a range"), writer: Some(writer) };
    let routing = Routing::new(vec![route(0.0, 0.5, full), route(0.5, 1.0, free)]);
    let mut events: VecDeque<_> =
        [0.1, 0.2, 0.9].map(|position| PendingEvent::new(world.event(position), ticket().0)).into();
    let targets = |submission: Submission| submission.into_iter().map(|event| event.event.target).collect::<Vec<_>>();
    let writers = StreamWriters::new(the_stream(), context.clone());
    {
        let mut submitting = Box::pin(submit_in_order(&writers, &routing, &mut events));
        assert!(poll!(&mut submitting).is_pending(), "one queue is full");
        assert_eq!(targets(free_inbox.try_recv().expect("its own queue has room")), [world.event(0.9).target]);
        assert_eq!(targets(full_inbox.try_recv().expect("the first")), [world.event(0.1).target]);
        assert!(submitting.await, "all are submitted");
    }
    assert_eq!(targets(full_inbox.try_recv().expect("the second")), [world.event(0.2).target]);
}

#[tokio::test(start_paused = true)]
async fn part_whose_segment_is_sealed_fails_at_once_while_the_controller_is_gone_and_others_go_on() {
    let world = QuietWorld::new(|odds| Odds { segments: 2, ..odds });
    let appender = world.appender(&ReusableIds::new());
    let append = async |position| {
        appender.ready().await?;
        appender.submit(world.event(position)).await?.outcome().await
    };
    for position in [0.1, 0.9] {
        append(position).await.expect("it is stored");
    }
    world.world.with(|state| {
        state.controller_away_until = Instant::now() + Duration::from_secs(3600);
        let first = *state.segments.keys().next().expect("there are two");
        state.seal(first);
    });
    for _ in 0..3 {
        let error = timeout(Duration::from_secs(2), append(0.1)).await.expect("soon").expect_err("it is sealed");
        assert!(matches!(error, Error::Controller(crate::controller::Error::Unavailable { .. })), "{error}");
        timeout(Duration::from_secs(1), append(0.9)).await.expect("at once").expect("it is stored");
    }
}

/// The store closes a connection on which a block comes behind one that it refused.
#[tokio::test(start_paused = true)]
async fn blocks_for_a_segment_that_was_sealed_meanwhile_cost_no_connection() {
    let limits = BlockLimits { max_block_bytes: 40, max_in_flight_blocks: 5 };
    let world = QuietWorld::new(|odds| Odds { limits, sessions: 1, ..odds });
    let appender = world.appender(&ReusableIds::new());
    let append = async || appender.submit(world.event(0.5)).await?.outcome().await;
    append().await.expect("it is stored");
    world.world.with(|state| {
        let only = *state.segments.keys().next().expect("there is one");
        state.seal_alone(only);
    });
    for _ in 0..3 {
        sleep(Duration::from_secs(12)).await;
        for outcome in join_all((0..20).map(|_| append())).await {
            assert!(matches!(outcome, Err(Error::SegmentSealed(_))), "{outcome:?}");
        }
    }
    assert_eq!(world.world.with(|state| state.connections.len()), 1);
}

/// A caller may know of a scale before the gateway does.
#[tokio::test(start_paused = true)]
async fn many_events_for_a_new_segment_cost_the_controller_few_calls() {
    let world = QuietWorld::new(|odds| Odds { remembered_for: Duration::from_secs(3600), ..odds });
    let appender = world.appender(&ReusableIds::new());
    appender.submit(world.event(0.1)).await.expect("it is taken").outcome().await.expect("it is stored");
    let named = |segment| NewEvent { target: Target::Segment(segment), ..world.event(0.1) };
    let new = SegmentId::new(1, 1);
    let mut batch = Batch::default();
    let tickets: Vec<_> = (0..1000).map(|_| batch.push(named(new))).collect();
    appender.submit_all(batch).await;
    for mut ticket in tickets {
        let error = ticket.outcome().await.expect_err("there is none yet");
        assert!(matches!(error, Error::SegmentNotFound { .. }), "{error}");
    }
    let calls = world.world.with(|state| state.controller_calls);
    assert!(calls < 10, "{calls}");
    world.world.with(|state| {
        state.scale(&mut Dice::new(1));
        state.history.announce();
        state.controller_calls = 0;
    });
    let tickets = (0..1000).map(|_| appender.submit(named(new)));
    for submitted in join_all(tickets).await {
        submitted.expect("the segment is there").outcome().await.expect("it is stored");
    }
    let calls = world.world.with(|state| state.controller_calls);
    assert!(calls <= 3, "{calls}");
}

/// What a caller of this name was sold.
async fn bought(context: &WriterContext, name: &str) -> (Credentials, Grant) {
    let credentials = Credentials::of(&format!("Bearer {name}").parse().expect("a header's value"));
    let controller = context.store.controller().of_caller(credentials.clone());
    let grant = controller.grant(&the_stream(), Access::ReadWrite).await.expect("no one is refused yet");
    assert!(!grant.is_open());
    (credentials, grant)
}

/// Many callers, of whom all but the last are refused from now on.
async fn refuse_all_but_one(world: &QuietWorld, context: &WriterContext) -> Vec<Grant> {
    let mut callers = Vec::new();
    for number in 0..40 {
        callers.push(bought(context, &format!("caller{number}")).await);
    }
    let (_, others) = callers.split_last().expect("there are many");
    let lost: Vec<_> = others.iter().map(|(credentials, _)| credentials.clone()).collect();
    world.world.with(|state| state.refused = Some(lost));
    callers.into_iter().map(|(_, grant)| grant).collect()
}

/// Submits an event of each caller at once: only that of the last must be stored.
async fn only_the_last_is_stored(world: &QuietWorld, appender: &StreamAppender, callers: &[Grant]) {
    let mut tickets = Vec::new();
    for caller in callers {
        let event = NewEvent { caller: caller.clone(), ..world.event(0.5) };
        tickets.push(appender.submit(event).await.expect("the stream takes events"));
    }
    let outcomes = join_all(tickets.iter_mut().map(|ticket| ticket.outcome())).await;
    let (stored, refused) = outcomes.split_last().expect("there are many");
    assert!(stored.is_ok(), "{stored:?}");
    for outcome in refused {
        let error = match outcome {
            Err(Error::Store { error: segment_store::Error::Controller(error), may_have_been_written: false }) => error,
            Err(Error::Controller(error)) => error,
            other => panic!("{other:?}"),
        };
        assert!(error.is_refusal(), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn events_of_callers_who_are_refused_meanwhile_fail_and_keep_no_other_s_back() {
    let world = QuietWorld::new(|odds| odds);
    world.world.with(|state| state.refused = Some(Vec::new()));
    let context = writer_context(&world.world, &world.odds, ReusableIds::new(), Metrics::default());
    let callers = refuse_all_but_one(&world, &context).await;
    let appender = StreamAppender::new(the_stream(), context);
    only_the_last_is_stored(&world, &appender, &callers).await;
}

#[tokio::test(start_paused = true)]
async fn hand_over_goes_on_for_those_who_are_not_refused() {
    let world = QuietWorld::new(|odds| odds);
    world.world.with(|state| state.refused = Some(Vec::new()));
    let context = writer_context(&world.world, &world.odds, ReusableIds::new(), Metrics::default());
    let (_, first) = bought(&context, "first").await;
    let appender = StreamAppender::new(the_stream(), context.clone());
    let event = NewEvent { caller: first, ..world.event(0.5) };
    appender.submit(event).await.expect("it is taken").outcome().await.expect("it is stored");
    let callers = refuse_all_but_one(&world, &context).await;
    world.world.with(|state| {
        let only = *state.segments.keys().next().expect("there is one");
        state.scale(&mut Dice::new(1));
        state.seal(only);
        state.history.announce();
    });
    only_the_last_is_stored(&world, &appender, &callers).await;
}

#[tokio::test(start_paused = true)]
async fn caller_who_gets_the_right_back_is_not_refused_for_what_was() {
    let world = QuietWorld::new(|odds| odds);
    world.world.with(|state| state.refused = Some(Vec::new()));
    let context = writer_context(&world.world, &world.odds, ReusableIds::new(), Metrics::default());
    let (credentials, grant) = bought(&context, "caller").await;
    let appender = StreamAppender::new(the_stream(), context);
    let append = async || {
        let event = NewEvent { caller: grant.clone(), ..world.event(0.5) };
        appender.submit(event).await?.outcome().await
    };
    world.world.with(|state| state.refused = Some(vec![credentials]));
    append().await.expect_err("the right is gone");
    world.world.with(|state| state.refused = Some(Vec::new()));
    append().await.expect("the right is back");
}
