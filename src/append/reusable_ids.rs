//! Writer ids of the segments' writers. Each leaves an attribute on its segment for good, so a writer that ends in order
//! leaves its id to the next one of the segment.
//!
//! ```text
//! take ─▶ in use ── give_back: the store has every number that was sent ─▶ free
//!            └──── dropped: a block may still arrive at the store ───────▶ never used again
//! ```
//! Numbers of an id are never used again: were a block of an earlier writer stored late, or its number reported by a
//! store that has lost the segment and lags behind, it would be taken for the number of another event.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use pravega_protocol::stream::SegmentName;
use pravega_protocol::wire::WriterId;
use uuid::Uuid;

use crate::random;

/// Ids that are remembered because they must not be used again. With more of them, all ids begin from another base.
const MOST_SPOILED: usize = 20_000;

/// The ids of this process. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct ReusableIds(Arc<Mutex<Ids>>);

#[derive(Debug)]
struct Ids {
    /// What all ids are derived from; no other process has it.
    base: Uuid,
    /// For each segment, the numbers of its ids that may not be taken.
    taken: HashMap<SegmentName, Vec<u32>>,
    spoiled: usize,
    /// Highest number that was used with any id that was given back.
    highest_number: i64,
}

/// An id that no other writer of the segment has.
#[derive(Debug)]
pub(super) struct ReusableId {
    all: ReusableIds,
    base: Uuid,
    segment: SegmentName,
    number: u32,
    /// What the writer's event numbers may begin with.
    pub(super) first_event_number: i64,
    is_given_back: bool,
}

impl ReusableIds {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Ids::new())))
    }

    /// The first id of the segment that may be taken.
    pub(super) fn take(&self, segment: &SegmentName) -> ReusableId {
        let mut ids = self.0.lock();
        let taken = ids.taken.entry(segment.clone()).or_default();
        let number = (0..).find(|number| !taken.contains(number)).expect("there are more numbers than writers");
        taken.push(number);
        let (base, first_event_number) = (ids.base, ids.highest_number + 1);
        ReusableId {
            all: self.clone(),
            base,
            segment: segment.clone(),
            number,
            first_event_number,
            is_given_back: false,
        }
    }
}

#[cfg(test)]
impl ReusableIds {
    /// Ids that a writer has now.
    pub(super) fn in_use(&self) -> usize {
        let ids = self.0.lock();
        ids.taken.values().map(Vec::len).sum::<usize>() - ids.spoiled
    }
}

impl Ids {
    fn new() -> Self {
        Self { base: random::fresh_id(), taken: HashMap::new(), spoiled: 0, highest_number: -1 }
    }

    fn free(&mut self, segment: &SegmentName, number: u32) {
        let taken = self.taken.get_mut(segment).expect("an id that is given back was taken");
        taken.retain(|other| *other != number);
        if taken.is_empty() {
            self.taken.remove(segment);
        }
    }

    fn spoil(&mut self) {
        self.spoiled += 1;
        if self.spoiled > MOST_SPOILED {
            *self = Self::new();
        }
    }
}

impl ReusableId {
    pub(super) fn id(&self) -> WriterId {
        WriterId(Uuid::new_v5(&self.base, format!("{}/{}", self.segment, self.number).as_bytes()))
    }

    /// Leaves the id to the next writer. Nothing that was sent with it, up to this number, may be stored from now on.
    pub(super) fn give_back(mut self, highest_number: i64) {
        let mut ids = self.all.0.lock();
        ids.highest_number = ids.highest_number.max(highest_number);
        drop(ids);
        self.is_given_back = true;
    }
}

impl Drop for ReusableId {
    fn drop(&mut self) {
        let mut ids = self.all.0.lock();
        match self.is_given_back {
            // Ids of another base are remembered no more.
            _ if ids.base != self.base => {}
            true => ids.free(&self.segment, self.number),
            false => ids.spoil(),
        }
    }
}

#[cfg(test)]
mod tests {
    use pravega_protocol::wire::NO_VALUE;

    use super::*;

    fn segment(stream: usize) -> SegmentName {
        format!("scope/stream{stream}/0.#epoch.0").parse().expect("a name")
    }

    #[test]
    fn id_that_was_given_back_is_taken_again_and_others_are_not() {
        let ids = ReusableIds::new();
        let (first, second) = (ids.take(&segment(0)), ids.take(&segment(0)));
        let (one, two) = (first.id(), second.id());
        assert_ne!(one, two, "both are in use");
        assert_eq!(first.first_event_number, 0);
        first.give_back(7);
        let again = ids.take(&segment(0));
        assert_eq!((again.id(), again.first_event_number), (one, 8));
        drop(again);
        second.give_back(3);
        let again = ids.take(&segment(0));
        assert_eq!((again.id(), again.first_event_number), (two, 8), "what was dropped is spoiled");
        again.give_back(NO_VALUE);
        assert_eq!(ids.take(&segment(1)).first_event_number, 8);
    }

    #[test]
    fn ids_of_segments_and_processes_differ() {
        let (ids, others) = (ReusableIds::new(), ReusableIds::new());
        let id = ids.take(&segment(0)).id();
        assert_ne!(ids.take(&segment(1)).id(), id);
        assert_ne!(others.take(&segment(0)).id(), id);
    }

    #[test]
    fn memory_is_bounded_and_no_id_comes_back_by_that() {
        let ids = ReusableIds::new();
        let (held, spoiled) = (ids.take(&segment(0)), ids.take(&segment(1)).id());
        for stream in 2..MOST_SPOILED + 3 {
            drop(ids.take(&segment(stream)));
        }
        assert!(ids.0.lock().taken.len() < 3);
        assert_ne!(ids.take(&segment(1)).id(), spoiled);
        let held_id = held.id();
        let beside = ids.take(&segment(0));
        assert_ne!(beside.id(), held_id);
        held.give_back(1);
        assert_ne!(ids.take(&segment(0)).id(), beside.id(), "what is given back is of another base");
    }
}
