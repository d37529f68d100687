//! Why the settings are refused.

use std::fmt;
use std::path::PathBuf;

/// Where a setting came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The configuration file.
    File(PathBuf),
    /// The variable of this name.
    Variable(String),
    /// A flag on the command line.
    Flag,
    /// Several settings that don't go together.
    Together,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "in {}", path.display()),
            Self::Variable(name) => write!(f, "in variable {name}"),
            Self::Flag => f.write_str("from the command line"),
            Self::Together => f.write_str("together with other settings"),
        }
    }
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file that was asked for.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{} is not valid TOML", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: toml::de::Error,
    },
    /// No setting has this name.
    #[error("unknown key {key:?} {origin}: did you mean {nearest:?}?")]
    UnknownKey {
        /// The key as it was understood, dotted.
        key: String,
        /// Where it stands.
        origin: Origin,
        /// The known key most like it.
        nearest: String,
    },
    /// The value is of the wrong kind, or out of range.
    #[error("{key} = {value:?} {origin}: {reason}")]
    Invalid {
        /// The setting, dotted.
        key: String,
        /// The value as it was written.
        value: String,
        /// Where it stands.
        origin: Origin,
        /// What is expected, with the range.
        reason: String,
    },
}
