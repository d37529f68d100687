use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Notify;

use super::routing::Routing;

/// The routing that all callers of a stream see. Those who wait for the next one go on in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Published {
    now: RwLock<Option<Arc<Routing>>>,
    changed: Notify,
}

impl Published {
    /// The routing of now; `None` before the first.
    pub(super) fn now(&self) -> Option<Arc<Routing>> {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn publish(&self, routing: Routing) -> Arc<Routing> {
        let routing = Arc::new(routing);
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = Some(routing.clone());
        self.changed.notify_waiters();
        routing
    }

    /// Waits until another routing than this one is published.
    ///
    /// # Cancel safety
    /// May be called again.
    pub(super) async fn changed_from(&self, known: &Arc<Routing>) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.now().is_none_or(|now| !Arc::ptr_eq(&now, known)) {
                return;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn those_who_wait_go_on_with_the_next_routing_and_late_ones_do_not_wait() {
        let published = Published::default();
        let first = published.publish(Routing::default());
        let mut waiting = Box::pin(published.changed_from(&first));
        assert!(waiting.as_mut().now_or_never().is_none());
        published.publish(Routing::default());
        waiting.await;
        published.changed_from(&first).await;
    }
}
