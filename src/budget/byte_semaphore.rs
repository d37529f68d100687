use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

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

/// A number of bytes that is handed out in the order of requests.
#[derive(Debug)]
pub(super) struct ByteSemaphore {
    free: Semaphore,
    total: usize,
    /// How often bytes were given back.
    releases: AtomicU64,
}

impl ByteSemaphore {
    pub(super) fn new(total: usize) -> Self {
        let total = total.min(Semaphore::MAX_PERMITS);
        Self { free: Semaphore::new(total), total, releases: AtomicU64::new(0) }
    }

    pub(super) fn total(&self) -> usize {
        self.total
    }

    pub(super) fn available(&self) -> usize {
        self.free.available_permits()
    }

    /// Whether this many bytes can ever be taken at once.
    pub(super) fn fits(&self, bytes: usize) -> bool {
        bytes <= self.total && u32::try_from(bytes).is_ok()
    }

    pub(super) fn try_take(&self, bytes: u32) -> Option<SemaphorePermit<'_>> {
        self.free.try_acquire_many(bytes).ok()
    }

    /// Waits for the bytes; `None` if they do not become free.
    ///
    /// # Cancel safety
    /// Awaits only the semaphore: dropped, it has taken nothing and loses its place in line.
    pub(super) async fn take(&self, bytes: u32, wait: Duration, policy: WaitPolicy) -> Option<SemaphorePermit<'_>> {
        let window = match policy {
            WaitPolicy::Fixed => wait,
            WaitPolicy::WhileProgress => wait.max(PROGRESS_WINDOW),
        };
        let mut acquiring = std::pin::pin!(self.free.acquire_many(bytes));
        loop {
            let releases = self.releases.load(Ordering::Relaxed);
            match timeout(window, acquiring.as_mut()).await {
                Ok(acquired) => return Some(acquired.expect("the semaphore is never closed")),
                Err(_) if policy == WaitPolicy::WhileProgress && self.has_progressed(releases) => {}
                Err(_) => return None,
            }
        }
    }

    fn has_progressed(&self, since: u64) -> bool {
        self.releases.load(Ordering::Relaxed) != since
    }

    /// Gives back bytes whose [`SemaphorePermit`] was forgotten.
    pub(super) fn give_back(&self, bytes: usize) {
        self.releases.fetch_add(1, Ordering::Relaxed);
        self.free.add_permits(bytes);
        debug_assert!(self.available() <= self.total, "only bytes that were taken are given back");
    }

    /// Checks that all bytes are free once no one can hold any.
    pub(super) fn debug_assert_whole(&self) {
        debug_assert_eq!(self.available(), self.total, "every byte that was taken is given back");
    }
}
