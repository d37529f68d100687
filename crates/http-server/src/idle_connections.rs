//! Which connections are idle, so that none of them keeps others out.
//!
//! ```text
//! open ── no request in progress for `idle`, or the idlest when room is needed ─▶ TooLong ─▶ asked to close
//!                                                                                              │
//!                                                          StillOpen: closed by force ◀────────┘ after a while
//! ```

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::connection::ConnectionState;

/// How long an idle connection has to close in order.
const CLOSES_WITHIN: Duration = Duration::from_secs(1);

/// The open connections of a server. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct IdleConnections(Arc<Mutex<Open>>);

#[derive(Debug, Default)]
struct Open {
    next_id: u64,
    connections: HashMap<u64, Connection>,
}

#[derive(Debug)]
struct Connection {
    state: Arc<ConnectionState>,
    close: Arc<Notify>,
}

impl IdleConnections {
    /// Watches a connection until the result is dropped.
    pub(crate) fn watch(&self, state: Arc<ConnectionState>, longest: Duration) -> IdleConnection {
        let close = Arc::new(Notify::new());
        let mut open = self.0.lock();
        let id = open.next_id;
        open.next_id += 1;
        open.connections.insert(id, Connection { state: Arc::clone(&state), close: Arc::clone(&close) });
        IdleConnection { all: self.clone(), id, state, close, longest, timer: Box::pin(sleep(longest)), closing: false }
    }

    /// Asks the connection to close that has been idle longest, if one is idle.
    pub(crate) fn close_idlest(&self) {
        let open = self.0.lock();
        let idle = open.connections.values().filter_map(|open| Some((open.state.idle_for()?, open)));
        if let Some((_, idlest)) = idle.max_by_key(|(idle_for, _)| *idle_for) {
            idlest.close.notify_one();
        }
    }
}

/// What a connection should do because it is idle.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Idle {
    /// Close in order.
    TooLong,
    /// Close at once.
    StillOpen,
}

/// One connection's part.
pub(crate) struct IdleConnection {
    all: IdleConnections,
    id: u64,
    state: Arc<ConnectionState>,
    close: Arc<Notify>,
    longest: Duration,
    timer: Pin<Box<Sleep>>,
    closing: bool,
}

impl IdleConnection {
    /// Waits until the connection was idle for too long, or has to make room, and then until it should be closed by now.
    /// It takes and returns itself so that it can be kept while other things happen: to begin to wait costs more than to
    /// go on.
    pub(crate) async fn next(mut self) -> (Idle, Self) {
        let idle = self.wait().await;
        (idle, self)
    }

    async fn wait(&mut self) -> Idle {
        loop {
            let has_to_make_room = tokio::select! {
                () = &mut self.timer => false,
                () = self.close.notified(), if !self.closing => true,
            };
            match self.state.idle_for() {
                // A request came just before.
                None => self.timer.as_mut().reset(Instant::now() + self.longest),
                Some(_) if self.closing => return Idle::StillOpen,
                Some(idle_for) if has_to_make_room || idle_for >= self.longest => {
                    self.closing = true;
                    self.timer.set(sleep(CLOSES_WITHIN));
                    return Idle::TooLong;
                }
                Some(idle_for) => self.timer.set(sleep_until(Instant::now() + (self.longest - idle_for))),
            }
        }
    }
}

impl Drop for IdleConnection {
    fn drop(&mut self) {
        self.all.0.lock().connections.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use http::Version;
    use prometheus_client::metrics::gauge::Gauge;
    use tokio::time::advance;

    use super::*;

    const LONGEST: Duration = Duration::from_secs(75);

    fn connection(all: &IdleConnections) -> (Arc<ConnectionState>, IdleConnection) {
        let state = Arc::new(ConnectionState::default());
        (Arc::clone(&state), all.watch(state, LONGEST))
    }

    #[tokio::test(start_paused = true)]
    async fn connection_is_closed_after_it_was_idle_for_long_enough() {
        let (state, mut idle) = connection(&IdleConnections::default());
        let began = Instant::now();
        let guard = state.begin_request(Version::HTTP_11, &Gauge::default());
        let working = async {
            sleep(LONGEST * 2).await;
            drop(guard);
        };
        let (next, ()) = tokio::join!(idle.wait(), working);
        assert_eq!((next, began.elapsed()), (Idle::TooLong, LONGEST * 3));
        assert_eq!((idle.wait().await, began.elapsed()), (Idle::StillOpen, LONGEST * 3 + CLOSES_WITHIN));
    }

    #[tokio::test(start_paused = true)]
    async fn the_idlest_makes_room_and_busy_ones_do_not() {
        let all = IdleConnections::default();
        let (busy, mut first) = connection(&all);
        let _request = busy.begin_request(Version::HTTP_11, &Gauge::default());
        advance(Duration::from_secs(1)).await;
        let (_, mut second) = connection(&all);
        advance(Duration::from_secs(1)).await;
        let (_, mut third) = connection(&all);
        advance(Duration::from_secs(1)).await;
        all.close_idlest();
        assert_eq!(second.wait().now_or_never(), Some(Idle::TooLong));
        assert!(first.wait().now_or_never().is_none() && third.wait().now_or_never().is_none());
        drop(second);
        all.close_idlest();
        assert_eq!(third.wait().now_or_never(), Some(Idle::TooLong));
    }
}
