use std::path::PathBuf;

use crate::log::UnsupportedVersion;

/// Why a checkpoint could not be opened, loaded or saved. What was saved before is still there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckpointError {
    /// Another version of this program made it.
    #[error(transparent)]
    Version(#[from] UnsupportedVersion),
    /// The database refused.
    #[error("cannot {action} {}: {source}", .file.display())]
    Database {
        /// What was to be done.
        action: &'static str,
        /// The file.
        file: PathBuf,
        /// What the database said.
        source: Box<redb::Error>,
    },
}
