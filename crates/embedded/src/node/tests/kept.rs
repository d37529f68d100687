//! Nodes that a directory keeps: what they know must be the same after a restart, whatever was in a checkpoint.

use std::collections::BTreeMap;
use std::path::Path;

use pravega_protocol::wire::{AttributeUpdate, NO_VALUE, TableEntry, TableKey};
use proptest::prelude::*;
use tempfile::TempDir;
use uuid::Uuid;

use super::*;

/// All that can be seen of a node.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    segments: BTreeMap<String, SeenSegment>,
    records: Vec<(String, Bytes)>,
}

#[derive(Debug, PartialEq, Eq)]
struct SeenSegment {
    start: u64,
    sealed: bool,
    last_modified: i64,
    attributes: BTreeMap<Uuid, i64>,
    data: Vec<u8>,
    table: Vec<(i64, Bytes, Bytes)>,
    table_length: Option<i64>,
}

async fn see(node: &Arc<Node>) -> Seen {
    let names: Vec<String> =
        node.look(|state| state.segments().map(|segment| segment.name().to_owned()).collect()).into_inner();
    let mut segments = BTreeMap::new();
    for name in names {
        segments.insert(name.clone(), see_segment(node, &name).await);
    }
    let records = node.look(|state| state.records("").map(|(key, value)| (key.to_owned(), value.clone())).collect());
    Seen { segments, records: records.into_inner() }
}

async fn see_segment(node: &Arc<Node>, name: &str) -> SeenSegment {
    let (parts, mut seen) = node
        .look(|state| {
            let segment = state.segment(name).expect("just seen");
            let data = segment.data();
            let owned = |(version, key, value): (i64, &Bytes, &Bytes)| (version, key.clone(), value.clone());
            let seen = SeenSegment {
                start: data.start(),
                sealed: segment.is_sealed(),
                last_modified: segment.last_modified(),
                attributes: segment.attributes.clone(),
                data: Vec::new(),
                table: segment.table().into_iter().flat_map(|table| table.live().map(owned)).collect(),
                table_length: segment.table().map(|table| table.length()),
            };
            (data.read(data.start(), usize::MAX), seen)
        })
        .into_inner();
    node.reached(node.look(|_| ()).into_parts().1).await.expect("the log goes on");
    seen.data = node.fetch(parts).await.expect("it is there").concat();
    seen
}

fn open(dir: &Path) -> Arc<Node> {
    Node::open_with(dir, limits(1 << 30), small_files()).expect("it can be opened")
}

/// One thing that may happen to a node. Segments are chosen by number.
#[derive(Debug, Clone)]
enum Act {
    Create(u8),
    CreateTable(u8),
    Append(u8, u16),
    Attribute(u8, i64),
    Truncate(u8, u16),
    Seal(u8),
    Delete(u8),
    Merge(u8, u8),
    Put(u8, u8),
    RemoveKey(u8, u8),
    Record(u8, Option<u8>),
    Checkpoint,
    Tidy,
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    let segment = 0..4u8;
    prop_oneof![
        2 => segment.clone().prop_map(Act::Create),
        1 => segment.clone().prop_map(Act::CreateTable),
        12 => (segment.clone(), 0..6000u16).prop_map(|(segment, len)| Act::Append(segment, len)),
        2 => (segment.clone(), any::<i64>()).prop_map(|(segment, value)| Act::Attribute(segment, value)),
        2 => (segment.clone(), any::<u16>()).prop_map(|(segment, at)| Act::Truncate(segment, at)),
        1 => segment.clone().prop_map(Act::Seal),
        1 => segment.clone().prop_map(Act::Delete),
        1 => (segment.clone(), segment.clone()).prop_map(|(target, source)| Act::Merge(target, source)),
        4 => (segment.clone(), 0..8u8).prop_map(|(segment, key)| Act::Put(segment, key)),
        1 => (segment, 0..8u8).prop_map(|(segment, key)| Act::RemoveKey(segment, key)),
        1 => (0..4u8, any::<Option<u8>>()).prop_map(|(key, value)| Act::Record(key, value)),
        1 => Just(Act::Checkpoint),
        1 => Just(Act::Tidy),
        1 => Just(Act::Restart),
    ]
}

fn name(segment: u8) -> String {
    format!("s/t/{segment}.#epoch.0")
}

fn key(key: u8) -> TableKey {
    TableKey { data: vec![key].into(), version: NO_VALUE }
}

impl Act {
    /// Does it; what is refused changes nothing, and that is seen by comparing.
    fn take(&self, step: &mut Step<'_>) {
        let created = |kind| move |segment| NewSegment { name: name(segment), kind, attributes: vec![] };
        match *self {
            Self::Create(segment) => drop(step.create_segment(created(SegmentKind::Stream)(segment))),
            Self::CreateTable(segment) => drop(step.create_segment(created(SegmentKind::HashTable)(segment))),
            Self::Append(segment, len) => {
                let data: Vec<u8> = (0..len).map(|i| (i % 253) as u8 ^ segment).collect();
                drop(step.append(&name(segment), data.into(), &[], None));
            }
            Self::Attribute(segment, new_value) => {
                let update =
                    AttributeUpdate { attribute_id: Uuid::from_u128(5), update_type: REPLACE, new_value, old_value: 0 };
                drop(step.update_attributes(&name(segment), &[update]));
            }
            Self::Truncate(segment, at) => drop(step.truncate_segment(&name(segment), at.into())),
            Self::Seal(segment) => drop(step.seal_segment(&name(segment))),
            Self::Delete(segment) => drop(step.delete_segment(&name(segment))),
            Self::Merge(target, source) => drop(step.merge_segment(&name(target), &name(source), &[])),
            Self::Put(segment, number) => {
                let entry = TableEntry { key: key(number), value: vec![number; 100].into() };
                drop(step.update_table(&name(segment), &[entry], -1));
            }
            Self::RemoveKey(segment, number) => drop(step.remove_keys(&name(segment), &[key(number)], -1)),
            Self::Record(key, Some(value)) => step.put(&format!("r{key}"), vec![value].into()),
            Self::Record(key, None) => step.remove(&format!("r{key}")),
            Self::Checkpoint | Self::Tidy | Self::Restart => {}
        }
    }
}

async fn play(acts: Vec<Act>) -> Result<(), TestCaseError> {
    let dir = TempDir::new().expect("a folder");
    let mut node = open(dir.path());
    for act in acts {
        match act {
            Act::Checkpoint => node.checkpoint(journal(&node)).await.expect("there is room"),
            Act::Tidy => {
                let before = see(&node).await;
                node.tidy_beyond(journal(&node), 0).await.expect("there is room");
                prop_assert_eq!(see(&node).await, before);
            }
            Act::Restart => {
                let before = see(&node).await;
                kill(node).await;
                node = open(dir.path());
                prop_assert_eq!(see(&node).await, before);
            }
            act => node.step(|step| act.take(step)).into_inner(),
        }
    }
    let before = see(&node).await;
    kill(node).await;
    prop_assert_eq!(see(&open(dir.path())).await, before);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_happened_is_there_after_a_restart(acts in proptest::collection::vec(act(), 1..120)) {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime").block_on(play(acts))?;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_of_what_is_truncated_and_deleted_is_given_back_and_what_lives_is_moved() {
    let dir = TempDir::new().expect("a folder");
    let node = open(dir.path());
    create(&node, "long");
    create(&node, "kept");
    let mut kept = Vec::new();
    for round in 0..400_u32 {
        // one small append that lives in every file, among many that die
        let data = round.to_be_bytes();
        kept.extend_from_slice(&data);
        append(&node, "kept", &data).expect("open");
        append(&node, "long", &vec![7; 50_000]).expect("open");
        if round % 16 == 15 {
            node.durable(node.look(|_| ())).await.expect("the log goes on");
        }
    }
    let end = node.look(|state| state.segment("long").expect("there").data().length()).into_inner();
    node.step(|step| step.truncate_segment("long", end)).into_inner().expect("within");
    let before = journal(&node).log.files().len();
    for _ in 0..before {
        node.tidy_beyond(journal(&node), 64 * 1024).await.expect("there is room");
    }
    let files = journal(&node).log.files();
    assert!(files.len() * 4 < before, "{before} files have become {}", files.len());
    kill(node).await;
    let node = open(dir.path());
    assert!(see_segment(&node, "kept").await.data == kept);
}

#[tokio::test(flavor = "multi_thread")]
async fn second_node_on_a_directory_is_refused_at_once() {
    let dir = TempDir::new().expect("a folder");
    let _node = open(dir.path());
    let refused = Node::open(dir.path(), limits(1)).expect_err("it is in use").to_string();
    assert!(refused.contains(&dir.path().display().to_string()), "{refused}");
}
