//! How long a request may take.

use std::future::Future;
use std::task::Poll;
use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;

use crate::api::error::{ApiError, ErrorCode};

const HEADER: &str = "request-timeout";

/// When a request must be answered. An extractor for handlers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    at: Instant,
    allowance: Duration,
}

/// The deadline has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("did not finish within {}", humantime::format_duration(*allowance))]
pub(crate) struct Elapsed {
    allowance: Duration,
}

impl Deadline {
    /// A deadline this far from now.
    pub(crate) fn after(allowance: Duration) -> Self {
        Self { at: Instant::now() + allowance, allowance }
    }

    /// The deadline that `Request-Timeout` asks for, at most `longest` from now.
    ///
    /// # Errors
    /// `400 header_invalid` when the header is no duration.
    pub(crate) fn from_headers(headers: &HeaderMap, longest: Duration) -> Result<Self, ApiError> {
        let mut values = headers.get_all(HEADER).iter();
        let Some(value) = values.next() else {
            return Ok(Self::after(longest));
        };
        if values.next().is_some() {
            return Err(ApiError::new(ErrorCode::HeaderInvalid, "Request-Timeout is given more than once"));
        }
        let asked = value.to_str().ok().and_then(|text| humantime::parse_duration(text).ok());
        let invalid = || ApiError::new(ErrorCode::HeaderInvalid, "Request-Timeout: expected a duration, such as 1s");
        Ok(Self::after(asked.ok_or_else(invalid)?.min(longest)))
    }

    /// How long it still is; zero when it has passed.
    #[cfg(test)]
    pub(crate) fn remaining(&self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// The same allowance from now on: for streamed bodies and waits, which count from the last progress.
    #[must_use]
    pub(crate) fn renewed(&self) -> Self {
        Self::after(self.allowance)
    }

    /// Awaits the deadline.
    ///
    /// # Cancel safety
    /// May be awaited again.
    pub(crate) async fn passed(&self) -> Elapsed {
        tokio::time::sleep_until(self.at).await;
        Elapsed { allowance: self.allowance }
    }

    /// Awaits the future until the deadline.
    ///
    /// # Errors
    /// When the deadline comes first; the future is dropped then.
    ///
    /// # Cancel safety
    /// As safe as the future itself.
    pub(crate) async fn timeout<F: Future>(&self, future: F) -> Result<F::Output, Elapsed> {
        let mut future = std::pin::pin!(future);
        // Most of what is awaited is there already, and needs no timer.
        if let Poll::Ready(output) = futures::poll!(future.as_mut()) {
            return Ok(output);
        }
        let elapsed = |_| Elapsed { allowance: self.allowance };
        tokio::time::timeout_at(self.at, future).await.map_err(elapsed)
    }
}

/// Without side effects; who had sent something adds [`ApiError::possible`].
impl From<Elapsed> for ApiError {
    fn from(elapsed: Elapsed) -> Self {
        Self::new(ErrorCode::DeadlineExceeded, elapsed.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(30);

    fn from_header(value: &'static str) -> Result<Duration, ErrorCode> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, http::HeaderValue::from_static(value));
        let deadline = Deadline::from_headers(&headers, LONGEST).map_err(|error| error.code())?;
        Ok(deadline.remaining())
    }

    #[tokio::test(start_paused = true)]
    async fn callers_may_lower_the_deadline_but_not_raise_it() {
        assert_eq!(from_header("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(from_header("1h"), Ok(LONGEST));
        let without = Deadline::from_headers(&HeaderMap::new(), LONGEST).expect("no header is fine");
        assert_eq!(without.remaining(), LONGEST);
    }

    #[tokio::test]
    async fn a_malformed_timeout_is_refused() {
        for value in ["", "soon", "-1s", "1"] {
            assert_eq!(from_header(value), Err(ErrorCode::HeaderInvalid), "{value:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn renewing_counts_from_now_on() {
        let deadline = Deadline::after(LONGEST);
        tokio::time::advance(LONGEST / 2).await;
        assert_eq!(deadline.renewed().remaining(), LONGEST);
        assert_eq!(deadline.remaining(), LONGEST / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_passed_deadline_is_a_503_without_side_effects() {
        let late = Deadline::after(LONGEST).timeout(std::future::pending::<()>()).await;
        let error = ApiError::from(late.expect_err("nothing happens"));
        assert_eq!(error.code(), ErrorCode::DeadlineExceeded);
        assert_eq!(error.detail(), "did not finish within 30s");
        assert_eq!(error.side_effects(), crate::api::error::SideEffects::None);
    }
}
