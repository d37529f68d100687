//! Events that are submitted together: what one segment gets goes as one, so that its events share blocks.

use std::collections::HashMap;
use std::sync::Arc;

use pravega_protocol::stream::SegmentId;

use super::callers::Callers;
use super::error::Error;
use super::event::{NewEvent, PendingEvent, Submission, fail};
use super::recovery::Routing;
use super::router::StreamWriters;
use super::segment_writer::SegmentWriter;
use super::ticket::{Ticket, ticket};

/// Events to submit together.
#[derive(Debug, Default)]
pub struct Batch {
    pub(super) events: Vec<PendingEvent>,
}

impl Batch {
    /// Adds an event. Its ticket reports the outcome, also if the batch is never submitted.
    pub fn push(&mut self, event: NewEvent) -> Ticket {
        let (sender, ticket) = ticket();
        self.events.push(PendingEvent::new(event, sender));
        ticket
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there are no events.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}

/// A batch, divided by segments.
#[derive(Default)]
struct Parts {
    of_writers: Vec<(SegmentWriter, Vec<PendingEvent>)>,
    /// Events in parts of the key space that have no writer.
    unrouted: Vec<PendingEvent>,
}

/// Submits each segment's events as one. Returns those that need the next routing, each segment's in their order.
pub(super) async fn submit_by_segment(
    writers: &Arc<StreamWriters>,
    callers: &Callers,
    known: &Arc<Routing>,
    events: Vec<PendingEvent>,
) -> Vec<PendingEvent> {
    let Parts { of_writers, unrouted } = divide(writers, callers, known, events).await;
    let mut left = Vec::new();
    for (writer, events) in of_writers {
        writer.admitted(events.iter().map(|event| event.event.payload.len()).sum()).await;
        match writer.reserve().await {
            Some(room) => room.send(Submission::Several(events)),
            None => left.extend(events),
        }
    }
    if unrouted.is_empty() {
        if !left.is_empty() {
            writers.routing.changed_from(known).await;
        }
        return left;
    }
    match writers.fill_gaps(callers).await {
        Ok(()) => left.extend(unrouted),
        Err(error) => fail(unrouted, &error),
    }
    left
}

/// Sorts events by their writers, in their order. Events that cannot have a writer are answered with the reason, which is
/// asked for once where they name the same segment.
async fn divide(writers: &Arc<StreamWriters>, callers: &Callers, known: &Routing, events: Vec<PendingEvent>) -> Parts {
    let mut parts = Parts::default();
    let mut indices: HashMap<SegmentId, usize> = HashMap::new();
    let mut refused: HashMap<SegmentId, Error> = HashMap::new();
    for event in events {
        let named = event.event.target.segment();
        if let Some(error) = named.and_then(|segment| refused.get(&segment)) {
            event.ticket.resolve(Err(error.clone()));
            continue;
        }
        match writers.find(callers, known, event.event.target).await {
            Ok(Some(writer)) => {
                let index = *indices.entry(writer.segment().id).or_insert(parts.of_writers.len());
                match parts.of_writers.get_mut(index) {
                    Some((_, events)) => events.push(event),
                    None => parts.of_writers.push((writer, vec![event])),
                }
            }
            Ok(None) => parts.unrouted.push(event),
            Err(error) => {
                refused.extend(named.map(|segment| (segment, error.clone())));
                event.ticket.resolve(Err(error));
            }
        }
    }
    parts
}
