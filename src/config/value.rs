//! Values that settings have and that no other part of the program defines.

use std::fmt;
use std::str::FromStr;

use http::uri::PathAndQuery;

const KIB: u64 = 1024;
pub(super) const UNITS: [(&str, u64); 4] = [("GiB", KIB * KIB * KIB), ("MiB", KIB * KIB), ("KiB", KIB), ("B", 1)];

/// A number of bytes, written as such or with a binary unit: `8388608`, `8MiB`, `64 KiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

impl Size {
    /// This many bytes.
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// This many times 1024 bytes.
    pub const fn kib(kib: u64) -> Self {
        Self(kib * KIB)
    }

    /// This many times 1,048,576 bytes.
    pub const fn mib(mib: u64) -> Self {
        Self(mib * KIB * KIB)
    }

    /// The number of bytes.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The number of bytes; the largest `usize` where it doesn't fit.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// Exact, in the largest unit that divides the number.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |&&(_, factor): &&(&str, u64)| factor > 1 && self.0 > 0 && self.0.is_multiple_of(factor);
        match UNITS.iter().find(fits) {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}", self.0),
        }
    }
}

/// A part of a whole, from 1 % to 100 %, written as `50%` or as the number alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percent(u8);

impl Percent {
    /// This many hundredths; `None` for 0, and for more than all of them.
    pub const fn new(hundredths: u8) -> Option<Self> {
        if hundredths >= 1 && hundredths <= 100 { Some(Self(hundredths)) } else { None }
    }

    /// Whether it is all of them.
    pub fn is_whole(self) -> bool {
        self.0 == 100
    }

    /// This part of a number, rounded down.
    pub fn of(self, whole: usize) -> usize {
        whole / 100 * usize::from(self.0) + whole % 100 * usize::from(self.0) / 100
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

/// Who decides what a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMode {
    /// Pravega, to whose controller the caller's own credentials are shown.
    Passthrough,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// A webhook: the name that callers use, and the parameters that the append has in place of theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// The last part of its path.
    pub name: String,
    query: PathAndQuery,
}

/// Why a text is not a [`Webhook`].
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// There is no `=`, or nothing on one side of it.
    #[error("{0:?} is not NAME=QUERY")]
    Form(String),
    /// The query has a character that a URL cannot have.
    #[error("the query {query:?} of webhook {name:?} is invalid: {source}")]
    Query {
        /// The webhook's name.
        name: String,
        /// The query as given.
        query: String,
        /// What is wrong with it.
        source: http::uri::InvalidUri,
    },
}

impl Webhook {
    /// The query, without the `?`.
    pub fn query(&self) -> &str {
        self.query.query().unwrap_or_default()
    }

    /// A URI that has this query, for a request that is to be served as if it had come with it.
    pub fn uri(&self) -> http::Uri {
        self.query.clone().into()
    }
}

impl FromStr for Webhook {
    type Err = WebhookError;

    fn from_str(text: &str) -> Result<Self, WebhookError> {
        let pair = text.split_once('=').filter(|(name, query)| !name.is_empty() && !query.is_empty());
        let (name, query) = pair.ok_or_else(|| WebhookError::Form(text.to_owned()))?;
        let path_and_query = format!("/?{query}").parse().map_err(|source| WebhookError::Query {
            name: name.to_owned(),
            query: query.to_owned(),
            source,
        })?;
        Ok(Self { name: name.to_owned(), query: path_and_query })
    }
}

impl fmt::Display for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.query())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_is_a_name_and_a_query() {
        let webhook: Webhook = "audit=scope=a&stream=b&key-from=/auditID".parse().expect("a webhook");
        assert_eq!((webhook.name.as_str(), webhook.query()), ("audit", "scope=a&stream=b&key-from=/auditID"));
        assert_eq!(webhook.uri().query(), Some(webhook.query()));
        assert_eq!(webhook.to_string(), "audit=scope=a&stream=b&key-from=/auditID");
    }

    #[test]
    fn other_texts_are_no_webhooks() {
        for text in ["audit", "=stream=s", "audit=", ""] {
            assert!(matches!(text.parse::<Webhook>(), Err(WebhookError::Form(_))), "{text:?}");
        }
        let error = "audit=stream=a b".parse::<Webhook>().expect_err("a blank");
        assert!(error.to_string().contains("stream=a b") && error.to_string().contains("audit"), "{error}");
    }
}
