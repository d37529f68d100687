use std::fmt;

/// What is wrong with one field, in bytes or in JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldProblem {
    /// The frame ends inside the field.
    #[error("needs {needed} bytes, {left} are left")]
    Truncated {
        /// Bytes that the field still needs.
        needed: usize,
        /// Bytes that are left in the frame.
        left: usize,
    },
    /// A length or count on the wire is below zero.
    #[error("has the negative length {0}")]
    NegativeLength(i32),
    /// A nested length contradicts the bytes it covers.
    #[error("declares {declared} bytes where its content takes {actual}")]
    LengthMismatch {
        /// Length that the field declares for itself.
        declared: i64,
        /// Length that its content takes.
        actual: usize,
    },
    /// A string is no modified UTF-8, or holds half a surrogate pair.
    #[error("is not modified UTF-8 at byte {0}")]
    NotModifiedUtf8(usize),
    /// A string takes more than 65,535 bytes in modified UTF-8.
    #[error("takes {0} bytes in modified UTF-8; the limit is 65535")]
    StringTooLong(usize),
    /// The header of an event has another type than 0.
    #[error("begins with type {0} where an event has 0")]
    NotAnEvent(i32),
    /// Padding holds something else than zeros.
    #[error("holds a byte that is not zero")]
    NotZero,
    /// A JSON value of the wrong kind, or out of range.
    #[error("should be {expected}, found {found}")]
    WrongJson {
        /// What the field takes.
        expected: &'static str,
        /// What was given, shortened.
        found: String,
    },
    /// A member that the field or command needs is missing.
    #[error("is missing")]
    Missing,
    /// A member that the command does not have.
    #[error("is not a field of this command")]
    Unknown,
}

impl FieldProblem {
    pub(crate) fn wrong_json(expected: &'static str, found: &serde_json::Value) -> Self {
        const SHOWN_CHARS: usize = 40;
        let text = found.to_string();
        let found = match text.char_indices().nth(SHOWN_CHARS) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        };
        Self::WrongJson { expected, found }
    }
}

/// A payload that is not what its command's layout says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{command}: field {field} at byte {at} {problem}")]
pub struct DecodeError {
    /// Name of the command.
    pub command: &'static str,
    /// Name of the field.
    pub field: &'static str,
    /// Offset of the field in the payload, in bytes.
    pub at: usize,
    /// What is wrong with it.
    pub problem: FieldProblem,
}

/// A JSON document that is not a command's fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// Name of the command, empty where it is not known.
    pub command: &'static str,
    /// Name of the field, or of the member around it.
    pub field: String,
    /// What is wrong with it.
    pub problem: FieldProblem,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.command.is_empty() {
            write!(f, "{}: ", self.command)?;
        }
        write!(f, "field {} {}", self.field, self.problem)
    }
}

impl std::error::Error for JsonError {}
