//! Bytes on their way to a socket.
//!
//! ```text
//! push(large) ──────────────────────┐
//! push(small) ─▶ small ─seal_small─▶ slices ─▶ vectored writes
//! ```

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};

/// Frames of at least this size are written from where they are; smaller ones are copied together.
const OWN_SLICE_BYTES: usize = 8 * 1024;

/// Bytes that wait to be written, in order. What is sealed can be written through [`Buf`].
#[derive(Debug, Default)]
pub struct Outbox {
    slices: VecDeque<Bytes>,
    /// Bytes in `slices`, none of which is empty.
    sealed: usize,
    small: BytesMut,
}

impl Outbox {
    /// Adds a frame.
    pub fn push(&mut self, frame: Bytes) {
        if frame.len() < OWN_SLICE_BYTES {
            self.small.extend_from_slice(&frame);
        } else {
            self.seal_small();
            self.push_slice(frame);
        }
    }

    /// The buffer at the end, for encoding small frames in place.
    pub fn small(&mut self) -> &mut BytesMut {
        &mut self.small
    }

    /// Pushes all of another outbox, without copying.
    pub fn append(&mut self, mut other: Self) {
        self.seal_small();
        other.seal_small();
        other.slices.into_iter().for_each(|slice| self.push_slice(slice));
    }

    /// Makes what was pushed visible to the [`Buf`] methods.
    pub fn seal_small(&mut self) {
        if !self.small.is_empty() {
            let small = self.small.split().freeze();
            self.push_slice(small);
        }
    }

    /// Bytes that wait, including those not sealed.
    pub fn bytes(&self) -> usize {
        self.sealed + self.small.len()
    }

    fn push_slice(&mut self, slice: Bytes) {
        assert!(!slice.is_empty(), "an empty slice would look like the end of what is sealed");
        self.sealed += slice.len();
        self.slices.push_back(slice);
    }
}

impl Buf for Outbox {
    fn remaining(&self) -> usize {
        self.sealed
    }

    fn chunk(&self) -> &[u8] {
        self.slices.front().map_or(&[], |slice| slice)
    }

    fn chunks_vectored<'a>(&'a self, out: &mut [IoSlice<'a>]) -> usize {
        let count = out.len().min(self.slices.len());
        out.iter_mut().zip(&self.slices).for_each(|(out, slice)| *out = IoSlice::new(slice));
        count
    }

    fn advance(&mut self, mut count: usize) {
        self.sealed = self.sealed.checked_sub(count).expect("advances no further than what remains");
        while count > 0 {
            let front = self.slices.front_mut().expect("sealed is the sum of the slices");
            let step = count.min(front.len());
            front.advance(step);
            count -= step;
            if front.is_empty() {
                self.slices.pop_front();
            }
        }
        assert_eq!(self.slices.is_empty(), self.sealed == 0, "sealed is the sum of the slices");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_the_order_they_came() {
        let mut outbox = Outbox::default();
        let large = vec![7; OWN_SLICE_BYTES];
        let frames = [&b"ab"[..], b"cd", &large, b"ef"];
        frames.iter().for_each(|frame| outbox.push(Bytes::copy_from_slice(frame)));
        outbox.seal_small();
        assert_eq!((outbox.remaining(), outbox.bytes()), (large.len() + 6, large.len() + 6));
        let mut written = Vec::new();
        while outbox.has_remaining() {
            let step = outbox.chunk().len().min(1000);
            written.extend_from_slice(&outbox.chunk()[..step]);
            outbox.advance(step);
        }
        assert_eq!(written, frames.concat());
    }

    #[test]
    fn another_outbox_follows_what_was_pushed_before_it() {
        let (mut outbox, mut other) = (Outbox::default(), Outbox::default());
        outbox.small().extend_from_slice(b"ab");
        other.push(Bytes::from_static(b"cd"));
        outbox.append(other);
        outbox.append(Outbox::default());
        assert_eq!(outbox.copy_to_bytes(4), "abcd");
        assert_eq!((outbox.remaining(), outbox.bytes()), (0, 0));
    }

    #[test]
    fn only_sealed_bytes_can_be_written() {
        let mut outbox = Outbox::default();
        outbox.push(Bytes::from_static(b"ab"));
        assert_eq!((outbox.remaining(), outbox.bytes()), (0, 2));
        outbox.seal_small();
        outbox.seal_small();
        assert_eq!((outbox.remaining(), outbox.bytes()), (2, 2));
    }

    #[test]
    fn vectored_writes_see_as_many_slices_as_there_is_room_for() {
        let mut outbox = Outbox::default();
        (0..3).for_each(|_| outbox.push(vec![1; OWN_SLICE_BYTES].into()));
        let mut slices = [IoSlice::new(&[]); 2];
        assert_eq!(outbox.chunks_vectored(&mut slices), 2);
        assert!(slices.iter().all(|slice| slice.len() == OWN_SLICE_BYTES));
        assert_eq!(outbox.chunks_vectored(&mut [IoSlice::new(&[]); 9]), 3);
    }

    #[test]
    fn empty_frame_adds_nothing() {
        let mut outbox = Outbox::default();
        outbox.push(Bytes::new());
        outbox.seal_small();
        assert!(!outbox.has_remaining());
        outbox.advance(0);
    }

    #[test]
    #[should_panic = "advances no further than what remains"]
    fn advancing_beyond_what_remains_panics() {
        Outbox::default().advance(1);
    }
}
