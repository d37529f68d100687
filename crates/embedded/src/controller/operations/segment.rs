//! Segments of streams, transactions and tables in the node.

use pravega_protocol::stream::{ScopedStream, SegmentId};

use crate::controller::catalog::{Epoch, TransactionId};
use crate::node::{NewSegment, SegmentKind, State, Step};

pub(crate) fn of_stream(stream: &ScopedStream, id: SegmentId) -> String {
    format!("{stream}/{id}")
}

/// The segment that holds what a transaction wrote to the segment of this number.
pub(crate) fn of_transaction(stream: &ScopedStream, id: TransactionId, number: u32) -> String {
    format!("{stream}/{}#transaction.{id}", SegmentId::new(number, id.epoch()))
}

pub(crate) fn of_table(table: &ScopedStream, id: SegmentId) -> String {
    format!("{table}_kvtable/{id}")
}

/// Creates the segment, unless a client made it before.
pub(crate) fn create(step: &mut Step<'_>, name: String, kind: SegmentKind) {
    if step.state().segment(&name).is_none() {
        let new = NewSegment { name, kind, attributes: Vec::new() };
        step.create_segment(new).expect("there is no such segment");
    }
}

/// Creates the segments of an epoch that did not exist before it.
pub(crate) fn create_new(step: &mut Step<'_>, stream: &ScopedStream, epoch: &Epoch) {
    for id in epoch.ids().filter(|id| id.epoch() == epoch.number) {
        create(step, of_stream(stream, id), SegmentKind::Stream);
    }
}

/// Seals the segment, unless a client sealed or deleted it before.
pub(crate) fn seal(step: &mut Step<'_>, stream: &ScopedStream, id: SegmentId) {
    let name = of_stream(stream, id);
    if step.state().segment(&name).is_some_and(|segment| !segment.is_sealed()) {
        step.seal_segment(&name).expect("the segment is there and open");
    }
}

/// Deletes the segment, if it is there.
pub(crate) fn delete(step: &mut Step<'_>, name: &str) {
    if step.state().segment(name).is_some() {
        step.delete_segment(name).expect("the segment is there");
    }
}

/// Bytes ever written to the segment; 0 when it is gone.
pub(crate) fn length(state: &State, name: &str) -> i64 {
    state.segment(name).map_or(0, |segment| segment.data().length().cast_signed())
}
