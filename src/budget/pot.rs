use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// Shortest time in which progress elsewhere is looked for, so that a wait of zero does not spin.
const PROGRESS_WINDOW: Duration = Duration::from_millis(10);

/// How long bytes are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// So long and no longer.
    Fixed,
    /// As long as others give something back within each such time.
    WhileProgress,
}

/// Bytes that several may hold, taken in the order of asking.
#[derive(Debug)]
pub(super) struct Pot {
    free: Semaphore,
    pub(super) total: usize,
    /// How often something was given back.
    releases: AtomicU64,
}

impl Pot {
    pub(super) fn new(total: usize) -> Self {
        let total = total.min(Semaphore::MAX_PERMITS);
        Self { free: Semaphore::new(total), total, releases: AtomicU64::new(0) }
    }

    pub(super) fn available(&self) -> usize {
        self.free.available_permits()
    }

    /// Whether so many bytes can ever be taken at once.
    pub(super) fn fits(&self, bytes: usize) -> bool {
        bytes <= self.total && u32::try_from(bytes).is_ok()
    }

    pub(super) fn take_now(&self, bytes: u32) -> Option<SemaphorePermit<'_>> {
        self.free.try_acquire_many(bytes).ok()
    }

    /// Waits for the bytes; `None` when they do not come.
    ///
    /// # Cancel safety
    /// Awaits only the semaphore: dropped, it has taken nothing and lost its place in the queue.
    pub(super) async fn take(&self, bytes: u32, wait: Duration, patience: Patience) -> Option<SemaphorePermit<'_>> {
        let window = match patience {
            Patience::Fixed => wait,
            Patience::WhileProgress => wait.max(PROGRESS_WINDOW),
        };
        let mut acquiring = std::pin::pin!(self.free.acquire_many(bytes));
        loop {
            let releases = self.releases.load(Ordering::Relaxed);
            match timeout(window, acquiring.as_mut()).await {
                Ok(acquired) => return Some(acquired.expect("the semaphore is never closed")),
                Err(_) if patience == Patience::WhileProgress && self.has_progressed(releases) => {}
                Err(_) => return None,
            }
        }
    }

    fn has_progressed(&self, since: u64) -> bool {
        self.releases.load(Ordering::Relaxed) != since
    }

    pub(super) fn give_back(&self, bytes: usize) {
        self.releases.fetch_add(1, Ordering::Relaxed);
        self.free.add_permits(bytes);
    }
}
