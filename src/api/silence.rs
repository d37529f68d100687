use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Time in which nothing moved. The timer is made only where something is ever awaited.
#[derive(Default)]
pub(super) struct Silence {
    timer: Option<Pin<Box<Sleep>>>,
    running: bool,
}

impl Silence {
    /// Nothing moved: ready when that has been so for `longest`.
    pub(super) fn poll(&mut self, longest: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(longest)));
        if !self.running {
            timer.as_mut().reset(Instant::now() + longest);
            self.running = true;
        }
        timer.as_mut().poll(cx)
    }

    /// Something moved.
    pub(super) fn end(&mut self) {
        self.running = false;
    }
}
