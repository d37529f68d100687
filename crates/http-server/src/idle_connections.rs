//! Which connections are idle, so that none of them keeps others out.
//!
//! ```text
//! open ── no request in progress for `idle`, or the idlest when room is needed ─▶ TooLong ─▶ asked to close
//!                                                                                              │
//!                                          StillOpen: closed by force ◀── 1 s, for room 20 ms ─┘
//! ```

use std::cmp::Reverse;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep};

use crate::connection::ConnectionState;

/// How long an idle connection has to close in order.
const CLOSES_WITHIN: Duration = Duration::from_secs(1);

/// The same for one that has to make room: one in the midst of a head only ends by force.
const MAKES_ROOM_WITHIN: Duration = Duration::from_millis(20);

/// A connection makes room only after it was idle for this long. One that is used again and again would otherwise be
/// closed between two requests, and the next would fail.
const MAKES_ROOM_AFTER: Duration = Duration::from_secs(1);

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
    room: Arc<RoomRequest>,
}

/// Asks a connection to make room.
#[derive(Debug, Default)]
struct RoomRequest {
    asked: Notify,
    is_asked: AtomicBool,
}

impl IdleConnections {
    /// Watches a connection until the result is dropped.
    pub(crate) fn watch(&self, state: Arc<ConnectionState>, longest: Duration) -> IdleConnection {
        let room = Arc::new(RoomRequest::default());
        let mut open = self.0.lock();
        let id = open.next_id;
        open.next_id += 1;
        open.connections.insert(id, Connection { state: Arc::clone(&state), room: Arc::clone(&room) });
        IdleConnection { all: self.clone(), id, state, room, longest, timer: Box::pin(sleep(longest)), closing: false }
    }

    /// Asks connections to close until this many have been asked that are still open: those that were idle longest.
    pub(crate) fn make_room(&self, wanted: usize) {
        if wanted == 0 {
            return;
        }
        let open = self.0.lock();
        let mut asked = 0;
        let mut idle = Vec::new();
        for connection in open.connections.values() {
            match connection.can_make_room() {
                _ if connection.is_asked() => asked += 1,
                Some(idle_for) => idle.push((Reverse(idle_for), connection)),
                None => {}
            }
        }
        let missing = wanted.saturating_sub(asked).min(idle.len());
        if missing == 0 {
            return;
        }
        idle.select_nth_unstable_by_key(missing - 1, |(idle_for, _)| *idle_for);
        for (_, idlest) in &idle[..missing] {
            idlest.room.is_asked.store(true, Ordering::Relaxed);
            idlest.room.asked.notify_one();
        }
    }
}

impl Connection {
    fn is_asked(&self) -> bool {
        self.room.is_asked.load(Ordering::Relaxed)
    }

    /// How long it has been idle, if it was for long enough.
    fn can_make_room(&self) -> Option<Duration> {
        self.state.idle_for().filter(|idle_for| *idle_for >= MAKES_ROOM_AFTER)
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
    room: Arc<RoomRequest>,
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
                () = self.room.asked.notified(), if !self.closing => true,
            };
            let idle_for = self.state.idle_for();
            if self.closing && idle_for.is_some() {
                return Idle::StillOpen;
            }
            if has_to_make_room && idle_for.is_some_and(|idle_for| idle_for >= MAKES_ROOM_AFTER) {
                return self.close_within(MAKES_ROOM_WITHIN);
            }
            if idle_for.is_some_and(|idle_for| idle_for >= self.longest) {
                return self.close_within(CLOSES_WITHIN);
            }
            // A request came just before.
            self.room.is_asked.store(false, Ordering::Relaxed);
            self.timer.as_mut().reset(Instant::now() + (self.longest - idle_for.unwrap_or_default()));
        }
    }

    fn close_within(&mut self, time: Duration) -> Idle {
        self.closing = true;
        self.timer.set(sleep(time));
        Idle::TooLong
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
        all.make_room(1);
        assert_eq!(second.wait().now_or_never(), Some(Idle::TooLong));
        assert!(first.wait().now_or_never().is_none() && third.wait().now_or_never().is_none());
        // One that was asked is not asked again, though it has not closed yet.
        all.make_room(2);
        assert_eq!(third.wait().now_or_never(), Some(Idle::TooLong));
        let began = Instant::now();
        assert_eq!((second.wait().await, began.elapsed()), (Idle::StillOpen, MAKES_ROOM_WITHIN));
    }

    #[tokio::test(start_paused = true)]
    async fn connection_between_two_requests_does_not_make_room() {
        let all = IdleConnections::default();
        let (state, mut idle) = connection(&all);
        advance(MAKES_ROOM_AFTER).await;
        all.make_room(1);
        drop(state.begin_request(Version::HTTP_11, &Gauge::default()));
        assert!(idle.wait().now_or_never().is_none(), "it was used since it was asked");
        advance(MAKES_ROOM_AFTER - Duration::from_millis(1)).await;
        all.make_room(1);
        assert!(idle.wait().now_or_never().is_none(), "it was used a moment ago");
        advance(Duration::from_millis(1)).await;
        all.make_room(1);
        assert_eq!(idle.wait().now_or_never(), Some(Idle::TooLong));
    }
}
