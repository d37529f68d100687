//! Who may do what: the user file, permissions and delegation tokens.
//!
//! ```text
//! UserFile, read again when it changes ─▶ Users
//! controller: Authorization ─▶ Users::authenticate ─▶ AuthenticatedUser::may(resource, Permission) ─▶ Tokens::mint
//! store:      DelegationToken of a command ─▶ Tokens::check ─▶ Expiry, at which a connection that appends is closed
//! ```
//!
//! Files, tokens and rules are those of Pravega's `PasswordAuthHandler`, `AclAuthorizerImpl` and `TokenVerifierImpl`,
//! so that both can use the same ones. This module knows neither gRPC nor wire commands.

mod authenticate;
mod credentials;
mod entry;
mod file;
mod jwt;
mod line;
mod password;
mod permission;
mod tokens;
mod user_file;

pub(crate) use authenticate::{AuthenticatedUser, LoadError};
pub use entry::EntryError;
pub use file::LineError;
pub use line::{UserLineError, user_line};
pub use password::HashError;
pub use permission::NoSuchPermission;
pub(crate) use permission::Permission;
pub(crate) use tokens::{EmptyKey, Expiry, TokenError, Tokens};
pub(crate) use user_file::UserFile;
