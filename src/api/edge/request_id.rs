//! `X-Request-Id`.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header that carries it, both ways.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

const LONGEST: usize = 128;

/// What one HTTP request is called in its answer and in the log. An extractor for handlers; cheap to clone.
///
/// Not to be confused with the request id of the wire protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HttpRequestId(HeaderValue);

impl HttpRequestId {
    /// The caller's `X-Request-Id` if it is 1 to 128 visible ASCII characters, else a random one.
    pub(crate) fn taken_up(headers: &HeaderMap) -> Self {
        match headers.get(HEADER) {
            Some(value) if is_valid(value.as_bytes()) => Self(value.clone()),
            _ => Self::random(),
        }
    }

    /// As text.
    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().expect("only visible ASCII is taken up or made")
    }

    pub(crate) fn as_header(&self) -> &HeaderValue {
        &self.0
    }

    fn random() -> Self {
        let mut text = [0; 32];
        hex::encode_to_slice(rand::random::<[u8; 16]>(), &mut text).expect("32 digits for 16 bytes");
        Self(HeaderValue::from_bytes(&text).expect("hex digits are a header value"))
    }
}

impl fmt::Display for HttpRequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn is_valid(id: &[u8]) -> bool {
    (1..=LONGEST).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken_up(id: &str) -> HttpRequestId {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_str(id).expect("a header value"));
        HttpRequestId::taken_up(&headers)
    }

    #[test]
    fn a_valid_id_is_taken_up() {
        let longest = "x".repeat(LONGEST);
        for id in ["a", "order/17:retry", longest.as_str()] {
            assert_eq!(taken_up(id).as_str(), id);
        }
    }

    #[test]
    fn an_invalid_or_missing_id_is_replaced_by_a_random_one() {
        let too_long = "x".repeat(LONGEST + 1);
        for id in ["", "a b", "caf\u{e9}", too_long.as_str()] {
            assert_ne!(taken_up(id).as_header().as_bytes(), id.as_bytes());
        }
        let made = HttpRequestId::taken_up(&HeaderMap::new());
        assert_eq!(made.as_str().len(), 32);
        assert_ne!(made, HttpRequestId::taken_up(&HeaderMap::new()));
    }
}
