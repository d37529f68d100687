//! Pauses between attempts.

use std::time::Duration;

use crate::random;

/// How long a sign of life counts: a peer that has shown one recently is worth waiting for, others fail at once.
pub const HEALTHY_FOR: Duration = Duration::from_secs(30);

/// Growing, jittered delays between attempts at the same thing.
#[derive(Debug, Clone)]
pub struct Backoff {
    next: Duration,
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// Begins at `first` and doubles up to `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { next: first, first, longest }
    }

    /// The delay before the next attempt: between half and all of the current step.
    pub fn next_delay(&mut self) -> Duration {
        let step = self.next;
        self.next = (step * 2).min(self.longest);
        random::jittered(step)
    }

    /// Starts over, after an attempt made progress.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

impl Default for Backoff {
    /// Suits a store that moves a segment or restarts: 20 ms to 2 s.
    fn default() -> Self {
        Self::new(Duration::from_millis(20), Duration::from_secs(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_the_longest_and_begin_anew_after_reset() {
        let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(40));
        let delays: Vec<_> = (0..5).map(|_| backoff.next_delay()).collect();
        for (delay, step) in delays.iter().zip([10, 20, 40, 40, 40]) {
            let step = Duration::from_millis(step);
            assert!(*delay >= step / 2 && *delay <= step, "{delay:?} for {step:?}");
        }
        backoff.reset();
        assert!(backoff.next_delay() <= Duration::from_millis(10));
    }
}
