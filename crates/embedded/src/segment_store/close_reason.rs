//! Why a connection ends.

use std::fmt;

/// Why a connection ends. It is for the log: the client gets no reply, as from a real store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CloseReason(pub(super) &'static str);

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
