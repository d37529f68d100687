//! A timer for progress.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Measures how long there has been no progress. Its timer is created when something is first waited for.
#[derive(Default)]
pub(crate) struct IdleTimer {
    timer: Option<Pin<Box<Sleep>>>,
    running: bool,
}

impl IdleTimer {
    /// There was no progress: ready once that has lasted for `longest`.
    pub(crate) fn poll(&mut self, longest: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(longest)));
        if !self.running {
            timer.as_mut().reset(Instant::now() + longest);
            self.running = true;
        }
        timer.as_mut().poll(cx)
    }

    /// There was progress.
    pub(crate) fn reset(&mut self) {
        self.running = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    const LONGEST: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn time_counts_from_the_first_poll_without_progress() {
        let mut idle = IdleTimer::default();
        tokio::time::sleep(LONGEST * 2).await;
        for _ in 0..2 {
            let began = Instant::now();
            poll_fn(|cx| idle.poll(LONGEST, cx)).await;
            assert_eq!(began.elapsed(), LONGEST);
            idle.reset();
            tokio::time::sleep(LONGEST * 2).await;
        }
    }
}
