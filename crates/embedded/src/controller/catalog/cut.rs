//! Stream cuts: whether one is sound, which of two is ahead, which segments lie between them.

use std::collections::{BTreeMap, BTreeSet};

use pravega_protocol::stream::SegmentId;
use thiserror::Error;

use super::{Epoch, EpochSegment, History, Range};

/// Segment to offset; a negative offset is a segment that has not begun: the cut lies in its predecessors.
pub(crate) type Cut = BTreeMap<SegmentId, i64>;

/// Why a cut cannot be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum CutError {
    /// It holds no segment.
    #[error("the stream cut is empty")]
    Empty,
    /// It names an epoch that is yet to come.
    #[error("the stream cut names an epoch that does not exist")]
    NoEpoch,
    /// It names a segment that the stream never had, or only such that have not begun.
    #[error("the stream cut names a segment that the stream never had")]
    Unknown,
}

/// The segments of a cut, each with the last epoch, up to the newest one the cut names, that it is part of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Span(Vec<(EpochSegment, u32)>);

/// Which of two cuts is ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Before,
    EqualOrAfter,
    /// Each is ahead somewhere.
    Overlaps,
}

impl Span {
    /// # Errors
    /// When the cut is empty or names a segment that the stream never had.
    pub(crate) fn of_cut(history: &impl History, cut: &Cut) -> Result<Self, CutError> {
        let epochs = epochs_of(history, cut)?;
        let last_with = |id: SegmentId| {
            let newest_first = epochs.iter().rev();
            newest_first.filter_map(|epoch| Some((*epoch.segment(id)?, epoch.number))).next()
        };
        cut.keys().map(|id| last_with(*id)).collect::<Option<_>>().map(Self).ok_or(CutError::Unknown)
    }

    pub(crate) fn of_epoch(epoch: &Epoch) -> Self {
        Self(epoch.segments.iter().map(|segment| (*segment, epoch.number)).collect())
    }

    fn lowest(&self) -> u32 {
        self.0.iter().map(|(_, epoch)| *epoch).min().unwrap_or(0)
    }

    fn highest(&self) -> u32 {
        self.0.iter().map(|(_, epoch)| *epoch).max().unwrap_or(0)
    }

    /// Every segment on or between this cut and a later one.
    pub(crate) fn segments_until(&self, later: &Self, history: &impl History) -> Vec<EpochSegment> {
        let epochs = history.epochs(self.lowest(), later.highest()).unwrap_or_default();
        let mut found: BTreeMap<SegmentId, EpochSegment> = BTreeMap::new();
        for epoch in &epochs {
            let clearly_between = epoch.number >= self.highest() && epoch.number <= later.lowest();
            let within = |segment: &&EpochSegment| {
                clearly_between || (self.is_not_after(segment) && later.is_not_before(segment))
            };
            found.extend(epoch.segments.iter().filter(within).map(|segment| (segment.id, *segment)));
        }
        found.into_values().collect()
    }

    fn overlapping(&self, segment: &EpochSegment) -> impl Iterator<Item = &EpochSegment> {
        self.0.iter().map(|(own, _)| own).filter(move |own| own.range.overlaps(segment.range))
    }

    fn is_not_after(&self, segment: &EpochSegment) -> bool {
        self.overlapping(segment).all(|own| own.id <= segment.id)
    }

    fn is_not_before(&self, segment: &EpochSegment) -> bool {
        self.overlapping(segment).all(|own| segment.id <= own.id)
    }
}

/// Whether `cut` is nowhere behind `earlier`.
pub(crate) fn is_not_behind(cut: &Cut, span: &Span, earlier: &Cut, earlier_span: &Span) -> bool {
    let behind = |(own, epoch): &(EpochSegment, u32), (other, other_epoch): &(EpochSegment, u32)| {
        (own.id == other.id && cut[&own.id] < earlier[&other.id])
            || (own.range.overlaps(other.range) && epoch < other_epoch)
    };
    span.0.iter().all(|own| earlier_span.0.iter().all(|other| !behind(own, other)))
}

/// Compares two cuts of one stream.
///
/// # Errors
/// When one is empty or names a segment that the stream never had.
pub(crate) fn compare(history: &impl History, first: &Cut, second: &Cut) -> Result<Order, CutError> {
    let (one, two) = (Span::of_cut(history, first)?, Span::of_cut(history, second)?);
    let pairs = one.0.iter().flat_map(|(a, _)| two.0.iter().map(move |(b, _)| (a, b)));
    let overlapping = pairs.filter(|(a, b)| a.range.overlaps(b.range));
    let orders =
        overlapping.map(|(a, b)| if a.id == b.id { first[&a.id].cmp(&second[&b.id]) } else { a.id.cmp(&b.id) });
    let (mut ahead, mut behind) = (false, false);
    for order in orders {
        ahead |= order.is_gt();
        behind |= order.is_lt();
    }
    Ok(match (ahead, behind) {
        (true, true) => Order::Overlaps,
        (false, true) => Order::Before,
        _ => Order::EqualOrAfter,
    })
}

/// Whether the cut covers the key space without contradiction: no place twice, and every place that no begun
/// segment covers is that of a segment to come, whose predecessors the cut has behind it. Lengths are not
/// looked at.
///
/// # Errors
/// When it is empty or names a segment that the stream never had.
pub(crate) fn is_valid(history: &impl History, cut: &Cut) -> Result<bool, CutError> {
    let epochs = epochs_of(history, cut)?;
    let segment = |id: &SegmentId| history.segment(*id).ok_or(CutError::Unknown);
    let mut begun = Vec::new();
    let mut to_come = Vec::new();
    for (id, offset) in cut {
        if *offset < 0 { to_come.push(segment(id)?) } else { begun.push(segment(id)?) }
    }
    if begun.is_empty() {
        return Err(CutError::Unknown);
    }
    begun.sort_by(|a, b| a.range.low.total_cmp(&b.range.low));
    let newer =
        |next: &EpochSegment| begun.iter().filter(|own| own.range.overlaps(next.range)).all(|own| own.id < next.id);
    let Some(missing) = gaps(&begun) else { return Ok(false) };
    let awaited = |gap: &Range| to_come.iter().any(|next| next.range.overlaps(*gap));
    Ok(to_come.iter().all(newer) && missing.iter().all(awaited) && is_reached(&epochs, &missing, &begun, &to_come))
}

/// The parts of the key space that no segment covers; `None` if one is covered twice.
fn gaps(sorted: &[EpochSegment]) -> Option<Vec<Range>> {
    let mut gaps = Vec::new();
    let mut covered = 0.0;
    for segment in sorted {
        if segment.range.low < covered {
            return None;
        }
        if segment.range.low > covered {
            gaps.push(Range::new(covered, segment.range.low));
        }
        covered = segment.range.high;
    }
    if covered < 1.0 {
        gaps.push(Range::new(covered, 1.0));
    }
    Some(gaps)
}

/// Whether what covers the gaps in the first epoch leads, successor by successor, to segments of the cut.
fn is_reached(epochs: &[Epoch], gaps: &[Range], begun: &[EpochSegment], to_come: &[EpochSegment]) -> bool {
    let named: BTreeSet<SegmentId> = begun.iter().chain(to_come).map(|segment| segment.id).collect();
    let mut read = BTreeSet::new();
    let mut to_check: Vec<EpochSegment> = gaps.iter().flat_map(|gap| epochs[0].overlapping(*gap)).copied().collect();
    while let Some(segment) = to_check.pop() {
        if named.contains(&segment.id) || !read.insert(segment.id) {
            continue;
        }
        let mut ahead = begun.iter().filter(|own| own.range.overlaps(segment.range));
        if ahead.any(|own| own.id < segment.id) {
            return false;
        }
        let created = epochs.iter().filter(|epoch| epoch.number >= segment.id.epoch());
        let sealing = created.into_iter().find(|epoch| !epoch.contains(segment.id));
        to_check.extend(sealing.iter().flat_map(|epoch| epoch.overlapping(segment.range)));
    }
    true
}

/// The epochs from the oldest segment's to the newest segment's.
fn epochs_of(history: &impl History, cut: &Cut) -> Result<Vec<Epoch>, CutError> {
    let (Some((oldest, _)), Some((newest, _))) = (cut.first_key_value(), cut.last_key_value()) else {
        return Err(CutError::Empty);
    };
    if newest.epoch() > history.active() {
        return Err(CutError::NoEpoch);
    }
    history.epochs(oldest.epoch(), newest.epoch()).ok_or(CutError::Unknown)
}

#[cfg(test)]
mod tests {
    use super::super::history::samples::{id, split_and_merged};
    use super::*;

    fn cut(parts: &[(SegmentId, i64)]) -> Cut {
        parts.iter().copied().collect()
    }

    fn valid(parts: &[(SegmentId, i64)]) -> Result<bool, CutError> {
        is_valid(&split_and_merged(), &cut(parts))
    }

    #[test]
    fn a_cut_covers_the_key_space_once() {
        assert_eq!(valid(&[(id(0, 0), 5), (id(1, 0), 0)]), Ok(true));
        assert_eq!(valid(&[(id(2, 1), 0), (id(3, 1), 9), (id(1, 0), 3)]), Ok(true));
        assert_eq!(valid(&[(id(2, 1), 0), (id(4, 2), 1 << 40)]), Ok(true), "lengths are not looked at");
        assert_eq!(valid(&[(id(0, 0), 5)]), Ok(false), "half is missing");
        assert_eq!(valid(&[(id(0, 0), 5), (id(2, 1), 1), (id(1, 0), 0)]), Ok(false), "a quarter comes twice");
    }

    #[test]
    fn a_segment_that_has_not_begun_stands_for_what_its_predecessors_left() {
        assert_eq!(valid(&[(id(2, 1), 3), (id(1, 0), 0), (id(4, 2), -1)]), Ok(true));
        assert_eq!(valid(&[(id(0, 0), 3), (id(4, 2), -1)]), Ok(true));
        assert_eq!(valid(&[(id(2, 1), 3), (id(4, 2), 0), (id(1, 0), -1)]), Ok(false), "older than what has begun");
    }

    #[test]
    fn unknown_segments_and_empty_cuts_are_errors() {
        assert_eq!(valid(&[]), Err(CutError::Empty));
        assert_eq!(valid(&[(id(9, 0), 0), (id(1, 0), 0)]), Err(CutError::Unknown));
        assert_eq!(valid(&[(id(0, 9), 0), (id(1, 0), 0)]), Err(CutError::NoEpoch));
        assert_eq!(valid(&[(id(0, 0), -1), (id(1, 0), -1)]), Err(CutError::Unknown));
    }

    #[test]
    fn a_cut_behind_another_is_told_by_offset_or_epoch() {
        let history = split_and_merged();
        let not_behind = |a: &[_], b: &[_]| {
            let (a, b) = (cut(a), cut(b));
            let span = |cut| Span::of_cut(&history, cut).expect("known segments");
            is_not_behind(&a, &span(&a), &b, &span(&b))
        };
        let head = [(id(0, 0), 5), (id(1, 0), 5)];
        let tail = [(id(2, 1), 0), (id(4, 2), 0)];
        assert!(not_behind(&head, &head) && not_behind(&tail, &head));
        assert!(!not_behind(&head, &tail));
        assert!(!not_behind(&[(id(0, 0), 4), (id(1, 0), 9)], &head));
    }

    #[test]
    fn cuts_that_are_each_ahead_somewhere_overlap() {
        let history = split_and_merged();
        let order = |a: &[_], b: &[_]| compare(&history, &cut(a), &cut(b)).expect("known segments");
        let (low, high) = ([(id(0, 0), 5), (id(1, 0), 9)], [(id(0, 0), 9), (id(1, 0), 5)]);
        assert_eq!(order(&low, &high), Order::Overlaps);
        assert_eq!(order(&low, &low), Order::EqualOrAfter);
        assert_eq!(order(&low, &[(id(2, 1), 0), (id(4, 2), 0)]), Order::Before);
    }

    #[test]
    fn every_segment_on_or_between_two_cuts_is_found() {
        let history = split_and_merged();
        let between = |from: &Span, to: &Span| -> Vec<SegmentId> {
            from.segments_until(to, &history).iter().map(|segment| segment.id).collect()
        };
        let (first, last) = (Span::of_epoch(&history[0]), Span::of_epoch(&history[2]));
        assert_eq!(between(&first, &last), [id(0, 0), id(1, 0), id(2, 1), id(3, 1), id(4, 2)]);
        let middle = cut(&[(id(2, 1), 0), (id(3, 1), 0), (id(1, 0), 7)]);
        let middle = Span::of_cut(&history, &middle).expect("known segments");
        assert_eq!(between(&first, &middle), [id(0, 0), id(1, 0), id(2, 1), id(3, 1)]);
        assert_eq!(between(&middle, &last), [id(1, 0), id(2, 1), id(3, 1), id(4, 2)]);
        assert_eq!(between(&last, &last), [id(2, 1), id(4, 2)]);
    }
}
