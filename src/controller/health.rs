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

/// How often to look whether it answered meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(50);

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
pub(super) struct HealthWatch(Mutex<Signs>);

#[derive(Default)]
struct Signs {
    last_answer: Option<Instant>,
    silence: Option<Silence>,
}

/// Attempts since the last answer that brought none.
struct Silence {
    since: Instant,
    last: Instant,
    error: Error,
}

impl fmt::Debug for HealthWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.health().fmt(f)
    }
}

impl HealthWatch {
    pub(super) fn health(&self) -> Health {
        Health { last_answer: self.0.lock().last_answer }
    }

    /// Waits until attempts have brought no answer for this long, the last one of them from now on; returns what
    /// happened to it.
    pub(super) async fn unreachable_for(&self, time: Duration) -> Error {
        let begun = Instant::now();
        loop {
            if let Some(silence) = &self.0.lock().silence
                && silence.last >= begun
                && silence.since.elapsed() >= time
            {
                return silence.error.clone();
            }
            sleep(LOOK_EVERY).await;
        }
    }

    fn note<T>(&self, outcome: &Result<T, Error>) {
        let (now, mut signs) = (Instant::now(), self.0.lock());
        match outcome {
            Err(error) if !error.is_answer() => {
                let since = signs.silence.as_ref().map_or(now, |silence| silence.since);
                signs.silence = Some(Silence { since, last: now, error: error.clone() });
            }
            _ => *signs = Signs { last_answer: Some(now), silence: None },
        }
    }

    /// Makes one attempt and takes note of whether the controller answered.
    pub(super) async fn attempt<T>(&self, attempt: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let outcome = attempt.await;
        self.note(&outcome);
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
