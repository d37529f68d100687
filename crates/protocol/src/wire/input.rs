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
