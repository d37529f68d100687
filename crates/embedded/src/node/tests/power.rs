//! The machine loses power: what was let through before is there again, whole and in order, and nothing else but what was
//! under way.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use pravega_protocol::wire::{AttributeUpdate, NO_VALUE, TableEntry, TableKey};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use tempfile::TempDir;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::*;
use crate::log::TestDisk;

const WRITERS: usize = 4;

const RECORD: usize = 8;

const NUMBER: Uuid = Uuid::from_u128(1);

/// What one writer knows of its segment.
#[derive(Debug, Default)]
struct Written {
    sent: AtomicU64,
    acknowledged: AtomicU64,
}

fn segment(writer: usize) -> String {
    format!("segment-{writer}")
}

fn table(writer: usize) -> String {
    format!("table-{writer}")
}

async fn begin(node: &Arc<Node>) {
    for writer in 0..WRITERS {
        for (name, kind) in [(segment(writer), SegmentKind::Stream), (table(writer), SegmentKind::HashTable)] {
            let new = NewSegment { name, kind, attributes: vec![] };
            let created = node.change(Purpose::Add, |step| step.create_segment(new)).await;
            created.expect("there is room").expect("a new name");
        }
    }
}

/// Appends number after number, with an attribute and an entry that tell it too, until the log fails.
async fn write(node: Arc<Node>, writer: usize, written: Arc<Written>) {
    let key = Bytes::from_static(b"key");
    for number in 0.. {
        written.sent.store(number + 1, Ordering::SeqCst);
        let data = Bytes::from(number.to_be_bytes().to_vec());
        let new_value = number.cast_signed();
        let update = AttributeUpdate { attribute_id: NUMBER, update_type: REPLACE, new_value, old_value: NO_VALUE };
        let entry = TableEntry { key: TableKey { data: key.clone(), version: NO_VALUE }, value: data.clone() };
        let written_down = node.change(Purpose::Add, |step| {
            step.append(&segment(writer), data, &[update], None).expect("it is open");
            step.update_table(&table(writer), &[entry], -1).expect("it is a table");
        });
        if written_down.await.is_err() {
            return;
        }
        written.acknowledged.store(number + 1, Ordering::SeqCst);
    }
}

/// Lets writers write to a disk that loses power in the midst of a group, after this many numbers.
async fn lose_power(dir: &Path, random: &mut SmallRng) -> Vec<Arc<Written>> {
    let disk = TestDisk::new();
    let node = Node::open_with(dir, limits(1 << 30), small_files().on(&disk)).expect("it can be opened");
    begin(&node).await;
    let written: Vec<Arc<Written>> = (0..WRITERS).map(|_| Arc::default()).collect();
    let mut writers: JoinSet<()> = written
        .iter()
        .enumerate()
        .map(|(writer, written)| write(Arc::clone(&node), writer, Arc::clone(written)))
        .collect();
    for checkpoint in [true, false] {
        let enough = written[0].acknowledged.load(Ordering::SeqCst) + random.random_range(1..200);
        while written[0].acknowledged.load(Ordering::SeqCst) < enough {
            tokio::task::yield_now().await;
        }
        if checkpoint && random.random() {
            node.checkpoint(journal(&node)).await.expect("a disk that works");
        }
    }
    disk.hold();
    let survives: u64 = random.random();
    tokio::task::spawn_blocking(move || {
        disk.await_sync();
        let mut sector = 0;
        disk.crash(|| {
            sector += 1;
            survives >> (sector % 64) & 1 == 1
        });
    })
    .await
    .expect("no panic");
    while let Some(ended) = writers.join_next().await {
        ended.expect("no panic");
    }
    kill(node).await;
    written
}

/// The numbers in a writer's segment, and what attribute and entry tell.
async fn found(node: &Arc<Node>, writer: usize) -> (Vec<u8>, i64, Option<Bytes>) {
    let seen = node.look(|state| {
        let stored = state.segment(&segment(writer)).expect("it was created");
        let entries = state.segment(&table(writer)).and_then(StoredSegment::table).expect("it was created");
        let entry = entries.live().map(|(_, _, value)| value.clone()).next();
        (stored.data().read(0, usize::MAX), stored.attribute(NUMBER), entry)
    });
    let (parts, attribute, entry) = seen.into_inner();
    (node.fetch(parts).await.expect("it is there").concat(), attribute, entry)
}

#[tokio::test(flavor = "multi_thread")]
async fn power_lost_at_any_moment_loses_nothing_that_was_let_through() {
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = SmallRng::seed_from_u64(seed);
    for _ in 0..30 {
        let dir = TempDir::new().expect("a folder");
        let written = lose_power(dir.path(), &mut random).await;
        let node = Node::open_with(dir.path(), limits(1 << 30), small_files()).expect("it can be opened");
        for (writer, written) in written.iter().enumerate() {
            let (data, attribute, entry) = found(&node, writer).await;
            let (numbers, torn) = data.as_chunks::<RECORD>();
            assert_eq!(torn, &[0; 0], "writer {writer}");
            let count = numbers.len() as u64;
            assert!(numbers.iter().copied().eq((0..count).map(u64::to_be_bytes)), "writer {writer}");
            let [acknowledged, sent] = [&written.acknowledged, &written.sent].map(|count| count.load(Ordering::SeqCst));
            assert!((acknowledged..=sent).contains(&count), "{acknowledged} acknowledged, {count} there, {sent} sent");
            assert_eq!(attribute, count.checked_sub(1).map_or(NO_VALUE, u64::cast_signed));
            assert_eq!(entry, numbers.last().map(|last| Bytes::from(last.to_vec())));
        }
    }
}
