//! Whether the controller answered lately, and how long to keep trying.

use std::fmt;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep};
use tracing::debug;

use super::error::Error;
use crate::retry::{Backoff, HEALTHY_FOR};

/// First pause between attempts at a call.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// Longest pause between attempts at a call.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// When the controller was last heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// When it last answered anything, an error included; `None` if never.
    pub last_answer: Option<Instant>,
}

impl Health {
    /// Whether it answered within the last 30 s.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.last_answer.is_some_and(|at| at.elapsed() <= HEALTHY_FOR)
    }
}

/// Remembers the controller's last sign of life and retries calls by it.
#[derive(Default)]
pub(super) struct HealthWatch {
    last_answer: Mutex<Option<Instant>>,
}

impl fmt::Debug for HealthWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.health().fmt(f)
    }
}

impl HealthWatch {
    pub(super) fn health(&self) -> Health {
        Health { last_answer: *self.last_answer.lock() }
    }

    fn answered(&self) {
        *self.last_answer.lock() = Some(Instant::now());
    }

    /// Makes one attempt and takes note of whether the controller answered.
    pub(super) async fn attempt<T>(&self, attempt: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let outcome = attempt.await;
        if outcome.as_ref().err().is_none_or(Error::is_answer) {
            self.answered();
        }
        outcome
    }

    /// Repeats what may succeed later, for [`HEALTHY_FOR`] at most. A controller that cannot be reached and was not
    /// healthy lately is given up at once.
    pub(super) async fn persist<T, F>(&self, call: &'static str, attempt: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let until = Instant::now() + HEALTHY_FOR;
        loop {
            let error = match self.attempt(attempt()).await {
                Err(error) if error.is_retryable() && !self.is_lost(&error) && Instant::now() < until => error,
                outcome => return outcome,
            };
            let pause = backoff.next_delay();
            debug!(controller.call = call, controller.error = %error, retry.pause_ms = pause.as_millis(), "will ask again");
            sleep(pause).await;
        }
    }

    fn is_lost(&self, error: &Error) -> bool {
        matches!(error, Error::Unavailable { .. }) && !self.health().is_healthy()
    }
}
