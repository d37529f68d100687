//! The catalog's records as they lie in directories.

use std::collections::BTreeMap;
use std::fmt::Debug;

use pravega_protocol::stream::{Scope, ScopedStream, SegmentId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::table::TableRecord;
use crate::controller::catalog::{
    Cut, Epoch, EpochSegment, GroupConfig, GroupRetention, Outcome, Range, ReaderGroup, Retention, RetentionCut,
    RetentionKind, Scaling, ScalingKind, StreamConfig, StreamRecord, Subscriber, TableConfig, Transaction,
    TransactionId, Watermark, WriterMark, key,
};
use crate::golden::{self, variants};

const AT: i64 = 1_795_934_197_878;

const SCALINGS: [ScalingKind; 3] = [ScalingKind::Fixed, ScalingKind::KilobytesPerSecond, ScalingKind::EventsPerSecond];
const RETENTIONS: [RetentionKind; 2] = [RetentionKind::Time, RetentionKind::Size];
const GROUP_RETENTIONS: [GroupRetention; 3] = [GroupRetention::None, GroupRetention::Manual, GroupRetention::Automatic];
const OUTCOMES: [Outcome; 2] = [Outcome::Committed, Outcome::Aborted];

/// Keys and values, each checked to be read back.
#[derive(Default)]
struct Lines(Vec<(String, String)>);

impl Lines {
    fn add<T: Serialize + DeserializeOwned + PartialEq + Debug>(&mut self, key: String, record: T) {
        let json = serde_json::to_string(&record).expect("JSON");
        assert_eq!(serde_json::from_str::<T>(&json).expect("the same"), record);
        self.0.push((key, json));
    }
}

fn scope() -> Scope {
    Scope::new("scope").expect("a name")
}

fn stream() -> ScopedStream {
    "scope/stream".parse().expect("names")
}

fn cut() -> Cut {
    [(SegmentId::new(1, 0), -1), (SegmentId::new(2, 3), 1 << 40)].into()
}

fn segment() -> EpochSegment {
    EpochSegment { id: SegmentId::new(2, 3), range: Range::new(0.0, 1.0 / 3.0), created: AT }
}

fn config(kind: ScalingKind, retention: Option<RetentionKind>) -> StreamConfig {
    let retention = retention.map(|kind| Retention { kind, at_least: 1 << 40, at_most: i64::MAX });
    StreamConfig {
        scaling: Scaling { kind, target_rate: 10, scale_factor: 2, min_segments: 3 },
        retention,
        tags: ["blue".to_owned(), "red".to_owned()].into(),
        timestamp_aggregation_timeout: 1 << 41,
        rollover_size_bytes: 1 << 42,
    }
}

fn group(retention: GroupRetention) -> ReaderGroup {
    let cuts = || BTreeMap::from([("scope/stream".to_owned(), cut()), ("scope/whole".to_owned(), Cut::new())]);
    let config = GroupConfig {
        refresh: 1 << 40,
        checkpoint_interval: 1 << 41,
        max_outstanding_checkpoints: 3,
        retention,
        starts: cuts(),
        ends: cuts(),
        rollover_size_bytes: 1 << 42,
    };
    ReaderGroup { id: Uuid::from_u128(9), generation: 1 << 43, config }
}

fn add_streams(lines: &mut Lines) {
    let kinds = SCALINGS.into_iter().zip([None].into_iter().chain(RETENTIONS.map(Some)));
    for (kind, retention) in kinds {
        let (config, head, truncated) = (config(kind, retention), cut(), 1 << 40);
        lines.add(key::stream(&stream()), StreamRecord { config, sealed: true, active: 7, head, truncated });
    }
    let segments = vec![segment()];
    lines.add(key::epoch(&stream(), 7), Epoch { number: 7, reference: 5, created: AT, segments });
    lines.add(key::first_number(&stream()), 7_u32);
    lines.add(key::retention(&stream()), vec![RetentionCut { at: AT, size: 1 << 40, cut: cut() }]);
}

fn add_transactions(lines: &mut Lines) {
    let id = TransactionId::new(7, 1 << 40);
    lines.add(key::NEXT_TRANSACTION.to_owned(), 1_i64 << 40);
    lines.add(key::transaction(&stream(), id), Transaction { expires: AT, dies: AT + 1, ended: None });
    for outcome in OUTCOMES {
        let ended = Some((outcome, AT + 2));
        lines.add(key::ended(&stream(), id), Transaction { expires: AT, dies: AT + 1, ended });
    }
}

fn add_groups(lines: &mut Lines) {
    for retention in GROUP_RETENTIONS {
        lines.add(key::group(&scope(), "group"), group(retention));
    }
    let subscriber = key::subscriber(&stream(), "scope/group");
    lines.add(subscriber, Subscriber { generation: 1 << 40, cut: cut() });
}

fn add_writers(lines: &mut Lines) {
    lines.add(key::mark(&stream(), "é"), WriterMark { time: AT, position: cut(), alive: true });
    let cut = vec![(segment(), 1 << 40)];
    lines.add(key::watermark(&stream()), Watermark { lower: 1 << 40, upper: 1 << 41, cut });
}

fn add_tables(lines: &mut Lines) {
    let config =
        TableConfig { partitions: 2, primary_key_length: 4, secondary_key_length: 8, rollover_size_bytes: 1 << 40 };
    let table = "scope/table".parse().expect("names");
    lines.add(key::table(&table), TableRecord { config, segments: vec![segment()] });
    lines.add(key::first_table_number(&table), 7_u32);
}

#[test]
fn every_record_has_its_pinned_text() {
    let mut lines = Lines::default();
    lines.add(key::scope(&scope()), ());
    for add in [add_streams, add_transactions, add_groups, add_writers, add_tables] {
        add(&mut lines);
    }
    golden::check("catalog.txt", &lines.0);
}

#[test]
fn every_kind_is_among_the_pinned_ones() {
    assert_eq!(names(&SCALINGS), variants::<ScalingKind>());
    assert_eq!(names(&RETENTIONS), variants::<RetentionKind>());
    assert_eq!(names(&GROUP_RETENTIONS), variants::<GroupRetention>());
    assert_eq!(names(&OUTCOMES), variants::<Outcome>());
}

fn names<T: Serialize>(kinds: &[T]) -> Vec<String> {
    let json = |kind| serde_json::to_value(kind).expect("JSON");
    kinds.iter().map(|kind| json(kind).as_str().expect("a name").to_owned()).collect()
}
