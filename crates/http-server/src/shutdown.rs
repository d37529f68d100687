//! How a server's process ends: no new connections, then the requests in flight, then the process.
//!
//! ```text
//! running ──SIGTERM──▶ draining ──delay──▶ stopped accepting ──work done──▶ clean (exit 0)
//!    └─────SIGINT──────────────────────────▲      └──grace over──▶ cut (exit 1)
//! any later signal, in any phase ─────────────────────────────────▶ cut (exit 1)
//! ```

use std::io;
use std::pin::pin;
use std::time::Duration;

use futures::stream::{self, BoxStream, Stream, StreamExt};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long each phase lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShutdownSettings {
    /// Time between reporting not ready and refusing connections, after SIGTERM: load balancers notice meanwhile.
    pub delay: Duration,
    /// Time after that to finish requests in flight.
    pub grace: Duration,
}

/// A request to end the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: from a supervisor. Callers may still connect during the delay.
    Terminate,
    /// SIGINT: from a terminal, without the delay.
    Interrupt,
}

/// The phases that the parts of a process watch. Each token is cancelled when its phase begins, and stays so. Clones
/// share them.
#[derive(Debug, Clone, Default)]
pub struct Phases {
    /// No longer ready: requests that would take long can be refused, others are still served.
    pub draining: CancellationToken,
    /// No longer accepting: connections are refused, requests in flight are finished.
    pub stop: CancellationToken,
    /// Out of time: what still runs is cut.
    pub cut: CancellationToken,
}

/// How the process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All requests in flight were finished.
    Clean,
    /// Requests in flight were cut.
    Cut,
    /// The work ended without a signal.
    Unasked,
}

impl Exit {
    /// The exit code for the process.
    pub fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Cut | Self::Unasked => 1,
        }
    }
}

/// SIGTERM and SIGINT of this process, which no longer end it by themselves after this call.
///
/// # Errors
/// If the system refuses.
pub fn signals() -> io::Result<BoxStream<'static, Signal>> {
    let terminate = listen(SignalKind::terminate(), Signal::Terminate)?;
    let interrupt = listen(SignalKind::interrupt(), Signal::Interrupt)?;
    Ok(stream::select(terminate, interrupt).boxed())
}

/// Runs the work until it ends, or until a signal and then the phases end it. `work` is everything that must be
/// finished; it should end soon after `stop` is cancelled. `in_flight` returns how many requests are not answered yet.
///
/// What is cut is reported in one log line. Then `cut` is cancelled, and the caller should exit at once.
///
/// # Cancel safety
/// Awaits signals, time and the work; if dropped, the phases stay as they are.
pub async fn run(
    signals: impl Stream<Item = Signal>,
    settings: &ShutdownSettings,
    phases: &Phases,
    work: impl Future<Output = ()>,
    in_flight: impl Fn() -> usize,
) -> Exit {
    let mut signals = pin!(signals.chain(stream::pending()));
    let mut work = pin!(work);
    let first = tokio::select! {
        signal = signals.next() => signal.expect("the chain never ends"),
        () = work.as_mut() => {
            tracing::error!("serving ended without a signal");
            return Exit::Unasked;
        }
    };
    let cause = tokio::select! {
        biased; // finished work counts even at the last moment
        () = work => return Exit::Clean,
        () = pass_phases(first, settings, phases) => "the grace is over",
        _ = signals.next() => "a second signal came",
    };
    tracing::error!(requests = in_flight(), cause, "ending with requests in flight: they are cut");
    phases.cut.cancel();
    Exit::Cut
}

/// Returns when the grace is over.
async fn pass_phases(first: Signal, settings: &ShutdownSettings, phases: &Phases) {
    phases.draining.cancel();
    if first == Signal::Terminate {
        tracing::info!(delay = ?settings.delay, "not ready any more, still serving");
        tokio::time::sleep(settings.delay).await;
    }
    phases.stop.cancel();
    tracing::info!(grace = ?settings.grace, "accepting no more, finishing what is in flight");
    tokio::time::sleep(settings.grace).await;
}

fn listen(kind: SignalKind, meaning: Signal) -> io::Result<impl Stream<Item = Signal> + Send + 'static> {
    let received = signal(kind)?;
    Ok(stream::unfold(received, move |mut received| async move {
        received.recv().await?;
        Some((meaning, received))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::captured_log::CapturedLog;

    use tokio::time::{Instant, sleep};

    const SETTINGS: ShutdownSettings =
        ShutdownSettings { delay: Duration::from_secs(5), grace: Duration::from_secs(25) };

    /// Signals, each this many seconds after the one before.
    fn at(signals: &[(u64, Signal)]) -> impl Stream<Item = Signal> + use<> {
        stream::iter(signals.to_vec()).then(|(seconds, signal)| async move {
            sleep(Duration::from_secs(seconds)).await;
            signal
        })
    }

    /// Runs until the end and returns how it ended, and after how many seconds.
    async fn end(signals: &[(u64, Signal)], phases: &Phases, work: impl Future<Output = ()>) -> (Exit, u64) {
        let started = Instant::now();
        let exit = run(at(signals), &SETTINGS, phases, work, || 3).await;
        (exit, started.elapsed().as_secs())
    }

    /// Work that takes this long after `stop`.
    async fn work_after_stop(phases: &Phases, seconds: u64) {
        phases.stop.cancelled().await;
        sleep(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn sigterm_is_not_ready_at_once_and_stops_after_the_delay() {
        let phases = Phases::default();
        let watched = phases.clone();
        let watching = async move {
            sleep(Duration::from_millis(1001)).await;
            let early = (watched.draining.is_cancelled(), watched.stop.is_cancelled());
            watched.stop.cancelled().await;
            early
        };
        let work = work_after_stop(&phases, 2);
        let (ended, early) = tokio::join!(end(&[(1, Signal::Terminate)], &phases, work), watching);
        assert_eq!(early, (true, false));
        assert_eq!(ended, (Exit::Clean, 1 + 5 + 2));
        assert!(!phases.cut.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn sigint_stops_without_the_delay() {
        let phases = Phases::default();
        let ended = end(&[(1, Signal::Interrupt)], &phases, work_after_stop(&phases, 2)).await;
        assert_eq!(ended, (Exit::Clean, 1 + 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_signal_cuts_at_once_and_reports_it() {
        let (captured, _guard) = CapturedLog::install();
        for second in [Signal::Terminate, Signal::Interrupt] {
            let phases = Phases::default();
            let signals = [(1, Signal::Terminate), (2, second)];
            let ended = end(&signals, &phases, std::future::pending()).await;
            assert_eq!(ended, (Exit::Cut, 1 + 2));
            assert!(phases.cut.is_cancelled());
        }
        let log = captured.text();
        assert!(log.contains("requests=3") && log.contains("a second signal came"), "{log}");
    }

    #[tokio::test(start_paused = true)]
    async fn work_beyond_the_grace_is_cut() {
        let (captured, _guard) = CapturedLog::install();
        let phases = Phases::default();
        let ended = end(&[(1, Signal::Terminate)], &phases, std::future::pending()).await;
        assert_eq!(ended, (Exit::Cut, 1 + 5 + 25));
        assert!(phases.cut.is_cancelled());
        assert!(captured.text().contains("the grace is over"));
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_ends_without_a_signal_is_a_failure() {
        let (exit, _) = end(&[], &Phases::default(), async {}).await;
        assert_eq!((exit, exit.code()), (Exit::Unasked, 1));
        assert_eq!((Exit::Clean.code(), Exit::Cut.code()), (0, 1));
    }

    #[tokio::test]
    async fn the_process_receives_its_signals() {
        let mut signals = signals().expect("the system allows it");
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM).expect("it is ours");
        assert_eq!(signals.next().await, Some(Signal::Terminate));
    }
}
