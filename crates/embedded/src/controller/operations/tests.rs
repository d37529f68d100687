//! Operations on a node in memory: atomic steps, and what becomes of segments.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pravega_protocol::stream::SegmentId;
use pravega_protocol::wire::AttributeUpdate;

use super::status::{
    Ping, ScopeDeletion, StreamCreation, StreamDeletion, StreamUpdate, TransactionEnd, TransactionState,
};
use super::*;
use crate::controller::catalog::{
    Cut, GroupConfig, GroupRetention, Range, Retention, RetentionKind, Scaling, StreamConfig, TransactionId,
};
use crate::node::{Node, NodeLimits, Part, State, Step};

struct Catalog(Arc<Node>);

impl Catalog {
    /// A scope `s`, and in it the stream `t` of this many segments.
    fn with_stream(segments: i32) -> Self {
        let catalog = Self(Node::in_memory(NodeLimits { max_bytes: 1 << 20, wait_for_room: Duration::ZERO }));
        catalog.step(|step| scope::create(step, "s")).expect("a name");
        catalog.create(fixed(segments));
        catalog
    }

    fn create(&self, config: StreamConfig) {
        let status = self.step(|step| stream::create(step, "s", "t", Some(config)));
        assert_eq!(status, Ok(StreamCreation::Created));
    }

    fn step<T>(&self, act: impl FnOnce(&mut Step<'_>) -> T) -> T {
        self.0.step(act).into_inner()
    }

    fn look<T>(&self, see: impl FnOnce(&State) -> T) -> T {
        self.0.look(see).into_inner()
    }

    fn append(&self, segment: &str, bytes: usize) {
        let data = Bytes::from(vec![7; bytes]);
        self.step(|step| step.append(segment, data, &[], None)).expect("an open segment");
    }

    fn split(&self, number: u32, epoch: u32) -> u32 {
        let halves = [Range::new(0.0, 0.5), Range::new(0.5, 1.0)];
        let scaled = self.step(|step| scale::start(step, "s", "t", &[id(number, epoch)], &halves));
        scaled.unwrap_or_else(|status| panic!("{status:?}")).next.number
    }

    /// The stream's segments with their lengths and whether they are sealed, sorted.
    fn segments(&self) -> Vec<(String, u64, bool)> {
        let described = |segment: &crate::node::StoredSegment| {
            (segment.name().to_owned(), segment.data().length(), segment.is_sealed())
        };
        let mut all: Vec<_> = self.look(|state| state.segments().map(described).collect());
        all.retain(|(name, _, _)| name.starts_with("s/t/"));
        all.sort();
        all
    }

    fn names(&self) -> Vec<String> {
        self.segments().into_iter().map(|(name, _, _)| name).collect()
    }

    fn truncate(&self, cut: &[(SegmentId, i64)]) -> StreamUpdate {
        let cut: Cut = cut.iter().copied().collect();
        self.step(|step| segments::truncate(step, "s", "t", &cut))
    }

    fn begin(&self) -> TransactionId {
        self.step(|step| transaction::begin(step, "s", "t", 10_000)).expect("a lease").id
    }

    fn commit(&self, id: TransactionId) -> TransactionEnd {
        let note = transaction::Note { writer: "", time: None };
        self.step(|step| transaction::commit(step, "s", "t", id, &note))
    }

    fn state(&self, id: TransactionId) -> TransactionState {
        self.look(|state| transaction::check(state, "s", "t", id))
    }

    fn seal_and_delete(&self) {
        self.step(|step| stream::seal(step, "s", "t")).expect("a name");
        let deleted = self.step(|step| stream::delete(step, "s", "t"));
        assert_eq!(deleted, Ok(StreamDeletion::Deleted));
    }
}

fn id(number: u32, epoch: u32) -> SegmentId {
    SegmentId::new(number, epoch)
}

fn fixed(segments: i32) -> StreamConfig {
    StreamConfig { scaling: Scaling::fixed(segments), ..StreamConfig::one_segment() }
}

fn part(id: TransactionId, number: u32, epoch: u32) -> String {
    format!("s/t/{number}.#epoch.{epoch}#transaction.{id}")
}

#[test]
fn a_stream_comes_with_its_segments_and_one_for_watermarks() {
    let catalog = Catalog::with_stream(2);
    assert_eq!(catalog.names(), ["s/t/0.#epoch.0", "s/t/1.#epoch.0"]);
    assert!(catalog.look(|state| state.segment("s/_MARKt/0.#epoch.0").is_some()));
}

#[test]
fn a_scale_makes_segments_and_seals_those_that_they_follow() {
    let catalog = Catalog::with_stream(1);
    assert_eq!(catalog.split(0, 0), 1);
    let expected = [("s/t/0.#epoch.0", true), ("s/t/1.#epoch.1", false), ("s/t/2.#epoch.1", false)];
    let seen = catalog.segments();
    let seen: Vec<(&str, bool)> = seen.iter().map(|(name, _, sealed)| (name.as_str(), *sealed)).collect();
    assert_eq!(seen, expected);
}

#[test]
fn an_update_scales_to_a_fixed_number_of_segments_only() {
    let catalog = Catalog::with_stream(1);
    let update = |config| catalog.step(|step| stream::update(step, "s", "t", Some(config)));
    assert_eq!(update(fixed(3)), Ok(StreamUpdate::Updated));
    let current = |state: &State| segments::current(state, "s", "t").expect("there").len();
    assert_eq!(catalog.look(current), 3);
    let by_rate = crate::controller::catalog::ScalingKind::EventsPerSecond;
    let scaling = Scaling { kind: by_rate, target_rate: 1, scale_factor: 2, min_segments: 2 };
    assert_eq!(update(StreamConfig { scaling, ..fixed(0) }), Ok(StreamUpdate::Updated));
    assert_eq!(catalog.look(current), 3);
}

#[test]
fn truncation_deletes_what_lies_wholly_before_the_cut() {
    let catalog = Catalog::with_stream(1);
    catalog.append("s/t/0.#epoch.0", 10);
    catalog.split(0, 0);
    catalog.append("s/t/1.#epoch.1", 5);
    assert_eq!(catalog.truncate(&[(id(1, 1), 2), (id(2, 1), 0)]), StreamUpdate::Updated);
    assert_eq!(catalog.names(), ["s/t/1.#epoch.1", "s/t/2.#epoch.1"]);
    let start = catalog.look(|state| state.segment("s/t/1.#epoch.1").map(|segment| segment.data().start()));
    assert_eq!(start, Some(2));
}

#[test]
fn truncation_behind_the_head_or_beyond_the_tail_fails_and_changes_nothing() {
    let catalog = Catalog::with_stream(1);
    catalog.append("s/t/0.#epoch.0", 10);
    assert_eq!(catalog.truncate(&[(id(0, 0), 11)]), StreamUpdate::Invalid);
    assert_eq!(catalog.truncate(&[(id(0, 0), 4)]), StreamUpdate::Updated);
    assert_eq!(catalog.truncate(&[(id(0, 0), 3)]), StreamUpdate::Invalid);
    assert_eq!(catalog.truncate(&[]), StreamUpdate::Invalid);
    let head = catalog.look(|state| segments::head(state, "s", "t"));
    assert_eq!(head, Ok([(id(0, 0), 4)].into()));
}

#[test]
fn a_deleted_stream_leaves_no_segment_and_its_namesake_counts_on() {
    let catalog = Catalog::with_stream(1);
    catalog.split(0, 0);
    let open = catalog.begin();
    catalog.seal_and_delete();
    assert_eq!(catalog.names(), [""; 0]);
    assert_eq!(catalog.state(open), TransactionState::Aborted, "remembered for a day");
    catalog.create(fixed(2));
    assert_eq!(catalog.names(), ["s/t/3.#epoch.0", "s/t/4.#epoch.0"]);
}

#[test]
fn a_seal_by_a_client_does_not_keep_a_stream_from_being_sealed_or_scaled() {
    let catalog = Catalog::with_stream(1);
    catalog.step(|step| step.seal_segment("s/t/0.#epoch.0")).expect("open");
    catalog.split(0, 0);
    catalog.seal_and_delete();
}

#[test]
fn a_commit_moves_the_parts_of_a_transaction_into_the_stream() {
    let catalog = Catalog::with_stream(2);
    let txn = catalog.begin();
    catalog.append(&part(txn, 1, 0), 7);
    assert_eq!(catalog.state(txn), TransactionState::Open);
    assert_eq!(catalog.commit(txn), TransactionEnd::Done);
    assert_eq!(catalog.commit(txn), TransactionEnd::Done);
    assert_eq!(catalog.state(txn), TransactionState::Committed);
    let expected = [("s/t/0.#epoch.0".to_owned(), 0, false), ("s/t/1.#epoch.0".to_owned(), 7, false)];
    assert_eq!(catalog.segments(), expected);
}

#[test]
fn a_transaction_of_an_older_epoch_is_rolled_over() {
    let catalog = Catalog::with_stream(1);
    let txn = catalog.begin();
    catalog.append(&part(txn, 0, 0), 7);
    catalog.split(0, 0);
    assert_eq!(catalog.commit(txn), TransactionEnd::Done);
    let expected = [
        ("s/t/0.#epoch.0", 0, true),
        ("s/t/0.#epoch.2", 7, true),
        ("s/t/1.#epoch.1", 0, true),
        ("s/t/1.#epoch.3", 0, false),
        ("s/t/2.#epoch.1", 0, true),
        ("s/t/2.#epoch.3", 0, false),
    ];
    assert_eq!(catalog.segments(), expected.map(|(name, length, sealed)| (name.to_owned(), length, sealed)));
    let begun = catalog.step(|step| transaction::begin(step, "s", "t", 10_000)).expect("a lease");
    let ids: Vec<SegmentId> = begun.segments.iter().map(|segment| segment.id).collect();
    assert_eq!((begun.id.epoch(), ids), (1, vec![id(1, 1), id(2, 1)]));
    assert_eq!(catalog.commit(begun.id), TransactionEnd::Done);
}

#[test]
fn a_commit_that_cannot_be_whole_changes_nothing() {
    let catalog = Catalog::with_stream(2);
    let txn = catalog.begin();
    catalog.append(&part(txn, 0, 0), 7);
    catalog.step(|step| step.seal_segment("s/t/1.#epoch.0")).expect("open");
    let before = catalog.segments();
    assert_eq!(catalog.commit(txn), TransactionEnd::Failed);
    assert_eq!(catalog.segments(), before);
    assert_eq!(catalog.state(txn), TransactionState::Open);
}

#[test]
fn an_abort_leaves_nothing_of_a_transaction() {
    let catalog = Catalog::with_stream(1);
    let txn = catalog.begin();
    catalog.append(&part(txn, 0, 0), 7);
    let abort = || catalog.step(|step| transaction::abort(step, "s", "t", txn));
    assert_eq!([abort(), abort()], [TransactionEnd::Done; 2]);
    assert_eq!(catalog.names(), ["s/t/0.#epoch.0"]);
    assert_eq!(catalog.commit(txn), TransactionEnd::Failed);
    let pinged = catalog.step(|step| transaction::ping(step, "s", "t", txn, 10_000));
    assert_eq!(pinged, Ping::Aborted);
}

#[test]
fn a_transaction_without_pings_is_aborted_once_its_lease_is_over() {
    let catalog = Catalog::with_stream(1);
    let (kept, lost) = (catalog.begin(), catalog.begin());
    let pinged = catalog.step(|step| transaction::ping(step, "s", "t", lost, 0));
    assert_eq!(pinged, Ping::Extended);
    catalog.step(transaction::abort_overdue);
    assert_eq!(catalog.state(kept), TransactionState::Open);
    assert_eq!(catalog.state(lost), TransactionState::Aborted);
    catalog.step(transaction::forget_ended);
    assert_eq!(catalog.state(lost), TransactionState::Aborted);
}

#[test]
fn a_scope_is_deleted_when_it_is_empty_or_with_all_that_is_in_it() {
    let catalog = Catalog::with_stream(1);
    catalog.begin();
    assert_eq!(catalog.step(|step| scope::delete(step, "s")), Ok(ScopeDeletion::NotEmpty));
    assert_eq!(catalog.step(|step| scope::delete_recursively(step, "s")), Ok(ScopeDeletion::Deleted));
    assert_eq!(catalog.look(|state| state.segments().count()), 0);
    assert_eq!(catalog.step(|step| scope::delete(step, "s")), Ok(ScopeDeletion::NotFound));
}

#[test]
fn retention_by_size_cuts_at_a_remembered_place_that_keeps_enough() {
    let catalog = Catalog::with_stream(1);
    let retention = Retention { kind: RetentionKind::Size, at_least: 100, at_most: i64::MAX };
    let config = StreamConfig { retention: Some(retention), ..fixed(1) };
    catalog.step(|step| stream::update(step, "s", "t", Some(config))).expect("fits");
    let streams = catalog.look(retention::retained_streams);
    let [name] = &streams[..] else { panic!("{streams:?}") };
    for _ in 0..5 {
        catalog.append("s/t/0.#epoch.0", 60);
        catalog.step(|step| retention::retain(step, name));
    }
    let start = catalog.look(|state| state.segment("s/t/0.#epoch.0").map(|segment| segment.data().start()));
    assert_eq!(start, Some(180), "120 of 300 bytes are kept: 60 would be too few");
}

#[test]
fn a_writers_time_becomes_a_watermark_that_readers_find() {
    let catalog = Catalog::with_stream(1);
    let note = |time| catalog.step(|step| writer::note(step, "s", "t", "w", time, [(id(0, 0), time)].into()));
    let length = || catalog.look(|state| state.segment("s/_MARKt/0.#epoch.0").map(|segment| segment.data().length()));
    let streams = || catalog.look(writer::marked_streams);
    note(5).expect("there is such a stream");
    let stream = streams().remove(0);
    let watermark = || catalog.step(|step| writer::watermark(step, &stream, |_, _| false));
    watermark();
    assert_eq!(length(), Some(73), "one segment's record");
    watermark();
    assert_eq!(length(), Some(73), "time did not go on");
    note(6).expect("there is such a stream");
    watermark();
    assert_eq!(length(), Some(146));
    catalog.step(|step| writer::watermark(step, &stream, |_, _| true));
    assert_eq!(streams(), [], "a silent writer is forgotten");
}

fn length_of(log: Result<Vec<Part>, OperationError>) -> usize {
    log.unwrap_or_else(|refusal| panic!("{refusal:?}")).iter().map(Part::len).sum()
}

#[test]
fn log_of_a_groups_state_is_read_from_its_mark_on_and_from_no_earlier_than_it_begins() {
    const SEGMENT: &str = "s/_RGg/0.#epoch.0";
    let catalog = Catalog::with_stream(1);
    let config = GroupConfig {
        refresh: 3000,
        checkpoint_interval: 30_000,
        max_outstanding_checkpoints: 3,
        retention: GroupRetention::None,
        starts: BTreeMap::new(),
        ends: BTreeMap::new(),
        rollover_size_bytes: 0,
    };
    let new = group::NewGroup { id: None, generation: 0, config };
    catalog.step(|step| group::create(step, "s", "g", new)).expect("a name");
    let log = || catalog.look(|state| group::state_log(state, "s", "g"));
    assert_eq!(length_of(log()), 0);
    catalog.append(SEGMENT, 10);
    assert_eq!(length_of(log()), 10);
    for (mark, left) in [(4, 6), (10, 0), (11, 0)] {
        let attribute_id = uuid::uuid!("7df9a874-246c-c9d6-9397-cdd19ead68c5");
        let set = AttributeUpdate { attribute_id, update_type: 1, new_value: mark, old_value: 0 };
        catalog.step(|step| step.update_attributes(SEGMENT, &[set])).expect("it is there");
        assert_eq!(length_of(log()), left, "{mark}");
    }
    catalog.append(SEGMENT, 5);
    catalog.step(|step| step.truncate_segment(SEGMENT, 13)).expect("it is that long");
    assert_eq!(length_of(log()), 2);
    assert!(catalog.look(|state| group::state_log(state, "s", "nope")).is_err());
}
