use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Appends of less than this are gathered into pieces of at most this, so that small ones cost little beside their
/// bytes.
const PIECE_BYTES: usize = 64 * 1024;

/// A new piece's first allocation; it grows by doubling.
const FIRST_BYTES: usize = 512;

/// The bytes of one segment, in memory.
#[derive(Debug, Default)]
pub(crate) struct SegmentData {
    start: u64,
    length: u64,
    pieces: VecDeque<Piece>,
}

#[derive(Debug)]
struct Piece {
    offset: u64,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Growing(BytesMut),
    Whole(Bytes),
}

/// Some bytes of a read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// In memory.
    Bytes(Bytes),
}

impl Piece {
    fn len(&self) -> u64 {
        match &self.place {
            Place::Growing(bytes) => bytes.len() as u64,
            Place::Whole(bytes) => bytes.len() as u64,
        }
    }

    fn end(&self) -> u64 {
        self.offset + self.len()
    }

    fn part(&self, from: usize, to: usize) -> Part {
        Part::Bytes(match &self.place {
            // Goes on growing, so it cannot be shared.
            Place::Growing(bytes) => Bytes::copy_from_slice(&bytes[from..to]),
            Place::Whole(bytes) => bytes.slice(from..to),
        })
    }
}

impl SegmentData {
    /// Where the readable bytes begin.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    /// Where they end; also what was truncated counts.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Bytes held in memory.
    pub(crate) fn bytes(&self) -> u64 {
        self.pieces.front().map_or(0, |first| self.length - first.offset)
    }

    pub(crate) fn append(&mut self, data: Bytes) {
        if data.is_empty() {
            return;
        }
        let offset = self.length;
        self.length += data.len() as u64;
        if data.len() >= PIECE_BYTES {
            self.pieces.push_back(Piece { offset, place: Place::Whole(data) });
            return;
        }
        if let Some(Piece { place: Place::Growing(bytes), .. }) = self.pieces.back_mut()
            && bytes.len() + data.len() <= PIECE_BYTES
        {
            bytes.extend_from_slice(&data);
            return;
        }
        let mut bytes = BytesMut::with_capacity(data.len().max(FIRST_BYTES));
        bytes.extend_from_slice(&data);
        self.pieces.push_back(Piece { offset, place: Place::Growing(bytes) });
    }

    /// At most `max` bytes from `offset` on, which must be between head and end.
    pub(crate) fn read(&self, offset: u64, max: usize) -> Vec<Part> {
        let end = self.length.min(offset.saturating_add(max as u64));
        let first = self.pieces.partition_point(|piece| piece.end() <= offset);
        let within = self.pieces.range(first..).take_while(|piece| piece.offset < end);
        within
            .map(|piece| {
                let from = offset.saturating_sub(piece.offset);
                let to = piece.len().min(end - piece.offset);
                piece.part(from as usize, to as usize)
            })
            .collect()
    }

    /// Moves the head to `offset`, and frees the pieces before it.
    pub(crate) fn truncate(&mut self, offset: u64) {
        self.start = offset;
        while self.pieces.front().is_some_and(|piece| piece.end() <= offset) {
            self.pieces.pop_front();
        }
    }

    /// Appends all bytes of another segment, which has lost none of them, without copying.
    pub(crate) fn merge(&mut self, source: Self) {
        let shift = self.length;
        self.length += source.length;
        self.pieces.extend(source.pieces.into_iter().map(|piece| Piece { offset: piece.offset + shift, ..piece }));
    }
}
