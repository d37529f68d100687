//! What callers would rather have. Source: RFC 7240.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::api::error::{ApiError, ErrorCode};

pub(crate) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The longest wait that is granted; more is lowered.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How long a read waits for something to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait(pub(crate) Duration);

impl Wait {
    /// The preference `wait` in whole seconds, if it is there; of several the first counts. Other preferences are left
    /// alone.
    ///
    /// # Errors
    /// `400 header_invalid`
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, ApiError> {
        let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
        let mut preferences = values.flat_map(|value| value.split(','));
        let wait = preferences.find_map(|preference| {
            let (name, value) = preference.split(';').next()?.split_once('=').unwrap_or((preference, ""));
            name.trim().eq_ignore_ascii_case("wait").then(|| value.trim().trim_matches('"').to_owned())
        });
        let Some(seconds) = wait else {
            return Ok(None);
        };
        let is_number = !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit());
        // More digits than fit a number are a long wait, too.
        let seconds = is_number.then(|| seconds.parse().unwrap_or(u64::MAX));
        let seconds = seconds.ok_or_else(|| {
            let detail = format!("header Prefer: expected wait in whole seconds, at most {}", LONGEST_WAIT.as_secs());
            ApiError::new(ErrorCode::HeaderInvalid, detail)
        })?;
        Ok(Some(Self(Duration::from_secs(seconds).min(LONGEST_WAIT))))
    }

    /// How the answer says that it was granted.
    pub(crate) fn applied(self) -> HeaderValue {
        let text = format!("wait={}", self.0.as_secs());
        HeaderValue::from_str(&text).expect("it is ASCII")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(value: &'static str) -> Result<Option<u64>, ErrorCode> {
        let headers = HeaderMap::from_iter([(HeaderName::from_static("prefer"), HeaderValue::from_static(value))]);
        Wait::of(&headers).map(|wait| wait.map(|wait| wait.0.as_secs())).map_err(|error| error.code())
    }

    #[test]
    fn wait_is_taken_among_other_preferences_and_lowered_to_the_longest() {
        assert_eq!(wait("wait=20"), Ok(Some(20)));
        assert_eq!(wait("respond-async, Wait = \"5\" ; x=y"), Ok(Some(5)));
        assert_eq!(wait("wait=3600"), Ok(Some(60)));
        assert_eq!(wait("wait=99999999999999999999999"), Ok(Some(60)));
        assert_eq!(wait("wait=0"), Ok(Some(0)));
        assert_eq!(wait("return=minimal"), Ok(None));
    }

    #[test]
    fn wait_that_is_no_number_is_refused() {
        for value in ["wait", "wait=", "wait=soon", "wait=-1", "wait=1.5", "wait=+1"] {
            assert_eq!(wait(value), Err(ErrorCode::HeaderInvalid), "{value}");
        }
    }
}
