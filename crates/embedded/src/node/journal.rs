//! The log under the node, seen from its steps: what they write, what reads fetch, and what stays cached.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::change::SegmentKey;
use super::record;
use super::room::Purpose;
use super::segment_data::Part;
use super::state::State;
use super::step::Written;
use super::undurable::Position;
use crate::checkpoint::Checkpoint;
use crate::log::{Log, LogFailed, Reservation, ReserveError};

/// Bytes that were written last and are still in memory, so that who reads at the tail needs no disk.
const CACHE_BYTES: u64 = 32 * 1024 * 1024;

/// Bytes of log after which a checkpoint is made, at least: what a start has to read.
const CHECKPOINT_AFTER: u64 = 32 * 1024 * 1024;

/// Time after which one is made if anything changed.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);

/// Bytes between two parts in the log that are rather read along than skipped.
const READ_ALONG: u64 = 64 * 1024;

/// What a record takes beside the bytes of an append.
pub(super) const RECORD_BYTES: usize = 4096;

/// The log under the node, seen from its steps, and the checkpoint.
#[derive(Debug)]
pub(super) struct Journal {
    pub(super) log: Arc<Log>,
    pub(super) checkpoint: Arc<Checkpoint>,
    saved: Mutex<Saved>,
}

/// The last checkpoint.
#[derive(Debug)]
struct Saved {
    /// How far the log is in it.
    applied: u64,
    /// What it wrote.
    bytes: u64,
    at: Instant,
}

/// Copies of what was written last, in the order they came.
#[derive(Debug, Default)]
pub(super) struct Cache {
    pieces: VecDeque<Cached>,
    bytes: u64,
}

#[derive(Debug)]
struct Cached {
    segment: SegmentKey,
    offset: u64,
    position: u64,
    len: u32,
}

impl Journal {
    pub(super) fn new(log: Log, checkpoint: Checkpoint, applied: u64) -> Self {
        let saved = Mutex::new(Saved { applied, bytes: 0, at: Instant::now() });
        Self { log: Arc::new(log), checkpoint: Arc::new(checkpoint), saved }
    }

    /// A checkpoint was made.
    pub(super) fn saved(&self, applied: u64, bytes: u64) {
        let mut last = self.last();
        assert!(applied >= last.applied, "a checkpoint never goes back");
        assert!(applied <= self.log.durable_end(), "a checkpoint knows no more than the log");
        *last = Saved { applied, bytes, at: Instant::now() };
    }

    /// How far the log is in the last checkpoint.
    pub(super) fn applied(&self) -> u64 {
        self.last().applied
    }

    /// Whether it is time for a checkpoint: at once when it is small beside what a restart would have to read, or when
    /// something may have been freed on a full disk.
    pub(super) fn is_due(&self) -> bool {
        let behind = self.log.end() - self.applied();
        let last = self.last();
        behind >= CHECKPOINT_AFTER.max(2 * last.bytes)
            || (behind > 0 && (last.at.elapsed() >= CHECKPOINT_EVERY || self.log.no_space().is_some()))
    }

    fn last(&self) -> MutexGuard<'_, Saved> {
        self.saved.lock()
    }

    /// Takes room on disk, if it is there now.
    pub(super) fn try_reserve(&self, bytes: usize, purpose: Purpose) -> Option<Reservation> {
        match purpose {
            Purpose::Add => self.log.try_reserve(bytes + RECORD_BYTES),
            Purpose::Free => self.log.try_reserve_to_free(bytes + RECORD_BYTES),
        }
    }

    /// Waits for room on disk. Cancel safe.
    ///
    /// # Errors
    /// [`ReserveError`]: the disk is full, or the log has ended.
    pub(super) async fn reserve(&self, bytes: usize, purpose: Purpose) -> Result<Reservation, ReserveError> {
        match purpose {
            Purpose::Add => self.log.reserve(bytes + RECORD_BYTES).await,
            Purpose::Free => self.log.reserve_to_free(bytes + RECORD_BYTES).await,
        }
    }

    /// Writes what a step changed, and notes in the state where its bytes are.
    pub(super) fn write(&self, state: &mut State, cache: &mut Cache, written: Written) -> Position {
        let Written { changes, bodies, offsets, reservation } = written;
        let parts = record::encode(&changes, bodies);
        let head = parts[0].len() as u64;
        let receipt = match reservation {
            Some(room) => self.log.append(parts, room),
            None => self.log.append_unreserved(parts),
        };
        changes.iter().for_each(|change| state.written(change, Position(receipt.end)));
        let places = record::places(&changes, receipt.payload_at + head);
        for ((change, position), offset) in changes.iter().zip(places).zip(offsets) {
            let (Some((segment, offset)), len) = (offset, change.body_len()) else { continue };
            if let Some(data) = state.data_mut(segment) {
                data.settle(offset, position);
                cache.push(Cached { segment, offset, position, len });
            }
        }
        cache.shrink(state, self.log.durable_end());
        Position(receipt.end)
    }

    /// Waits until the log is durable up to here. Cancel safe.
    ///
    /// # Errors
    /// [`LogFailed`] when it never will be.
    pub(super) async fn reached(&self, position: Position) -> Result<(), LogFailed> {
        self.log.durable(position.0).await
    }

    /// Reads what is in the log. Cancel safe.
    ///
    /// # Errors
    /// What the system says.
    pub(super) async fn fetch(&self, parts: Vec<Part>) -> io::Result<Vec<Bytes>> {
        let log = Arc::clone(&self.log);
        let reading = move || {
            let is_near = |part: &Part, next: &Part| match (part, next) {
                (Part::Logged { position, len }, Part::Logged { position: next, .. }) => {
                    let end = position + *len as u64;
                    *next >= end && next - end <= READ_ALONG && log.is_in_one_file(*position, *next)
                }
                _ => false,
            };
            parts.chunk_by(is_near).map(|run| read(&log, run)).collect()
        };
        tokio::task::spawn_blocking(reading).await.map_err(io::Error::other)?
    }
}

/// Reads parts that follow each other in the log at once, with what lies between them.
fn read(log: &Log, run: &[Part]) -> io::Result<Bytes> {
    let bounds = run.iter().filter_map(|part| match part {
        Part::Logged { position, len } => Some((*position, position + *len as u64)),
        Part::Bytes(_) => None,
    });
    let (first, last) = (bounds.clone().next(), bounds.last());
    let (Some((from, _)), Some((_, to))) = (first, last) else {
        return Ok(run.first().map_or_else(Bytes::new, Part::bytes));
    };
    let whole = log.read(from, (to - from) as usize)?;
    if run.len() == 1 {
        return Ok(whole);
    }
    let mut joined = BytesMut::with_capacity(run.iter().map(Part::len).sum());
    for part in run {
        if let Part::Logged { position, len } = part {
            let at = (position - from) as usize;
            joined.extend_from_slice(&whole[at..at + len]);
        }
    }
    Ok(joined.freeze())
}

impl Cache {
    fn push(&mut self, cached: Cached) {
        self.bytes += u64::from(cached.len);
        self.pieces.push_back(cached);
    }

    /// Forgets the oldest copies beyond the bound, unless the log does not have them for certain.
    fn shrink(&mut self, state: &mut State, durable: u64) {
        while self.bytes > CACHE_BYTES {
            let Some(oldest) = self.pieces.pop_front_if(|oldest| oldest.position + u64::from(oldest.len) <= durable)
            else {
                return;
            };
            self.bytes -= u64::from(oldest.len);
            if let Some(data) = state.data_mut(oldest.segment) {
                data.uncache(oldest.offset, oldest.position);
            }
        }
    }
}
