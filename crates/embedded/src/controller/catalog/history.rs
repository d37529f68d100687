//! Questions to the epochs of a stream.

use pravega_protocol::stream::SegmentId;

use super::{Epoch, EpochSegment};

/// The epochs of one stream. Epochs are numbered without gaps, and a segment is in all from the one that
/// created it to the one before it was sealed.
pub(crate) trait History {
    /// The epoch whose segments take appends.
    fn active(&self) -> u32;

    /// The epoch of this number, `None` beyond the active one.
    fn epoch(&self, number: u32) -> Option<Epoch>;

    /// A segment, as the epoch that created it has it.
    fn segment(&self, id: SegmentId) -> Option<EpochSegment> {
        self.epoch(id.epoch())?.segment(id).copied()
    }

    /// The epochs of these numbers, both included.
    fn epochs(&self, from: u32, to: u32) -> Option<Vec<Epoch>> {
        (from..=to).map(|number| self.epoch(number)).collect()
    }

    /// The first epoch that the segment is no longer part of; `None` while it takes appends, or if it is
    /// unknown.
    fn sealed_by(&self, id: SegmentId) -> Option<Epoch> {
        self.segment(id)?;
        let holds = |number| self.epoch(number).is_some_and(|epoch| epoch.contains(id));
        if holds(self.active()) {
            return None;
        }
        let (mut with, mut without) = (id.epoch(), self.active());
        while without - with > 1 {
            let middle = with + (without - with) / 2;
            if holds(middle) { with = middle } else { without = middle }
        }
        self.epoch(without)
    }
}

/// The segments that follow a sealed one, each with all that it follows. None while it takes appends.
pub(crate) fn successors(history: &impl History, id: SegmentId) -> Vec<(EpochSegment, Vec<SegmentId>)> {
    let sealed = history.segment(id).zip(history.sealed_by(id));
    let Some((segment, epoch)) = sealed else { return Vec::new() };
    let before = history.epoch(epoch.number - 1).expect("a segment is created before it is sealed");
    let with_predecessors = |next: &EpochSegment| {
        let predecessors = before.overlapping(next.range).map(|segment| segment.id).collect();
        (*next, predecessors)
    };
    epoch.overlapping(segment.range).map(with_predecessors).collect()
}

/// Histories of a few scales, for tests of what is built on them.
#[cfg(test)]
pub(super) mod samples {
    use super::super::{Range, scale};
    use super::*;

    impl History for Vec<Epoch> {
        fn active(&self) -> u32 {
            self.last().expect("at least one epoch").number
        }

        fn epoch(&self, number: u32) -> Option<Epoch> {
            self.get(number as usize).cloned()
        }
    }

    pub(crate) fn id(number: u32, epoch: u32) -> SegmentId {
        SegmentId::new(number, epoch)
    }

    /// Two segments; 0 is split into 2 and 3; 3 and 1 are merged into 4.
    pub(crate) fn split_and_merged() -> Vec<Epoch> {
        let mut history = vec![Epoch::first(2, 0, 0)];
        let (low, high) = (Range::new(0.0, 0.25), Range::new(0.25, 0.5));
        let split = scale(&history[0], &[id(0, 0)], &[low, high], 1, 1).expect("a split");
        history.push(split);
        let merged = Range::new(0.25, 1.0);
        history.push(scale(&history[1], &[id(3, 1), id(1, 0)], &[merged], 1, 2).expect("a merge"));
        history
    }
}

#[cfg(test)]
mod tests {
    use super::samples::{id, split_and_merged};
    use super::*;

    fn followers(history: &Vec<Epoch>, of: SegmentId) -> Vec<(SegmentId, Vec<SegmentId>)> {
        successors(history, of).into_iter().map(|(segment, before)| (segment.id, before)).collect()
    }

    #[test]
    fn a_split_segment_is_followed_by_its_parts() {
        let history = split_and_merged();
        assert_eq!(followers(&history, id(0, 0)), [(id(2, 1), vec![id(0, 0)]), (id(3, 1), vec![id(0, 0)])]);
    }

    #[test]
    fn a_merged_segment_names_all_its_predecessors() {
        let history = split_and_merged();
        let merged = [(id(4, 2), vec![id(1, 0), id(3, 1)])];
        assert_eq!(followers(&history, id(3, 1)), merged);
        assert_eq!(followers(&history, id(1, 0)), merged);
    }

    #[test]
    fn active_and_unknown_segments_have_no_successors() {
        let history = split_and_merged();
        for id in [id(4, 2), id(2, 1), id(7, 0), id(0, 9)] {
            assert_eq!(followers(&history, id), []);
        }
    }

    #[test]
    fn a_segment_that_lived_through_many_epochs_is_found_sealed_in_the_right_one() {
        let mut history = vec![Epoch::first(2, 0, 0)];
        for epoch in 1..20 {
            let last = history.last().expect("one");
            let newest = last.segments.last().expect("one").id;
            let range = [super::super::Range::new(0.5, 1.0)];
            let next = super::super::scale(last, &[newest], &range, 1, epoch).expect("a replacement");
            history.push(next);
        }
        assert!(history.sealed_by(id(0, 0)).is_none());
        for number in 1..19 {
            let sealed = history.sealed_by(id(number + 1, number)).expect("sealed");
            assert_eq!(sealed.number, number + 1);
        }
    }
}
