//! How the process ends: nothing new, then what is in flight, then out.
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

/// How long the phases last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShutdownSettings {
    /// Time between being not ready and accepting no more, after SIGTERM.
    pub delay: Duration,
    /// Time after that to finish what is in flight.
    pub grace: Duration,
}

/// What the process was asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: the application beside us may still have something to say.
    Terminate,
    /// SIGINT: someone waits at a terminal.
    Interrupt,
}

/// The phases that the parts of the process watch; each stays cancelled once it is. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Phases {
    /// Not ready any more; new waits are refused, new writes still taken.
    pub draining: CancellationToken,
    /// No more connections are accepted; streamed uploads end where they are.
    pub stop: CancellationToken,
    /// Whatever still runs is cut off.
    pub cut: CancellationToken,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All that was in flight was finished.
    Clean,
    /// Something was cut off.
    Cut,
    /// The work ended although nobody had asked.
    Unasked,
}

impl Exit {
    /// The exit code of the process.
    pub fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Cut | Self::Unasked => 1,
        }
    }
}

/// SIGTERM and SIGINT of this process, which from now on don't end it by themselves.
///
/// # Errors
/// When the system refuses.
pub fn signals() -> io::Result<BoxStream<'static, Signal>> {
    let terminate = listen(SignalKind::terminate(), Signal::Terminate)?;
    let interrupt = listen(SignalKind::interrupt(), Signal::Interrupt)?;
    Ok(stream::select(terminate, interrupt).boxed())
}

/// Awaits the work, or a signal and then the phases. `work` is everything that must be finished: serving,
/// flushing, closing sessions; it must end soon after `stop`. `in_flight` counts the requests not answered yet.
///
/// What is cut is said in one log line; `cut` is cancelled then, and the caller exits at once.
///
/// # Cancel safety
/// Awaits signals, time and the work; dropped, the phases stay as they are.
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
            tracing::error!("serving ended although nobody had asked");
            return Exit::Unasked;
        }
    };
    let cause = tokio::select! {
        biased; // work that is done counts, also at the last moment
        () = work => return Exit::Clean,
        () = pass_phases(first, settings, phases) => "the grace is over",
        _ = signals.next() => "a second signal came",
    };
    tracing::error!(requests = in_flight(), cause, "ending with requests in flight: they are cut");
    phases.cut.cancel();
    Exit::Cut
}

/// Ends when the grace is over.
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
    use std::sync::{Arc, Mutex};
    use tokio::time::{Instant, sleep};

    const SETTINGS: ShutdownSettings =
        ShutdownSettings { delay: Duration::from_secs(5), grace: Duration::from_secs(25) };

    /// The log lines of this thread.
    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Captured {
        fn install() -> (Self, tracing::subscriber::DefaultGuard) {
            let captured = Self::default();
            let lines = captured.clone();
            let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || lines.clone()).finish();
            (captured, tracing::subscriber::set_default(subscriber))
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("no test panics in between").clone()).expect("lines are text")
        }
    }

    impl io::Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no test panics in between").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Signals, each this many seconds after the one before.
    fn at(signals: &[(u64, Signal)]) -> impl Stream<Item = Signal> + use<> {
        stream::iter(signals.to_vec()).then(|(seconds, signal)| async move {
            sleep(Duration::from_secs(seconds)).await;
            signal
        })
    }

    /// Runs until the end and says how it ended, and after how many seconds.
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
    async fn a_second_signal_cuts_at_once_and_says_what() {
        let (captured, _guard) = Captured::install();
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
        let (captured, _guard) = Captured::install();
        let phases = Phases::default();
        let ended = end(&[(1, Signal::Terminate)], &phases, std::future::pending()).await;
        assert_eq!(ended, (Exit::Cut, 1 + 5 + 25));
        assert!(phases.cut.is_cancelled());
        assert!(captured.text().contains("the grace is over"));
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_ends_unasked_is_a_failure() {
        let (exit, _) = end(&[], &Phases::default(), async {}).await;
        assert_eq!((exit, exit.code()), (Exit::Unasked, 1));
        assert_eq!((Exit::Clean.code(), Exit::Cut.code()), (0, 1));
    }

    #[tokio::test]
    async fn the_process_hears_its_signals() {
        let mut signals = signals().expect("the system allows it");
        let pid = std::process::id().to_string();
        let killed = std::process::Command::new("kill").args(["-TERM", &pid]).status().expect("kill is there");
        assert!(killed.success());
        assert_eq!(signals.next().await, Some(Signal::Terminate));
    }
}
