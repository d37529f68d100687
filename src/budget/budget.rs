//! The budget itself: which requests get bytes, wait, or are refused.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use super::callers::{Callers, Holder};
use super::ledger::{Ledger, Unavailable, WaitPolicy};
use super::part::{Division, Part};
use super::permit::Permit;
use crate::config::{self, Percent, Size};
use crate::telemetry::labels::{Refusal, RefusalLabels};
use crate::telemetry::metrics::Metrics;

/// Why no bytes were given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Overloaded {
    /// The bytes did not become free in time.
    #[error("the requests in flight hold what they may of limits.bytes-in-flight, {total} bytes")]
    Exhausted {
        /// Bytes of the whole budget.
        total: usize,
    },
    /// The caller's other requests hold all that it may have.
    #[error("the caller's requests in flight hold all of limits.caller-share, {share} bytes")]
    OverShare {
        /// Bytes that one caller may hold.
        share: usize,
    },
    /// The request is larger than what there is.
    #[error("{bytes} bytes exceed what limits.bytes-in-flight allows, {most} bytes")]
    TooLarge {
        /// Bytes that were asked for.
        bytes: usize,
        /// Most bytes that a request can have.
        most: usize,
    },
}

/// The bytes of bodies and pages that all requests together may hold. Clones share them.
#[derive(Debug, Clone)]
pub struct Budget {
    shared: Arc<Shared>,
    /// The request that this budget was made for, where callers have shares.
    holder: Option<Arc<Holder>>,
}

#[derive(Debug)]
struct Shared {
    ledger: Ledger,
    callers: Callers,
    wait: Duration,
    metrics: Metrics,
}

impl Budget {
    /// A budget of this size without shares of callers; a request waits at most `wait` for its bytes.
    pub fn new(total: Size, wait: Duration) -> Self {
        let everything = Percent::new(100).expect("it is one");
        let limits = config::Limits {
            bytes_in_flight: total,
            budget_wait: wait,
            caller_share: everything,
            ..config::Limits::default()
        };
        Self::from_settings(&limits, Metrics::default())
    }

    /// The budget that these settings ask for.
    pub fn from_settings(limits: &config::Limits, metrics: Metrics) -> Self {
        let largest = limits.json_document.max(limits.raw_sequence);
        let division = Division::new(limits.bytes_in_flight.as_usize(), largest.as_usize());
        let share = limits.caller_share;
        let callers = Callers::new((!share.is_whole()).then(|| share.of(division.capacity())));
        let shared = Shared { ledger: Ledger::new(division), callers, wait: limits.budget_wait, metrics };
        Self { shared: Arc::new(shared), holder: None }
    }

    /// The same budget for one request of the caller known by `name`, which gets no more than the caller's share.
    #[must_use]
    pub fn of_caller(&self, name: impl Hash) -> Self {
        Self { shared: Arc::clone(&self.shared), holder: self.shared.callers.request_of(name) }
    }

    /// Takes `bytes` of a part.
    ///
    /// # Errors
    /// [`Overloaded::Exhausted`] or [`Overloaded::OverShare`] if they don't become free within the wait;
    /// [`Overloaded::TooLarge`], at once, if they can never be free.
    ///
    /// # Cancel safety
    /// Awaits only the ledger: dropped, it has taken nothing and loses its place in line.
    pub async fn reserve(&self, part: Part, bytes: usize) -> Result<Permit, Overloaded> {
        let mut permit = self.nothing(part);
        permit.grow_to(bytes).await?;
        Ok(permit)
    }

    /// Takes `bytes` for a streamed body, and keeps waiting for them as long as others give bytes back: its caller is
    /// slowed down rather than refused.
    ///
    /// # Errors
    /// As [`reserve`](Self::reserve), if nothing was given back for the length of the wait.
    ///
    /// # Cancel safety
    /// Awaits only the ledger: dropped, it has taken nothing and loses its place in line.
    pub async fn reserve_while_progress(&self, bytes: usize) -> Result<Permit, Overloaded> {
        self.check(bytes)?;
        self.take(Part::StreamedBodies, bytes, WaitPolicy::WhileProgress).await?;
        Ok(Permit::new(self.clone(), Part::StreamedBodies, bytes))
    }

    /// Like [`reserve_while_progress`](Self::reserve_while_progress), if that need not wait.
    pub fn try_reserve_for_stream(&self, bytes: usize) -> Option<Permit> {
        let part = Part::StreamedBodies;
        let taken = self.shared.ledger.try_take(part, bytes, self.holder.as_ref());
        taken.then(|| Permit::new(self.clone(), part, bytes))
    }

    /// Bytes that no permit holds.
    pub fn available(&self) -> usize {
        self.shared.ledger.available()
    }

    /// Bytes of all parts.
    pub fn total(&self) -> usize {
        self.shared.ledger.division().total()
    }

    /// Most bytes that one request can have.
    pub fn most(&self) -> usize {
        self.shared.ledger.division().capacity()
    }

    /// A permit of no bytes, to grow or to merge others into.
    pub fn nothing(&self, part: Part) -> Permit {
        Permit::new(self.clone(), part, 0)
    }

    /// Refuses what can never be given.
    ///
    /// # Errors
    /// [`Overloaded::TooLarge`]
    pub fn check(&self, bytes: usize) -> Result<(), Overloaded> {
        let most = self.most();
        if bytes <= most {
            return Ok(());
        }
        self.count(Refusal::TooLarge);
        Err(Overloaded::TooLarge { bytes, most })
    }

    /// Whether both take bytes from the same budget, for the same request.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let holder = |budget: &Self| budget.holder.as_ref().map(Arc::as_ptr);
        Arc::ptr_eq(&self.shared, &other.shared) && holder(self) == holder(other)
    }

    /// Takes what is missing from `held` bytes to `wanted`; returns how many bytes that were.
    pub(super) async fn take_missing(&self, part: Part, held: usize, wanted: usize) -> Result<usize, Overloaded> {
        self.check(wanted)?;
        let missing = wanted.saturating_sub(held);
        if missing > 0 {
            self.take(part, missing, WaitPolicy::Fixed).await?;
        }
        Ok(missing)
    }

    pub(super) fn give_back(&self, part: Part, bytes: usize) {
        self.shared.ledger.give_back(part, bytes, self.holder.as_ref());
    }

    async fn take(&self, part: Part, bytes: usize, policy: WaitPolicy) -> Result<(), Overloaded> {
        let Shared { ledger, wait, metrics, .. } = &*self.shared;
        let holder = self.holder.as_ref();
        if ledger.try_take(part, bytes, holder) {
            return Ok(());
        }
        metrics.budget_waits.inc();
        let taken = ledger.take(part, bytes, holder, *wait, policy).await;
        taken.map_err(|why| match (why, holder) {
            (Unavailable::OverShare, Some(holder)) => {
                self.count(Refusal::OverShare);
                Overloaded::OverShare { share: holder.share_bytes() }
            }
            _ => {
                self.count(Refusal::Exhausted);
                Overloaded::Exhausted { total: self.total() }
            }
        })
    }

    fn count(&self, reason: Refusal) {
        self.shared.metrics.budget_refusals.get_or_create(&RefusalLabels { reason }).inc();
    }
}

#[cfg(test)]
mod tests;
