//! What a test's thread logs.

use std::cell::RefCell;
use std::io;
use std::sync::{Arc, Once};

use parking_lot::Mutex;

thread_local! {
    static OF_THIS_THREAD: RefCell<Option<CapturedLog>> = const { RefCell::new(None) };
}

/// The log lines of this thread.
#[derive(Clone, Default)]
pub(crate) struct CapturedLog(Arc<Mutex<Vec<u8>>>);

/// Ends the capture when it is dropped.
pub(crate) struct Capturing;

impl CapturedLog {
    /// Captures from now on until the guard is dropped.
    ///
    /// One subscriber serves all threads for good: whether a line is of interest is remembered for the whole process, and
    /// subscribers that come and go with tests on other threads make it forget lines.
    pub(crate) fn install() -> (Self, Capturing) {
        static SUBSCRIBED: Once = Once::new();
        SUBSCRIBED.call_once(|| tracing_subscriber::fmt().with_ansi(false).with_writer(|| Lines).init());
        let captured = Self::default();
        OF_THIS_THREAD.set(Some(captured.clone()));
        (captured, Capturing)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().clone()).expect("lines are text")
    }
}

impl Drop for Capturing {
    fn drop(&mut self) {
        OF_THIS_THREAD.set(None);
    }
}

/// Writes to the log of the thread that logs, if it is captured.
struct Lines;

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        OF_THIS_THREAD.with_borrow(|log| {
            if let Some(log) = log {
                log.0.lock().extend_from_slice(bytes);
            }
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
