use bytes::{Buf, Bytes};

use super::error::FieldProblem;

/// What is left of a payload. Bulk bytes are split off, never copied.
#[derive(Debug)]
pub(crate) struct Input {
    rest: Bytes,
    total: usize,
}

impl Input {
    pub(crate) fn new(payload: Bytes) -> Self {
        Self { total: payload.len(), rest: payload }
    }

    /// Bytes read so far.
    pub(crate) fn position(&self) -> usize {
        self.total - self.rest.len()
    }

    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<Bytes, FieldProblem> {
        self.need(len)?;
        Ok(self.rest.split_to(len))
    }

    pub(crate) fn take_rest(&mut self) -> Bytes {
        std::mem::take(&mut self.rest)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, FieldProblem> {
        self.need(1)?;
        Ok(self.rest.get_u8())
    }

    pub(crate) fn u16(&mut self) -> Result<u16, FieldProblem> {
        self.need(2)?;
        Ok(self.rest.get_u16())
    }

    pub(crate) fn i32(&mut self) -> Result<i32, FieldProblem> {
        self.need(4)?;
        Ok(self.rest.get_i32())
    }

    pub(crate) fn i64(&mut self) -> Result<i64, FieldProblem> {
        self.need(8)?;
        Ok(self.rest.get_i64())
    }

    pub(crate) fn u128(&mut self) -> Result<u128, FieldProblem> {
        self.need(16)?;
        Ok(self.rest.get_u128())
    }

    /// An i32 that counts bytes or items.
    pub(crate) fn length(&mut self) -> Result<usize, FieldProblem> {
        let length = self.i32()?;
        usize::try_from(length).map_err(|_| FieldProblem::NegativeLength(length))
    }

    /// An i32 length and as many bytes.
    pub(crate) fn sized(&mut self) -> Result<Bytes, FieldProblem> {
        let length = self.length()?;
        self.take(length)
    }

    fn need(&self, needed: usize) -> Result<(), FieldProblem> {
        let left = self.rest.len();
        if left < needed { Err(FieldProblem::Truncated { needed, left }) } else { Ok(()) }
    }
}
