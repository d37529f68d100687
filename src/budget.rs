//! One bound on the memory that callers can make the gateway hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::config::{self, Size};

/// Shortest time in which progress elsewhere is looked for, so that a wait of zero does not spin.
const PROGRESS_WINDOW: Duration = Duration::from_millis(10);

/// Streamed bodies together hold at most one part in this of the budget: a slow Pravega fills that part, and other
/// requests must still find room.
const STREAMED_PART: usize = 2;

/// What streamed bodies may hold of a small budget, which is not divided: an event of 8 MiB must fit, and what follows it.
const UNDIVIDED_BYTES: usize = 16 * 1024 * 1024;

/// Why no bytes were given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Overloaded {
    /// They did not become free in time.
    #[error("the requests in flight hold all of limits.bytes-in-flight, {total} bytes")]
    Exhausted {
        /// Bytes of the whole budget.
        total: usize,
    },
    /// They never will be.
    #[error("{bytes} bytes exceed limits.bytes-in-flight, {total} bytes")]
    TooLarge {
        /// Bytes that were asked for.
        bytes: usize,
        /// Bytes of the whole budget.
        total: usize,
    },
}

/// The bytes of bodies and pages that all requests together may hold. Clones share it.
///
/// Those who wait are served in order, so a large request is not starved by small ones.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    free: Semaphore,
    total: usize,
    /// What streamed bodies may still take.
    free_for_streams: Semaphore,
    total_for_streams: usize,
    wait: Duration,
    /// How often something was given back.
    releases: AtomicU64,
}

impl Budget {
    /// A budget of this size; a request waits at most `wait` for its share.
    pub fn new(total: Size, wait: Duration) -> Self {
        let total = total.as_usize().min(Semaphore::MAX_PERMITS);
        let total_for_streams = total.min(UNDIVIDED_BYTES).max(total / STREAMED_PART);
        let (free, free_for_streams) = (Semaphore::new(total), Semaphore::new(total_for_streams));
        let releases = AtomicU64::new(0);
        Self(Arc::new(Shared { free, total, free_for_streams, total_for_streams, wait, releases }))
    }

    /// The budget that these settings ask for.
    pub fn from_settings(limits: &config::Limits) -> Self {
        Self::new(limits.bytes_in_flight, limits.budget_wait)
    }

    /// Takes `bytes`.
    ///
    /// # Errors
    /// [`Overloaded::Exhausted`] when they don't become free within the wait; [`Overloaded::TooLarge`], at once, when they
    /// exceed the whole budget.
    ///
    /// # Cancel safety
    /// Awaits only the semaphore: dropped, it has taken nothing and lost its place in the queue.
    pub async fn reserve(&self, bytes: usize) -> Result<Permit, Overloaded> {
        let mut permit = self.nothing();
        permit.grow_to(bytes).await?;
        Ok(permit)
    }

    /// Like [`reserve`](Self::reserve), but waits on as long as others give bytes back: for streamed bodies,
    /// whose callers are slowed down rather than refused. Together they hold at most half of a budget that is large.
    ///
    /// # Errors
    /// [`Overloaded::Exhausted`] when nothing was given back for the length of the wait; [`Overloaded::TooLarge`] as above.
    ///
    /// # Cancel safety
    /// Awaits only the semaphore: dropped, it has taken nothing and lost its place in the queue.
    pub async fn reserve_while_progress(&self, bytes: usize) -> Result<Permit, Overloaded> {
        let count = self.0.affordable(bytes, self.0.total_for_streams)?;
        let mut acquiring = std::pin::pin!(self.0.take_for_stream(count));
        let window = self.0.wait.max(PROGRESS_WINDOW);
        loop {
            let releases = self.0.releases.load(Ordering::Relaxed);
            match timeout(window, acquiring.as_mut()).await {
                Ok(()) => return Ok(self.permit(bytes, bytes)),
                Err(_) if self.0.releases.load(Ordering::Relaxed) != releases => {}
                Err(_) => return Err(self.0.overloaded()),
            }
        }
    }

    /// As [`reserve_while_progress`](Self::reserve_while_progress), if it need not wait.
    pub fn try_reserve_for_stream(&self, bytes: usize) -> Option<Permit> {
        let count = self.0.affordable(bytes, self.0.total_for_streams).ok()?;
        let part = self.0.free_for_streams.try_acquire_many(count).ok()?;
        let whole = self.0.free.try_acquire_many(count).ok()?;
        [part, whole].into_iter().for_each(SemaphorePermit::forget);
        Some(self.permit(bytes, bytes))
    }

    /// Bytes that nobody holds.
    pub fn available(&self) -> usize {
        self.0.free.available_permits()
    }

    /// Bytes that may be held at once.
    pub fn total(&self) -> usize {
        self.0.total
    }

    /// A permit to grow or to merge others into.
    pub fn nothing(&self) -> Permit {
        self.permit(0, 0)
    }

    fn permit(&self, bytes: usize, of_streams: usize) -> Permit {
        Permit { shared: Arc::clone(&self.0), bytes, of_streams, whole: None }
    }
}

impl Shared {
    fn affordable(&self, bytes: usize, most: usize) -> Result<u32, Overloaded> {
        match u32::try_from(bytes) {
            Ok(bytes) if bytes as usize <= most => Ok(bytes),
            _ => Err(Overloaded::TooLarge { bytes, total: self.total }),
        }
    }

    async fn take_for_stream(&self, count: u32) {
        let part = self.free_for_streams.acquire_many(count).await;
        let whole = self.free.acquire_many(count).await;
        for taken in [part, whole] {
            taken.expect("the semaphores are never closed").forget();
        }
    }

    fn overloaded(&self) -> Overloaded {
        Overloaded::Exhausted { total: self.total }
    }
}

/// Bytes taken out of a [`Budget`]; given back when dropped, so it travels with what it stands for.
#[derive(Debug)]
#[must_use = "the bytes are given back when the permit is dropped"]
pub struct Permit {
    shared: Arc<Shared>,
    bytes: usize,
    /// Held until this one is dropped, too.
    whole: Option<Arc<Permit>>,
    /// How many of them count for streamed bodies.
    of_streams: usize,
}

impl Permit {
    /// A permit of no bytes that keeps another one: for a part of something that stays whole in memory until its last
    /// part is gone.
    pub fn part_of(whole: &Arc<Self>) -> Self {
        Self { shared: Arc::clone(&whole.shared), bytes: 0, of_streams: 0, whole: Some(Arc::clone(whole)) }
    }

    /// How many bytes it stands for.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes over what another permit of the same budget holds.
    pub fn merge(&mut self, mut other: Self) {
        debug_assert!(Arc::ptr_eq(&self.shared, &other.shared), "permits of one budget");
        debug_assert!(self.whole.is_none() || other.whole.is_none(), "parts of one whole at most");
        self.whole = self.whole.take().or(other.whole.take());
        self.bytes += std::mem::take(&mut other.bytes);
        self.of_streams += std::mem::take(&mut other.of_streams);
    }

    /// Parts with `bytes`; none if it holds less.
    pub fn split(&mut self, bytes: usize) -> Option<Self> {
        self.bytes = self.bytes.checked_sub(bytes)?;
        let of_streams = bytes.min(self.of_streams);
        self.of_streams -= of_streams;
        Some(Self { shared: Arc::clone(&self.shared), bytes, of_streams, whole: None })
    }

    /// Holds at least `bytes` afterwards, for bodies whose length is not announced.
    ///
    /// Two that grow at once cannot wait for each other for ever: each waits at most the budget's wait.
    ///
    /// # Errors
    /// As [`Budget::reserve`]; what it held before, it still holds.
    ///
    /// # Cancel safety
    /// Awaits only the semaphore: dropped, it holds what it held before.
    pub async fn grow_to(&mut self, bytes: usize) -> Result<(), Overloaded> {
        let wanted = self.shared.affordable(bytes, self.shared.total)? as usize;
        let missing = wanted.saturating_sub(self.bytes);
        if missing == 0 {
            return Ok(());
        }
        let count = u32::try_from(missing).expect("less than what is affordable");
        if let Ok(acquired) = self.shared.free.try_acquire_many(count) {
            acquired.forget();
        } else {
            let acquiring = self.shared.free.acquire_many(count);
            match timeout(self.shared.wait, acquiring).await {
                Ok(acquired) => acquired.expect("the semaphore is never closed").forget(),
                Err(_) => return Err(self.shared.overloaded()),
            }
        }
        self.bytes += missing;
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.shared.releases.fetch_add(1, Ordering::Relaxed);
            self.shared.free.add_permits(self.bytes);
            self.shared.free_for_streams.add_permits(self.of_streams);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_secs(1);

    fn budget(kib: u64) -> Budget {
        Budget::new(Size::kib(kib), WAIT)
    }

    #[tokio::test]
    async fn bytes_come_back_when_the_permit_is_dropped() {
        let budget = budget(4);
        let permit = budget.reserve(1025).await.expect("there is room");
        assert_eq!((permit.bytes(), budget.available()), (1025, 3071));
        drop(permit);
        assert_eq!(budget.available(), budget.total());
    }

    #[tokio::test(start_paused = true)]
    async fn an_exhausted_budget_is_overloaded_after_the_wait() {
        let budget = budget(1);
        let _held = budget.reserve(1024).await.expect("there is room");
        let before = tokio::time::Instant::now();
        let refused = budget.reserve(1).await.expect_err("there is none left");
        assert!(matches!(refused, Overloaded::Exhausted { .. }));
        assert_eq!(before.elapsed(), WAIT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_larger_than_the_whole_budget_does_not_wait() {
        let before = tokio::time::Instant::now();
        let refused = budget(1).reserve(1025).await.expect_err("it can never fit");
        assert_eq!(refused, Overloaded::TooLarge { bytes: 1025, total: 1024 });
        assert_eq!(before.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn two_growing_permits_do_not_wait_for_each_other_for_ever() {
        let budget = budget(4);
        let mut first = budget.reserve(2048).await.expect("there is room");
        let mut second = budget.reserve(2048).await.expect("there is room");
        let (one, other) = tokio::join!(first.grow_to(3072), second.grow_to(3072));
        assert!(one.is_err() && other.is_err());
        assert_eq!((first.bytes(), second.bytes()), (2048, 2048));
    }

    #[tokio::test]
    async fn splitting_and_merging_keep_the_sum() {
        let budget = budget(8);
        let mut whole = budget.reserve(4096).await.expect("there is room");
        let part = whole.split(1024).expect("it holds that much");
        assert_eq!((whole.bytes(), part.bytes(), budget.available()), (3072, 1024, 4096));
        assert!(whole.split(4096).is_none());
        assert_eq!(whole.bytes(), 3072);
        whole.merge(part);
        assert_eq!((whole.bytes(), budget.available()), (4096, 4096));
    }

    #[tokio::test]
    async fn a_whole_is_held_until_its_last_part_is_gone() {
        let budget = budget(4);
        let whole = Arc::new(budget.reserve(1000).await.expect("there is room"));
        let mut parts = [Permit::part_of(&whole), Permit::part_of(&whole)];
        drop(whole);
        parts[0].merge(budget.try_reserve_for_stream(24).expect("there is room"));
        assert_eq!(budget.available(), budget.total() - 1024);
        let [first, last] = parts;
        drop(first);
        assert_eq!(budget.available(), budget.total() - 1000);
        drop(last);
        assert_eq!(budget.available(), budget.total());
        assert!(budget.try_reserve_for_stream(budget.total() + 1).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_streamed_body_waits_as_long_as_others_give_back() {
        let budget = budget(2);
        let first = budget.reserve(1024).await.expect("there is room");
        let second = budget.reserve(1024).await.expect("there is room");
        let giving_back = async {
            tokio::time::sleep(WAIT * 9 / 10).await;
            drop(first);
            tokio::time::sleep(WAIT * 9 / 10).await;
            drop(second);
        };
        let (taken, ()) = tokio::join!(budget.reserve_while_progress(2048), giving_back);
        let _held = taken.expect("others gave back in time");
        let refused = budget.reserve_while_progress(1).await.expect_err("nobody gives back");
        assert!(matches!(refused, Overloaded::Exhausted { .. }));
    }

    #[tokio::test(start_paused = true)]
    async fn streamed_bodies_leave_half_of_a_large_budget_to_others() {
        let budget = Budget::new(Size::mib(64), WAIT);
        let mut streamed = budget.nothing();
        streamed.merge(budget.reserve_while_progress(32 << 20).await.expect("half is free"));
        assert!(budget.reserve_while_progress(1).await.is_err(), "the other half is not for streams");
        let whole = budget.reserve(32 << 20).await.expect("it is for others");
        assert!(budget.reserve(1).await.is_err(), "nothing is left");

        drop(streamed.split(1024));
        assert!(budget.reserve_while_progress(1025).await.is_err(), "only what a stream gave back is free");
        let _again = budget.reserve_while_progress(1024).await.expect("it gave back as much");
        drop((streamed, whole));
        assert_eq!(budget.available(), budget.total() - 1024);
        let _rest = budget.reserve_while_progress((32 << 20) - 1024).await.expect("all of the half is free again");
    }

    #[tokio::test(start_paused = true)]
    async fn small_budget_is_not_divided() {
        let budget = Budget::new(Size::mib(9), WAIT);
        let _all = budget.reserve_while_progress(9 << 20).await.expect("the largest event fits, and its end");
    }

    #[tokio::test]
    async fn a_cancelled_wait_takes_nothing() {
        let budget = budget(1);
        let held = budget.reserve(1024).await.expect("there is room");
        let mut waiting = Box::pin(budget.reserve(1));
        assert!(futures::poll!(waiting.as_mut()).is_pending());
        drop(waiting);
        drop(held);
        assert_eq!(budget.available(), budget.total());
    }
}
