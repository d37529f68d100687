//! Delegation tokens: what the controller sells for credentials, and the segment store wants to see.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pravega_protocol::wire::{DelegationToken, JavaStr};
use serde::Deserialize;
use tokio::time::Instant;

use super::error::Error;

/// How long a token without an end is shown before another one is bought, so that a caller who was locked out meanwhile
/// is refused at some time.
const RENEWED_AFTER: Duration = Duration::from_secs(600);

/// Longest time before the end of a token from which on it is not used for anything new.
const MOST_RESERVE: Duration = Duration::from_secs(60);

/// Longest time before the end of a token from which on what it was used for is given up.
const MOST_FAREWELL: Duration = Duration::from_secs(10);

/// A delegation token and when it ends by this machine's clock.
#[derive(Clone)]
pub struct Token {
    text: Arc<DelegationToken>,
    /// From here on another one is bought.
    renewed_from: Instant,
    life: Option<Life>,
}

/// The end of a token, and what comes before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// From here on the token is not used for anything new: the last third of its life, 60 s at most.
    pub reserve_from: Instant,
    /// From here on what it was used for moves on: the last sixth of its life, 10 s at most.
    pub farewell_from: Instant,
    /// From here on no one takes it, and a store closes the connections that it was used on.
    pub ends: Instant,
}

/// The claims that say how long a token is good. Source: JsonWebToken.java.
#[derive(Deserialize)]
struct Claims {
    /// Seconds since 1970.
    iat: Option<i64>,
    exp: Option<i64>,
}

impl Token {
    /// A token that was asked for at `asked_at`; an empty one is what a controller without authentication sells.
    ///
    /// Its life begins when it was asked for, whatever this machine's clock says: what counts is the time from its issue to
    /// its end.
    ///
    /// # Errors
    /// [`Error::Protocol`] for a text that is no JSON web token, or one that has ended.
    pub(super) fn sold(text: String, asked_at: Instant) -> Result<Self, Error> {
        const CALL: &str = "getDelegationToken";
        let nonsense = |what: &str| Error::Protocol { call: CALL, what: what.into() };
        let life = if text.is_empty() { None } else { life(&text, asked_at).map_err(nonsense)? };
        let text = JavaStr::new(text).map_err(|_| nonsense("a token of more than 65,535 bytes"))?;
        let renewed_from = life.map_or(asked_at + RENEWED_AFTER, |life| life.reserve_from);
        Ok(Self { text: Arc::new(DelegationToken(text)), renewed_from, life })
    }

    /// What a controller without authentication sells.
    pub(super) fn empty() -> Self {
        Self::sold(String::new(), Instant::now()).expect("it is empty")
    }

    /// What the segment store is shown.
    #[must_use]
    pub fn shown(&self) -> DelegationToken {
        (*self.text).clone()
    }

    /// Whether the controller sold nothing, as authentication is off.
    pub(super) fn is_empty(&self) -> bool {
        self.text.0.as_str().is_empty()
    }

    /// When it ends; `None` if never.
    #[must_use]
    pub fn life(&self) -> Option<Life> {
        self.life
    }

    /// How long it is shown before another one is bought.
    pub(super) fn kept_for(&self) -> Duration {
        self.renewed_from.saturating_duration_since(Instant::now())
    }

    /// Whether it may be used for something new.
    pub(super) fn is_good(&self) -> bool {
        Instant::now() < self.renewed_from
    }
}

impl Life {
    /// Of a token that is sold at `begins` and good for `time`.
    pub(crate) fn new(begins: Instant, time: Duration) -> Self {
        let ends = begins + time;
        Self {
            reserve_from: ends - (time / 3).min(MOST_RESERVE),
            farewell_from: ends - (time / 6).min(MOST_FAREWELL),
            ends,
        }
    }
}

/// Reads the claims without checking the signature, which is the store's business.
fn life(token: &str, asked_at: Instant) -> Result<Option<Life>, &'static str> {
    let mut parts = token.split('.');
    let claims = parts.nth(1).ok_or("something else than a token")?;
    let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).map_err(|_| "a token that is not base64")?;
    let claims: Claims = serde_json::from_slice(&claims).map_err(|_| "a token whose claims are not JSON")?;
    let Some(ends) = claims.exp else { return Ok(None) };
    let begins = claims.iat.unwrap_or_else(seconds_since_1970);
    let seconds = u64::try_from(ends.saturating_sub(begins)).ok().filter(|seconds| *seconds > 0);
    let seconds = seconds.ok_or("a token that has ended")?.min(MOST_SECONDS);
    // Both times are cut to whole seconds, so that up to one of them has passed when the token is made.
    let whole = if seconds >= WHOLE_SECONDS_MATTER { seconds - 1 } else { seconds };
    Ok(Some(Life::new(asked_at, Duration::from_secs(whole))))
}

/// Shorter lives are not shortened further.
const WHOLE_SECONDS_MATTER: u64 = 4;

/// More would overflow the clock: a hundred years.
const MOST_SECONDS: u64 = 100 * 365 * 24 * 3600;

fn seconds_since_1970() -> i64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("text", &"[redacted]").field("life", &self.life).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> Result<Token, Error> {
        let [head, claims] = [r#"{"alg":"HS512"}"#, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
        Token::sold(format!("{head}.{claims}.c2lnbmF0dXJl"), Instant::now())
    }

    fn seconds(token: &Token) -> [u64; 3] {
        let life = token.life().expect("it ends");
        let begins = Instant::now();
        [life.reserve_from, life.farewell_from, life.ends].map(|at| (at - begins).as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn life_counts_from_the_sale_whatever_the_clocks_say() {
        let sold = token(r#"{"sub":"segmentstoreresource","iat":1000,"exp":1600}"#).expect("a token");
        assert_eq!(seconds(&sold), [539, 589, 599]);
        let short = token(r#"{"iat":1000,"exp":1013}"#).expect("a token");
        assert_eq!(seconds(&short), [8, 10, 12]);
        tokio::time::advance(Duration::from_secs(8)).await;
        assert!(!short.is_good() && sold.is_good());
    }

    #[tokio::test(start_paused = true)]
    async fn token_without_an_end_is_renewed_nevertheless() {
        let endless = token(r#"{"iat":1000}"#).expect("a token");
        assert_eq!((endless.life(), endless.kept_for()), (None, RENEWED_AFTER));
        assert!(Token::empty().is_empty() && !endless.is_empty());
        tokio::time::advance(RENEWED_AFTER).await;
        assert!(!endless.is_good());
    }

    #[test]
    fn what_is_no_token_is_an_error() {
        for text in ["x", "a.b", "a.!.c", "e30.e30"] {
            let sold = Token::sold(text.to_owned(), Instant::now());
            assert_eq!(sold.is_ok(), text == "e30.e30", "{text}");
        }
        assert!(token(r#"{"iat":10,"exp":10}"#).is_err());
        assert!(token(r#"{"iat":-9223372036854775808,"exp":9223372036854775807}"#).is_ok());
    }

    #[test]
    fn token_is_not_printed() {
        let sold = token("{}").expect("a token");
        assert!(!format!("{sold:?}").contains("e30"));
    }
}
