//! Why a log cannot be opened or read, takes no record, or has ended.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Something that should be in a file is not there, and no crash explains it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is damaged at byte {offset}: {what}", .file.display())]
pub(crate) struct Damage {
    /// Which file.
    pub(crate) file: PathBuf,
    /// Where in it, in bytes.
    pub(crate) offset: u64,
    /// What is wrong there.
    pub(crate) what: &'static str,
}

/// A directory or a file has a format that this program does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} has format version {found}, and this program supports versions up to {newest}: use the release that wrote it, or a \
     newer one",
    .path.display()
)]
pub(crate) struct UnsupportedVersion {
    /// The directory or the file.
    pub(crate) path: PathBuf,
    /// Its version.
    pub(crate) found: u64,
    /// The newest version that is supported.
    pub(crate) newest: u64,
}

/// What the operating system refused.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", .path.display())]
pub(crate) struct DiskError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl DiskError {
    /// For `map_err`.
    pub(super) fn to<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self { action, path: path.to_owned(), source }
    }

    /// Whether room on the disk is all that is missing.
    pub(super) fn is_full(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

/// Why a file's records could not be read.
#[derive(Debug)]
pub(super) enum FileError {
    Damaged(Damage),
    Version(UnsupportedVersion),
    Io(DiskError),
}

impl From<UnsupportedVersion> for FileError {
    fn from(version: UnsupportedVersion) -> Self {
        Self::Version(version)
    }
}

impl From<Damage> for FileError {
    fn from(damage: Damage) -> Self {
        Self::Damaged(damage)
    }
}

impl From<DiskError> for FileError {
    fn from(refused: DiskError) -> Self {
        Self::Io(refused)
    }
}

/// Why a log could not be opened; the directory is as it was, or was begun.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// Its lock is held.
    #[error("{} is in use: another process runs an embedded node there", .0.display())]
    InUse(PathBuf),
    /// The directory belongs to something else.
    #[error(
        "{} holds {found:?}, which is not an embedded node's data: choose a new or empty directory, or an embedded node's",
        .dir.display()
    )]
    Foreign {
        /// The directory.
        dir: PathBuf,
        /// A name in it.
        found: String,
    },
    /// Another version of this program made it.
    #[error(transparent)]
    Version(#[from] UnsupportedVersion),
    /// Its FORMAT says something else.
    #[error("{} begins with {found:?}, and not with an embedded node's format and version", .file.display())]
    UnknownFormat {
        /// The file.
        file: PathBuf,
        /// Its first line.
        found: String,
    },
    /// A file is damaged.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// A file could not be made, read or written.
    #[error(transparent)]
    Io(#[from] DiskError),
}

impl From<FileError> for OpenError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Damaged(damage) => Self::Damaged(damage),
            FileError::Version(version) => Self::Version(version),
            FileError::Io(refused) => Self::Io(refused),
        }
    }
}

/// Why records could not be replayed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    /// The log doesn't reach there.
    #[error("the log holds positions {first} to {end} and can't be replayed from {from}")]
    Outside {
        /// What was asked for.
        from: u64,
        /// Where its first file begins.
        first: u64,
        /// Where its last record ends.
        end: u64,
    },
    /// Another version of this program wrote a file.
    #[error(transparent)]
    Version(#[from] UnsupportedVersion),
    /// A file is damaged; nothing behind is replayed.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// A file could not be read.
    #[error(transparent)]
    Io(#[from] DiskError),
}

impl From<FileError> for ReplayError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Damaged(damage) => Self::Damaged(damage),
            FileError::Version(version) => Self::Version(version),
            FileError::Io(refused) => Self::Io(refused),
        }
    }
}

/// The log takes no more records; what was durable stays so, and readable.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the embedded node's log {0}")]
pub(crate) struct LogFailed(Arc<Ended>);

#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("is closed")]
    Closed,
    #[error("failed: its writer panicked")]
    Panicked,
    #[error("failed: {0}")]
    Failed(DiskError),
}

impl LogFailed {
    pub(super) fn closed() -> Self {
        Self(Arc::new(Ended::Closed))
    }

    pub(super) fn panicked() -> Self {
        Self(Arc::new(Ended::Panicked))
    }

    /// Whether it was closed, with all records in it, rather than failed.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(*self.0, Ended::Closed)
    }
}

impl From<DiskError> for LogFailed {
    fn from(refused: DiskError) -> Self {
        Self(Arc::new(Ended::Failed(refused)))
    }
}

/// Why there is no room for a record; nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ReserveError {
    /// The disk is full. Later reservations look again.
    #[error("no room for more records: {0}")]
    NoSpace(Arc<DiskError>),
    /// It will never fit.
    #[error("a record of {bytes} bytes exceeds the log's limit of {max}")]
    TooLarge {
        /// What was asked for.
        bytes: u64,
        /// Bytes of the largest record.
        max: u64,
    },
    /// The log is closed or failed.
    #[error(transparent)]
    Failed(#[from] LogFailed),
}
