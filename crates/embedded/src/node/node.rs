//! The node itself: one state behind one lock, and the ways to look at it and to change it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use super::change::SegmentKey;
use super::error::{ChangeError, NodeBroken};
use super::journal::{Cache, Journal};
use super::room::Room;
use super::segment::StoredSegment;
use super::segment_data::Part;
use super::state::State;
use super::step::Step;
use super::undurable::{Position, Undurable};
use crate::log::{LogFailed, Reservation};

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
    /// A step panicked, so the state may hold a part of what it was to change. Set while the lock is held, never unset.
    broken: AtomicBool,
    pub(super) limits: NodeLimits,
    /// Counts what frees memory.
    pub(super) freed: watch::Sender<u64>,
    pub(super) journal: Option<Journal>,
}

/// What the lock guards.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) state: State,
    cache: Cache,
    /// Where the record of the last change ends.
    pub(super) last: Position,
}

impl Held {
    /// The state as it was when the log ended at `last`.
    pub(super) fn restored(state: State, last: Position) -> Self {
        Self { state, cache: Cache::default(), last }
    }

    fn look_at<T>(
        &self,
        key: Option<SegmentKey>,
        see: impl FnOnce(SegmentKey, &StoredSegment) -> T,
    ) -> Undurable<Option<T>> {
        match key.and_then(|key| Some((key, self.state.by_key(key)?))) {
            Some((key, segment)) => Undurable { value: Some(see(key, segment)), position: segment.written },
            None => Undurable { value: None, position: self.last },
        }
    }
}

impl Node {
    /// A node that forgets everything when it is dropped.
    pub(crate) fn in_memory(limits: NodeLimits) -> Arc<Self> {
        Self::with(Held::default(), limits, None)
    }

    pub(super) fn with(held: Held, limits: NodeLimits, journal: Option<Journal>) -> Arc<Self> {
        Arc::new(Self {
            held: Mutex::new(held),
            broken: AtomicBool::new(false),
            limits,
            freed: watch::Sender::new(0),
            journal,
        })
    }

    /// Runs one atomic step: what it changes is one record of the log. It must not block, and whatever it refuses it
    /// must refuse before its first change. One that panics breaks the node: nothing of it gets into the log, and no
    /// later step or look sees the part of it that was applied. For steps that only look for room, or need none on a disk; others come by
    /// [`step_in`](Self::step_in) or [`change`](Self::change), or a full disk ends the log.
    pub(crate) fn step<T>(&self, act: impl FnOnce(&mut Step<'_>) -> T) -> Undurable<T> {
        self.run(None, act)
    }

    /// As [`step`](Self::step), in room that was waited for.
    pub(crate) fn step_in<T>(&self, mut room: Room, act: impl FnOnce(&mut Step<'_>) -> T) -> Undurable<T> {
        self.run(room.take_reservation(), act)
    }

    pub(super) fn run<T>(&self, room: Option<Reservation>, act: impl FnOnce(&mut Step<'_>) -> T) -> Undurable<T> {
        let mut held = self.held();
        // unwinding drops it before the lock is released
        let _breaks = BreakOnPanic(&self.broken);
        let Held { state, cache, last } = &mut *held;
        let before = state.bytes();
        let mut step = Step::new(state, now(), self.limits.max_bytes, self.journal.as_ref(), room);
        let value = act(&mut step);
        let written = step.into_written();
        if let Some(journal) = self.journal.as_ref().filter(|_| !written.changes.is_empty()) {
            let end = journal.write(state, cache, written);
            assert!(end > *last, "records of the log follow each other");
            *last = end;
        }
        if state.bytes() < before {
            self.freed.send_modify(|freed| *freed += 1);
        }
        Undurable { value, position: *last }
    }

    /// Looks at the state without changing it; must not block.
    pub(crate) fn look<T>(&self, see: impl FnOnce(&State) -> T) -> Undurable<T> {
        let held = self.held();
        Undurable { value: see(&held.state), position: held.last }
    }

    /// Looks at one segment, if it is there. What was seen waits for the changes of this segment only, so that reads go on
    /// whatever happens to others; that the segment is missing waits for all changes.
    pub(crate) fn look_at<T>(
        &self,
        name: &str,
        see: impl FnOnce(SegmentKey, &StoredSegment) -> T,
    ) -> Undurable<Option<T>> {
        let held = self.held();
        let key = held.state.key(name);
        held.look_at(key, see)
    }

    /// As [`look_at`](Self::look_at), at the segment of a key.
    pub(crate) fn look_at_key<T>(
        &self,
        key: SegmentKey,
        see: impl FnOnce(&StoredSegment) -> T,
    ) -> Undurable<Option<T>> {
        self.held().look_at(Some(key), |_, segment| see(segment))
    }

    /// Why what was found can never be sent, if the log has ended before it.
    pub(crate) fn lost<T>(&self, undurable: &Undurable<T>) -> Option<LogFailed> {
        let log = &self.journal.as_ref()?.log;
        log.ended().filter(|_| undurable.position.0 > log.durable_end())
    }

    /// Waits until what a step changed, or a look saw, outlives the process. Cancel safe: the change stays.
    ///
    /// # Errors
    /// [`LogFailed`] when it never will.
    pub(crate) async fn durable<T>(&self, undurable: Undurable<T>) -> Result<T, LogFailed> {
        self.reached(undurable.position).await?;
        Ok(undurable.value)
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

    /// Looks at the state, and waits until what was seen is durable. Cancel safe.
    ///
    /// # Errors
    /// [`ChangeError::Log`] when it never will be, [`ChangeError::Broken`] after a step panicked.
    pub(crate) async fn look_durably<T>(&self, see: impl FnOnce(&State) -> T) -> Result<T, ChangeError> {
        self.check()?;
        Ok(self.durable(self.look(see)).await?)
    }

    /// Whether the state can be trusted; steps and looks panic if not.
    ///
    /// # Errors
    /// [`NodeBroken`].
    pub(crate) fn check(&self) -> Result<(), NodeBroken> {
        if self.broken.load(Ordering::Acquire) { Err(NodeBroken) } else { Ok(()) }
    }

    /// # Panics
    /// When the node is broken.
    pub(super) fn held(&self) -> MutexGuard<'_, Held> {
        let held = self.held.lock();
        if let Err(broken) = self.check() {
            panic!("{broken}");
        }
        held
    }

    /// Gives back room in memory that was promised to a step, also after it panicked.
    pub(super) fn take_back(&self, promised: u64) {
        let state = &mut self.held.lock().state;
        assert!(promised <= state.promised, "no more room is given back than was promised");
        state.promised -= promised;
        self.freed.send_modify(|freed| *freed += 1);
    }
}

/// Milliseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Marks the node as broken when a panic drops it.
struct BreakOnPanic<'a>(&'a AtomicBool);

impl Drop for BreakOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Release);
            tracing::error!(error = %NodeBroken, "a step of the embedded node panicked");
        }
    }
}
