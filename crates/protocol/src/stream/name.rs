//! Names of scopes and streams, checked once, on construction.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

use super::serde_as_text;

/// Longest name of a scope or stream that the controller takes, in characters, a leading `_` included.
const MAX_NAME_CHARS: usize = 255;

/// Suffix of the stream part of a key-value table's segment names.
const TABLE_SUFFIX: &str = "_kvtable";

/// Prefix of a stream that holds the watermarks of an internal stream.
const INTERNAL_MARK: &str = "_MARK_";

/// Which kind of name an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NameKind {
    /// The name of a scope.
    Scope,
    /// The name of a stream.
    Stream,
}

impl fmt::Display for NameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scope => "scope",
            Self::Stream => "stream",
        })
    }
}

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// There is nothing, or only the leading `_`.
    #[error("{kind} name {name:?} is empty")]
    Empty {
        /// What the name is for.
        kind: NameKind,
        /// The text as given.
        name: String,
    },
    /// The name has more than 255 characters.
    #[error("{kind} name is {chars} characters long; the limit is {MAX_NAME_CHARS}")]
    TooLong {
        /// What the name is for.
        kind: NameKind,
        /// How long the text is.
        chars: usize,
    },
    /// A character is outside `[a-zA-Z0-9.-]`.
    #[error(
        "{kind} name {name:?} may contain only letters, digits, '.' and '-', after an optional leading '_', \
         but character {position} is {found:?}"
    )]
    Character {
        /// What the name is for.
        kind: NameKind,
        /// The text as given.
        name: String,
        /// The first character that is not allowed there.
        found: char,
        /// Its place, counted from 1.
        position: usize,
    },
    /// The text is not two names around one slash.
    #[error("stream {text:?} is not of the form scope/stream")]
    NotScoped {
        /// The text as given.
        text: String,
    },
    /// The text is not a segment id.
    #[error("segment {text:?} is not of the form 7.#epoch.3: a number and an epoch, each below 2^32")]
    SegmentId {
        /// The text as given.
        text: String,
    },
    /// The text is not a full segment name.
    #[error("segment {text:?} is not of the form scope/stream/7.#epoch.3")]
    SegmentName {
        /// The text as given.
        text: String,
    },
}

fn check(kind: NameKind, name: &str) -> Result<(), NameError> {
    let mark = name.strip_prefix(INTERNAL_MARK).filter(|_| kind == NameKind::Stream);
    let body = mark.or_else(|| name.strip_prefix('_')).unwrap_or(name);
    let before = name.len() - body.len();
    if body.is_empty() {
        return Err(NameError::Empty { kind, name: name.to_owned() });
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    if let Some((index, found)) = body.chars().enumerate().find(|(_, c)| !allowed(*c)) {
        let position = index + 1 + before;
        return Err(NameError::Character { kind, name: shortened(name), found, position });
    }
    if name.len() > MAX_NAME_CHARS {
        return Err(NameError::TooLong { kind, chars: name.len() });
    }
    Ok(())
}

/// Keeps a hostile name from filling a log line.
fn shortened(name: &str) -> String {
    match name.char_indices().nth(MAX_NAME_CHARS) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Accepts a valid name.
            ///
            /// # Errors
            /// If it is empty, too long, or contains another character than letters, digits, `.` and `-`
            /// (after an optional leading `_`).
            pub fn new(name: &str) -> Result<Self, NameError> {
                check($kind, name)?;
                Ok(Self(name.into()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Whether the name is reserved for Pravega itself: it begins with `_`.
            #[must_use]
            pub fn is_internal(&self) -> bool {
                self.0.starts_with('_')
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}

name!(
    /// A scope: the namespace that streams live in.
    Scope,
    NameKind::Scope
);
name!(
    /// A stream's name inside its scope.
    StreamName,
    NameKind::Stream
);

impl StreamName {
    /// Accepts the stream part of a segment name, which for a key-value table is its name and `_kvtable`.
    pub fn of_segment(part: &str) -> Result<Self, NameError> {
        check(NameKind::Stream, part.strip_suffix(TABLE_SUFFIX).unwrap_or(part))?;
        Ok(Self(part.into()))
    }
}

/// A stream and the scope it lives in, written `scope/stream`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopedStream {
    /// The scope.
    pub scope: Scope,
    /// The stream inside it.
    pub stream: StreamName,
}

impl ScopedStream {
    /// A stream in a scope.
    #[must_use]
    pub fn new(scope: Scope, stream: StreamName) -> Self {
        Self { scope, stream }
    }

    /// Whether scope or stream belongs to Pravega itself.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.scope.is_internal() || self.stream.is_internal()
    }
}

impl fmt::Display for ScopedStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.scope, self.stream)
    }
}

impl FromStr for ScopedStream {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let not_scoped = || NameError::NotScoped { text: shortened(text) };
        let (scope, stream) = text.split_once('/').ok_or_else(not_scoped)?;
        Ok(Self::new(scope.parse()?, stream.parse()?))
    }
}

serde_as_text!(Scope, StreamName, ScopedStream);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_digits_dots_and_dashes_make_a_name() {
        for name in ["a", "A-1.b", "..", "_RGgroup", "_MARK_RGgroup", "0"] {
            assert_eq!(StreamName::new(name).expect("a valid name").to_string(), name);
        }
    }

    #[test]
    fn the_longest_name_fits_and_one_more_does_not() {
        let longest = "x".repeat(MAX_NAME_CHARS);
        assert!(Scope::new(&longest).is_ok());
        let error = Scope::new(&format!("{longest}x")).expect_err("256 characters");
        assert_eq!(error, NameError::TooLong { kind: NameKind::Scope, chars: 256 });
        assert_eq!(error.to_string(), "scope name is 256 characters long; the limit is 255");
    }

    #[test]
    fn an_error_names_the_character_and_its_place() {
        let error = StreamName::new("_a_b").expect_err("an underscore inside");
        assert_eq!(
            error.to_string(),
            "stream name \"_a_b\" may contain only letters, digits, '.' and '-', after an optional leading '_', \
             but character 3 is '_'"
        );
        let error = StreamName::new("aé").expect_err("not ASCII");
        assert!(matches!(error, NameError::Character { found: 'é', position: 2, .. }));
    }

    #[test]
    fn a_hostile_name_is_shortened_in_its_error() {
        let error = StreamName::new(&" ".repeat(10_000)).expect_err("spaces");
        assert!(error.to_string().len() < 500);
    }

    #[test]
    fn only_a_stream_of_watermarks_has_two_underscores() {
        for name in ["_RG_a", "_MARK_a_b", "a_MARK_"] {
            assert!(StreamName::new(name).is_err(), "{name}");
        }
        assert!(Scope::new("_MARK_RGgroup").is_err());
    }

    #[test]
    fn nothing_and_a_lone_underscore_are_empty() {
        for name in ["", "_"] {
            assert!(matches!(Scope::new(name), Err(NameError::Empty { .. })), "{name:?}");
        }
    }

    #[test]
    fn a_leading_underscore_marks_what_is_pravegas_own() {
        let stream = |text: &str| text.parse::<ScopedStream>().expect("a valid stream");
        assert!(stream("_system/containers").is_internal());
        assert!(stream("sc/_MARKst").is_internal());
        assert!(!stream("sc/st").is_internal());
    }

    #[test]
    fn a_scoped_stream_needs_exactly_one_slash() {
        assert_eq!("sc/st".parse::<ScopedStream>().expect("valid").to_string(), "sc/st");
        for text in ["sc", "/st", "sc/", "sc/st/x"] {
            assert!(text.parse::<ScopedStream>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_from_json_is_checked_too() {
        let scope: Scope = serde_json::from_str("\"sc\"").expect("a valid name");
        assert_eq!(serde_json::to_string(&scope).expect("a string"), "\"sc\"");
        let error = serde_json::from_str::<Scope>("\"a b\"").expect_err("a space");
        assert!(error.to_string().contains("character 2 is ' '"), "{error}");
    }
}
