use std::sync::Arc;

use parking_lot::RwLock;
use tokio::sync::Notify;

use super::recovery::Routing;

/// The routing that all callers of a stream see. Callers that wait for the next one proceed in their order of arrival.
#[derive(Debug, Default)]
pub(super) struct CurrentRouting {
    current: RwLock<Option<Arc<Routing>>>,
    changed: Notify,
}

impl CurrentRouting {
    /// The current routing; `None` before the first one.
    pub(super) fn get(&self) -> Option<Arc<Routing>> {
        self.current.read().clone()
    }

    pub(super) fn publish(&self, routing: Routing) -> Arc<Routing> {
        let routing = Arc::new(routing);
        *self.current.write() = Some(routing.clone());
        self.changed.notify_waiters();
        routing
    }

    /// Waits until a routing other than `known` is published.
    ///
    /// # Cancel safety
    /// Awaits only the notification, and may be called again.
    pub(super) async fn changed_from(&self, known: &Arc<Routing>) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.get().is_none_or(|current| !Arc::ptr_eq(&current, known)) {
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
        let routing = CurrentRouting::default();
        let first = routing.publish(Routing::default());
        let mut waiting = Box::pin(routing.changed_from(&first));
        assert!(waiting.as_mut().now_or_never().is_none());
        routing.publish(Routing::default());
        waiting.await;
        routing.changed_from(&first).await;
    }
}
