//! What writers hold whose stores do not answer.
//!
//! Their events keep bytes of the budget for as long as their requests wait. All such writers together may hold a part of
//! it, beyond which their new events are refused at once, so that the rest is for stores that answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// How long a writer may have events and hear nothing before it counts as stalled.
pub(super) const STALLED_AFTER: Duration = Duration::from_secs(2);

/// The writers of a gateway that are stalled. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Stalls(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Most bytes that stalled writers hold.
    limit: usize,
    held: AtomicUsize,
}

/// One writer's part.
#[derive(Debug)]
pub(super) struct Stall {
    all: Stalls,
    is_stalled: AtomicBool,
    /// Its bytes among those held.
    counted: AtomicUsize,
}

impl Stalls {
    /// Stalled writers that may hold this many bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self(Arc::new(Shared { limit, held: AtomicUsize::new(0) }))
    }

    /// A writer that is not stalled.
    pub(super) fn writer(&self) -> Arc<Stall> {
        Arc::new(Stall { all: self.clone(), is_stalled: AtomicBool::new(false), counted: AtomicUsize::new(0) })
    }
}

impl Stall {
    /// Counts bytes that are about to be submitted; `false` if the writer is stalled, and such writers hold too much.
    pub(super) fn admit(&self, bytes: usize) -> bool {
        if !self.is_stalled.load(Ordering::Relaxed) {
            return true;
        }
        let held = self.all.0.held.load(Ordering::Relaxed);
        if held + bytes > self.all.0.limit {
            return false;
        }
        self.count(bytes);
        true
    }

    fn count(&self, bytes: usize) {
        self.counted.fetch_add(bytes, Ordering::Relaxed);
        self.all.0.held.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Takes note of what the writer holds while it is stalled; `None` if it is not.
    pub(super) fn set(&self, bytes: Option<usize>) {
        let was_stalled = self.is_stalled.swap(bytes.is_some(), Ordering::Relaxed);
        // Bytes may have been admitted while an earlier call ended the stall.
        if !was_stalled && bytes.is_none() && self.counted.load(Ordering::Relaxed) == 0 {
            return;
        }
        let now = bytes.unwrap_or(0);
        let before = self.counted.swap(now, Ordering::Relaxed);
        self.all.0.held.fetch_add(now, Ordering::Relaxed);
        self.all.0.held.fetch_sub(before, Ordering::Relaxed);
    }
}

impl Drop for Stall {
    fn drop(&mut self) {
        self.set(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stalled_writers_together_hold_no_more_than_they_may() {
        let stalls = Stalls::new(1000);
        let (silent, mute, healthy) = (stalls.writer(), stalls.writer(), stalls.writer());
        silent.set(Some(600));
        mute.set(Some(100));
        assert!(mute.admit(300) && !mute.admit(1) && !silent.admit(1));
        assert!(healthy.admit(1_000_000), "others are not bounded by it");
        silent.set(None);
        assert!(mute.admit(600) && !mute.admit(1) && silent.admit(5000));
        drop(mute);
        assert_eq!(stalls.0.held.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn bytes_that_were_admitted_while_the_stall_ended_are_not_counted_for_good() {
        let stalls = Stalls::new(1000);
        let writer = stalls.writer();
        writer.set(Some(0));
        writer.set(None);
        writer.count(100);
        assert_eq!(stalls.0.held.load(Ordering::Relaxed), 100);
        drop(writer);
        assert_eq!(stalls.0.held.load(Ordering::Relaxed), 0);
    }
}
