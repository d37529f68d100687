//! Whether a scale is allowed, and the epoch that comes of it.

use pravega_protocol::stream::SegmentId;
use thiserror::Error;

use super::{Epoch, EpochSegment, Range};

/// Why a stream is not scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum ScaleRefused {
    /// A segment to be sealed is not active, or too few would be left.
    #[error("a segment is not active, or fewer segments would be left than the policy allows")]
    Precondition,
    /// The new ranges are not exactly what the sealed segments held.
    #[error("the new key ranges are not those of the sealed segments")]
    Ranges,
}

/// The epoch after `epoch`, in which new segments of these ranges stand for the sealed ones. New segments are
/// numbered in the order asked for.
pub(crate) fn scale(
    epoch: &Epoch,
    sealed: &[SegmentId],
    ranges: &[Range],
    min_segments: usize,
    now: i64,
) -> Result<Epoch, ScaleRefused> {
    let held = sealed.iter().map(|id| epoch.segment(*id).map(|segment| segment.range));
    let held: Vec<Range> = held.collect::<Option<_>>().ok_or(ScaleRefused::Precondition)?;
    if ranges.iter().any(|range| range.low >= range.high && range.high > 0.0) || joined(held) != joined(ranges.into()) {
        return Err(ScaleRefused::Ranges);
    }
    let next = replaced(epoch, sealed, ranges, now);
    if next.segments.len() < min_segments { Err(ScaleRefused::Precondition) } else { Ok(next) }
}

/// The epoch after `epoch`, with this number of equal segments in place of all.
pub(crate) fn even_scale(epoch: &Epoch, segments: u32, now: i64) -> Epoch {
    let ranges: Vec<Range> = Epoch::first(segments, 0, now).segments.iter().map(|segment| segment.range).collect();
    let all: Vec<SegmentId> = epoch.ids().collect();
    replaced(epoch, &all, &ranges, now)
}

fn replaced(epoch: &Epoch, sealed: &[SegmentId], ranges: &[Range], now: i64) -> Epoch {
    let number = epoch.number + 1;
    let created = now.max(epoch.created + 1);
    let kept = epoch.segments.iter().filter(|segment| !sealed.contains(&segment.id)).copied();
    let new = (epoch.next_number()..).zip(ranges).map(|(new, range)| EpochSegment {
        id: SegmentId::new(new, number),
        range: *range,
        created,
    });
    Epoch { number, reference: number, created, segments: kept.chain(new).collect() }
}

/// The ranges from low to high, neighbours put together.
fn joined(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_by(|a, b| a.low.total_cmp(&b.low));
    let mut joined: Vec<Range> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if last.high == range.low => last.high = range.high,
            _ => joined.push(range),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::super::history::samples::id;
    use super::*;

    const HALVES: [Range; 2] = [Range { low: 0.0, high: 0.5 }, Range { low: 0.5, high: 1.0 }];

    fn ids(epoch: &Epoch) -> Vec<SegmentId> {
        epoch.ids().collect()
    }

    #[test]
    fn new_segments_are_numbered_in_the_order_asked_for_and_others_keep_their_ids() {
        let epoch = Epoch::first(2, 0, 0);
        let [low, high] = [Range::new(0.5, 0.75), Range::new(0.75, 1.0)];
        let next = scale(&epoch, &[id(1, 0)], &[high, low], 1, 5).expect("a split");
        assert_eq!(ids(&next), [id(0, 0), id(2, 1), id(3, 1)]);
        assert_eq!((next.segments[1].range, next.segments[2].range), (high, low));
        assert_eq!((next.number, next.reference, next.created), (1, 1, 5));
    }

    #[test]
    fn only_active_segments_can_be_sealed() {
        let epoch = Epoch::first(1, 0, 0);
        assert_eq!(scale(&epoch, &[id(1, 0)], &HALVES, 1, 0), Err(ScaleRefused::Precondition));
        assert_eq!(scale(&epoch, &[id(0, 1)], &HALVES, 1, 0), Err(ScaleRefused::Precondition));
    }

    #[test]
    fn new_ranges_cover_exactly_what_was_sealed() {
        let epoch = Epoch::first(1, 0, 0);
        for ranges in [
            vec![],
            vec![HALVES[0]],
            vec![HALVES[0], Range::new(0.4, 1.0)],
            vec![Range::new(0.5, 0.5), Range::FULL],
            vec![Range::new(0.0, 1.1)],
        ] {
            assert_eq!(scale(&epoch, &[id(0, 0)], &ranges, 1, 0), Err(ScaleRefused::Ranges), "{ranges:?}");
        }
    }

    #[test]
    fn a_merge_does_not_go_below_the_least_number_of_segments() {
        let epoch = Epoch::first(2, 0, 0);
        let both = [id(0, 0), id(1, 0)];
        assert_eq!(scale(&epoch, &both, &[Range::FULL], 2, 0), Err(ScaleRefused::Precondition));
        assert_eq!(ids(&scale(&epoch, &both, &[Range::FULL], 1, 0).expect("a merge")), [id(2, 1)]);
    }

    #[test]
    fn a_new_count_replaces_every_segment() {
        let next = even_scale(&Epoch::first(1, 3, 0), 2, 0);
        assert_eq!(ids(&next), [id(4, 1), id(5, 1)]);
        assert_eq!(next.segments.iter().map(|segment| segment.range).collect::<Vec<_>>(), HALVES);
    }
}
