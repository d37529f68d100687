//! The accept loop that every listener shares: what happens between two connections.
//!
//! ```text
//! accept ──▶ connection
//!  ▲ ▲  └──▶ gone before it was accepted ──▶ again at once
//!  │ └──────────────────────────────────────────┘
//!  └── pause, 20 ms doubled up to 1 s ◀── the system cannot accept any
//! ```

use std::io;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;

/// First pause after a failure to accept; each further failure doubles it, up to the longest.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A source of connections.
pub trait Accept {
    /// What is accepted.
    type Connection: Send;

    /// Awaits the next connection.
    ///
    /// # Errors
    /// If the system cannot accept one, or if the peer closed it already.
    ///
    /// # Cancel safety
    /// Awaits only the system: dropped, no connection is lost.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Connection>> + Send;
}

/// The connections of a listener, one after the other, retrying after failures.
#[derive(Debug)]
pub struct AcceptLoop<L> {
    listener: L,
    errors: Counter,
    pause: Duration,
}

impl<L: Accept> AcceptLoop<L> {
    /// Counts failures of the system to accept in `errors`.
    pub fn new(listener: L, errors: Counter) -> Self {
        Self { listener, errors, pause: SHORTEST_PAUSE }
    }

    /// The next connection. If the system cannot accept one, most likely for lack of file descriptors, retries after a
    /// pause that grows to one second.
    ///
    /// # Cancel safety
    /// Awaits the system and pauses: dropped, no connection is lost.
    pub async fn next(&mut self) -> L::Connection {
        loop {
            match self.listener.accept().await {
                Ok(connection) => {
                    self.pause = SHORTEST_PAUSE;
                    return connection;
                }
                Err(error) if concerns_one_connection(&error) => {
                    tracing::debug!(%error, "a connection was closed before it was accepted");
                }
                Err(error) => {
                    self.errors.inc();
                    tracing::warn!(%error, "cannot accept connections; retrying");
                    tokio::time::sleep(self.pause).await;
                    self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                    assert!(self.pause > SHORTEST_PAUSE, "a failing accept loop never spins");
                }
            }
        }
    }
}

fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, InvalidInput, NotConnected};
    // InvalidInput: macOS, when setting options of a socket that the peer closed
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | InvalidInput | NotConnected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    use parking_lot::Mutex;
    use tokio::time::Instant;

    /// A listener whose failures are planned; after them it accepts.
    struct Planned(Mutex<VecDeque<io::ErrorKind>>);

    impl Accept for Planned {
        type Connection = ();

        async fn accept(&self) -> io::Result<()> {
            let next = self.0.lock().pop_front();
            next.map_or(Ok(()), |kind| Err(kind.into()))
        }
    }

    fn after(failures: &[io::ErrorKind]) -> (AcceptLoop<Planned>, Counter) {
        let errors = Counter::default();
        (AcceptLoop::new(Planned(Mutex::new(failures.iter().copied().collect())), errors.clone()), errors)
    }

    #[tokio::test(start_paused = true)]
    async fn failures_of_the_system_are_counted_and_waited_out_with_growing_pauses() {
        let (mut incoming, errors) = after(&[io::ErrorKind::OutOfMemory; 8]);
        let began = Instant::now();
        incoming.next().await;
        assert_eq!(began.elapsed().as_millis(), 20 + 40 + 80 + 160 + 320 + 640 + 1000 + 1000);
        assert_eq!((errors.get(), incoming.pause), (8, SHORTEST_PAUSE));
    }

    #[tokio::test(start_paused = true)]
    async fn connection_that_was_closed_early_costs_no_pause() {
        let (mut incoming, errors) = after(&[io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset]);
        let began = Instant::now();
        incoming.next().await;
        assert_eq!((began.elapsed(), errors.get()), (Duration::ZERO, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_begin_again_after_a_connection() {
        let (mut incoming, errors) = after(&[io::ErrorKind::OutOfMemory; 3]);
        incoming.next().await;
        incoming.listener.0.lock().push_back(io::ErrorKind::OutOfMemory);
        let began = Instant::now();
        incoming.next().await;
        assert_eq!((began.elapsed(), errors.get()), (SHORTEST_PAUSE, 4));
    }
}
