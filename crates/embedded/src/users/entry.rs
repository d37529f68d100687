//! One entry of a user's access control list.

use regex::bytes::{Regex, RegexBuilder};
use thiserror::Error;

use super::permission::{NoSuchPermission, Permission};

/// What every resource begins with, and so every entry that can match one.
const DOMAIN: &str = "prn";

/// Grants one permission for the resources that its pattern matches.
///
/// The pattern is a regular expression for the whole resource in which each `*` stands for `.*`. So `prn::*` matches
/// everything, and `prn::/scope:s.*` needs at least one character after the `s`. Source: AccessControlEntry.java.
#[derive(Debug)]
pub(super) struct Entry {
    resource: Regex,
    permission: Permission,
}

/// Why a text is no entry. Says nothing of what the text holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EntryError {
    /// One comma is wanted.
    #[error("must have the form RESOURCE,PERMISSION")]
    Form,
    /// The resource is of no kind that is ever asked for.
    #[error("would never match: resources begin with prn::")]
    Domain,
    /// The resource is no pattern.
    #[error("has a resource that is not a valid regular expression")]
    Pattern,
    /// The permission is invalid.
    #[error(transparent)]
    Permission(#[from] NoSuchPermission),
}

impl Entry {
    /// Reads `RESOURCE,PERMISSION`.
    pub(super) fn parse(text: &str) -> Result<Self, EntryError> {
        let (resource, permission) = text.split_once(',').ok_or(EntryError::Form)?;
        let (resource, permission) = (resource.trim(), permission.trim());
        if resource.is_empty() || permission.is_empty() || permission.contains(',') {
            return Err(EntryError::Form);
        }
        // Pravega ignores such an entry; who wrote it believes that it grants something.
        if !resource.starts_with(DOMAIN) {
            return Err(EntryError::Domain);
        }
        Ok(Self { resource: compile(resource)?, permission: permission.parse()? })
    }

    /// The permission, if the pattern matches all of `resource`.
    pub(super) fn permission_for(&self, resource: &str) -> Option<Permission> {
        self.resource.is_match(resource.as_bytes()).then_some(self.permission)
    }
}

/// Classes such as `\w` are of ASCII, as Java's are.
fn compile(resource: &str) -> Result<Regex, EntryError> {
    let whole = format!(r"\A(?:{})\z", resource.replace('*', ".*"));
    RegexBuilder::new(&whole).unicode(false).build().map_err(|_| EntryError::Pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_matches(pattern: &str, resource: &str, matches: bool) {
        let entry = Entry::parse(&format!("{pattern},READ")).expect("an entry");
        let found = entry.permission_for(resource);
        assert_eq!(found, matches.then_some(Permission::Read), "{pattern} for {resource}");
    }

    #[test]
    fn a_pattern_matches_the_whole_resource_and_a_star_anything() {
        for (pattern, resource, matches) in [
            ("prn::*", "prn::/", true),
            ("prn::*", "prn::/scope:s/stream:t", true),
            ("prn::/", "prn::/scope:s", false),
            ("prn::/scope:s", "prn::/scope:s", true),
            ("prn::/scope:s", "prn::/scope:s2", false),
            ("prn::/scope:s", "prn::/scope:s/stream:t", false),
            ("prn::/scope:s*", "prn::/scope:s/stream:t", true),
            ("prn::/scope:s/*", "prn::/scope:s/stream:t", true),
            ("prn::/scope:s/*", "prn::/scope:s", false),
            ("prn::/scope:s/stream:*", "prn::/scope:s/stream:t", true),
            ("prn::/scope:s/stream:*", "prn::/scope:s/reader-group:g", false),
            ("prn::/scope:*/stream:t", "prn::/scope:s/stream:t", true),
        ] {
            assert_matches(pattern, resource, matches);
        }
    }

    #[test]
    fn a_pattern_is_a_regular_expression_as_in_pravega() {
        assert_matches("prn::/scope:(north|south)", "prn::/scope:south", true);
        assert_matches("prn::/scope:(north|south)", "prn::/scope:southern", false);
        assert_matches("prn::/scope:a|prn::/scope:b", "prn::/scope:b", true);
        assert_matches("prn::/scope:a|prn::/scope:b", "prn::/scope:ab", false);
        assert_matches("prn::/scope:s.*", "prn::/scope:s", false);
        assert_matches("prn::/scope:s.*", "prn::/scope:s1", true);
    }

    #[test]
    fn spaces_around_both_parts_do_not_count() {
        let entry = Entry::parse(" prn::/ , READ_UPDATE ").expect("an entry");
        assert_eq!(entry.permission_for("prn::/"), Some(Permission::ReadUpdate));
    }

    #[test]
    fn an_entry_that_grants_nothing_by_mistake_is_refused() {
        for (text, error) in [
            ("prn::/scope:s", EntryError::Form),
            ("prn::/scope:s,", EntryError::Form),
            (",READ", EntryError::Form),
            ("prn::/,READ,READ", EntryError::Form),
            ("prn::/,WRITE", EntryError::Permission(NoSuchPermission)),
            ("*,READ_UPDATE", EntryError::Domain),
            ("/scope:s,READ", EntryError::Domain),
            ("prn::/scope:(s,READ", EntryError::Pattern),
        ] {
            assert_eq!(Entry::parse(text).err(), Some(error), "{text}");
        }
    }
}
