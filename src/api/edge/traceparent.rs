//! `traceparent` (W3C Trace Context).

use std::fmt;

use http::HeaderMap;

use crate::telemetry::traces::SpanIds;

const HEADER: &str = "traceparent";

/// `version-trace-parent-flags` of version 00: 2 + 1 + 32 + 1 + 16 + 1 + 2 characters.
const LENGTH: usize = 55;

/// Where a request stands in a distributed trace (W3C Trace Context). An extractor for handlers.
///
/// A caller's trace is carried on with a span of our own; without one, a trace begins here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceContext {
    trace: u128,
    span: u64,
    flags: u8,
}

/// A trace id, 32 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceId(u128);

impl TraceContext {
    /// Carries on the caller's trace, or begins one.
    pub(crate) fn after(caller: Option<SpanIds>) -> Self {
        let trace = caller.map_or_else(|| non_zero(rand::random), |caller| caller.trace);
        Self { trace, span: non_zero(rand::random), flags: caller.map_or(0, |caller| caller.sampled.into()) }
    }

    /// The trace it belongs to.
    pub(crate) fn trace_id(&self) -> TraceId {
        TraceId(self.trace)
    }

    /// The header for calls that are made on behalf of this request.
    #[cfg(test)]
    pub(crate) fn traceparent(&self) -> String {
        format!("00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags)
    }
}

impl From<SpanIds> for TraceContext {
    fn from(own: SpanIds) -> Self {
        Self { trace: own.trace, span: own.span, flags: own.sampled.into() }
    }
}

/// The span that the caller names, if the header is valid.
pub(crate) fn caller(headers: &HeaderMap) -> Option<SpanIds> {
    parse(headers.get(HEADER)?.to_str().ok()?)
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// What a valid header says. Later versions may be longer; what they add is not understood.
fn parse(text: &str) -> Option<SpanIds> {
    let (known, rest) = text.split_at_checked(LENGTH)?;
    let mut fields = known.split('-');
    let version = hex(fields.next()?, 2)?;
    let trace = hex(fields.next()?, 32)?;
    let span = u64::try_from(hex(fields.next()?, 16)?).ok()?;
    let flags = hex(fields.next()?, 2)?;
    let fits_version = match version {
        0xff => false,
        0 => rest.is_empty(),
        _ => rest.is_empty() || rest.starts_with('-'),
    };
    // only the sampled bit is defined; others must not be passed on
    let sampled = flags & 1 == 1;
    (fits_version && trace != 0 && span != 0).then_some(SpanIds { trace, span, sampled })
}

/// Lower-case hex of exactly this many digits; the standard allows no other.
fn hex(digits: &str, length: usize) -> Option<u128> {
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if digits.len() != length || !digits.bytes().all(is_hex) {
        return None;
    }
    u128::from_str_radix(digits, 16).ok()
}

fn non_zero<T: PartialEq + Default>(mut random: impl FnMut() -> T) -> T {
    loop {
        let value = random();
        if value != T::default() {
            return value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn taken_up(traceparent: &str) -> TraceContext {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, traceparent.parse().expect("a header value"));
        TraceContext::after(caller(&headers))
    }

    #[test]
    fn a_valid_trace_is_carried_on_with_a_new_span() {
        let context = taken_up(&format!("00-{TRACE}-00f067aa0ba902b7-01"));
        assert_eq!(context.trace_id().to_string(), TRACE);
        let own = context.traceparent();
        assert!(own.starts_with(&format!("00-{TRACE}-")) && own.ends_with("-01"), "{own}");
        assert!(!own.contains("00f067aa0ba902b7"), "{own}");
        assert_eq!(taken_up(&own).trace_id(), context.trace_id());
    }

    #[test]
    fn later_versions_are_understood_as_far_as_they_are_known() {
        let context = taken_up(&format!("cc-{TRACE}-00f067aa0ba902b7-03-what-the-future-holds"));
        assert_eq!(context.trace_id().to_string(), TRACE);
        assert!(context.traceparent().ends_with("-01"));
    }

    #[test]
    fn an_invalid_trace_is_replaced() {
        for invalid in [
            String::new(),
            "00-short-00f067aa0ba902b7-01".to_owned(),
            format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            format!("00-{TRACE}-00f067aa0ba902b7-01-more"),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
            format!("00-+{}-00f067aa0ba902b7-01", &TRACE[1..]),
        ] {
            assert_ne!(taken_up(&invalid).trace_id().to_string(), TRACE, "{invalid}");
        }
    }
}
