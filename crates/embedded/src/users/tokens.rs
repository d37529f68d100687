//! Delegation tokens: what the controller grants, and the segment store asks for.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pravega_protocol::wire::AuthErrorCode;
use ring::hmac;
use serde_json::{Map, Value};
use thiserror::Error;
use tokio::time::Instant;

use super::jwt;
use super::permission::Permission;

/// What the controller signs and the store believes. Its `Debug` does not show the key.
///
/// A token is a JSON Web Token whose extra claims map resources to permissions, such as
/// `"prn::/scope:s/stream:t": "READ_UPDATE"`. Source: JsonWebToken.java, TokenVerifierImpl.java.
#[derive(Clone)]
pub(crate) struct Tokens {
    key: hmac::Key,
    life: Option<Duration>,
}

/// When a token ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expiry(Option<Instant>);

/// Why a token does not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum TokenError {
    /// It is no token of this key, or does not grant what is needed.
    #[error("the delegation token does not grant this")]
    Refused,
    /// It did, but its time is over.
    #[error("the delegation token has expired")]
    Expired,
}

/// With this key, anyone could sign tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the signing key of delegation tokens is empty")]
pub(crate) struct EmptyKey;

impl Tokens {
    /// Tokens under a key that the controller and all stores share, its raw bytes, and how long new ones are valid: whole
    /// seconds, or without end. A node that is restarted with another key rejects what its clients hold, and clients
    /// renew only what has expired: the key must outlive the process.
    ///
    /// # Errors
    /// [`EmptyKey`].
    pub(crate) fn new(signing_key: &str, life: Option<Duration>) -> Result<Self, EmptyKey> {
        if signing_key.is_empty() {
            return Err(EmptyKey);
        }
        Ok(Self { key: jwt::key(signing_key), life })
    }

    /// Makes a token for one resource: `prn::/scope:s/stream:t`, or `*` for everything.
    pub(crate) fn mint(&self, resource: &str, permission: Permission) -> String {
        self.mint_at(since_epoch().as_secs(), resource, permission)
    }

    /// Whether the token lets its bearer do what `needed` says to the segment, given by its full name.
    ///
    /// # Errors
    /// [`TokenError`].
    pub(crate) fn check(&self, token: &str, segment: &str, needed: Permission) -> Result<Expiry, TokenError> {
        self.check_at(since_epoch(), token, segment, needed)
    }

    /// The claims stand in the order of JsonWebToken.java, `toCompactString`.
    fn mint_at(&self, now: u64, resource: &str, permission: Permission) -> String {
        let mut claims = Map::new();
        claims.insert("sub".to_owned(), "segmentstoreresource".into());
        claims.insert("aud".to_owned(), "segmentstore".into());
        claims.insert("iat".to_owned(), now.into());
        claims.insert(resource.to_owned(), permission.as_str().into());
        if let Some(life) = self.life {
            claims.insert("exp".to_owned(), now.saturating_add(life.as_secs()).into());
        }
        jwt::sign(&self.key, Value::Object(claims).to_string().as_bytes())
    }

    fn check_at(&self, now: Duration, token: &str, segment: &str, needed: Permission) -> Result<Expiry, TokenError> {
        let claims = jwt::open(&self.key, token).ok_or(TokenError::Refused)?;
        let claims: Map<String, Value> = serde_json::from_slice(&claims).map_err(|_| TokenError::Refused)?;
        let expiry = Expiry::from_claim(claims.get("exp"), now)?;
        if claims.iter().any(|(claim, permission)| grants(claim, permission, segment, needed)) {
            Ok(expiry)
        } else {
            Err(TokenError::Refused)
        }
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("key", &"[redacted]").field("life", &self.life).finish()
    }
}

impl Expiry {
    /// The moment itself, `None` if the token never expires.
    pub(crate) fn at(self) -> Option<Instant> {
        self.0
    }

    fn from_claim(exp: Option<&Value>, now: Duration) -> Result<Self, TokenError> {
        let exp = match exp {
            None | Some(Value::Null) => return Ok(Self(None)),
            Some(exp) => exp.as_f64().ok_or(TokenError::Refused)?,
        };
        let left = exp - now.as_secs_f64();
        if left <= 0.0 {
            return Err(TokenError::Expired);
        }
        // What lies beyond the clock's reach never comes.
        Ok(Self(Duration::try_from_secs_f64(left).ok().and_then(|left| Instant::now().checked_add(left))))
    }
}

impl From<TokenError> for AuthErrorCode {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Refused => Self::TOKEN_CHECK_FAILED,
            TokenError::Expired => Self::TOKEN_EXPIRED,
        }
    }
}

/// Whether a claim grants `needed` for the segment. Standard claims hold no permission and so never do.
fn grants(claim: &str, permission: &Value, segment: &str, needed: Permission) -> bool {
    let permission = permission.as_str().and_then(|permission| permission.parse::<Permission>().ok());
    permission.is_some_and(|permission| permission >= needed) && covers(claim, segment)
}

/// Whether a resource is the segment or what holds it. Source: TokenVerifierImpl.java, `resourceMatchesClaimKey`.
fn covers(resource: &str, segment: &str) -> bool {
    let resource = resource.replace("prn::", "").replace("/scope:", "").replace("stream:", "");
    match segment.strip_prefix(&resource) {
        Some(rest) => rest.is_empty() || rest.starts_with('/') || resource.ends_with('/'),
        None => resource == "*",
    }
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests;
