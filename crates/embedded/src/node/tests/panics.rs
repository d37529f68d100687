//! Steps that panic: what they had done by then is neither seen nor kept.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::node::error::NodeBroken;

/// A step that panics between its two changes.
fn panic_halfway(step: &mut Step<'_>) {
    step.seal_segment("s").expect("it is open");
    panic!("halfway");
}

fn message(panicked: Result<(), Box<dyn std::any::Any + Send>>) -> String {
    let message = panicked.expect_err("it panics");
    message
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| message.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .expect("a text")
}

fn broken_by(node: &Node, act: impl FnOnce(&mut Step<'_>)) {
    assert_eq!(message(catch_unwind(AssertUnwindSafe(|| node.step(act).into_inner()))), "halfway");
}

async fn fails_from_now_on(node: &Arc<Node>) {
    let text = NodeBroken.to_string();
    assert_eq!(node.check(), Err(NodeBroken));
    let changed = node.change(Purpose::Add, |step| step.put("k", Bytes::new())).await;
    assert_eq!(changed.expect_err("broken").to_string(), text);
    let looked = node.look_durably(|state| state.segments().count()).await;
    assert_eq!(looked.expect_err("broken").to_string(), text);
    assert_eq!(message(catch_unwind(AssertUnwindSafe(|| drop(append(node, "s", b"x"))))), text);
    assert_eq!(message(catch_unwind(AssertUnwindSafe(|| node.look(|_| ()).into_inner()))), text);
}

#[tokio::test]
async fn a_step_that_panics_breaks_a_node_in_memory() {
    let node = node(1000);
    create(&node, "s");
    let room = node.room_for(10).await.expect("room");
    let panicked = catch_unwind(AssertUnwindSafe(|| node.step_in(room, panic_halfway).into_inner()));
    assert_eq!(message(panicked), "halfway");
    fails_from_now_on(&node).await;
}

#[tokio::test]
async fn nothing_of_a_step_that_panicked_is_in_a_directory() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let node = Node::open_with(dir.path(), limits(1 << 20), small_files()).expect("it opens");
    create(&node, "s");
    append(&node, "s", b"kept").expect("open");
    broken_by(&node, panic_halfway);
    fails_from_now_on(&node).await;
    kill(node).await;
    let node = Node::open_with(dir.path(), limits(1 << 20), small_files()).expect("it opens");
    append(&node, "s", b"more").expect("not sealed");
    assert_eq!(node.look(|state| state.segment("s").map(|segment| segment.data().length())).into_inner(), Some(8));
}

#[test]
fn a_look_that_panics_breaks_nothing() {
    let node = node(1000);
    create(&node, "s");
    assert!(catch_unwind(AssertUnwindSafe(|| node.look(|_| panic!("halfway")).into_inner())).is_err());
    append(&node, "s", b"x").expect("open");
}
