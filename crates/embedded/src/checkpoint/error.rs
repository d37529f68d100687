use std::path::PathBuf;

/// Why a checkpoint could not be opened, loaded or saved. What was saved before is still there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckpointError {
    /// Another version of this program made it.
    #[error("{} is of version {found}, this program knows {known} only", .file.display())]
    Version {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: u64,
        /// What it should be.
        known: u64,
    },
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
