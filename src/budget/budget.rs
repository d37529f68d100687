//! The budget itself: which requests get bytes, wait, or are refused.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::SemaphorePermit;

use super::byte_semaphore::{ByteSemaphore, WaitPolicy};
use super::callers::{Callers, Share};
use super::permit::Permit;
use crate::config::{self, Size};
use crate::telemetry::labels::{Limit, Refusal, RefusalLabels};
use crate::telemetry::metrics::Metrics;

/// Streamed bodies together hold at most one part in this many of the budget: a slow Pravega fills that part, and other
/// requests must still find room.
const STREAMED_PART: usize = 2;

/// What streamed bodies may hold of a small budget, which is not divided: an event of 8 MiB must fit, and what follows
/// it.
const UNDIVIDED_BYTES: usize = 16 * 1024 * 1024;

/// Why no bytes were given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Overloaded {
    /// The bytes did not become free in time.
    #[error("the requests in flight hold all of limits.bytes-in-flight, {total} bytes")]
    Exhausted {
        /// Bytes of the whole budget.
        total: usize,
    },
    /// The caller's other requests hold all that it may have.
    #[error("the caller's requests in flight hold all of limits.caller-bytes-in-flight, {share} bytes")]
    OverShare {
        /// Bytes that one caller may hold.
        share: usize,
    },
    /// The request is larger than the budget or share.
    #[error("{bytes} bytes exceed {}, {total} bytes", .limit.as_str())]
    TooLarge {
        /// Bytes that were asked for.
        bytes: usize,
        /// Bytes of the whole budget, or of a caller's share.
        total: usize,
        /// Which of the two.
        limit: Limit,
    },
}

/// The bytes of bodies and pages that all requests together may hold. Clones share them.
///
/// Waiting requests are served in order, so small ones cannot starve a large one.
#[derive(Debug, Clone)]
pub struct Budget {
    pools: Arc<Pools>,
    /// The share of the caller that this budget was made for.
    share: Option<Arc<Share>>,
}

#[derive(Debug)]
struct Pools {
    total: ByteSemaphore,
    /// The part of the total that streamed bodies may take.
    streamed: ByteSemaphore,
    callers: Callers,
    wait: Duration,
    metrics: Metrics,
}

impl Budget {
    /// A budget of this size without shares of callers; a request waits at most `wait` for its bytes.
    pub fn new(total: Size, wait: Duration) -> Self {
        let limits = config::Limits { bytes_in_flight: total, budget_wait: wait, ..config::Limits::default() };
        Self::from_settings(&limits, Metrics::default())
    }

    /// The budget that these settings ask for.
    pub fn from_settings(limits: &config::Limits, metrics: Metrics) -> Self {
        let share = limits.caller_bytes_in_flight;
        let callers = Callers::new((share != Size::bytes(0)).then_some(share));
        let total = ByteSemaphore::new(limits.bytes_in_flight.as_usize());
        let streamed = ByteSemaphore::new(total.total().min(UNDIVIDED_BYTES).max(total.total() / STREAMED_PART));
        let pools = Pools { total, streamed, callers, wait: limits.budget_wait, metrics };
        Self { pools: Arc::new(pools), share: None }
    }

    /// The same budget, of which the caller known by `name` gets no more than its share.
    #[must_use]
    pub fn of_caller(&self, name: impl Hash) -> Self {
        Self { pools: Arc::clone(&self.pools), share: self.pools.callers.share(name) }
    }

    /// Takes `bytes`.
    ///
    /// # Errors
    /// [`Overloaded::Exhausted`] or [`Overloaded::OverShare`] if they don't become free within the wait;
    /// [`Overloaded::TooLarge`], at once, if they exceed the whole budget or share.
    ///
    /// # Cancel safety
    /// Awaits only the semaphores: dropped, it has taken nothing and loses its place in line.
    pub async fn reserve(&self, bytes: usize) -> Result<Permit, Overloaded> {
        let mut permit = self.nothing();
        permit.grow_to(bytes).await?;
        Ok(permit)
    }

    /// Like [`reserve`](Self::reserve), but keeps waiting as long as others give bytes back: for streamed bodies, whose
    /// callers are slowed down rather than refused. Together these hold at most half of a large budget.
    ///
    /// # Errors
    /// As [`reserve`](Self::reserve), if nothing was given back for the length of the wait.
    ///
    /// # Cancel safety
    /// Awaits only the semaphores: dropped, it has taken nothing and loses its place in line.
    pub async fn reserve_while_progress(&self, bytes: usize) -> Result<Permit, Overloaded> {
        self.check(bytes, &self.pools.streamed)?;
        self.take(bytes, WaitPolicy::WhileProgress).await?;
        Ok(self.permit(bytes, bytes))
    }

    /// Like [`reserve_while_progress`](Self::reserve_while_progress), if that need not wait.
    pub fn try_reserve_for_stream(&self, bytes: usize) -> Option<Permit> {
        let count = u32::try_from(bytes).ok()?;
        let pools = [&self.pools.streamed, &self.pools.total];
        let share = self.share.as_ref().map(|share| &share.bytes);
        let taken: Option<Vec<_>> = share.into_iter().chain(pools).map(|pool| pool.try_take(count)).collect();
        taken?.into_iter().for_each(SemaphorePermit::forget);
        Some(self.permit(bytes, bytes))
    }

    /// Bytes that no permit holds.
    pub fn available(&self) -> usize {
        self.pools.total.available()
    }

    /// Bytes that may be held at once, by the caller if this budget is made for one.
    pub fn total(&self) -> usize {
        let total = self.pools.total.total();
        self.share.as_ref().map_or(total, |share| share.bytes.total().min(total))
    }

    /// A permit of no bytes, to grow or to merge others into.
    pub fn nothing(&self) -> Permit {
        self.permit(0, 0)
    }

    fn permit(&self, bytes: usize, streamed: usize) -> Permit {
        Permit::new(self.clone(), bytes, streamed)
    }

    /// Whether both take bytes from the same budget, for the same caller.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let share = |budget: &Self| budget.share.as_ref().map(Arc::as_ptr);
        Arc::ptr_eq(&self.pools, &other.pools) && share(self) == share(other)
    }

    /// Takes what is missing from `held` bytes to `wanted`; returns how many bytes that were.
    pub(super) async fn take_missing(&self, held: usize, wanted: usize) -> Result<usize, Overloaded> {
        self.check(wanted, &self.pools.total)?;
        let missing = wanted.saturating_sub(held);
        if missing > 0 {
            self.take(missing, WaitPolicy::Fixed).await?;
        }
        Ok(missing)
    }

    /// Gives back bytes, some of which count as streamed.
    pub(super) fn give_back(&self, bytes: usize, streamed: usize) {
        self.pools.total.give_back(bytes);
        self.pools.streamed.give_back(streamed);
        if let Some(share) = &self.share {
            share.bytes.give_back(bytes);
        }
    }

    /// Refuses what can never be given.
    fn check(&self, bytes: usize, pool: &ByteSemaphore) -> Result<(), Overloaded> {
        let whole = (Limit::BytesInFlight, pool);
        let own = self.share.as_ref().map(|share| (Limit::CallerShare, &share.bytes));
        match std::iter::once(whole).chain(own).find(|(_, pool)| !pool.fits(bytes)) {
            None => Ok(()),
            Some((limit, pool)) => {
                self.count(Refusal::TooLarge);
                let total = if limit == Limit::CallerShare { pool.total() } else { self.pools.total.total() };
                Err(Overloaded::TooLarge { bytes, total, limit })
            }
        }
    }

    /// Takes bytes from the caller's share, then from the total, so that a caller waits for the total only with what it
    /// may have.
    async fn take(&self, bytes: usize, policy: WaitPolicy) -> Result<(), Overloaded> {
        let share = match &self.share {
            None => None,
            Some(share) => match self.take_from(&share.bytes, bytes, policy).await {
                Some(taken) => Some(taken),
                None => {
                    self.count(Refusal::OverShare);
                    return Err(Overloaded::OverShare { share: share.bytes.total() });
                }
            },
        };
        let Some(whole) = self.take_from_pools(bytes, policy).await else {
            self.count(Refusal::Exhausted);
            return Err(Overloaded::Exhausted { total: self.pools.total.total() });
        };
        share.into_iter().chain(whole).for_each(SemaphorePermit::forget);
        Ok(())
    }

    /// Only streamed bodies wait for as long as there is progress.
    async fn take_from_pools(&self, bytes: usize, policy: WaitPolicy) -> Option<Vec<SemaphorePermit<'_>>> {
        let Pools { total, streamed, .. } = &*self.pools;
        let mut taken = Vec::with_capacity(2);
        if policy == WaitPolicy::WhileProgress {
            taken.push(self.take_from(streamed, bytes, policy).await?);
        }
        taken.push(self.take_from(total, bytes, policy).await?);
        Some(taken)
    }

    async fn take_from<'a>(
        &self,
        pool: &'a ByteSemaphore,
        bytes: usize,
        policy: WaitPolicy,
    ) -> Option<SemaphorePermit<'a>> {
        let bytes = u32::try_from(bytes).expect("only what fits is taken");
        if let Some(taken) = pool.try_take(bytes) {
            return Some(taken);
        }
        self.pools.metrics.budget_waits.inc();
        pool.take(bytes, self.pools.wait, policy).await
    }

    fn count(&self, reason: Refusal) {
        self.pools.metrics.budget_refusals.get_or_create(&RefusalLabels { reason }).inc();
    }
}

impl Drop for Pools {
    fn drop(&mut self) {
        self.total.debug_assert_whole();
        self.streamed.debug_assert_whole();
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
        assert_eq!(refused, Overloaded::TooLarge { bytes: 1025, total: 1024, limit: Limit::BytesInFlight });
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
        let refused = budget.reserve_while_progress(1).await.expect_err("nothing is given back");
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

    /// A budget of 4 KiB, of which a caller may hold 1 KiB.
    fn shared_budget() -> Budget {
        let limits = config::Limits {
            bytes_in_flight: Size::kib(4),
            caller_bytes_in_flight: Size::kib(1),
            budget_wait: WAIT,
            ..config::Limits::default()
        };
        Budget::from_settings(&limits, Metrics::default())
    }

    #[tokio::test(start_paused = true)]
    async fn caller_over_its_share_is_refused_and_others_are_served() {
        let budget = shared_budget();
        let ada = budget.of_caller("ada");
        let held = ada.reserve(1024).await.expect("all of its share");
        let refused = budget.of_caller("ada").reserve(1).await.expect_err("a byte more");
        assert_eq!(refused, Overloaded::OverShare { share: 1024 });
        let other = budget.of_caller("bob").reserve(1024).await.expect("has a share of its own");
        assert_eq!(budget.available(), 2048);
        drop((held, other));
        assert_eq!(budget.available(), budget.total());
        drop(ada.reserve(1024).await.expect("its share is whole again"));
    }

    #[tokio::test(start_paused = true)]
    async fn more_than_a_share_is_refused_at_once() {
        let ada = shared_budget().of_caller("ada");
        let before = tokio::time::Instant::now();
        let refused = ada.reserve(1025).await.expect_err("it can never fit");
        assert_eq!(refused, Overloaded::TooLarge { bytes: 1025, total: 1024, limit: Limit::CallerShare });
        assert_eq!((ada.total(), before.elapsed()), (1024, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn streamed_body_waits_for_its_callers_own_share() {
        let ada = shared_budget().of_caller("ada");
        let held = ada.reserve(1024).await.expect("there is room");
        let giving_back = async {
            tokio::time::sleep(WAIT / 2).await;
            drop(held);
        };
        let (taken, ()) = tokio::join!(ada.reserve_while_progress(1024), giving_back);
        let mut held = taken.expect("it was given back in time");
        let part = held.split(24).expect("it holds that much");
        drop(held);
        assert_eq!(part.bytes(), 24);
        drop(ada.reserve(1000).await.expect("what was split off is still held"));
        assert!(ada.reserve_while_progress(1001).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn share_is_given_back_where_the_whole_is_exhausted() {
        let budget = shared_budget();
        let everything = budget.reserve(4096).await.expect("no one else holds any");
        let ada = budget.of_caller("ada");
        assert_eq!(ada.reserve(1024).await.expect_err("nothing is left"), Overloaded::Exhausted { total: 4096 });
        drop(everything);
        drop(ada.reserve(1024).await.expect("the share is whole"));
    }

    #[tokio::test(start_paused = true)]
    async fn waits_and_refusals_are_counted() {
        let budget = shared_budget();
        let ada = budget.of_caller("ada");
        let held = ada.reserve(1024).await.expect("there is room");
        assert!(
            ada.reserve(1).await.is_err() && budget.reserve(4000).await.is_err() && ada.reserve(2000).await.is_err()
        );
        drop(held);
        let text = budget.pools.metrics.encode();
        for line in [
            "budget_waits_total 2",
            "budget_refusals_total{reason=\"over_share\"} 1",
            "budget_refusals_total{reason=\"exhausted\"} 1",
            "budget_refusals_total{reason=\"too_large\"} 1",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
