//! Events as they are framed in a segment, in an append block and in a framed body: the one place that frames and
//! deframes them.
//!
//! ```text
//! 0        4          8            8 + length
//! ├─ i32 0 ┼ i32 length ┼─ payload ─┤    both integers big-endian
//! ```
//! Source: WireCommands.java, `Event`, whose code is 0.

use bytes::{Buf as _, BufMut, Bytes};

/// Bytes before each event's payload.
pub const EVENT_HEADER_BYTES: usize = 8;

/// The code in an event's header.
pub(super) const EVENT_CODE: i32 = 0;

/// Eight bytes that are not an event's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an event header (0 and a length), found {code} and {length}")]
pub struct NotAnEvent {
    /// The first i32, which should be 0.
    pub code: i32,
    /// The second i32, which should be a length.
    pub length: i32,
}

/// What [`deframe`] finds at the start of a buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deframed {
    /// A whole event; its payload, split off the buffer.
    Event(Bytes),
    /// The beginning of an event that takes this many bytes, header included; the header's size if that is cut off.
    Partial(usize),
    /// Not an event.
    Garbage,
}

/// The header of an event with this many bytes of payload.
///
/// # Panics
/// If the length is 2^31 or more.
pub fn event_header(payload_len: usize) -> [u8; EVENT_HEADER_BYTES] {
    let length = i32::try_from(payload_len).expect("events are bounded far below 2^31 bytes");
    let mut header = [0; EVENT_HEADER_BYTES];
    header[..4].copy_from_slice(&EVENT_CODE.to_be_bytes());
    header[4..].copy_from_slice(&length.to_be_bytes());
    header
}

/// Appends an event with its header.
///
/// # Panics
/// As [`event_header`].
pub fn put_event(payload: &[u8], out: &mut impl BufMut) {
    out.put_slice(&event_header(payload.len()));
    out.put_slice(payload);
}

/// The payload length that the header at the start of `bytes` announces; `None` if the header is cut off.
///
/// # Errors
/// [`NotAnEvent`] if the bytes are not an event's header.
pub fn announced_len(mut bytes: &[u8]) -> Result<Option<usize>, NotAnEvent> {
    if bytes.len() < EVENT_HEADER_BYTES {
        return Ok(None);
    }
    let (code, length) = (bytes.get_i32(), bytes.get_i32());
    match usize::try_from(length) {
        Ok(payload_len) if code == EVENT_CODE => Ok(Some(payload_len)),
        _ => Err(NotAnEvent { code, length }),
    }
}

/// Splits the first event off the buffer, if it is whole. `room` is how many bytes there are from the buffer's start
/// to the segment's tail: an event ends at or before it.
pub fn deframe(buffer: &mut Bytes, room: usize) -> Deframed {
    let whole = match announced_len(buffer) {
        Ok(Some(payload_len)) => EVENT_HEADER_BYTES + payload_len,
        Ok(None) => EVENT_HEADER_BYTES,
        Err(NotAnEvent { .. }) => return Deframed::Garbage,
    };
    if whole > room {
        return Deframed::Garbage;
    }
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
    fn partial_event_reports_how_many_bytes_it_takes() {
        assert_eq!(deframe(&mut bytes("000000000000000a61"), 100), Deframed::Partial(18));
    }

    #[test]
    fn framed_events_deframe_to_their_payloads() {
        let mut framed = bytes::BytesMut::new();
        put_event(b"a", &mut framed);
        put_event(b"bb", &mut framed);
        assert_eq!(hex::encode(&framed), "00000000000000016100000000000000026262");
        let mut rest = framed.freeze();
        assert_eq!(deframe(&mut rest, 19), Deframed::Event(Bytes::from_static(b"a")));
        assert_eq!(deframe(&mut rest, 10), Deframed::Event(Bytes::from_static(b"bb")));
    }

    #[test]
    fn invalid_header_is_named() {
        let refused = announced_len(&[0, 0, 0, 1, 255, 255, 255, 255]).expect_err("not an event");
        assert_eq!(refused, NotAnEvent { code: 1, length: -1 });
        assert_eq!(announced_len(&[1, 1]), Ok(None));
    }
}
