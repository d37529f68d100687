use std::fmt::Debug;
use std::time::SystemTime;

/// What a delegation token must allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Access {
    /// Enough for most commands, also for some that write.
    Read,
    /// Needed to set up appends and to merge in batches.
    ReadUpdate,
}

/// Why a delegation token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenRefused {
    /// It was good.
    #[error("the delegation token has expired")]
    Expired,
    /// Missing, malformed, forged, or for something else.
    #[error("the delegation token is not good for this segment")]
    Failed,
}

/// Checks delegation tokens.
pub(crate) trait CheckTokens: Debug + Send + Sync {
    /// Tells when a token that allows this expires, if it ever does.
    ///
    /// # Errors
    /// [`TokenRefused`].
    fn check(&self, token: &str, segment: &str, access: Access) -> Result<Option<SystemTime>, TokenRefused>;
}
