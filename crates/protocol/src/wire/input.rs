//! Reads values off the front of a payload.

use bytes::{Buf, Bytes};

use super::error::FieldProblem;
use super::event::{EVENT_CODE, EVENT_HEADER_BYTES, NotAnEvent, announced_len};

/// The unread rest of a payload. Bulk bytes are split off, never copied.
#[derive(Debug)]
pub struct Input {
    rest: Bytes,
    total: usize,
}

impl Input {
    /// Reads from the start of a payload.
    pub fn new(payload: Bytes) -> Self {
        Self { total: payload.len(), rest: payload }
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> usize {
        self.total - self.rest.len()
    }

    /// Bytes not read yet.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// [`FieldProblem::Truncated`] if fewer are left, as in every reading method here.
    pub fn take(&mut self, len: usize) -> Result<Bytes, FieldProblem> {
        self.need(len)?;
        Ok(self.rest.split_to(len))
    }

    /// All that is left.
    pub(super) fn take_rest(&mut self) -> Bytes {
        std::mem::take(&mut self.rest)
    }

    /// The next u8, big-endian.
    pub fn u8(&mut self) -> Result<u8, FieldProblem> {
        self.need(1)?;
        Ok(self.rest.get_u8())
    }

    /// The next u16, big-endian.
    pub(super) fn u16(&mut self) -> Result<u16, FieldProblem> {
        self.need(2)?;
        Ok(self.rest.get_u16())
    }

    /// The next i32, big-endian.
    pub fn i32(&mut self) -> Result<i32, FieldProblem> {
        self.need(4)?;
        Ok(self.rest.get_i32())
    }

    /// The next i64, big-endian.
    pub fn i64(&mut self) -> Result<i64, FieldProblem> {
        self.need(8)?;
        Ok(self.rest.get_i64())
    }

    /// The next u128, big-endian.
    pub(super) fn u128(&mut self) -> Result<u128, FieldProblem> {
        self.need(16)?;
        Ok(self.rest.get_u128())
    }

    /// An i32 that counts bytes or items.
    pub(super) fn length(&mut self) -> Result<usize, FieldProblem> {
        let length = self.i32()?;
        usize::try_from(length).map_err(|_| FieldProblem::NegativeLength(length))
    }

    /// An i32 length and that many bytes.
    pub fn sized(&mut self) -> Result<Bytes, FieldProblem> {
        let length = self.length()?;
        self.take(length)
    }

    /// The payload of a framed event.
    pub(super) fn event(&mut self) -> Result<Bytes, FieldProblem> {
        let announced = announced_len(&self.rest).map_err(|NotAnEvent { code, length }| match code {
            EVENT_CODE => FieldProblem::NegativeLength(length),
            other => FieldProblem::NotAnEvent(other),
        })?;
        self.take(EVENT_HEADER_BYTES)?;
        self.take(announced.unwrap_or(0))
    }

    fn need(&self, needed: usize) -> Result<(), FieldProblem> {
        let left = self.rest.len();
        if left < needed { Err(FieldProblem::Truncated { needed, left }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(bytes: &'static [u8]) -> Input {
        Input::new(Bytes::from_static(bytes))
    }

    #[test]
    fn failed_read_takes_nothing() {
        let mut input = input(&[1, 2, 3]);
        assert_eq!(input.i32(), Err(FieldProblem::Truncated { needed: 4, left: 3 }));
        assert_eq!((input.position(), input.left()), (0, 3));
        assert_eq!(input.u16(), Ok(0x0102));
        assert_eq!((input.position(), input.left()), (2, 1));
    }

    #[test]
    fn negative_length_is_refused() {
        assert_eq!(input(&[0xff; 4]).sized(), Err(FieldProblem::NegativeLength(-1)));
    }

    #[test]
    fn length_beyond_the_end_is_refused() {
        assert_eq!(input(&[0, 0, 0, 2, 9]).sized(), Err(FieldProblem::Truncated { needed: 2, left: 1 }));
    }

    #[test]
    fn event_is_read_without_its_header() {
        assert_eq!(input(&[0, 0, 0, 0, 0, 0, 0, 1, 7, 8]).event(), Ok(Bytes::from_static(&[7])));
    }

    #[test]
    fn broken_events_are_distinguished() {
        let event = |bytes| input(bytes).event();
        assert_eq!(event(&[0, 0, 0, 0]), Err(FieldProblem::Truncated { needed: 8, left: 4 }));
        assert_eq!(event(&[0, 0, 0, 0, 0, 0, 0, 2, 7]), Err(FieldProblem::Truncated { needed: 2, left: 1 }));
        assert_eq!(event(&[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]), Err(FieldProblem::NegativeLength(-1)));
        assert_eq!(event(&[0, 0, 0, 1, 0, 0, 0, 0]), Err(FieldProblem::NotAnEvent(1)));
    }
}
