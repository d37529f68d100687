//! Who holds how much of the budget, and who waits for more.
//!
//! A waiting request takes nothing until all that it waits for is there, so that it keeps nothing from others meanwhile.
//! Requests of one part are served in the order of their arrival; small ones may pass a large one for which there is no
//! room yet.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::callers::Holder;
use super::part::{Division, Part};

/// Requests up to this many bytes may pass larger ones that wait.
const SMALL_BYTES: usize = 64 * 1024;

/// Most requests that one may pass.
const MOST_PASSED: usize = 64;

/// Shortest time in which progress is looked for, so that a wait of zero does not spin.
const PROGRESS_WINDOW: Duration = Duration::from_millis(10);

/// How long to wait for bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WaitPolicy {
    /// For the given time.
    Fixed,
    /// For as long as others give bytes back within each such time.
    WhileProgress,
}

/// Why bytes did not become free in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unavailable {
    /// Others hold them.
    Exhausted,
    /// The caller's other requests hold all that it may have, and other callers have requests in flight.
    OverShare,
}

#[derive(Debug)]
pub(super) struct Ledger {
    division: Division,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    held: [usize; Part::ALL.len()],
    waiting: [VecDeque<Waiter>; Part::ALL.len()],
    next_id: u64,
    /// How often bytes were given back.
    releases: u64,
}

#[derive(Debug)]
struct Waiter {
    id: u64,
    bytes: usize,
    holder: Option<Arc<Holder>>,
    grant: oneshot::Sender<()>,
}

impl Ledger {
    pub(super) fn new(division: Division) -> Self {
        Self { division, state: Mutex::default() }
    }

    pub(super) fn division(&self) -> Division {
        self.division
    }

    /// Bytes that no one holds.
    pub(super) fn available(&self) -> usize {
        self.division.total() - self.state.lock().held.iter().sum::<usize>()
    }

    /// Takes the bytes if that need not wait.
    pub(super) fn try_take(&self, part: Part, bytes: usize, holder: Option<&Arc<Holder>>) -> bool {
        let mut state = self.state.lock();
        let is_first = bytes <= SMALL_BYTES || state.waiting[part.index()].is_empty();
        let takes = is_first && state.has_room(self.division, part, bytes, holder);
        if takes {
            state.take(part, bytes, holder);
        }
        takes
    }

    /// Waits for the bytes.
    ///
    /// # Cancel safety
    /// Dropped, it has taken nothing and loses its place in line.
    pub(super) async fn take(
        &self,
        part: Part,
        bytes: usize,
        holder: Option<&Arc<Holder>>,
        wait: Duration,
        policy: WaitPolicy,
    ) -> Result<(), Unavailable> {
        let window = match policy {
            WaitPolicy::Fixed => wait,
            WaitPolicy::WhileProgress => wait.max(PROGRESS_WINDOW),
        };
        let mut waiting = self.queue(part, bytes, holder);
        loop {
            let releases = self.state.lock().releases;
            match timeout(window, &mut waiting.granted).await {
                Ok(granted) => {
                    granted.expect("a waiter stays in its queue until it is granted");
                    waiting.has_taken = true;
                    return Ok(());
                }
                Err(_) if policy == WaitPolicy::WhileProgress && self.state.lock().releases != releases => {}
                Err(_) => return Err(Self::why_not(part, bytes, holder)),
            }
        }
    }

    /// Takes a place in line, which is granted at once if there is room.
    fn queue(&self, part: Part, bytes: usize, holder: Option<&Arc<Holder>>) -> Waiting<'_> {
        let (grant, granted) = oneshot::channel();
        let mut state = self.state.lock();
        let id = state.next_id;
        state.next_id += 1;
        state.waiting[part.index()].push_back(Waiter { id, bytes, holder: holder.cloned(), grant });
        state.grant(self.division);
        Waiting { ledger: self, part, bytes, holder: holder.cloned(), id, granted, has_taken: false }
    }

    fn why_not(part: Part, bytes: usize, holder: Option<&Arc<Holder>>) -> Unavailable {
        match holder {
            Some(holder) if !holder.may_take(part, bytes) && holder.has_neighbours() => Unavailable::OverShare,
            _ => Unavailable::Exhausted,
        }
    }

    pub(super) fn give_back(&self, part: Part, bytes: usize, holder: Option<&Arc<Holder>>) {
        let mut state = self.state.lock();
        state.give_back(part, bytes, holder);
        state.grant(self.division);
    }
}

impl State {
    fn has_room(&self, division: Division, part: Part, bytes: usize, holder: Option<&Arc<Holder>>) -> bool {
        bytes <= self.room(division, part) && holder.is_none_or(|holder| holder.may_take(part, bytes))
    }

    /// Bytes that the part may take: its own, and what others left of the common ones.
    fn room(&self, division: Division, part: Part) -> usize {
        let others = Part::ALL.iter().filter(|other| **other != part);
        let of_common: usize = others.map(|other| self.held[other.index()].saturating_sub(division.kept())).sum();
        (division.capacity() - of_common).saturating_sub(self.held[part.index()])
    }

    fn take(&mut self, part: Part, bytes: usize, holder: Option<&Arc<Holder>>) {
        self.held[part.index()] += bytes;
        if let Some(holder) = holder {
            holder.take(part, bytes);
        }
    }

    fn give_back(&mut self, part: Part, bytes: usize, holder: Option<&Arc<Holder>>) {
        let held = &mut self.held[part.index()];
        debug_assert!(*held >= bytes, "only bytes that were taken are given back");
        *held -= bytes;
        self.releases += 1;
        if let Some(holder) = holder {
            holder.give_back(part, bytes);
        }
    }

    /// Serves those who wait, as far as there is room.
    fn grant(&mut self, division: Division) {
        for part in Part::ALL {
            let mut is_passing = false;
            let mut index = 0;
            while index < MOST_PASSED
                && let Some(waiter) = self.waiting[part.index()].get(index)
            {
                let (bytes, may_pass) = (waiter.bytes, waiter.bytes <= SMALL_BYTES);
                if (is_passing && !may_pass) || !self.has_room(division, part, bytes, waiter.holder.as_ref()) {
                    // One whose caller holds too much keeps no other caller waiting.
                    is_passing |= bytes > self.room(division, part);
                    index += 1;
                    continue;
                }
                let waiter = self.waiting[part.index()].remove(index).expect("just seen");
                self.take(part, bytes, waiter.holder.as_ref());
                if waiter.grant.send(()).is_err() {
                    self.give_back(part, bytes, waiter.holder.as_ref());
                }
            }
        }
    }
}

/// A place in line.
struct Waiting<'l> {
    ledger: &'l Ledger,
    part: Part,
    bytes: usize,
    holder: Option<Arc<Holder>>,
    id: u64,
    granted: oneshot::Receiver<()>,
    has_taken: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.has_taken {
            return;
        }
        self.granted.close();
        if self.granted.try_recv().is_ok() {
            self.ledger.give_back(self.part, self.bytes, self.holder.as_ref());
        } else {
            let mut state = self.ledger.state.lock();
            state.waiting[self.part.index()].retain(|waiter| waiter.id != self.id);
            // It may have been what larger ones behind it waited for.
            state.grant(self.ledger.division);
        }
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        debug_assert_eq!(self.available(), self.division.total(), "every byte that was taken is given back");
    }
}
