//! The node's state, and the only way to change it.
//!
//! All segments, tables and the controller's records are one [`State`] behind one lock. A [`Step`] validates, then
//! applies [`Change`](change::Change)s; together they are one record of the log, so a step happens as a whole or not at all, also
//! when the process is killed. A restart applies the same changes again.

mod change;
mod checkpoint_format;
mod dirty;
mod error;
mod journal;
mod maintenance;
mod recent;
mod record;
mod room;
mod segment;
mod segment_data;
mod state;
mod step;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::watch;

pub(crate) use crate::log::LogFailed;
use crate::log::Reservation;

use journal::{Cache, Journal};

pub(crate) use change::SegmentKey;
pub(crate) use error::{ChangeError, NoRoom, SegmentError, TableError};
pub(crate) use room::{Purpose, Room};
pub(crate) use segment::{NewSegment, Segment, SegmentKind};
pub(crate) use segment_data::Part;
pub(crate) use state::State;
use step::Written;
pub(crate) use step::{ACCUMULATE, Appended, REPLACE, REPLACE_IF_EQUALS, Step};

/// Place in the log; everything before it was written earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Position(pub(crate) u64);

/// What a step or a look found, not to be told before the log is durable up to `position`.
#[derive(Debug)]
#[must_use = "is told only after `Node::durable`"]
pub(crate) struct Stepped<T> {
    value: T,
    position: Position,
}

impl<T> Stepped<T> {
    /// A value that no step found: it may be told at once.
    pub(crate) fn known(value: T) -> Self {
        Self { value, position: Position::default() }
    }

    /// The same place with another value.
    pub(crate) fn map<U>(self, convert: impl FnOnce(T) -> U) -> Stepped<U> {
        Stepped { value: convert(self.value), position: self.position }
    }

    /// What it found, without awaiting anything; for what never leaves the process.
    pub(crate) fn into_inner(self) -> T {
        self.value
    }

    /// Looks at the value before it may be told.
    pub(crate) fn value(&self) -> &T {
        &self.value
    }

    /// Takes the value out of its place.
    pub(crate) fn split(self) -> (T, Stepped<()>) {
        (self.value, Stepped { value: (), position: self.position })
    }

    /// Splits off what the log must reach.
    pub(crate) fn into_parts(self) -> (T, Position) {
        (self.value, self.position)
    }
}

impl Stepped<()> {
    /// Another value in this place.
    pub(crate) fn with<T>(&self, value: T) -> Stepped<T> {
        Stepped { value, position: self.position }
    }
}

impl<T, E> Stepped<Result<T, E>> {
    /// The value with its place, or the error without one.
    pub(crate) fn transpose(self) -> Result<Stepped<T>, E> {
        let position = self.position;
        self.value.map(|value| Stepped { value, position })
    }
}

/// What a node may hold, and how long it waits for room.
#[derive(Debug, Clone)]
pub(crate) struct NodeLimits {
    /// Bytes of events and table entries in memory.
    pub(crate) max_bytes: u64,
    /// How long an append waits for truncation to make room before it fails.
    pub(crate) wait_for_room: Duration,
}

/// The node; shared by its servers.
#[derive(Debug)]
pub(crate) struct Node {
    held: Mutex<Held>,
    limits: NodeLimits,
    /// Counts what frees memory.
    freed: watch::Sender<u64>,
    journal: Option<Journal>,
}

/// What the lock guards.
#[derive(Debug, Default)]
struct Held {
    state: State,
    cache: Cache,
    /// Where the record of the last change ends.
    last: Position,
}

impl Held {
    fn look_at<T>(&self, key: Option<SegmentKey>, see: impl FnOnce(SegmentKey, &Segment) -> T) -> Stepped<Option<T>> {
        match key.and_then(|key| Some((key, self.state.by_key(key)?))) {
            Some((key, segment)) => Stepped { value: Some(see(key, segment)), position: segment.written },
            None => Stepped { value: None, position: self.last },
        }
    }
}

impl Node {
    /// A node that forgets everything when it is dropped.
    pub(crate) fn in_memory(limits: NodeLimits) -> Arc<Self> {
        Self::with(Held::default(), limits, None)
    }

    fn with(held: Held, limits: NodeLimits, journal: Option<Journal>) -> Arc<Self> {
        Arc::new(Self { held: Mutex::new(held), limits, freed: watch::Sender::new(0), journal })
    }

    /// Runs one atomic step: what it changes is one record of the log. It must not block, and whatever it refuses it
    /// must refuse before its first change. For steps that only look for room, or need none on a disk; others come by
    /// [`step_in`](Self::step_in) or [`change`](Self::change), or a full disk ends the log.
    pub(crate) fn step<T>(&self, act: impl FnOnce(&mut Step<'_>) -> T) -> Stepped<T> {
        self.run(None, act)
    }

    /// As [`step`](Self::step), in room that was waited for.
    pub(crate) fn step_in<T>(&self, mut room: Room, act: impl FnOnce(&mut Step<'_>) -> T) -> Stepped<T> {
        self.run(room.take_reservation(), act)
    }

    fn run<T>(&self, room: Option<Reservation>, act: impl FnOnce(&mut Step<'_>) -> T) -> Stepped<T> {
        let mut held = self.held();
        let Held { state, cache, last } = &mut *held;
        let before = state.bytes();
        let mut step = Step::new(state, now(), self.limits.max_bytes, self.journal.as_ref(), room);
        let value = act(&mut step);
        let written = step.into_written();
        if let Some(journal) = self.journal.as_ref().filter(|_| !written.changes.is_empty()) {
            *last = journal.write(state, cache, written);
        }
        if state.bytes() < before {
            self.freed.send_modify(|freed| *freed += 1);
        }
        Stepped { value, position: *last }
    }

    /// Looks at the state without changing it; must not block.
    pub(crate) fn look<T>(&self, see: impl FnOnce(&State) -> T) -> Stepped<T> {
        let held = self.held();
        Stepped { value: see(&held.state), position: held.last }
    }

    /// Looks at one segment, if it is there. What was seen waits for the changes of this segment only, so that reads go on
    /// whatever becomes of others; that there is none waits for all.
    pub(crate) fn look_at<T>(&self, name: &str, see: impl FnOnce(SegmentKey, &Segment) -> T) -> Stepped<Option<T>> {
        let held = self.held();
        let key = held.state.key(name);
        held.look_at(key, see)
    }

    /// As [`look_at`](Self::look_at), at the segment of a key.
    pub(crate) fn look_at_key<T>(&self, key: SegmentKey, see: impl FnOnce(&Segment) -> T) -> Stepped<Option<T>> {
        self.held().look_at(Some(key), |_, segment| see(segment))
    }

    /// Why what was found can never be told, if the log has ended before it.
    pub(crate) fn lost<T>(&self, stepped: &Stepped<T>) -> Option<LogFailed> {
        let log = &self.journal.as_ref()?.log;
        log.ended().filter(|_| stepped.position.0 > log.durable_end())
    }

    /// Waits until what a step changed, or a look saw, outlives the process. Cancel safe: the change stays.
    ///
    /// # Errors
    /// [`LogFailed`] when it never will.
    pub(crate) async fn durable<T>(&self, stepped: Stepped<T>) -> Result<T, LogFailed> {
        self.reached(stepped.position).await?;
        Ok(stepped.value)
    }

    /// Waits until the log is durable up to `position`. Cancel safe.
    ///
    /// # Errors
    /// [`LogFailed`] when it never will be.
    pub(crate) async fn reached(&self, position: Position) -> Result<(), LogFailed> {
        match &self.journal {
            Some(journal) => journal.reached(position).await,
            None => Ok(()),
        }
    }

    /// Reads the parts that are not in memory. Cancel safe.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) async fn fetch(&self, parts: Vec<Part>) -> io::Result<Vec<Bytes>> {
        match &self.journal {
            Some(journal) => journal.fetch(parts).await,
            None => Ok(parts.iter().map(Part::bytes).collect()),
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().expect("no step panics")
    }
}

/// Milliseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
