//! The user file: `user:HASH:RESOURCE,PERMISSION;RESOURCE,PERMISSION;`, a line each.

use std::collections::BTreeMap;
use std::str;

use thiserror::Error;

use super::entry::{Entry, EntryError};
use super::password::{HashError, PasswordHash};
use super::permission::Permission;

/// One user of the file.
#[derive(Debug)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) hash: PasswordHash,
    entries: Vec<Entry>,
}

impl User {
    /// The permission of the first entry that matches, as in AclAuthorizerImpl.java.
    pub(super) fn permission_for(&self, resource: &str) -> Permission {
        self.entries.iter().find_map(|entry| entry.permission_for(resource)).unwrap_or(Permission::None)
    }
}

/// What is wrong with a line. Says nothing of what the line holds: a hash may stand in any part of it by mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LineError {
    /// The line is no text.
    #[error("is not UTF-8")]
    NotText,
    /// There is no hash.
    #[error("must have the form USER:HASH:RESOURCE,PERMISSION;...")]
    Form,
    /// There is nothing before the first colon.
    #[error("names no user")]
    NoName,
    /// Pravega would take the later one.
    #[error("names the same user as line {0}")]
    Twice(usize),
    /// Pravega would not know this user.
    #[error("comes after the empty line {0}, at which Pravega stops reading")]
    AfterTheEnd(usize),
    /// The hash is invalid.
    #[error("the hash {0}")]
    Hash(#[from] HashError),
    /// An entry is invalid.
    #[error("entry {number} {error}")]
    Entry {
        /// Which one, from 1.
        number: usize,
        /// What is wrong with it.
        error: EntryError,
    },
}

/// A line that is wrong, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("line {line}: {error}")]
pub(super) struct BadLine {
    pub(super) line: usize,
    pub(super) error: LineError,
}

/// Reads a whole file. Lines beginning with `#` are comments. Pravega stops at the first empty line, so only comments
/// and empty lines may follow one. Source: PasswordAuthHandler.java, `loadPasswordFile`.
pub(super) fn parse(text: &[u8]) -> Result<BTreeMap<String, User>, BadLine> {
    let mut file = File::default();
    for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        file.read(number, line).map_err(|error| BadLine { line: number, error })?;
    }
    Ok(file.users)
}

/// What was read so far.
#[derive(Debug, Default)]
struct File {
    users: BTreeMap<String, User>,
    lines: BTreeMap<String, usize>,
    end: Option<usize>,
}

impl File {
    fn read(&mut self, number: usize, line: &[u8]) -> Result<(), LineError> {
        if line.is_empty() {
            self.end.get_or_insert(number);
        }
        if line.starts_with(b"#") || line.trim_ascii().is_empty() {
            return Ok(());
        }
        if let Some(end) = self.end {
            return Err(LineError::AfterTheEnd(end));
        }
        self.add(number, parse_line(str::from_utf8(line).map_err(|_| LineError::NotText)?)?)
    }

    fn add(&mut self, number: usize, user: User) -> Result<(), LineError> {
        if let Some(earlier) = self.lines.insert(user.name.clone(), number) {
            return Err(LineError::Twice(earlier));
        }
        self.users.insert(user.name.clone(), user);
        Ok(())
    }
}

/// Reads one line with a user.
pub(super) fn parse_line(line: &str) -> Result<User, LineError> {
    let mut fields = line.splitn(3, ':');
    let (Some(name), Some(hash)) = (fields.next(), fields.next()) else {
        return Err(LineError::Form);
    };
    if name.is_empty() {
        return Err(LineError::NoName);
    }
    let hash = PasswordHash::from_hex(hash)?;
    Ok(User { name: name.to_owned(), hash, entries: parse_entries(fields.next().unwrap_or_default())? })
}

fn parse_entries(text: &str) -> Result<Vec<Entry>, LineError> {
    let entries = text.split(';').filter(|entry| !entry.trim().is_empty());
    let numbered = (1..).zip(entries);
    numbered.map(|(number, entry)| Entry::parse(entry).map_err(|error| LineError::Entry { number, error })).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::permission::NoSuchPermission;
    use super::*;

    /// Of no password that matters; 1 iteration.
    fn hash() -> String {
        hex::encode(format!("1:5a17:{}", "d1".repeat(64)))
    }

    /// `text` with `H` standing for a hash.
    fn read(text: &str) -> Result<Vec<String>, BadLine> {
        parse(text.replace('H', &hash()).as_bytes()).map(|users| users.into_keys().collect())
    }

    fn wrong(line: usize, error: LineError) -> Result<Vec<String>, BadLine> {
        Err(BadLine { line, error })
    }

    #[test]
    fn comments_line_ends_and_entries_left_out_do_not_matter() {
        let names = Ok(vec!["a".to_owned(), "b".to_owned(), "c".to_owned()]);
        assert_eq!(read("# who\na:H:prn::*,READ;\r\n  \n#b:\nb:H\nc:H:;;prn::/,NONE"), names);
        assert_eq!(read("a:H:\nb:H:\nc:H:\n\n\n# the end\n"), names);
        assert_eq!(read(""), Ok(Vec::new()));
    }

    #[test]
    fn an_error_names_the_line_and_what_is_wrong_with_it() {
        let entry = |number, error| LineError::Entry { number, error };
        let no_permission = EntryError::Permission(NoSuchPermission);
        for (text, expected) in [
            ("a:H:\nb", wrong(2, LineError::Form)),
            (":H:", wrong(1, LineError::NoName)),
            ("a:x:", wrong(1, LineError::Hash(HashError::Form))),
            ("a:H:\n#\na:H:", wrong(3, LineError::Twice(1))),
            ("a:H:\n\n\nb:H:", wrong(4, LineError::AfterTheEnd(2))),
            ("a:H:prn::/scope:s", wrong(1, entry(1, EntryError::Form))),
            ("a:H:prn::*,READ;prn::*,WRITE", wrong(1, entry(2, no_permission))),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        assert_eq!(parse(b"a\xff:").expect_err("no text").error, LineError::NotText);
    }

    #[test]
    fn the_first_entry_that_matches_decides() {
        let line = format!("a:{}:prn::/scope:s/stream:t,NONE;prn::/scope:s/*,READ;prn::*,READ_UPDATE", hash());
        let user = parse_line(&line).expect("a user");
        assert_eq!(user.permission_for("prn::/scope:s/stream:t"), Permission::None);
        assert_eq!(user.permission_for("prn::/scope:s/stream:u"), Permission::Read);
        assert_eq!(user.permission_for("prn::/scope:s"), Permission::ReadUpdate);
    }

    #[test]
    fn without_an_entry_that_matches_nothing_is_granted() {
        let user = parse_line(&format!("a:{}:prn::/scope:s,READ", hash())).expect("a user");
        assert_eq!(user.permission_for("prn::/scope:other"), Permission::None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(text: Vec<u8>) {
            let _ = parse(&text);
        }

        #[test]
        fn nothing_like_a_user_file_makes_it_panic(text in "([ab#:;,*|\\\\(){}\\[\\] \n\r]|prn::/scope:|READ|NONE|H){0,40}") {
            let _ = read(&text);
        }

        #[test]
        fn an_error_never_shows_the_hash(before in "[a:#]{0,3}", after in ":?[;,*(]{0,4}", entry in "(prn::|/)[*,(READ]{0,6}") {
            if let Err(bad) = read(&format!("{before}H{after}{entry}")) {
                let message = format!("{bad} {bad:?}");
                prop_assert!(!message.contains(&hash()[..16]), "{message}");
            }
        }
    }
}
