//! The segments of a stream that take appends, and which of them holds a place in the key space.

use thiserror::Error;

use super::key_space::{KeyPosition, KeyRange};
use super::segment_name::SegmentId;

/// How far the bounds of neighbors may differ: the controller computes bounds as multiples of 1/n, whose sums
/// are off by a few units in the last place.
const TOLERANCE: f64 = 1e-6;

/// The current segments of a stream: together they hold the whole key space, each place once.
///
/// A sealed stream has none.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamSegments {
    by_range: Box<[(SegmentId, KeyRange)]>,
}

/// Why a list of segments does not cover the key space.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum SegmentsError {
    /// One segment ends where no other begins.
    #[error("no segment covers the key space from {covered} to {next}")]
    Uncovered {
        /// Where the gap begins.
        covered: f64,
        /// Where the next segment begins; 1 if there is none.
        next: f64,
    },
    /// A segment begins before the one below it ends.
    #[error("segment {segment} begins at {low}, but the key space is covered up to {covered}")]
    Overlap {
        /// The upper of the two.
        segment: SegmentId,
        /// Where it begins.
        low: f64,
        /// Where the lower one ends.
        covered: f64,
    },
}

impl StreamSegments {
    /// Accepts the segments in any order; an empty list means a sealed stream.
    ///
    /// # Errors
    /// If they overlap or leave a gap in the key space.
    pub fn new(mut segments: Vec<(SegmentId, KeyRange)>) -> Result<Self, SegmentsError> {
        segments.sort_by(|(_, a), (_, b)| a.high().total_cmp(&b.high()));
        let mut covered = 0.0;
        for (segment, range) in &segments {
            let (segment, low) = (*segment, range.low());
            if low - covered > TOLERANCE {
                return Err(SegmentsError::Uncovered { covered, next: low });
            }
            if covered - low > TOLERANCE {
                return Err(SegmentsError::Overlap { segment, low, covered });
            }
            covered = range.high();
        }
        if !segments.is_empty() && 1.0 - covered > TOLERANCE {
            return Err(SegmentsError::Uncovered { covered, next: 1.0 });
        }
        Ok(Self { by_range: segments.into() })
    }

    /// The segment that holds this position; `None` if the stream is sealed.
    ///
    /// At the bound between two segments it is the lower one, as in Pravega's own clients.
    #[must_use]
    pub fn segment_for(&self, position: KeyPosition) -> Option<SegmentId> {
        let above = self.by_range.partition_point(|(_, range)| range.high() < position.as_f64());
        self.by_range.get(above).or(self.by_range.last()).map(|(segment, _)| *segment)
    }

    /// The segments with their parts of the key space, in ascending order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (SegmentId, KeyRange)> + '_ {
        self.by_range.iter().copied()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_range.len()
    }

    /// Whether the stream is sealed, so that no segment accepts appends.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_range.is_empty()
    }

    /// Whether this segment is one of them.
    #[must_use]
    pub fn contains(&self, segment: SegmentId) -> bool {
        self.by_range.iter().any(|(id, _)| *id == segment)
    }
}

/// A segment that follows a sealed one.
#[derive(Debug, Clone, PartialEq)]
pub struct Successor {
    /// The segment.
    pub id: SegmentId,
    /// Its part of the key space.
    pub range: KeyRange,
    /// Every segment that it follows: readers finish all of them before it, and writers flush to all of them before
    /// they append to it.
    pub predecessors: Vec<SegmentId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(low: f64, high: f64) -> KeyRange {
        KeyRange::new(low, high).expect("a range of the key space")
    }

    fn id(number: u32) -> SegmentId {
        SegmentId::new(number, 0)
    }

    /// Bounds as the controller computes them.
    fn equal_segments(count: u32) -> StreamSegments {
        let chunk = 1.0 / f64::from(count);
        let part = |n: u32| range(f64::from(n) * chunk, (f64::from(n + 1) * chunk).min(1.0));
        StreamSegments::new((0..count).map(|n| (id(n), part(n))).collect()).expect("the whole key space")
    }

    fn number_for(segments: &StreamSegments, position: f64) -> u32 {
        let position = KeyPosition::new(position).expect("in the key space");
        segments.segment_for(position).expect("not sealed").number()
    }

    #[test]
    fn keys_reach_the_segments_seen_on_a_live_pravega() {
        for (key, of_two, of_three, of_ten) in [
            ("", 0, 0, 2),
            ("a", 1, 2, 9),
            ("hello", 1, 1, 6),
            ("key-1", 0, 1, 3),
            ("user42", 0, 0, 1),
            ("é", 1, 2, 6),
            ("日本語", 0, 1, 3),
            ("😀", 1, 2, 7),
            ("naïve café", 0, 0, 2),
        ] {
            for (count, expected) in [(2, of_two), (3, of_three), (10, of_ten)] {
                let segment = equal_segments(count).segment_for(KeyPosition::of_key(key));
                assert_eq!(segment, Some(id(expected)), "{key:?} among {count}");
            }
        }
    }

    #[test]
    fn the_lower_segment_wins_on_a_bound() {
        let halves = equal_segments(2);
        assert_eq!(number_for(&halves, 0.5), 0);
        assert_eq!(number_for(&halves, 0.5_f64.next_up()), 1);
    }

    #[test]
    fn any_number_of_equal_segments_takes_every_position() {
        for count in 1..200 {
            let segments = equal_segments(count);
            assert_eq!(number_for(&segments, 0.0), 0);
            assert_eq!(number_for(&segments, 1.0_f64.next_down()), count - 1, "{count}");
        }
    }

    #[test]
    fn order_of_the_list_and_mixed_epochs_do_not_matter() {
        let (old, new) = (SegmentId::new(0, 0), SegmentId::new(2, 1));
        let segments = StreamSegments::new(vec![(new, range(0.5, 1.0)), (old, range(0.0, 0.5))]).expect("whole");
        assert_eq!(segments.iter().map(|(id, _)| id).collect::<Vec<_>>(), [old, new]);
        assert!(segments.contains(new));
        assert!(!segments.contains(SegmentId::new(2, 0)));
        assert_eq!(segments.len(), 2);
    }

    #[test]
    fn a_sealed_stream_has_no_segment_for_any_key() {
        let sealed = StreamSegments::new(Vec::new()).expect("sealed");
        assert!(sealed.is_empty());
        assert_eq!(sealed.segment_for(KeyPosition::of_key("k")), None);
    }

    #[test]
    fn gaps_and_overlaps_are_refused() {
        let build = |ranges: &[(f64, f64)]| {
            let parts = ranges.iter().zip(0..).map(|((low, high), n)| (id(n), range(*low, *high)));
            StreamSegments::new(parts.collect())
        };
        assert_eq!(build(&[(0.1, 1.0)]), Err(SegmentsError::Uncovered { covered: 0.0, next: 0.1 }));
        assert_eq!(build(&[(0.0, 0.9)]), Err(SegmentsError::Uncovered { covered: 0.9, next: 1.0 }));
        assert_eq!(build(&[(0.0, 0.4), (0.5, 1.0)]), Err(SegmentsError::Uncovered { covered: 0.4, next: 0.5 }));
        assert_eq!(
            build(&[(0.0, 0.6), (0.5, 1.0)]),
            Err(SegmentsError::Overlap { segment: id(1), low: 0.5, covered: 0.6 })
        );
    }
}
