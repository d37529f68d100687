//! Bytes that all requests together may hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::error::{ApiError, ErrorCode};
use crate::config::{self, Size};

/// What one unit of the semaphore stands for: its counters are 32 bits wide, budgets may exceed 4 GiB.
const UNIT_BYTES: usize = 1024;

/// Shortest time in which progress elsewhere is looked for, so that a wait of zero does not spin.
const PROGRESS_WINDOW: Duration = Duration::from_millis(10);

/// The bytes of bodies and pages that all requests together may hold. Clones share it.
///
/// Those who wait are served in order, so a large request is not starved by small ones.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    units: Semaphore,
    total_units: usize,
    wait: Duration,
    /// How often something was given back.
    releases: AtomicU64,
}

impl Budget {
    /// A budget of this size, rounded up to a KiB; a request waits at most `wait` for its share.
    pub fn new(total: Size, wait: Duration) -> Self {
        let total_units = units(total.as_usize()).min(u32::MAX as usize);
        Self(Arc::new(Shared { units: Semaphore::new(total_units), total_units, wait, releases: AtomicU64::new(0) }))
    }

    /// The budget that these settings ask for.
    pub fn from_settings(limits: &config::Limits) -> Self {
        Self::new(limits.bytes_in_flight, limits.budget_wait)
    }

    /// Takes `bytes`, rounded up to a KiB and at least one.
    ///
    /// # Errors
    /// `503 overloaded` when they don't become free within the wait; `413 body_too_large`, at once, when they
    /// exceed the whole budget.
    ///
    /// # Cancel safety
    /// Awaits only the semaphore: dropped, it has taken nothing and lost its place in the queue.
    pub async fn reserve(&self, bytes: usize) -> Result<Permit, ApiError> {
        let mut permit = self.nothing();
        permit.grow_to(bytes).await?;
        Ok(permit)
    }

    /// Like [`reserve`](Self::reserve), but waits on as long as others give bytes back: for streamed bodies,
    /// whose callers are slowed down rather than refused.
    ///
    /// # Errors
    /// `503 overloaded` when nothing was given back for the length of the wait; `413 body_too_large` as above.
    ///
    /// # Cancel safety
    /// Awaits only the semaphore: dropped, it has taken nothing and lost its place in the queue.
    pub async fn reserve_while_progress(&self, bytes: usize) -> Result<Permit, ApiError> {
        let units = self.0.affordable(bytes)?;
        let mut acquiring = std::pin::pin!(self.0.units.acquire_many(units));
        let window = self.0.wait.max(PROGRESS_WINDOW);
        loop {
            let releases = self.0.releases.load(Ordering::Relaxed);
            match timeout(window, acquiring.as_mut()).await {
                Ok(acquired) => {
                    acquired.expect("the semaphore is never closed").forget();
                    return Ok(Permit { shared: Arc::clone(&self.0), units: units as usize });
                }
                Err(_) if self.0.releases.load(Ordering::Relaxed) != releases => {}
                Err(_) => return Err(self.0.overloaded()),
            }
        }
    }

    /// Bytes that nobody holds.
    pub fn available(&self) -> usize {
        self.0.units.available_permits() * UNIT_BYTES
    }

    /// Bytes that may be held at once.
    pub fn total(&self) -> usize {
        self.0.total_units * UNIT_BYTES
    }

    fn nothing(&self) -> Permit {
        Permit { shared: Arc::clone(&self.0), units: 0 }
    }
}

impl Shared {
    fn affordable(&self, bytes: usize) -> Result<u32, ApiError> {
        let wanted = units(bytes);
        if wanted > self.total_units {
            let total = self.total_units * UNIT_BYTES;
            let detail = format!("{bytes} bytes exceed limits.bytes-in-flight, {total} bytes");
            return Err(ApiError::new(ErrorCode::BodyTooLarge, detail));
        }
        Ok(u32::try_from(wanted).expect("the total fits 32 bits"))
    }

    fn overloaded(&self) -> ApiError {
        let total = self.total_units * UNIT_BYTES;
        let detail = format!("the requests in flight hold all of limits.bytes-in-flight, {total} bytes");
        ApiError::new(ErrorCode::Overloaded, detail)
    }
}

/// Bytes taken out of a [`Budget`]; given back when dropped, so it travels with what it stands for.
#[derive(Debug)]
#[must_use = "the bytes are given back when the permit is dropped"]
pub struct Permit {
    shared: Arc<Shared>,
    units: usize,
}

impl Permit {
    /// How many bytes it stands for, rounded up to a KiB.
    pub fn bytes(&self) -> usize {
        self.units * UNIT_BYTES
    }

    /// Takes over what another permit of the same budget holds.
    pub fn merge(&mut self, mut other: Self) {
        debug_assert!(Arc::ptr_eq(&self.shared, &other.shared), "permits of one budget");
        self.units += std::mem::take(&mut other.units);
    }

    /// Parts with `bytes`, rounded up to a KiB; none if it holds less.
    pub fn split(&mut self, bytes: usize) -> Option<Self> {
        let units = units(bytes);
        self.units = self.units.checked_sub(units)?;
        Some(Self { shared: Arc::clone(&self.shared), units })
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
    pub async fn grow_to(&mut self, bytes: usize) -> Result<(), ApiError> {
        let wanted = self.shared.affordable(bytes)? as usize;
        let missing = wanted.saturating_sub(self.units);
        if missing == 0 {
            return Ok(());
        }
        let count = u32::try_from(missing).expect("less than what is affordable");
        if let Ok(acquired) = self.shared.units.try_acquire_many(count) {
            acquired.forget();
        } else {
            let acquiring = self.shared.units.acquire_many(count);
            match timeout(self.shared.wait, acquiring).await {
                Ok(acquired) => acquired.expect("the semaphore is never closed").forget(),
                Err(_) => return Err(self.shared.overloaded()),
            }
        }
        self.units += missing;
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.units > 0 {
            self.shared.releases.fetch_add(1, Ordering::Relaxed);
            self.shared.units.add_permits(self.units);
        }
    }
}

fn units(bytes: usize) -> usize {
    bytes.div_ceil(UNIT_BYTES).max(1)
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
        assert_eq!((permit.bytes(), budget.available()), (2048, 2048));
        drop(permit);
        assert_eq!(budget.available(), budget.total());
    }

    #[tokio::test(start_paused = true)]
    async fn an_exhausted_budget_is_overloaded_after_the_wait() {
        let budget = budget(1);
        let _held = budget.reserve(0).await.expect("there is room");
        let before = tokio::time::Instant::now();
        let refused = budget.reserve(1).await.expect_err("there is none left");
        assert_eq!(refused.code(), ErrorCode::Overloaded);
        assert_eq!(before.elapsed(), WAIT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_larger_than_the_whole_budget_does_not_wait() {
        let before = tokio::time::Instant::now();
        let refused = budget(1).reserve(1025).await.expect_err("it can never fit");
        assert_eq!(refused.code(), ErrorCode::BodyTooLarge);
        assert!(refused.detail().contains("limits.bytes-in-flight"), "{refused}");
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

    #[tokio::test(start_paused = true)]
    async fn a_streamed_body_waits_as_long_as_others_give_back() {
        let budget = budget(2);
        let first = budget.reserve(1).await.expect("there is room");
        let second = budget.reserve(1).await.expect("there is room");
        let giving_back = async {
            tokio::time::sleep(WAIT * 9 / 10).await;
            drop(first);
            tokio::time::sleep(WAIT * 9 / 10).await;
            drop(second);
        };
        let (taken, ()) = tokio::join!(budget.reserve_while_progress(2048), giving_back);
        let _held = taken.expect("others gave back in time");
        let refused = budget.reserve_while_progress(1).await.expect_err("nobody gives back");
        assert_eq!(refused.code(), ErrorCode::Overloaded);
    }

    #[tokio::test]
    async fn a_cancelled_wait_takes_nothing() {
        let budget = budget(1);
        let held = budget.reserve(1).await.expect("there is room");
        let mut waiting = Box::pin(budget.reserve(1));
        assert!(futures::poll!(waiting.as_mut()).is_pending());
        drop(waiting);
        drop(held);
        assert_eq!(budget.available(), budget.total());
    }
}
