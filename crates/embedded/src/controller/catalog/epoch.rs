//! The set of segments that a stream had between two scales.

use pravega_protocol::stream::SegmentId;
use serde::{Deserialize, Serialize};

/// A part of the key space, `low` included, as the controller computes it: bounds are whatever was asked
/// for, so unlike [`KeyRange`](pravega_protocol::stream::KeyRange) they may be off by a rounding error.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Range {
    #[serde(with = "exact")]
    pub(crate) low: f64,
    #[serde(with = "exact")]
    pub(crate) high: f64,
}

impl Range {
    #[cfg(test)]
    pub(crate) const FULL: Self = Self { low: 0.0, high: 1.0 };

    pub(crate) fn new(low: f64, high: f64) -> Self {
        Self { low, high }
    }

    /// Whether the two have a place in common.
    pub(crate) fn overlaps(self, other: Self) -> bool {
        self.high > other.low && self.low < other.high
    }
}

/// A number as the text that parses to the same bits, since serde_json may miss by a unit in the last place.
mod exact {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct EpochSegment {
    pub(crate) id: SegmentId,
    pub(crate) range: Range,
    /// Milliseconds since 1970.
    pub(crate) created: i64,
}

/// One epoch: segments that together hold the key space.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Epoch {
    pub(crate) number: u32,
    /// The epoch that this one repeats after transactions were rolled over; else its own number.
    pub(crate) reference: u32,
    /// Milliseconds since 1970.
    pub(crate) created: i64,
    pub(crate) segments: Vec<EpochSegment>,
}

impl Epoch {
    /// The epoch that a stream begins with: equal segments, numbered from `first_number` on.
    pub(crate) fn first(segments: u32, first_number: u32, now: i64) -> Self {
        let chunk = 1.0 / f64::from(segments);
        let segment = |index: u32| EpochSegment {
            id: SegmentId::new(first_number + index, 0),
            range: Range::new(f64::from(index) * chunk, f64::from(index + 1) * chunk),
            created: now,
        };
        Self { number: 0, reference: 0, created: now, segments: (0..segments).map(segment).collect() }
    }

    /// This epoch once more: the same numbers and ranges under another epoch.
    pub(crate) fn repeated_as(&self, number: u32, now: i64) -> Self {
        let again = |segment: &EpochSegment| EpochSegment {
            id: SegmentId::new(segment.id.number(), number),
            range: segment.range,
            created: now,
        };
        Self { number, reference: self.reference, created: now, segments: self.segments.iter().map(again).collect() }
    }

    pub(crate) fn segment(&self, id: SegmentId) -> Option<&EpochSegment> {
        self.segments.iter().find(|segment| segment.id == id)
    }

    pub(crate) fn contains(&self, id: SegmentId) -> bool {
        self.segment(id).is_some()
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = SegmentId> + '_ {
        self.segments.iter().map(|segment| segment.id)
    }

    pub(crate) fn overlapping(&self, range: Range) -> impl Iterator<Item = &EpochSegment> {
        self.segments.iter().filter(move |segment| segment.range.overlaps(range))
    }

    /// The number that the next new segment gets.
    pub(crate) fn next_number(&self) -> u32 {
        self.segments.iter().map(|segment| segment.id.number() + 1).max().unwrap_or(0)
    }

    /// How many segments of this epoch lie over more than one of the other: splits, if the other follows.
    pub(crate) fn divided_by(&self, other: &Self) -> usize {
        self.segments.iter().filter(|segment| other.overlapping(segment.range).nth(1).is_some()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_begins_with_equal_segments_from_its_first_number_on() {
        let epoch = Epoch::first(3, 4, 7);
        let numbers: Vec<_> = epoch.ids().map(SegmentId::number).collect();
        assert_eq!(numbers, [4, 5, 6]);
        assert_eq!(epoch.segments[1].range, Range::new(1.0 / 3.0, 2.0 / 3.0));
        assert_eq!((epoch.number, epoch.reference, epoch.next_number()), (0, 0, 7));
    }

    #[test]
    fn a_repeated_epoch_keeps_numbers_ranges_and_reference() {
        let epoch = Epoch::first(2, 0, 7);
        let again = epoch.repeated_as(3, 9);
        assert_eq!(again.segments[1].id, SegmentId::new(1, 3));
        assert_eq!(again.segments[1].range, epoch.segments[1].range);
        assert_eq!((again.number, again.reference), (3, 0));
        assert_eq!(again.repeated_as(5, 9).reference, 0);
    }

    #[test]
    fn bounds_survive_their_record_bit_by_bit() {
        for count in 1..100 {
            let epoch = Epoch::first(count, 0, 0);
            let json = serde_json::to_vec(&epoch).expect("JSON");
            assert_eq!(serde_json::from_slice::<Epoch>(&json).expect("the same"), epoch, "{count}");
        }
    }

    #[test]
    fn splits_are_counted_forwards_and_merges_backwards() {
        let (one, three) = (Epoch::first(1, 0, 0), Epoch::first(3, 1, 0));
        assert_eq!((one.divided_by(&three), three.divided_by(&one)), (1, 0));
    }
}
