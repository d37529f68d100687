use std::sync::Arc;

use super::budget::{Budget, Overloaded};
use super::part::Part;

/// Bytes taken from a [`Budget`]. Dropping the permit gives them back, so it travels with what it stands for.
#[derive(Debug)]
#[must_use = "the bytes are given back when the permit is dropped"]
pub struct Permit {
    budget: Budget,
    part: Part,
    bytes: usize,
    /// Held until this permit is dropped, too.
    whole: Option<Arc<Permit>>,
}

impl Permit {
    pub(super) fn new(budget: Budget, part: Part, bytes: usize) -> Self {
        Self { budget, part, bytes, whole: None }
    }

    /// A permit of no bytes that keeps another one alive: for a part of something that stays in memory as a whole until
    /// its last part is dropped.
    pub fn part_of(whole: &Arc<Self>) -> Self {
        Self { budget: whole.budget.clone(), part: whole.part, bytes: 0, whole: Some(Arc::clone(whole)) }
    }

    /// Number of bytes that the permit itself holds.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether this many bytes are held by the permit and the whole that it keeps alive.
    pub(crate) fn covers(&self, bytes: usize) -> bool {
        self.bytes + self.whole.as_ref().map_or(0, |whole| whole.bytes) >= bytes
    }

    /// Takes over the bytes of another permit of the same request, which are of the same part of the budget unless one
    /// of the two holds none.
    pub fn merge(&mut self, mut other: Self) {
        assert!(self.budget.is_same(&other.budget), "merged permits are of one request");
        assert!(self.whole.is_none() || other.whole.is_none(), "a permit keeps one whole alive at most");
        if self.bytes == 0 {
            self.part = other.part;
        }
        assert!(other.bytes == 0 || self.part == other.part, "merged permits are of one part");
        self.whole = self.whole.take().or(other.whole.take());
        self.bytes += std::mem::take(&mut other.bytes);
    }

    /// Splits off a permit of `bytes`; `None` if this one holds fewer.
    pub fn split(&mut self, bytes: usize) -> Option<Self> {
        self.bytes = self.bytes.checked_sub(bytes)?;
        Some(Self::new(self.budget.clone(), self.part, bytes))
    }

    /// Gives back what the permit holds beyond `bytes`.
    pub fn shrink_to(&mut self, bytes: usize) {
        drop(self.split(self.bytes.saturating_sub(bytes)));
    }

    /// Makes the permit hold at least `bytes`, as a body or a page grows.
    ///
    /// Two permits that grow at the same time cannot deadlock: each waits for the budget's wait at most.
    ///
    /// # Errors
    /// As [`Budget::reserve`]; the permit keeps what it held before.
    ///
    /// # Cancel safety
    /// Awaits only the ledger: dropped, the permit holds what it held before.
    pub async fn grow_to(&mut self, bytes: usize) -> Result<(), Overloaded> {
        self.bytes += self.budget.take_missing(self.part, self.bytes, bytes).await?;
        assert!(self.bytes >= bytes, "a permit grows to what was asked for");
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget.give_back(self.part, self.bytes);
        }
    }
}
