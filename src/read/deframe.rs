//! Cuts events out of a segment's bytes: each is `i32 0, i32 length, length bytes`.

use bytes::{Buf as _, Bytes};

use crate::append::EVENT_HEADER_BYTES;

/// What a buffer begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deframed {
    /// A whole event: its payload, split off the buffer.
    Event(Bytes),
    /// The beginning of an event of this many bytes including its header, or of a header if that is incomplete.
    Partial(usize),
    /// Bytes that are not an event.
    Garbage,
}

/// Splits the first event off the buffer, if it is whole. An event ends at the segment's tail at the latest, which is
/// `room` bytes away.
pub fn deframe(buffer: &mut Bytes, room: usize) -> Deframed {
    let Some(mut header) = buffer.get(..EVENT_HEADER_BYTES) else {
        return if room < EVENT_HEADER_BYTES { Deframed::Garbage } else { Deframed::Partial(EVENT_HEADER_BYTES) };
    };
    let (kind, length) = (header.get_i32(), header.get_i32());
    let whole = match usize::try_from(length) {
        Ok(length) if kind == 0 && EVENT_HEADER_BYTES + length <= room => EVENT_HEADER_BYTES + length,
        _ => return Deframed::Garbage,
    };
    if buffer.len() < whole {
        return Deframed::Partial(whole);
    }
    let mut event = buffer.split_to(whole);
    event.advance(EVENT_HEADER_BYTES);
    Deframed::Event(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Bytes {
        hex::decode(hex).expect("hex").into()
    }

    #[test]
    fn events_come_off_one_after_the_other() {
        let mut buffer = bytes("0000000000000001610000000000000002626200");
        assert_eq!(deframe(&mut buffer, 100), Deframed::Event(Bytes::from_static(b"a")));
        assert_eq!(deframe(&mut buffer, 91), Deframed::Event(Bytes::from_static(b"bb")));
        assert_eq!(deframe(&mut buffer, 81), Deframed::Partial(8));
        assert_eq!(buffer.len(), 1);
    }

    #[test]
    fn empty_event_is_an_event() {
        assert_eq!(deframe(&mut bytes("0000000000000000"), 8), Deframed::Event(Bytes::new()));
    }

    #[test]
    fn event_must_end_at_or_before_the_tail() {
        assert_eq!(deframe(&mut bytes("000000000000000161"), 9), Deframed::Event(Bytes::from_static(b"a")));
        assert_eq!(deframe(&mut bytes("000000000000000261"), 9), Deframed::Garbage);
        assert_eq!(deframe(&mut bytes("000000"), 3), Deframed::Garbage);
    }

    #[test]
    fn other_types_and_negative_lengths_are_garbage() {
        assert_eq!(deframe(&mut bytes("000000010000000161"), 100), Deframed::Garbage);
        assert_eq!(deframe(&mut bytes("00000000ffffffff61"), 100), Deframed::Garbage);
    }

    #[test]
    fn cut_event_says_how_many_bytes_it_takes() {
        assert_eq!(deframe(&mut bytes("000000000000000a61"), 100), Deframed::Partial(18));
    }
}
