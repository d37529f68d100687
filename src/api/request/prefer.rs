//! What callers would rather have. Source: RFC 7240.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

pub(crate) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The longest wait that is granted; more is lowered.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How long a read waits for something to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait(pub(crate) Duration);

impl Wait {
    /// The preference `wait` in whole seconds. One that cannot be used is ignored, as any preference is.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let seconds = preference(headers, "wait")?;
        let is_number = !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit());
        // More digits than fit a number are a long wait, too.
        let seconds = is_number.then(|| seconds.parse().unwrap_or(u64::MAX))?;
        Some(Self(Duration::from_secs(seconds).min(LONGEST_WAIT)))
    }

    /// How the answer says that it was granted.
    pub(crate) fn applied(self) -> HeaderValue {
        let text = format!("wait={}", self.0.as_secs());
        HeaderValue::from_str(&text).expect("it is ASCII")
    }
}

/// Whether a batch that fails in part should have the status of the failure.
pub(crate) fn handling_is_strict(headers: &HeaderMap) -> bool {
    preference(headers, "handling").is_some_and(|handling| handling.eq_ignore_ascii_case("strict"))
}

/// How the answer says that a batch was handled strictly.
pub(crate) const STRICT_APPLIED: HeaderValue = HeaderValue::from_static("handling=strict");

/// The value of a preference, empty where it has none; of several the first counts.
fn preference(headers: &HeaderMap, wanted: &str) -> Option<String> {
    let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).find_map(|preference| {
        let preference = preference.split(';').next()?;
        let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
        name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim().trim_matches('"').to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static("prefer"), HeaderValue::from_static(value))])
    }

    fn wait(value: &'static str) -> Option<u64> {
        Wait::of(&headers(value)).map(|wait| wait.0.as_secs())
    }

    #[test]
    fn wait_is_taken_among_other_preferences_and_lowered_to_the_longest() {
        assert_eq!(wait("wait=20"), Some(20));
        assert_eq!(wait("respond-async, Wait = \"5\" ; x=y"), Some(5));
        assert_eq!(wait("wait=3600"), Some(60));
        assert_eq!(wait("wait=99999999999999999999999"), Some(60));
        assert_eq!(wait("wait=0"), Some(0));
        assert_eq!(wait("return=minimal"), None);
    }

    #[test]
    fn wait_that_cannot_be_used_is_ignored() {
        for value in ["wait", "wait=", "wait=soon", "wait=-1", "wait=1.5", "wait=+1"] {
            assert_eq!(wait(value), None, "{value}");
        }
    }

    #[test]
    fn handling_is_strict_where_that_is_asked_for() {
        for (value, expected) in [
            ("handling=strict", true),
            ("wait=1, Handling=\"strict\"", true),
            ("handling=lenient", false),
            ("x", false),
        ] {
            assert_eq!(handling_is_strict(&headers(value)), expected, "{value}");
        }
    }
}
