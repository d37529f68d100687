//! A full disk refuses changes and never ends the log: what frees room still can, and then it goes on.

use pravega_protocol::wire::{AttributeUpdate, NO_VALUE};
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::log::TestDisk;
use crate::node::error::ChangeError;

const APPEND: usize = 1000;

/// A node that has the segments "s" and "kept", and no room on its disk.
async fn full_node(dir: &TempDir) -> (Arc<Node>, Arc<TestDisk>, u64) {
    let disk = TestDisk::new();
    disk.set_room(3 * 80 * 1024);
    let node = Node::open_with(dir.path(), limits(1 << 30), small_files().on(&disk)).expect("it can be opened");
    create(&node, "s");
    create(&node, "kept");
    append(&node, "kept", b"kept").expect("it is open");
    let mut length = 0;
    loop {
        match append_in_room(&node).await {
            Ok(appended) => length = appended.length,
            Err(ChangeError::NoRoom(_)) => return (node, disk, length),
            Err(failed) => panic!("{failed}"),
        }
    }
}

async fn append_in_room(node: &Arc<Node>) -> Result<Appended, ChangeError> {
    let room = node.room_for(APPEND).await?;
    let appended = node.step_in(room, |step| step.append("s", vec![7; APPEND].into(), &[], None));
    Ok(node.durable(appended).await?.expect("it is open"))
}

fn attribute(value: i64) -> AttributeUpdate {
    AttributeUpdate { attribute_id: Uuid::from_u128(5), update_type: REPLACE, new_value: value, old_value: NO_VALUE }
}

async fn set_attribute(node: &Arc<Node>, value: i64) -> Result<(), ChangeError> {
    let set = node.change(Purpose::Add, |step| step.update_attributes("kept", &[attribute(value)]));
    set.await.map(|set| set.expect("it is open"))
}

/// Truncates to `offset`, if that may still be written down.
async fn truncate(node: &Arc<Node>, offset: u64) -> Result<(), ChangeError> {
    let truncated = node.change(Purpose::Free, |step| step.truncate_segment("s", offset));
    truncated.await.map(|truncated| truncated.expect("within"))
}

#[tokio::test(flavor = "multi_thread")]
async fn full_disk_refuses_changes_that_free_nothing_and_says_why() {
    let dir = TempDir::new().expect("a folder");
    let (node, _disk, length) = full_node(&dir).await;
    let mut set = 0;
    let refused = loop {
        match set_attribute(&node, set).await {
            Ok(()) => set += 1,
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, ChangeError::NoRoom(_)), "{refused}");
    assert!(refused.to_string().starts_with("the embedded store: no room for more records: cannot "), "{refused}");
    let seen = node.look(|state| state.segment("kept").expect("there").attribute(Uuid::from_u128(5)));
    let last = if set > 0 { set - 1 } else { NO_VALUE };
    assert_eq!(node.durable(seen).await.expect("the log goes on"), last);
    truncate(&node, 10).await.expect("room is kept for it");
    assert!(append_in_room(&node).await.is_err());
    let seen = node.look(|state| state.segment("s").expect("there").data().length());
    assert_eq!(node.durable(seen).await.expect("the log goes on"), length);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_number_of_changes_ends_the_log_of_a_full_disk() {
    let dir = TempDir::new().expect("a folder");
    let (node, _disk, _) = full_node(&dir).await;
    let mut truncated = 0;
    for offset in 1..2000 {
        let _ = set_attribute(&node, 1).await;
        match truncate(&node, offset).await {
            Ok(()) => truncated = offset,
            Err(refused) => assert!(matches!(refused, ChangeError::NoRoom(_)), "{refused}"),
        }
    }
    node.durable(node.look(|_| ())).await.expect("the log goes on");
    kill(node).await;
    let node = Node::open_with(dir.path(), limits(1 << 30), small_files()).expect("it can be opened");
    let start = node.look(|state| state.segment("s").expect("there").data().start()).into_inner();
    assert_eq!(start, truncated);
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_go_on_once_truncation_has_given_the_disk_back() {
    let dir = TempDir::new().expect("a folder");
    let (node, disk, length) = full_node(&dir).await;
    let before = journal(&node).log.files().len();
    truncate(&node, length).await.expect("room is kept for it");
    node.tidy(journal(&node)).await.expect("a checkpoint has room");
    let after = journal(&node).log.files().len();
    assert!(after < before, "{after} of {before} files are left");
    disk.set_room(80 * 1024);
    for n in 1..=60 {
        let appended = append_in_room(&node).await.expect("there is room again");
        assert_eq!(appended.length, length + n * APPEND as u64);
    }
    kill(node).await;
    let node = Node::open_with(dir.path(), limits(1 << 30), small_files()).expect("it can be opened");
    let parts = node.look(|state| state.segment("kept").expect("there").data().read(0, 100)).into_inner();
    assert_eq!(node.fetch(parts).await.expect("it is there").concat(), b"kept");
}
