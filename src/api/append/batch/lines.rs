//! Cuts lines out of a body as it arrives.

use bytes::{Buf as _, Bytes, BytesMut};

use crate::api::append::batch::item::{CutEvent, MalformedEvent};
use crate::api::request::content_type::BYTE_ORDER_MARK;

/// Bytes of a body that are not cut into lines yet. Empty lines are no events.
#[derive(Debug)]
pub(super) struct Lines {
    buffer: BytesMut,
    /// Bytes at the buffer's beginning that hold no line's end.
    searched: usize,
    max_event: usize,
    /// Whether a byte order mark may still come, which is no part of the first line.
    is_at_start: bool,
}

impl Lines {
    pub(super) fn new(max_event: usize) -> Self {
        Self { buffer: BytesMut::new(), searched: 0, max_event, is_at_start: true }
    }

    /// The next line that is complete, without its end, and the bytes that it took with it.
    fn next_line(&mut self) -> Option<CutEvent> {
        self.skip_mark();
        match memchr::memchr(b'\n', &self.buffer[self.searched..]) {
            Some(index) => {
                let line = self.buffer.split_to(self.searched + index).freeze();
                self.buffer.advance(1);
                self.searched = 0;
                let taken = line.len() + 1;
                Some(CutEvent { payload: without_return(line), taken })
            }
            None => {
                self.searched = self.buffer.len();
                None
            }
        }
    }

    fn skip_mark(&mut self) {
        if !self.is_at_start {
            return;
        }
        if self.buffer.starts_with(BYTE_ORDER_MARK) {
            self.buffer.advance(BYTE_ORDER_MARK.len());
            self.searched = 0;
            self.is_at_start = false;
        } else {
            self.is_at_start = BYTE_ORDER_MARK.starts_with(&self.buffer);
        }
    }

    fn check(&self, length: usize) -> Result<(), MalformedEvent> {
        if length > self.max_event {
            return Err(MalformedEvent::TooLarge { max_event: self.max_event });
        }
        Ok(())
    }

    pub(super) fn push(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
    }

    /// The next event that is there whole.
    pub(super) fn next(&mut self) -> Result<Option<CutEvent>, MalformedEvent> {
        while let Some(line) = self.next_line() {
            if !line.payload.is_empty() {
                self.check(line.payload.len())?;
                return Ok(Some(line));
            }
        }
        // A return at the end may belong to the line's end.
        let end = self.buffer.len() - usize::from(self.buffer.last() == Some(&b'\r'));
        self.check(end)?;
        Ok(None)
    }

    /// Bytes of the line that is not complete.
    pub(super) fn pending(&self) -> usize {
        self.buffer.len()
    }

    /// The body is over: a last line needs no end.
    pub(super) fn last(&mut self) -> Result<Option<CutEvent>, MalformedEvent> {
        let taken = self.buffer.len();
        let payload = without_return(self.buffer.split().freeze());
        self.searched = 0;
        self.check(payload.len())?;
        Ok((!payload.is_empty()).then_some(CutEvent { payload, taken }))
    }

    /// Discards the complete lines; returns how many events were among them.
    pub(super) fn count_rest(&mut self) -> u64 {
        std::iter::from_fn(|| self.next_line()).filter(|line| !line.payload.is_empty()).count() as u64
    }

    /// Whether the body, if it were over, ended with an event.
    pub(super) fn has_last(&self) -> bool {
        !self.buffer.is_empty() && self.buffer[..] != *b"\r"
    }
}

fn without_return(mut line: Bytes) -> Bytes {
    if line.last() == Some(&b'\r') {
        line.truncate(line.len() - 1);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(chunks: &[&[u8]]) -> Vec<Bytes> {
        let mut lines = Lines::new(10);
        let (mut cut, mut taken) = (Vec::new(), 0);
        let mut take = |next: CutEvent| {
            taken += next.taken;
            cut.push(next.payload);
        };
        for chunk in chunks {
            lines.push(chunk);
            std::iter::from_fn(|| lines.next().expect("short")).for_each(&mut take);
        }
        lines.last().expect("short").into_iter().for_each(&mut take);
        assert!(taken <= chunks.iter().map(|chunk| chunk.len()).sum());
        cut
    }

    #[test]
    fn lines_are_the_same_however_they_arrive() {
        let body = b"one\r\n\n\r\ntwo\rx\r\r\nthree";
        let expected: &[&[u8]] = &[b"one", b"two\rx\r", b"three"];
        assert_eq!(cut(&[body]), expected);
        assert_eq!(cut(&body.chunks(1).collect::<Vec<_>>()), expected);
    }

    #[test]
    fn byte_order_mark_is_no_part_of_the_first_line_and_of_any_other_it_is() {
        let body = b"\xef\xbb\xbfone\n\xef\xbb\xbftwo";
        let expected: &[&[u8]] = &[b"one", b"\xef\xbb\xbftwo"];
        assert_eq!(cut(&[body]), expected);
        assert_eq!(cut(&body.chunks(1).collect::<Vec<_>>()), expected);
        assert!(cut(&[b"\xef\xbb\xbf"]).is_empty());
        assert_eq!(cut(&[b"\xef\xbb"]), [&b"\xef\xbb"[..]]);
    }

    #[test]
    fn final_line_end_leaves_nothing() {
        assert_eq!(cut(&[b"one\n"]), [&b"one"[..]]);
        assert!(cut(&[b"\n\r\n\r"]).is_empty());
    }

    #[test]
    fn line_over_the_limit_is_broken_before_it_ends() {
        let mut lines = Lines::new(3);
        lines.push(b"abc\r");
        assert!(matches!(lines.next(), Ok(None)));
        lines.push(b"\nab");
        assert!(matches!(lines.next(), Ok(Some(_))));
        assert!(matches!(lines.next(), Ok(None)));
        lines.push(b"cd");
        assert!(matches!(lines.next(), Err(MalformedEvent::TooLarge { max_event: 3 })));
    }

    #[test]
    fn rest_is_counted_without_empty_lines() {
        let mut lines = Lines::new(3);
        lines.push(b"one\n\r\n\ntwo\nthr");
        assert_eq!((lines.count_rest(), lines.has_last()), (2, true));
        lines.push(b"ee\n\r");
        assert_eq!((lines.count_rest(), lines.has_last()), (1, false));
    }
}
