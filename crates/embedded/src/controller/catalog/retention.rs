//! Where a retention policy cuts a stream.

use pravega_protocol::stream::SegmentId;
use serde::{Deserialize, Serialize};

use super::cut::{CutError, Order, compare};
use super::{Cut, EpochSegment, History, Range, Retention};

/// A place of the stream, remembered so that it may be cut there later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RetentionCut {
    /// When the stream's end was here, in milliseconds since 1970.
    pub(crate) at: i64,
    /// Bytes written before it, truncated ones included.
    pub(crate) size: i64,
    pub(crate) cut: Cut,
}

/// How much would be kept after a cut at each remembered place, in the policy's unit.
pub(crate) struct Bounds<'a> {
    pub(crate) policy: &'a Retention,
    /// From old to new, each with what is kept.
    pub(crate) kept: Vec<(&'a Cut, i64)>,
}

impl<'a> Bounds<'a> {
    /// The newest place that keeps enough.
    fn newest(&self) -> Option<&'a Cut> {
        self.kept.iter().rev().find(|(_, kept)| *kept >= self.policy.at_least).map(|(cut, _)| *cut)
    }

    /// The oldest place that keeps enough and not too much, or else the newest that keeps enough.
    fn oldest(&self) -> Option<&'a Cut> {
        let allowed = self.policy.at_least..=self.policy.at_most;
        self.kept.iter().find(|(_, kept)| allowed.contains(kept)).map(|(cut, _)| *cut).or_else(|| self.newest())
    }

    /// The newest place that keeps too much.
    fn newest_beyond(&self) -> Option<&'a Cut> {
        self.kept.iter().rev().find(|(_, kept)| *kept >= self.policy.at_most).map(|(cut, _)| *cut)
    }

    /// Where to cut: what readers still need is kept, as far as the policy's maximum allows; what they have read is
    /// kept as long as its minimum demands.
    ///
    /// # Errors
    /// When a cut names segments that the stream never had.
    pub(crate) fn place(&self, history: &impl History, readers: Option<&Cut>) -> Result<Option<Cut>, CutError> {
        let Some(newest) = self.newest() else { return Ok(None) };
        let Some(readers) = readers else { return Ok(Some(newest.clone())) };
        let place = match compare(history, newest, readers)? {
            Order::Before => Some(newest),
            Order::Overlaps => self.newest_before(history, readers)?,
            Order::EqualOrAfter => match self.newest_beyond() {
                None => Some(readers),
                Some(beyond) => match compare(history, readers, beyond)? {
                    Order::EqualOrAfter => Some(readers),
                    Order::Before => self.oldest(),
                    Order::Overlaps => Some(beyond),
                },
            },
        };
        Ok(place.cloned())
    }

    fn newest_before(&self, history: &impl History, readers: &Cut) -> Result<Option<&'a Cut>, CutError> {
        for (cut, _) in self.kept.iter().rev() {
            if compare(history, cut, readers)? == Order::Before {
                return Ok(Some(cut));
            }
        }
        Ok(None)
    }
}

/// The place that no reader group is behind; `None` without groups that said where they are.
pub(crate) fn lower_bound<'a>(history: &impl History, cuts: impl IntoIterator<Item = &'a Cut>) -> Option<Cut> {
    let mut bound: Vec<(EpochSegment, i64)> = Vec::new();
    let positions = cuts.into_iter().flatten();
    for (id, offset) in positions {
        if let Some(segment) = history.segment(*id) {
            lower(&mut bound, segment, *offset);
        }
    }
    (!bound.is_empty()).then(|| bound.into_iter().map(|(segment, offset)| (segment.id, offset)).collect())
}

fn lower(bound: &mut Vec<(EpochSegment, i64)>, segment: EpochSegment, offset: i64) {
    if let Some((_, known)) = bound.iter_mut().find(|(known, _)| known.id == segment.id) {
        *known = offset.min(*known);
        return;
    }
    let overlaps = |known: &EpochSegment| known.range.overlaps(segment.range);
    let older: Vec<Range> = bound
        .iter()
        .filter(|(known, _)| overlaps(known) && known.id < segment.id)
        .map(|(known, _)| known.range)
        .collect();
    if offset < 0 {
        if !covers(&older, segment.range) {
            bound.push((segment, offset));
        }
    } else if older.is_empty() {
        bound.push((segment, offset));
        let replaced: Vec<SegmentId> = bound
            .iter()
            .filter(|(known, offset)| {
                overlaps(known) && known.id > segment.id && (*offset >= 0 || is_preceded(bound, known))
            })
            .map(|(known, _)| known.id)
            .collect();
        bound.retain(|(known, _)| !replaced.contains(&known.id));
    }
}

fn is_preceded(bound: &[(EpochSegment, i64)], segment: &EpochSegment) -> bool {
    let older = bound.iter().filter(|(known, _)| known.id < segment.id && known.range.overlaps(segment.range));
    covers(&older.map(|(known, _)| known.range).collect::<Vec<_>>(), segment.range)
}

fn covers(parts: &[Range], whole: Range) -> bool {
    let mut parts = parts.to_vec();
    parts.sort_by(|a, b| a.low.total_cmp(&b.low));
    let covered = parts.iter().fold(
        whole.low,
        |covered, part| {
            if part.low <= covered { covered.max(part.high) } else { covered }
        },
    );
    covered >= whole.high
}

#[cfg(test)]
mod tests {
    use super::super::RetentionKind;
    use super::super::history::samples::{id, split_and_merged};
    use super::*;

    fn cut(parts: &[(SegmentId, i64)]) -> Cut {
        parts.iter().copied().collect()
    }

    fn head(offset: i64) -> Cut {
        cut(&[(id(0, 0), offset), (id(1, 0), offset)])
    }

    /// Cuts at 10, 20 and 30, keeping 30, 20 and 10.
    fn place(at_least: i64, at_most: i64, readers: Option<&Cut>) -> Option<Cut> {
        let policy = Retention { kind: RetentionKind::Size, at_least, at_most };
        let cuts = [head(10), head(20), head(30)];
        let bounds = Bounds { policy: &policy, kept: cuts.iter().zip([30, 20, 10]).collect() };
        bounds.place(&split_and_merged(), readers).expect("known segments")
    }

    #[test]
    fn without_readers_the_newest_place_that_keeps_enough_is_cut() {
        assert_eq!(place(15, i64::MAX, None), Some(head(20)));
        assert_eq!(place(31, i64::MAX, None), None);
    }

    #[test]
    fn readers_hold_data_back_up_to_the_maximum() {
        assert_eq!(place(15, i64::MAX, Some(&head(12))), Some(head(12)));
        assert_eq!(place(15, 25, Some(&head(5))), Some(head(20)));
        assert_eq!(place(15, 30, Some(&head(12))), Some(head(12)));
    }

    #[test]
    fn what_readers_have_done_with_is_kept_up_to_the_minimum() {
        assert_eq!(place(15, i64::MAX, Some(&head(29))), Some(head(20)));
    }

    #[test]
    fn readers_across_the_place_move_it_before_them() {
        let across = cut(&[(id(0, 0), 25), (id(1, 0), 15)]);
        assert_eq!(place(15, i64::MAX, Some(&across)), Some(head(10)));
    }

    #[test]
    fn the_lower_bound_takes_the_oldest_segment_of_each_place() {
        let history = split_and_merged();
        let behind = cut(&[(id(0, 0), 7), (id(1, 0), 3)]);
        let ahead = cut(&[(id(2, 1), 1), (id(4, 2), 2)]);
        assert_eq!(lower_bound(&history, [&ahead, &behind]), Some(behind.clone()));
        assert_eq!(lower_bound(&history, [&behind, &head(5)]), Some(cut(&[(id(0, 0), 5), (id(1, 0), 3)])));
        let waiting = cut(&[(id(2, 1), 1), (id(1, 0), 4), (id(4, 2), -1)]);
        assert_eq!(lower_bound(&history, [&waiting, &ahead]), Some(waiting.clone()));
        assert_eq!(lower_bound(&history, std::iter::empty::<&Cut>()), None);
    }
}
