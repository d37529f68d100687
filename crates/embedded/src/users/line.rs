//! Makes the lines of a user file.

use std::num::NonZeroU32;

use thiserror::Error;

use super::file::{LineError, parse_line};
use super::password::PasswordHash;

/// Iterations of new hashes: 0.1 s of a core, at the first call of five minutes. Pravega's own tool takes 5,000; more than
/// this would hurt where a real Pravega shares the file, since it derives the key at every call. Each line says how many
/// it took, so a file may hold both.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(100_000).expect("not 0");

/// Why a user cannot be written to a user file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum UserLineError {
    /// The name would read as something else.
    #[error("a user's name must not be empty, contain `:` or control characters, or begin with `#`")]
    Name,
    /// An entry would read as something else.
    #[error("an entry must not contain `;` or control characters")]
    Entry,
    /// The line would be refused.
    #[error("the user's line is invalid: {0}")]
    Line(#[from] LineError),
}

/// Makes a user's line, without its line end. Each entry has the form `RESOURCE,PERMISSION`. Takes a core for
/// 0.1 s.
///
/// # Errors
/// When the line would not be read back as this user with these entries.
pub fn user_line(user: &str, password: &str, entries: &[&str]) -> Result<String, UserLineError> {
    line_with(user, entries, || PasswordHash::new(password, ITERATIONS))
}

/// Makes the hash once nothing else can fail.
fn line_with(user: &str, entries: &[&str], hash: impl FnOnce() -> PasswordHash) -> Result<String, UserLineError> {
    check_name(user)?;
    if entries.iter().any(|entry| entry.contains(';') || entry.contains(char::is_control)) {
        return Err(UserLineError::Entry);
    }
    let entries: String = entries.iter().flat_map(|entry| [entry, ";"]).collect();
    let line_of = |hash: PasswordHash| format!("{user}:{}:{entries}", hash.to_hex());
    parse_line(&line_of(PasswordHash::of_unknown(ITERATIONS)))?;
    Ok(line_of(hash()))
}

fn check_name(user: &str) -> Result<(), UserLineError> {
    let readable = !user.is_empty() && !user.starts_with('#') && !user.contains(|c: char| c == ':' || c.is_control());
    readable.then_some(()).ok_or(UserLineError::Name)
}

#[cfg(test)]
mod tests {
    use super::super::entry::EntryError;
    use super::super::permission::Permission;
    use super::*;

    #[test]
    fn a_line_is_read_back_as_the_user_it_was_made_for() {
        let few = NonZeroU32::new(3).expect("not 0");
        let hash = || PasswordHash::new("s:ecret", few);
        let line = line_with("alice", &["prn::/scope:s,READ", "prn::*,READ_UPDATE"], hash).expect("a line");
        let user = parse_line(&line).expect("a user");
        assert_eq!(user.name, "alice");
        assert!(user.hash.is_of(b"s:ecret"));
        assert_eq!(user.permission_for("prn::/scope:s"), Permission::Read);
        assert_eq!(user.permission_for("prn::/"), Permission::ReadUpdate);
    }

    #[test]
    fn a_new_hash_is_of_its_password_and_slow_to_guess() {
        let hash = PasswordHash::from_hex(&PasswordHash::new("secret", ITERATIONS).to_hex()).expect("a hash");
        assert!(hash.is_of(b"secret"));
        assert_eq!(hash.iterations(), ITERATIONS);
    }

    #[test]
    fn a_name_that_would_read_as_something_else_is_refused() {
        for name in ["", "#alice", "a:b", "a\nb", "a\r"] {
            assert_eq!(user_line(name, "secret", &[]), Err(UserLineError::Name), "{name:?}");
        }
    }

    #[test]
    fn an_entry_that_would_read_as_something_else_is_refused() {
        for entry in ["prn::/,READ;prn::*,READ", "prn::/,READ\nb:"] {
            assert_eq!(user_line("alice", "secret", &[entry]), Err(UserLineError::Entry), "{entry:?}");
        }
        let error = LineError::Entry { number: 1, error: EntryError::Form };
        assert_eq!(user_line("alice", "secret", &["prn::/"]), Err(UserLineError::Line(error)));
    }
}
