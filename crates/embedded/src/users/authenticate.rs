//! Who a caller is.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use ring::hmac;
use ring::rand::SystemRandom;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::credentials::Credentials;
use super::file::{LineError, User, parse};
use super::password::PasswordHash;
use super::permission::Permission;

/// How long a password that was right is believed without deriving its key again.
const REMEMBERED_FOR: Duration = Duration::from_secs(5 * 60);

/// Keys derived at once: guessing takes one core, not all of them.
const DERIVED_AT_ONCE: usize = 1;

/// All users of a user file.
///
/// A password's key is derived once in five minutes; meanwhile a keyed hash of the password is compared, one per user,
/// under a key that never leaves the process.
#[derive(Debug)]
pub(crate) struct Users {
    users: BTreeMap<String, Arc<Known>>,
    unknown: PasswordHash,
    remembering: hmac::Key,
    turns: Arc<Semaphore>,
}

/// A user, and the password that was right lately.
#[derive(Debug)]
struct Known {
    user: User,
    remembered: Mutex<Option<Remembered>>,
}

/// Its `Debug` does not show the tag.
struct Remembered {
    tag: hmac::Tag,
    until: Instant,
}

/// A caller who is a user of the file.
#[derive(Debug, Clone)]
pub(crate) struct AuthenticatedUser(Arc<Known>);

/// Why a caller is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum AuthenticationError {
    /// There is no `Authorization`.
    #[error("the credentials are missing")]
    Missing,
    /// It is not of the form `Basic BASE64`.
    #[error("the credentials are not of the form Basic and base64 of USER:PASSWORD")]
    Malformed,
    /// No such user, or another password.
    #[error("user or password is wrong")]
    Wrong,
}

/// Why there are no users.
#[derive(Debug, Error)]
pub(crate) enum LoadError {
    /// The file cannot be read.
    #[error("user file {path} cannot be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line of it is wrong.
    #[error("user file {path}, line {line}: {error}")]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong with it.
        error: LineError,
    },
    /// No one could use the node.
    #[error("user file {path} names no user")]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

impl Users {
    /// The users of the text of a user file.
    ///
    /// # Errors
    /// When it names no user or a line is invalid; the error names file, line and fault, never a hash.
    pub(super) fn from_text(path: &Path, text: &[u8]) -> Result<Self, LoadError> {
        let users =
            parse(text).map_err(|bad| LoadError::Line { path: path.to_owned(), line: bad.line, error: bad.error })?;
        let slowest = users.values().map(|user| user.hash.iterations()).max();
        let slowest = slowest.ok_or_else(|| LoadError::Empty { path: path.to_owned() })?;
        Ok(Self::new(users, slowest))
    }

    fn new(users: BTreeMap<String, User>, slowest: NonZeroU32) -> Self {
        let known = |user| Arc::new(Known { user, remembered: Mutex::default() });
        Self {
            users: users.into_iter().map(|(name, user)| (name, known(user))).collect(),
            unknown: PasswordHash::of_unknown(slowest),
            remembering: hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
                .expect("the system has random bytes"),
            turns: Arc::new(Semaphore::new(DERIVED_AT_ONCE)),
        }
    }

    /// Finds out who sent this `Authorization` value. Neither the answer nor its time shows whether the user
    /// or only the password is wrong.
    ///
    /// # Errors
    /// [`AuthenticationError`]; all kinds of it are `UNAUTHENTICATED` to gRPC.
    ///
    /// # Cancel safety
    /// Safe: it changes nothing but what is remembered. It awaits its turn and a blocking thread.
    pub(crate) async fn authenticate(
        &self,
        authorization: Option<&str>,
    ) -> Result<AuthenticatedUser, AuthenticationError> {
        let value = authorization.ok_or(AuthenticationError::Missing)?;
        let credentials = Credentials::from_authorization(value).ok_or(AuthenticationError::Malformed)?;
        if let Some(caller) = self.recall(&credentials) {
            return Ok(caller);
        }
        let turn = Arc::clone(&self.turns).acquire_owned().await.expect("never closed");
        // Another caller with the same password may have had its turn before.
        match self.recall(&credentials) {
            Some(caller) => Ok(caller),
            None => self.verify(credentials, turn).await,
        }
    }

    fn recall(&self, credentials: &Credentials) -> Option<AuthenticatedUser> {
        let known = self.users.get(&credentials.user)?;
        let remembered = known.remembered.lock();
        let Remembered { tag, until } = remembered.as_ref()?;
        let right = hmac::verify(&self.remembering, credentials.password.as_bytes(), tag.as_ref()).is_ok();
        (right && Instant::now() < *until).then(|| AuthenticatedUser(Arc::clone(known)))
    }

    /// Derives the key, also for a user who is not there.
    async fn verify(
        &self,
        credentials: Credentials,
        turn: OwnedSemaphorePermit,
    ) -> Result<AuthenticatedUser, AuthenticationError> {
        let known = self.users.get(&credentials.user);
        let hash = known.map_or(&self.unknown, |known| &known.user.hash).clone();
        let tag = hmac::sign(&self.remembering, credentials.password.as_bytes());
        let derived = spawn_blocking(move || {
            // Given back when the key is there, even if no one waits for it any more.
            let _turn = turn;
            hash.is_of(credentials.password.as_bytes())
        });
        let right = derived.await.expect("deriving a key does not panic");
        let known = known.filter(|_| right).ok_or(AuthenticationError::Wrong)?;
        known.remember(tag);
        Ok(AuthenticatedUser(Arc::clone(known)))
    }
}

impl Known {
    fn remember(&self, tag: hmac::Tag) {
        let remembered = Remembered { tag, until: Instant::now() + REMEMBERED_FOR };
        *self.remembered.lock() = Some(remembered);
    }
}

impl fmt::Debug for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remembered").field("until", &self.until).finish_non_exhaustive()
    }
}

impl AuthenticatedUser {
    /// The user's name.
    #[cfg(test)]
    pub(crate) fn name(&self) -> &str {
        &self.0.user.name
    }

    /// Whether the user may do this to the resource, such as `prn::/scope:s/stream:t`.
    pub(crate) fn may(&self, resource: &str, permission: Permission) -> bool {
        self.0.user.permission_for(resource) >= permission
    }
}

#[cfg(test)]
mod tests;
