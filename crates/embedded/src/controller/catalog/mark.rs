//! What writers say of the time, and the watermarks that follow from it.

use bytes::{BufMut, Bytes, BytesMut};
use pravega_protocol::wire::event::put_event;
use serde::{Deserialize, Serialize};

use super::{Cut, Epoch, EpochSegment, History};

/// What one writer said last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WriterMark {
    /// The writer's own clock, in whatever unit.
    pub(crate) time: i64,
    pub(crate) position: Cut,
    /// Until the writer is removed.
    pub(crate) alive: bool,
}

/// Why a mark is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MarkRefused {
    /// The writer was further in time.
    Time,
    /// The writer was further in the stream.
    Position,
}

impl WriterMark {
    /// Takes what a writer says, given what it said before.
    ///
    /// # Errors
    /// When it goes back.
    pub(crate) fn noted(before: Option<&Self>, time: i64, position: Cut) -> Result<Self, MarkRefused> {
        if let Some(before) = before {
            if before.time > time {
                return Err(MarkRefused::Time);
            }
            let ahead = |id, offset: &i64| before.position.get(id).is_some_and(|old| old > offset);
            if position.iter().any(|(id, offset)| ahead(id, offset)) {
                return Err(MarkRefused::Position);
            }
        }
        Ok(Self { time, position, alive: true })
    }
}

/// A window of time, and a place of the stream that no writer was behind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Watermark {
    pub(crate) lower: i64,
    pub(crate) upper: i64,
    pub(crate) cut: Vec<(EpochSegment, i64)>,
}

impl Watermark {
    /// The watermark that follows `last`, from the marks of all writers that count; `None` if time went no further.
    pub(crate) fn next(history: &impl History, last: Option<&Self>, marks: &[WriterMark]) -> Option<Self> {
        let lower = marks.iter().map(|mark| mark.time).min()?;
        let upper = marks.iter().map(|mark| mark.time).max()?;
        if last.is_some_and(|last| lower <= last.lower) {
            return None;
        }
        let mut bound = UpperBound::default();
        let positions = marks.iter().flat_map(|mark| &mark.position);
        for (id, offset) in positions {
            bound.add(history.segment(*id)?, *offset);
        }
        for (segment, offset) in last.iter().flat_map(|last| &last.cut) {
            bound.add(*segment, *offset);
        }
        Some(Self { lower, upper, cut: bound.completed(history)? })
    }

    /// As a record of the stream `_MARK…`: framed as an event, laid out by Pravega's serializer.
    pub(crate) fn to_event(&self) -> Bytes {
        let mut body = BytesMut::new();
        body.put_i64(self.lower);
        body.put_i64(self.upper);
        put_compact(&mut body, self.cut.len());
        for (segment, offset) in &self.cut {
            let mut key = BytesMut::new();
            key.put_i64(segment.id.as_i64());
            key.put_f64(segment.range.low);
            key.put_f64(segment.range.high.min(1.0));
            put_versioned(&mut body, &key);
            body.put_i64(*offset);
        }
        let mut payload = BytesMut::new();
        put_versioned(&mut payload, &body);
        let mut event = BytesMut::new();
        put_event(&payload, &mut event);
        event.freeze()
    }
}

/// Serializer format 0, version 0, one revision, numbered 0, and its length.
fn put_versioned(into: &mut BytesMut, body: &[u8]) {
    into.put_slice(&[0, 0, 1, 0]);
    into.put_u32(body.len() as u32);
    into.put_slice(body);
}

/// A count in 1, 2 or 4 bytes, as its highest bits say.
fn put_compact(into: &mut BytesMut, count: usize) {
    match count {
        0..0x80 => into.put_u8(count as u8),
        0x80..0x4000 => into.put_u16(0x8000 | count as u16),
        _ => into.put_u32(0xc000_0000 | count as u32),
    }
}

/// The least place that no position added is beyond.
#[derive(Default)]
struct UpperBound(Vec<(EpochSegment, i64)>);

impl UpperBound {
    fn add(&mut self, segment: EpochSegment, offset: i64) {
        if let Some((_, known)) = self.0.iter_mut().find(|(known, _)| known.id == segment.id) {
            *known = offset.max(*known);
            return;
        }
        let overlaps = |known: &EpochSegment| known.range.overlaps(segment.range);
        if self.0.iter().any(|(known, _)| overlaps(known) && segment.id < known.id) {
            return;
        }
        self.0.retain(|(known, _)| !overlaps(known));
        self.0.push((segment, offset));
    }

    /// Fills what no position covers with segments of the newest epoch, until nothing is left.
    fn completed(mut self, history: &impl History) -> Option<Vec<(EpochSegment, i64)>> {
        let newest = self.0.iter().map(|(segment, _)| segment.id.epoch()).max()?;
        let epoch = history.epoch(newest)?;
        while let Some(segment) = self.first_uncovered(&epoch) {
            self.add(segment, 0);
        }
        self.0.sort_by_key(|(segment, _)| segment.id);
        Some(self.0)
    }

    /// A segment of the epoch that lies over a place without any.
    fn first_uncovered(&self, epoch: &Epoch) -> Option<EpochSegment> {
        let is_covered = |segment: &&EpochSegment| {
            let mut parts: Vec<_> = self.0.iter().filter(|(own, _)| own.range.overlaps(segment.range)).collect();
            parts.sort_by(|(a, _), (b, _)| a.range.low.total_cmp(&b.range.low));
            let mut covered = segment.range.low;
            for (part, _) in parts {
                if part.range.low > covered {
                    return false;
                }
                covered = part.range.high;
            }
            covered >= segment.range.high
        };
        epoch.segments.iter().find(|segment| !is_covered(segment)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::super::history::samples::{id, split_and_merged};
    use super::*;
    use pravega_protocol::stream::SegmentId;

    fn mark(time: i64, position: &[(SegmentId, i64)]) -> WriterMark {
        WriterMark { time, position: position.iter().copied().collect(), alive: true }
    }

    fn cut(watermark: &Watermark) -> Vec<(SegmentId, i64)> {
        watermark.cut.iter().map(|(segment, offset)| (segment.id, *offset)).collect()
    }

    #[test]
    fn a_writer_goes_neither_back_in_time_nor_in_the_stream() {
        let before = mark(10, &[(id(0, 0), 5)]);
        let noted = |time, offset| WriterMark::noted(Some(&before), time, [(id(0, 0), offset)].into());
        assert_eq!(noted(9, 5), Err(MarkRefused::Time));
        assert_eq!(noted(10, 4), Err(MarkRefused::Position));
        assert_eq!(noted(10, 5), Ok(before.clone()));
        assert!(WriterMark::noted(Some(&before), 11, [(id(4, 2), 0)].into()).is_ok());
        assert!(WriterMark::noted(None, i64::MIN, Cut::new()).is_ok());
    }

    #[test]
    fn a_watermark_lies_between_the_writers_and_behind_none() {
        let history = split_and_merged();
        let marks = [mark(10, &[(id(0, 0), 5), (id(1, 0), 9)]), mark(12, &[(id(0, 0), 7), (id(1, 0), 1)])];
        let first = Watermark::next(&history, None, &marks).expect("time went on");
        assert_eq!((first.lower, first.upper), (10, 12));
        assert_eq!(cut(&first), [(id(0, 0), 7), (id(1, 0), 9)]);
        assert_eq!(Watermark::next(&history, Some(&first), &marks), None);
        let marks = [mark(11, &[(id(2, 1), 1)])];
        let second = Watermark::next(&history, Some(&first), &marks).expect("time went on");
        assert_eq!(cut(&second), [(id(1, 0), 9), (id(2, 1), 1), (id(3, 1), 0)]);
    }

    #[test]
    fn nobody_makes_no_watermark() {
        assert_eq!(Watermark::next(&split_and_merged(), None, &[]), None);
    }

    #[test]
    fn a_watermark_with_two_segments_takes_the_bytes_seen_on_a_live_pravega() {
        let history = split_and_merged();
        let marks = [mark(1, &[(id(0, 0), 5), (id(1, 0), 9)])];
        let event = Watermark::next(&history, None, &marks).expect("a watermark").to_event();
        assert_eq!(event.len(), 113);
        assert_eq!(&event[..16], [0, 0, 0, 0, 0, 0, 0, 105, 0, 0, 1, 0, 0, 0, 0, 97]);
    }
}
