//! The bytes of one segment: in memory, on their way to the log, or in it.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use crate::table::TableChange;

/// Appends of less than this are gathered into pieces of at most this, so that small ones cost little beside their
/// bytes.
const PIECE_BYTES: usize = 64 * 1024;

/// A new piece's first allocation; it grows by doubling.
const FIRST_BYTES: usize = 512;

impl Stretch {
    /// Where it ends in the segment.
    pub(super) fn end(&self) -> u64 {
        self.offset + u64::from(self.len)
    }
}

/// What a piece takes beside its bytes, nearly.
const PIECE_OVERHEAD: u64 = 64;

/// The bytes of one segment, and where they are.
#[derive(Debug, Default)]
pub(crate) struct SegmentData {
    start: u64,
    length: u64,
    pieces: VecDeque<Piece>,
    in_memory: u64,
}

#[derive(Debug)]
struct Piece {
    offset: u64,
    place: Storage,
}

#[derive(Debug)]
enum Storage {
    Growing(BytesMut),
    Whole(Bytes),
    Logged(Logged),
}

/// Bytes that the log holds.
#[derive(Debug)]
struct Logged {
    position: u64,
    len: u32,
    /// The same bytes, while they are likely to be read.
    cached: Option<Bytes>,
}

/// Bytes that belong to a change, before or after they were written to the log.
#[derive(Debug)]
pub(crate) enum Body {
    /// Judged already.
    Table(TableChange),
    /// Kept in memory.
    Memory(Bytes),
    /// On their way to the log; [`SegmentData::settle`] says where they got.
    ToLog(Bytes),
    /// In the log.
    Logged {
        /// Where they begin.
        position: u64,
        /// How many.
        len: u32,
    },
}

/// Where bytes get that are still on their way to the log.
const UNSETTLED: u64 = u64::MAX;

impl From<Body> for Logged {
    fn from(body: Body) -> Self {
        let len = u32::try_from(body.len()).expect("a frame is shorter");
        match body {
            Body::Memory(data) | Body::ToLog(data) => Self { position: UNSETTLED, len, cached: Some(data) },
            Body::Logged { position, len } => Self { position, len, cached: None },
            Body::Table(_) => unreachable!("tables keep no bytes"),
        }
    }
}

impl Body {
    /// What is to change in a table.
    pub(super) fn into_table_change(self) -> TableChange {
        match self {
            Self::Table(change) => change,
            _ => unreachable!("changes of tables come judged"),
        }
    }

    fn len(&self) -> u64 {
        match self {
            Self::Table(_) => 0,
            Self::Memory(bytes) | Self::ToLog(bytes) => bytes.len() as u64,
            Self::Logged { len, .. } => u64::from(*len),
        }
    }
}

/// Some bytes of a read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// In memory.
    Bytes(Bytes),
    /// To be read from the log.
    Logged {
        /// Where they begin.
        position: u64,
        /// How many.
        len: usize,
    },
}

impl Part {
    /// How many bytes.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Logged { len, .. } => *len,
        }
    }

    /// The bytes, if they are in memory.
    pub(crate) fn bytes(&self) -> Bytes {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Logged { .. } => Bytes::new(),
        }
    }
}

/// A stretch of a segment in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stretch {
    /// Where it begins in the segment.
    pub(crate) offset: u64,
    /// Where it begins in the log.
    pub(crate) position: u64,
    /// Bytes.
    pub(crate) len: u32,
}

impl Piece {
    fn len(&self) -> u64 {
        match &self.place {
            Storage::Growing(bytes) => bytes.len() as u64,
            Storage::Whole(bytes) => bytes.len() as u64,
            Storage::Logged(logged) => u64::from(logged.len),
        }
    }

    fn end(&self) -> u64 {
        self.offset + self.len()
    }

    /// What counts as held in memory; what is cached counts elsewhere.
    fn in_memory(&self) -> u64 {
        match &self.place {
            Storage::Growing(_) | Storage::Whole(_) => self.len(),
            Storage::Logged(_) => PIECE_OVERHEAD,
        }
    }

    fn stretch(&self) -> Option<Stretch> {
        match &self.place {
            Storage::Logged(logged) => {
                Some(Stretch { offset: self.offset, position: logged.position, len: logged.len })
            }
            Storage::Growing(_) | Storage::Whole(_) => None,
        }
    }

    fn part(&self, from: usize, to: usize) -> Part {
        match &self.place {
            // Goes on growing, so it cannot be shared.
            Storage::Growing(bytes) => Part::Bytes(Bytes::copy_from_slice(&bytes[from..to])),
            Storage::Whole(bytes) | Storage::Logged(Logged { cached: Some(bytes), .. }) => {
                Part::Bytes(bytes.slice(from..to))
            }
            Storage::Logged(logged) => Part::Logged { position: logged.position + from as u64, len: to - from },
        }
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
        self.in_memory
    }

    pub(crate) fn append(&mut self, body: Body) {
        let offset = self.length;
        self.length += body.len();
        match body {
            body if body.len() == 0 => {}
            Body::Memory(data) => self.append_in_memory(offset, data),
            body => self.push(offset, Storage::Logged(Logged::from(body))),
        }
    }

    fn append_in_memory(&mut self, offset: u64, data: Bytes) {
        if data.len() >= PIECE_BYTES {
            return self.push(offset, Storage::Whole(data));
        }
        if let Some(Piece { place: Storage::Growing(bytes), .. }) = self.pieces.back_mut()
            && bytes.len() + data.len() <= PIECE_BYTES
        {
            bytes.extend_from_slice(&data);
            self.in_memory += data.len() as u64;
            return;
        }
        let mut bytes = BytesMut::with_capacity(data.len().max(FIRST_BYTES));
        bytes.extend_from_slice(&data);
        self.push(offset, Storage::Growing(bytes));
    }

    fn push(&mut self, offset: u64, place: Storage) {
        let piece = Piece { offset, place };
        assert!(self.pieces.back().is_none_or(|last| last.end() == offset), "pieces follow each other without gaps");
        self.in_memory += piece.in_memory();
        self.pieces.push_back(piece);
    }

    fn find(&mut self, offset: u64) -> Option<&mut Logged> {
        let index = self.pieces.binary_search_by_key(&offset, |piece| piece.offset).ok()?;
        match &mut self.pieces[index].place {
            Storage::Logged(logged) => Some(logged),
            Storage::Growing(_) | Storage::Whole(_) => None,
        }
    }

    /// The bytes at `offset`, where a piece begins, are in the log.
    pub(super) fn settle(&mut self, offset: u64, position: u64) {
        if let Some(logged) = self.find(offset).filter(|logged| logged.position == UNSETTLED) {
            logged.position = position;
        }
    }

    /// Forgets the cached copy of the piece that begins at `offset` and that the log holds at `position`.
    pub(super) fn uncache(&mut self, offset: u64, position: u64) {
        if let Some(logged) = self.find(offset).filter(|logged| logged.position == position) {
            logged.cached = None;
        }
    }

    /// What lies in the log, in order.
    pub(super) fn stretches(&self) -> impl Iterator<Item = Stretch> {
        self.pieces.iter().filter_map(Piece::stretch)
    }

    /// Bytes of a segment as they were, all in the log.
    pub(super) fn restore(start: u64, length: u64, stretches: &[Stretch]) -> Self {
        let mut data = Self { start, length, ..Self::default() };
        for &Stretch { offset, position, len } in stretches {
            data.push(offset, Storage::Logged(Logged { position, len, cached: None }));
        }
        data
    }

    /// Whether these, which follow each other, are among its stretches.
    pub(super) fn has(&self, stretches: &[Stretch]) -> bool {
        self.pieces.range(self.indices(stretches)).filter_map(Piece::stretch).eq(stretches.iter().copied())
    }

    fn indices(&self, stretches: &[Stretch]) -> std::ops::Range<usize> {
        let (Some(first), Some(last)) = (stretches.first(), stretches.last()) else { return 0..0 };
        let from = self.pieces.partition_point(|piece| piece.offset < first.offset);
        let to = self.pieces.partition_point(|piece| piece.offset <= last.offset);
        from..to
    }

    /// The bytes of neighbouring stretches, which it has, lie elsewhere in the log now, together.
    pub(super) fn relocate(&mut self, stretches: &[Stretch], body: Body) {
        let Some(first) = stretches.first() else { return };
        let indices = self.indices(stretches);
        let piece = Piece { offset: first.offset, place: Storage::Logged(Logged::from(body)) };
        let removed: u64 = self.pieces.drain(indices.clone()).map(|piece| piece.in_memory()).sum();
        self.in_memory = self.in_memory - removed + piece.in_memory();
        self.pieces.insert(indices.start, piece);
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
        assert!((self.start..=self.length).contains(&offset), "the head moves forward, and not beyond the end");
        self.start = offset;
        while self.pieces.front().is_some_and(|piece| piece.end() <= offset) {
            self.in_memory -= self.pieces.pop_front().map_or(0, |piece| piece.in_memory());
        }
    }

    /// Appends all bytes of another segment, which has lost none of them, without copying.
    pub(crate) fn merge(&mut self, source: Self) {
        assert_eq!(source.start, 0, "the source of a merge is whole");
        let shift = self.length;
        self.length += source.length;
        self.in_memory += source.in_memory;
        self.pieces.extend(source.pieces.into_iter().map(|piece| Piece { offset: piece.offset + shift, ..piece }));
    }
}
