//! Why bytes or JSON are not a command.

use std::fmt;

/// What is wrong with one field, in bytes or in JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldProblem {
    /// The frame ends inside the field.
    #[error("needs {needed} bytes, but only {left} are left")]
    Truncated {
        /// Bytes that the field still needs.
        needed: usize,
        /// Bytes that are left in the frame.
        left: usize,
    },
    /// A length or count on the wire is below zero.
    #[error("has negative length {0}")]
    NegativeLength(i32),
    /// A nested length contradicts the bytes it covers.
    #[error("declares {declared} bytes, but its content takes {actual}")]
    LengthMismatch {
        /// Length that the field declares for itself.
        declared: i64,
        /// Length that its content takes.
        actual: usize,
    },
    /// A string is not modified UTF-8, or contains half of a surrogate pair.
    #[error("is invalid modified UTF-8 at byte {0} of the string")]
    NotModifiedUtf8(usize),
    /// A string takes more than 65,535 bytes in modified UTF-8.
    #[error("takes {0} bytes in modified UTF-8; the limit is 65535")]
    StringTooLong(usize),
    /// The header of an event has another type than 0.
    #[error("has type {0} in its event header, expected 0")]
    NotAnEvent(i32),
    /// Padding contains something other than zeros.
    #[error("contains a non-zero byte")]
    NotZero,
    /// A JSON value of the wrong kind, or out of range.
    #[error("should be {expected}, found {found}")]
    WrongJson {
        /// What the field accepts.
        expected: &'static str,
        /// The value given, shortened.
        found: String,
    },
    /// A member that the field or command needs is missing.
    #[error("is missing")]
    Missing,
    /// The command has no such member.
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

/// A payload that does not match the layout of its command.
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

/// A JSON document that does not match the fields of its command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// Name of the command, empty if it is not known.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_read_as_sentences() {
        let problem = FieldProblem::Truncated { needed: 8, left: 3 };
        let error = DecodeError { command: "SealSegment", field: "requestId", at: 0, problem };
        assert_eq!(error.to_string(), "SealSegment: field requestId at byte 0 needs 8 bytes, but only 3 are left");
        let error = JsonError { command: "", field: "name".to_owned(), problem: FieldProblem::Missing };
        assert_eq!(error.to_string(), "field name is missing");
        let error = JsonError { command: "Hello", ..error };
        assert_eq!(error.to_string(), "Hello: field name is missing");
    }

    #[test]
    fn long_value_is_shortened_in_its_error() {
        let problem = FieldProblem::wrong_json("a UUID", &"é".repeat(1000).into());
        assert_eq!(problem.to_string(), format!("should be a UUID, found \"{}…", "é".repeat(39)));
    }
}
