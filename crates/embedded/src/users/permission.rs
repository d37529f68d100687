//! What a user may do to a resource.

use std::fmt;
use std::str::FromStr;

/// What may be done to a resource; each one includes those before it. Source: AuthHandler.java, `Permissions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Permission {
    /// Nothing.
    None,
    /// To look.
    Read,
    /// To look and to change.
    ReadUpdate,
}

/// The text is the name of no permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the permission is not one of NONE, READ and READ_UPDATE")]
pub struct NoSuchPermission;

impl Permission {
    /// As user files and delegation tokens spell it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Read => "READ",
            Self::ReadUpdate => "READ_UPDATE",
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Permission {
    type Err = NoSuchPermission;

    fn from_str(text: &str) -> Result<Self, NoSuchPermission> {
        let all = [Self::None, Self::Read, Self::ReadUpdate];
        all.into_iter().find(|permission| permission.as_str() == text).ok_or(NoSuchPermission)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_includes_those_before_it() {
        assert!(Permission::None < Permission::Read && Permission::Read < Permission::ReadUpdate);
    }

    #[test]
    fn permissions_are_spelled_as_pravega_does_and_no_other_way() {
        for permission in [Permission::None, Permission::Read, Permission::ReadUpdate] {
            assert_eq!(permission.to_string().parse(), Ok(permission));
        }
        for text in ["", "read", "WRITE", "READ "] {
            assert_eq!(text.parse::<Permission>(), Err(NoSuchPermission), "{text:?}");
        }
    }
}
