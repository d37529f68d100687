//! Cuts framed events out of a body as it arrives: each is `i32 0, i32 length, length bytes`, as in a segment.

use bytes::{Buf as _, BytesMut};
use pravega_protocol::wire::event::{EVENT_HEADER_BYTES, NotAnEvent, announced_len};

use crate::api::append::batch::item::{CutEvent, MalformedEvent};

/// Bytes of a body that are not cut into events yet.
#[derive(Debug)]
pub(super) struct Frames {
    buffer: BytesMut,
    max_event: usize,
    /// Bytes of an event that is thrown away, still to come.
    to_skip: usize,
    /// It is unknown where the next event begins.
    is_lost: bool,
}

impl Frames {
    pub(super) fn new(max_event: usize) -> Self {
        Self { buffer: BytesMut::new(), max_event, to_skip: 0, is_lost: false }
    }

    pub(super) fn push(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
    }

    /// The next event that is there whole. One that is too large is broken as soon as its header is there.
    pub(super) fn next(&mut self) -> Result<Option<CutEvent>, MalformedEvent> {
        let Some(length) = self.length()? else {
            return Ok(None);
        };
        let taken = EVENT_HEADER_BYTES + length;
        if length > self.max_event {
            self.to_skip = taken;
            return Err(MalformedEvent::TooLarge { max_event: self.max_event });
        }
        if self.buffer.len() < taken {
            return Ok(None);
        }
        let mut event = self.buffer.split_to(taken);
        event.advance(EVENT_HEADER_BYTES);
        Ok(Some(CutEvent { payload: event.freeze(), taken }))
    }

    /// The length in the next header, once that is there.
    fn length(&mut self) -> Result<Option<usize>, MalformedEvent> {
        announced_len(&self.buffer).map_err(|NotAnEvent { code, length }| {
            self.is_lost = true;
            MalformedEvent::NotAFrame { kind: code, length }
        })
    }

    /// Bytes of the event that is not complete.
    pub(super) fn pending(&self) -> usize {
        self.buffer.len()
    }

    /// The body is over, which must be where an event ends.
    pub(super) fn last(&mut self) -> Result<Option<CutEvent>, MalformedEvent> {
        if self.buffer.is_empty() {
            return Ok(None);
        }
        self.buffer.clear();
        Err(MalformedEvent::CutOff)
    }

    /// Discards the buffer; returns how many events began in it.
    pub(super) fn count_rest(&mut self) -> u64 {
        let mut count = 0;
        loop {
            let skipped = self.to_skip.min(self.buffer.len());
            self.buffer.advance(skipped);
            self.to_skip -= skipped;
            if self.to_skip > 0 || self.is_lost {
                self.buffer.clear();
                return count;
            }
            match self.length() {
                Ok(Some(length)) => {
                    count += 1;
                    self.to_skip = EVENT_HEADER_BYTES + length;
                }
                Ok(None) => return count,
                Err(_) => {}
            }
        }
    }

    /// Whether the events after a malformed one can be counted.
    pub(super) fn can_count(&self) -> bool {
        !self.is_lost
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn frame(payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).expect("short");
        [&[0; 4], &length.to_be_bytes()[..], payload].concat()
    }

    fn cut(chunks: &[&[u8]]) -> Vec<Bytes> {
        let mut frames = Frames::new(10);
        let mut cut = Vec::new();
        for chunk in chunks {
            frames.push(chunk);
            cut.extend(std::iter::from_fn(|| frames.next().expect("frames")).map(|event| event.payload));
        }
        assert!(matches!(frames.last(), Ok(None)));
        cut
    }

    #[test]
    fn events_are_the_same_however_they_arrive() {
        let body = [frame(b"one"), frame(b""), frame(b"\r\n\0")].concat();
        let expected: &[&[u8]] = &[b"one", b"", b"\r\n\0"];
        assert_eq!(cut(&[&body]), expected);
        assert_eq!(cut(&body.chunks(1).collect::<Vec<_>>()), expected);
        assert!(cut(&[]).is_empty());
    }

    #[test]
    fn other_types_and_negative_lengths_are_broken() {
        for header in [[0, 0, 0, 1, 0, 0, 0, 1], [0, 0, 0, 0, 0x80, 0, 0, 0]] {
            let mut frames = Frames::new(10);
            frames.push(&header);
            assert!(matches!(frames.next(), Err(MalformedEvent::NotAFrame { .. })));
            frames.push(&frame(b"later"));
            assert_eq!((frames.count_rest(), frames.can_count()), (0, false));
        }
    }

    #[test]
    fn event_over_the_limit_is_broken_at_its_header_and_those_after_it_are_counted() {
        let mut frames = Frames::new(3);
        frames.push(&frame(b"1234")[..8]);
        assert!(matches!(frames.next(), Err(MalformedEvent::TooLarge { max_event: 3 })));
        frames.push(b"12");
        assert_eq!(frames.count_rest(), 0);
        frames.push(&[b"34", &frame(b"5")[..], &frame(b"6")[..8]].concat());
        assert_eq!((frames.count_rest(), frames.can_count()), (2, true));
    }

    #[test]
    fn body_must_end_where_an_event_ends() {
        for end in [&frame(b"cut")[..10], &[0][..]] {
            let mut frames = Frames::new(10);
            frames.push(end);
            assert!(matches!(frames.next(), Ok(None)));
            assert!(matches!(frames.last(), Err(MalformedEvent::CutOff)));
            assert_eq!(frames.count_rest(), 0, "it is broken, and does not follow");
        }
    }
}
