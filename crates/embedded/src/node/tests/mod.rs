mod directory_v1;
mod format;
mod full;
mod kept;
mod memory;
mod panics;
mod power;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::journal::Journal;
use super::*;
use crate::log::Options;

fn limits(max_bytes: u64) -> NodeLimits {
    NodeLimits { max_bytes, wait_for_room: Duration::from_millis(200) }
}

fn node(max_bytes: u64) -> Arc<Node> {
    Node::in_memory(limits(max_bytes))
}

fn small_files() -> Options {
    let mut options = Options::default();
    (options.file_bytes, options.max_gathered_bytes) = (64 * 1024, 64 * 1024);
    options
}

fn journal(node: &Node) -> &Journal {
    node.journal.as_ref().expect("a directory keeps it")
}

/// Closes it as a killed process would leave it: what was durable is there.
async fn kill(node: Arc<Node>) {
    let node = Arc::try_unwrap(node).expect("no one else holds it");
    tokio::task::spawn_blocking(move || drop(node)).await.expect("no panic");
}

fn create(node: &Node, name: &str) {
    let new = NewSegment { name: name.to_owned(), kind: SegmentKind::Stream, attributes: vec![] };
    node.step(|step| step.create_segment(new)).into_inner().expect("a new name");
}

fn append(node: &Node, name: &str, data: &[u8]) -> Result<Appended, SegmentError> {
    node.step(|step| step.append(name, Bytes::copy_from_slice(data), &[], None)).into_inner()
}

fn read(node: &Node, name: &str, offset: u64, max: usize) -> Vec<u8> {
    let parts = node.look(|state| state.segment(name).expect("there").data().read(offset, max)).into_inner();
    parts.into_iter().flat_map(|part| part.bytes().to_vec()).collect()
}
