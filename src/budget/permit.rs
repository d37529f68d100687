use std::sync::Arc;

use super::budget::{Budget, Overloaded};

/// Bytes taken from a [`Budget`]. Dropping the permit gives them back, so it travels with what it stands for.
#[derive(Debug)]
#[must_use = "the bytes are given back when the permit is dropped"]
pub struct Permit {
    budget: Budget,
    bytes: usize,
    /// How many of the bytes count as streamed.
    streamed: usize,
    /// Held until this permit is dropped, too.
    whole: Option<Arc<Permit>>,
}

impl Permit {
    pub(super) fn new(budget: Budget, bytes: usize, streamed: usize) -> Self {
        assert!(streamed <= bytes, "streamed bytes are part of all bytes");
        Self { budget, bytes, streamed, whole: None }
    }

    /// A permit of no bytes that keeps another one alive: for a part of something that stays in memory as a whole until
    /// its last part is dropped.
    pub fn part_of(whole: &Arc<Self>) -> Self {
        Self { budget: whole.budget.clone(), bytes: 0, streamed: 0, whole: Some(Arc::clone(whole)) }
    }

    /// Number of bytes that the permit itself holds.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether this many bytes are held by the permit and the whole that it keeps alive.
    pub(crate) fn covers(&self, bytes: usize) -> bool {
        self.bytes + self.whole.as_ref().map_or(0, |whole| whole.bytes) >= bytes
    }

    /// Takes over the bytes of another permit of the same budget and caller.
    pub fn merge(&mut self, mut other: Self) {
        assert!(self.budget.is_same(&other.budget), "merged permits are of one budget and caller");
        assert!(self.whole.is_none() || other.whole.is_none(), "a permit keeps one whole alive at most");
        self.whole = self.whole.take().or(other.whole.take());
        self.bytes += std::mem::take(&mut other.bytes);
        self.streamed += std::mem::take(&mut other.streamed);
    }

    /// Splits off a permit of `bytes`; `None` if this one holds fewer.
    pub fn split(&mut self, bytes: usize) -> Option<Self> {
        self.bytes = self.bytes.checked_sub(bytes)?;
        let streamed = bytes.min(self.streamed);
        self.streamed -= streamed;
        assert!(self.streamed <= self.bytes, "streamed bytes are part of all bytes");
        Some(Self::new(self.budget.clone(), bytes, streamed))
    }

    /// Makes the permit hold at least `bytes`, for bodies whose length is not announced.
    ///
    /// Two permits that grow at the same time cannot deadlock: each waits for the budget's wait at most.
    ///
    /// # Errors
    /// As [`Budget::reserve`]; the permit keeps what it held before.
    ///
    /// # Cancel safety
    /// Awaits only the semaphores: dropped, the permit holds what it held before.
    pub async fn grow_to(&mut self, bytes: usize) -> Result<(), Overloaded> {
        self.bytes += self.budget.take_missing(self.bytes, bytes).await?;
        assert!(self.bytes >= bytes, "a permit grows to what was asked for");
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget.give_back(self.bytes, self.streamed);
        }
    }
}
