//! Segment ids and full segment names.

use std::fmt;
use std::str::FromStr;

use super::name::{NameError, ScopedStream, StreamName};
use super::serde_as_text;

const EPOCH_MARK: &str = ".#epoch.";

/// A segment inside its stream: the number in the low 32 bits, the epoch that created it in the high 32.
///
/// Its order is epoch first, so sorting puts predecessors before successors.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SegmentId(i64);

impl SegmentId {
    /// The segment with this number, created in this epoch.
    #[must_use]
    pub const fn new(number: u32, epoch: u32) -> Self {
        Self(((epoch as i64) << 32) | number as i64)
    }

    /// From the controller's 64-bit id.
    #[must_use]
    pub const fn from_i64(id: i64) -> Self {
        Self(id)
    }

    /// The 64-bit id, as the controller expects it.
    #[must_use]
    pub const fn as_i64(self) -> i64 {
        self.0
    }

    /// The number, unique in the stream.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0 as u32
    }

    /// The epoch that created the segment.
    #[must_use]
    pub const fn epoch(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{EPOCH_MARK}{}", self.number(), self.epoch())
    }
}

impl fmt::Debug for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SegmentId {
    type Err = NameError;

    /// Accepts `7.#epoch.3`, and `7` alone as epoch 0.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let (number, epoch) = text.split_once(EPOCH_MARK).unwrap_or((text, "0"));
        match (digits(number), digits(epoch)) {
            (Some(number), Some(epoch)) => Ok(Self::new(number, epoch)),
            _ => Err(NameError::SegmentId { text: text.to_owned() }),
        }
    }
}

/// Unlike `u32::from_str`, refuses a sign.
fn digits(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// A segment with its stream and scope, written `scope/stream/7.#epoch.3` as on the wire.
///
/// For a key-value table's segment the stream part is the table's name and `_kvtable`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SegmentName {
    /// The stream that the segment belongs to.
    pub stream: ScopedStream,
    /// Which of its segments.
    pub id: SegmentId,
}

impl SegmentName {
    /// A segment of a stream.
    #[must_use]
    pub fn new(stream: ScopedStream, id: SegmentId) -> Self {
        Self { stream, id }
    }

    /// The segment by which the controller locates this one: the parent of a transaction's or transient segment
    /// (the part before `#transaction.` or `#transient.`), otherwise the segment itself.
    ///
    /// # Errors
    /// If that part is not a full segment name.
    pub fn parent_of(name: &str) -> Result<Self, NameError> {
        let end = ["#transaction.", "#transient."].iter().find_map(|mark| name.find(mark));
        name[..end.unwrap_or(name.len())].parse()
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.stream, self.id)
    }
}

impl FromStr for SegmentName {
    type Err = NameError;

    /// Accepts `scope/stream/7.#epoch.3`, and `scope/stream/7` as epoch 0.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let mut parts = text.split('/');
        let (Some(scope), Some(stream), Some(id), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NameError::SegmentName { text: text.to_owned() });
        };
        let stream = ScopedStream::new(scope.parse()?, StreamName::of_segment(stream)?);
        Ok(Self::new(stream, id.parse()?))
    }
}

serde_as_text!(SegmentId, SegmentName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_holds_the_epoch_in_its_high_half() {
        let id = SegmentId::from_i64(8_589_934_595);
        assert_eq!((id.number(), id.epoch()), (3, 2));
        assert_eq!(id.to_string(), "3.#epoch.2");
        assert_eq!(SegmentId::new(3, 2), id);
    }

    #[test]
    fn every_id_survives_its_text() {
        for id in [0, 1, -1, i64::MIN, i64::MAX, 1 << 32, u32::MAX.into()].map(SegmentId::from_i64) {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }

    #[test]
    fn predecessors_sort_before_successors() {
        let mut ids = [SegmentId::new(1, 3), SegmentId::new(9, 0), SegmentId::new(2, 1)];
        ids.sort();
        assert_eq!(ids.map(SegmentId::epoch), [0, 1, 3]);
    }

    #[test]
    fn an_id_without_an_epoch_is_of_epoch_zero() {
        assert_eq!("7".parse(), Ok(SegmentId::new(7, 0)));
        assert_eq!("sc/st/7".parse::<SegmentName>().expect("valid").to_string(), "sc/st/7.#epoch.0");
    }

    #[test]
    fn other_texts_are_no_ids() {
        for text in ["", "x", "+1", "-1", "4294967296", "1.#epoch.", ".#epoch.1", "1.#epoch.2.#epoch.3", "1 "] {
            assert!(text.parse::<SegmentId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_segment_name_has_three_parts() {
        let name: SegmentName = "sc/st/3.#epoch.2".parse().expect("a full name");
        assert_eq!((name.stream.to_string().as_str(), name.id), ("sc/st", SegmentId::new(3, 2)));
        for text in ["", "st/0", "sc/st/0/1", "sc/st/", "sc//0", "sc/a b/0"] {
            assert!(text.parse::<SegmentName>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_tables_segment_is_named_by_its_suffix() {
        let name: SegmentName = "sc/kt_kvtable/0.#epoch.0".parse().expect("a table's segment");
        assert_eq!(name.to_string(), "sc/kt_kvtable/0.#epoch.0");
        assert!("sc/_kvtable/0".parse::<SegmentName>().is_err());
        assert!("sc/kt_kvtable".parse::<ScopedStream>().is_err());
    }

    #[test]
    fn transaction_and_transient_segments_live_with_their_parent() {
        let parent: SegmentName = "sc/st/0.#epoch.1".parse().expect("a full name");
        for suffix in ["", "#transaction.0000000200000000000000000000000a", "#transient.00ff.00aa"] {
            assert_eq!(SegmentName::parent_of(&format!("{parent}{suffix}")), Ok(parent.clone()), "{suffix}");
        }
    }

    #[test]
    fn an_id_is_a_string_in_json() {
        let id = SegmentId::new(3, 2);
        let json = serde_json::to_string(&id).expect("a string");
        assert_eq!(json, "\"3.#epoch.2\"");
        assert_eq!(serde_json::from_str::<SegmentId>(&json).expect("the same id"), id);
    }
}
