//! How long nothing has moved.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Measures how long nothing has moved. The timer is made only where something is ever awaited.
#[derive(Default)]
pub(crate) struct IdleTimer {
    timer: Option<Pin<Box<Sleep>>>,
    running: bool,
}

impl IdleTimer {
    /// Nothing moved: ready when that has been so for `longest`.
    pub(crate) fn poll(&mut self, longest: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(longest)));
        if !self.running {
            timer.as_mut().reset(Instant::now() + longest);
            self.running = true;
        }
        timer.as_mut().poll(cx)
    }

    /// Something moved.
    pub(crate) fn reset(&mut self) {
        self.running = false;
    }
}
