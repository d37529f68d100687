mod kept;
mod memory;

use std::sync::Arc;
use std::time::Duration;

use super::*;

fn limits(max_bytes: u64) -> NodeLimits {
    NodeLimits { max_bytes, wait_for_room: Duration::from_millis(200) }
}

fn node(max_bytes: u64) -> Arc<Node> {
    Node::in_memory(limits(max_bytes))
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
