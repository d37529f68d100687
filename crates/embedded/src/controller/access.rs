//! Who may call what.
//!
//! Resources are named as Pravega names them: `prn::/scope:S/stream:T`. A group's state stream counts as the group, a
//! stream's watermarks as the stream.

use std::sync::Arc;

pub(crate) use crate::users::Permission;
use crate::users::{self, Tokens, UserFile};

/// Who may call, and the tokens they get; without, anyone may do everything, and tokens are empty.
#[derive(Debug, Clone, Default)]
pub(crate) struct Access(Option<Arc<Gate>>);

#[derive(Debug)]
struct Gate {
    users: Arc<UserFile>,
    tokens: Tokens,
}

/// A caller who was let in.
pub(crate) struct Caller(Option<(Arc<Gate>, users::AuthenticatedUser)>);

/// Why a call is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    /// Credentials are missing or wrong.
    Unauthenticated,
    /// The user may not do this.
    Forbidden,
}

impl Access {
    /// Only the users of this file pass, and their tokens are made by `tokens`.
    pub(crate) fn guarded(users: Arc<UserFile>, tokens: Tokens) -> Self {
        Self(Some(Arc::new(Gate { users, tokens })))
    }

    /// Lets a caller in by the value of the `authorization` header. Cancel safe.
    ///
    /// # Errors
    /// [`Denied::Unauthenticated`].
    pub(crate) async fn enter(&self, authorization: Option<&str>) -> Result<Caller, Denied> {
        let Some(gate) = &self.0 else { return Ok(Caller(None)) };
        let user = gate.users.users().authenticate(authorization).await.map_err(|_| Denied::Unauthenticated)?;
        Ok(Caller(Some((Arc::clone(gate), user))))
    }
}

impl Caller {
    /// Whether the caller may do this to the resource.
    pub(crate) fn may(&self, resource: &str, permission: Permission) -> bool {
        self.0.as_ref().is_none_or(|(_, user)| user.may(resource, permission))
    }

    /// # Errors
    /// [`Denied::Forbidden`].
    pub(crate) fn needs(&self, resource: &str, permission: Permission) -> Result<(), Denied> {
        if self.may(resource, permission) { Ok(()) } else { Err(Denied::Forbidden) }
    }

    /// A token for the segment store; empty while no credentials are required.
    pub(crate) fn token(&self, resource: &str, permission: Permission) -> String {
        self.0.as_ref().map(|(gate, _)| gate.tokens.mint(resource, permission)).unwrap_or_default()
    }

    /// Whether credentials are required at all.
    pub(crate) fn is_guarded(&self) -> bool {
        self.0.is_some()
    }
}

pub(crate) const ROOT: &str = "prn::/";

pub(crate) fn scope(scope: &str) -> String {
    format!("prn::/scope:{scope}")
}

/// The stream itself, as tokens name it.
pub(crate) fn plain_stream(scope: &str, stream: &str) -> String {
    format!("prn::/scope:{scope}/stream:{stream}")
}

/// What a stream counts as.
pub(crate) fn stream(scope: &str, stream: &str) -> String {
    if let Some(group) = stream.strip_prefix("_RG") {
        return self::group(scope, group);
    }
    plain_stream(scope, stream.strip_prefix("_MARK").unwrap_or(stream))
}

pub(crate) fn group(scope: &str, group: &str) -> String {
    format!("prn::/scope:{scope}/reader-group:{group}")
}

pub(crate) fn table(scope: &str, table: &str) -> String {
    format!("prn::/scope:{scope}/key-value-table:{table}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_streams_count_as_what_they_belong_to() {
        assert_eq!(stream("s", "t"), "prn::/scope:s/stream:t");
        assert_eq!(stream("s", "_MARKt"), "prn::/scope:s/stream:t");
        assert_eq!(stream("s", "_RGg"), "prn::/scope:s/reader-group:g");
        assert_eq!(plain_stream("s", "_RGg"), "prn::/scope:s/stream:_RGg");
    }

    #[tokio::test]
    async fn without_a_gate_anyone_may_everything_and_tokens_are_empty() {
        let caller = Access::default().enter(None).await.expect("anyone");
        assert!(caller.may(ROOT, Permission::ReadUpdate));
        assert_eq!(caller.token(ROOT, Permission::Read), "");
    }
}
