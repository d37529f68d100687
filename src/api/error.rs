//! Failures as callers see them: a closed set of codes, each in an RFC 9457 problem.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Map, Value};

use crate::telemetry::labels::Limit;

/// How long a caller is asked to wait when nothing better is known.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);

/// How callers are to show who they are. The realm is the same wherever the gateway runs, as it is Pravega that decides.
pub(crate) const CHALLENGE: HeaderValue =
    HeaderValue::from_static("Basic realm=\"Pravega\", charset=\"UTF-8\", Bearer");

macro_rules! error_codes {
    ($( $(#[$doc:meta])* $variant:ident = $text:literal, $status:ident, $retryable:literal; )*) => {
        /// Why a request failed: the closed set that callers may program against, sorted by name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ErrorCode {
            $( $(#[$doc])* $variant, )*
        }

        impl ErrorCode {
            /// Every code, sorted by name.
            pub const ALL: &'static [Self] = &[$( Self::$variant, )*];

            /// As it stands in problems, logs and metrics: `snake_case`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $( Self::$variant => $text, )*
                }
            }

            /// The one status that goes with it.
            pub const fn status(self) -> StatusCode {
                match self {
                    $( Self::$variant => StatusCode::$status, )*
                }
            }

            /// Whether the same request may succeed later, as far as the code alone says.
            pub const fn is_retryable(self) -> bool {
                match self {
                    $( Self::$variant => $retryable, )*
                }
            }
        }
    };
}

error_codes! {
    /// The body stopped arriving.
    BodyIdle = "body_idle", REQUEST_TIMEOUT, true;
    /// The body is not what its type promises, or ended early.
    BodyInvalid = "body_invalid", BAD_REQUEST, false;
    /// The body exceeds what this request may carry.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, false;
    /// The caller holds more than its share.
    CallerOverShare = "caller_over_share", TOO_MANY_REQUESTS, true;
    /// A precondition of the request does not hold.
    ConditionFailed = "condition_failed", PRECONDITION_FAILED, false;
    /// The controller cannot be reached.
    ControllerUnavailable = "controller_unavailable", SERVICE_UNAVAILABLE, true;
    /// The request took longer than it may.
    DeadlineExceeded = "deadline_exceeded", SERVICE_UNAVAILABLE, true;
    /// The gateway is about to end.
    Draining = "draining", SERVICE_UNAVAILABLE, true;
    /// An event of no bytes, where none is taken.
    EmptyEvent = "empty_event", BAD_REQUEST, false;
    /// An event exceeds the limit for one.
    EventTooLarge = "event_too_large", PAYLOAD_TOO_LARGE, false;
    /// The caller may not do this.
    Forbidden = "forbidden", FORBIDDEN, false;
    /// A header cannot be understood.
    HeaderInvalid = "header_invalid", BAD_REQUEST, false;
    /// The headers exceed their limit.
    HeadersTooLarge = "headers_too_large", REQUEST_HEADER_FIELDS_TOO_LARGE, false;
    /// A bug in the gateway.
    Internal = "internal", INTERNAL_SERVER_ERROR, false;
    /// The announced length of a message is not that of the body.
    MessageLengthMismatch = "message_length_mismatch", BAD_REQUEST, false;
    /// A raw message exceeds what a store takes.
    MessageTooLarge = "message_too_large", PAYLOAD_TOO_LARGE, false;
    /// No wire command has this name or number.
    MessageTypeUnknown = "message_type_unknown", BAD_REQUEST, false;
    /// The path exists, but not with this method.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, false;
    /// None of the accepted types can be produced.
    NotAcceptable = "not_acceptable", NOT_ACCEPTABLE, false;
    /// No event begins at this offset.
    NotAnEventBoundary = "not_an_event_boundary", UNPROCESSABLE_ENTITY, false;
    /// Not attempted, because what came before it failed.
    NotWritten = "not_written", FAILED_DEPENDENCY, true;
    /// The offset lies beyond the tail of the segment.
    OffsetBeyondTail = "offset_beyond_tail", RANGE_NOT_SATISFIABLE, false;
    /// The offset lies before the head of the segment.
    OffsetTruncated = "offset_truncated", GONE, false;
    /// Pravega does not support the operation here.
    OperationUnsupported = "operation_unsupported", NOT_IMPLEMENTED, false;
    /// The store went away after bytes were sent.
    OutcomeUnknown = "outcome_unknown", BAD_GATEWAY, false;
    /// The gateway as a whole holds as much as it may.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, true;
    /// A parameter has a value that it cannot have.
    ParameterInvalid = "parameter_invalid", BAD_REQUEST, false;
    /// A required parameter is not there.
    ParameterMissing = "parameter_missing", BAD_REQUEST, false;
    /// A parameter is there more than once.
    ParameterRepeated = "parameter_repeated", BAD_REQUEST, false;
    /// No parameter has this name.
    ParameterUnknown = "parameter_unknown", BAD_REQUEST, false;
    /// Nothing is served at this path.
    PathUnknown = "path_unknown", NOT_FOUND, false;
    /// A producer left out numbers.
    ProducerGap = "producer_gap", CONFLICT, false;
    /// The scope does not exist.
    ScopeNotFound = "scope_not_found", NOT_FOUND, false;
    /// The segment does not exist.
    SegmentNotFound = "segment_not_found", NOT_FOUND, false;
    /// The segment takes no more appends.
    SegmentSealed = "segment_sealed", CONFLICT, false;
    /// The segment store cannot be reached.
    StoreUnavailable = "store_unavailable", SERVICE_UNAVAILABLE, true;
    /// The stream does not exist.
    StreamNotFound = "stream_not_found", NOT_FOUND, false;
    /// The stream takes no more appends.
    StreamSealed = "stream_sealed", CONFLICT, false;
    /// The caller has not shown who it is.
    Unauthenticated = "unauthenticated", UNAUTHORIZED, false;
    /// The body is compressed in a way that is not undone here.
    UnsupportedEncoding = "unsupported_encoding", UNSUPPORTED_MEDIA_TYPE, false;
    /// Pravega answered with an error of its own.
    UpstreamError = "upstream_error", BAD_GATEWAY, false;
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a failed request may have changed something in Pravega.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SideEffects {
    /// It changed nothing; it may be repeated blindly.
    None,
    /// It may have been carried out.
    Possible,
}

impl SideEffects {
    /// As it stands in problems.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Possible => "possible",
        }
    }
}

/// The answer to a request that failed: an RFC 9457 problem.
///
/// Its `type` is `about:blank`, so that its `title` is the phrase of the status; `code` identifies the problem.
#[derive(Debug, Clone)]
pub struct ApiError(Box<Problem>);

#[derive(Debug, Clone)]
struct Problem {
    code: ErrorCode,
    detail: Cow<'static, str>,
    retryable: bool,
    side_effects: SideEffects,
    members: Vec<(&'static str, Value)>,
    headers: HeaderMap,
    limit: Option<Limit>,
}

impl ApiError {
    /// A failure without side effects, retryable as its code says. `detail` names the field or thing.
    pub fn new(code: ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Problem {
            code,
            detail: detail.into(),
            retryable: code.is_retryable(),
            side_effects: SideEffects::None,
            members: Vec::new(),
            headers: HeaderMap::new(),
            limit: None,
        }))
    }

    /// Adds a member to the problem, after the standard ones and those added before.
    #[must_use]
    pub fn member(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.members.push((name, value.into()));
        self
    }

    /// Adds a header to the answer, in place of one of that name.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// Asks the caller to wait, in whole seconds, at least one.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        let seconds = wait.as_millis().div_ceil(1000).max(1);
        let value = HeaderValue::from_str(&seconds.to_string()).expect("digits are a header value");
        self.header(header::RETRY_AFTER, value)
    }

    /// Says that the request may have been carried out.
    #[must_use]
    pub fn possible(mut self) -> Self {
        self.0.side_effects = SideEffects::Possible;
        self
    }

    /// Says whether the same request may succeed later, where the code alone is not enough.
    #[must_use]
    pub fn retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = retryable;
        self
    }

    /// Says which limit was exceeded, so that it is counted with the answer.
    #[must_use]
    pub fn over(mut self, limit: Limit) -> Self {
        self.0.limit = Some(limit);
        self
    }

    /// The limit that was exceeded, if one was.
    pub fn limit(&self) -> Option<Limit> {
        self.0.limit
    }

    /// Why it failed.
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.0.code.status()
    }

    /// What exactly failed.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// Whether it may have changed something.
    pub fn side_effects(&self) -> SideEffects {
        self.0.side_effects
    }

    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// The members of the problem but its `type`, to stand in a report of a `207`.
    pub fn to_json_members(&self) -> Map<String, Value> {
        match serde_json::to_value(Members(&self.0)) {
            Ok(Value::Object(members)) => members,
            _ => unreachable!("a problem is an object with text keys"),
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.detail)
    }
}

impl std::error::Error for ApiError {}

impl ApiError {
    /// The answer's head with another body, which has its own content type and length.
    pub(crate) fn with_body_of(self, other: Response) -> Response {
        let (mut head, _) = self.into_response().into_parts();
        let (other, body) = other.into_parts();
        head.headers.remove(header::CONTENT_LENGTH);
        head.headers.extend(other.headers);
        Response::from_parts(head, body)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let asks_to_wait = matches!(self.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
        let has_wait = self.0.headers.contains_key(header::RETRY_AFTER);
        let this = if asks_to_wait && !has_wait { self.retry_after(DEFAULT_RETRY_AFTER) } else { self };
        let body = serde_json::to_vec(&WholeProblem(&this.0)).expect("a problem has text keys and plain values");
        let mut response = (this.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if this.status() == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, CHALLENGE);
        }
        response.extensions_mut().insert(this.0.code);
        if let Some(limit) = this.0.limit {
            response.extensions_mut().insert(limit);
        }
        response.headers_mut().extend(this.0.headers);
        response
    }
}

struct Members<'a>(&'a Problem);

impl Members<'_> {
    fn write<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let problem = self.0;
        let status = problem.code.status();
        map.serialize_entry("title", status.canonical_reason().unwrap_or_default())?;
        map.serialize_entry("status", &status.as_u16())?;
        map.serialize_entry("code", problem.code.as_str())?;
        map.serialize_entry("detail", &problem.detail)?;
        map.serialize_entry("retryable", &problem.retryable)?;
        map.serialize_entry("sideEffects", problem.side_effects.as_str())?;
        for (name, value) in &problem.members {
            map.serialize_entry(name, value)?;
        }
        Ok(())
    }
}

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.write(&mut map)?;
        map.end()
    }
}

struct WholeProblem<'a>(&'a Problem);

impl Serialize for WholeProblem<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", "about:blank")?;
        Members(self.0).write(&mut map)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use http_body_util::BodyExt;

    /// The table of the HTTP contract.
    const CONTRACT: &[(u16, &str)] = &[
        (
            400,
            "parameter_missing parameter_unknown parameter_repeated parameter_invalid header_invalid body_invalid \
             empty_event message_length_mismatch message_type_unknown",
        ),
        (401, "unauthenticated"),
        (403, "forbidden"),
        (404, "scope_not_found stream_not_found segment_not_found path_unknown"),
        (405, "method_not_allowed"),
        (406, "not_acceptable"),
        (408, "body_idle"),
        (409, "stream_sealed segment_sealed producer_gap"),
        (410, "offset_truncated"),
        (412, "condition_failed"),
        (413, "event_too_large message_too_large body_too_large"),
        (415, "unsupported_encoding"),
        (416, "offset_beyond_tail"),
        (422, "not_an_event_boundary"),
        (424, "not_written"),
        (429, "caller_over_share"),
        (431, "headers_too_large"),
        (500, "internal"),
        (501, "operation_unsupported"),
        (502, "outcome_unknown upstream_error"),
        (503, "overloaded deadline_exceeded store_unavailable controller_unavailable draining"),
    ];

    fn body_of(response: Response) -> Value {
        let body = response.into_body().collect().now_or_never();
        let bytes = body.expect("a problem is whole").expect("and cannot fail").to_bytes();
        serde_json::from_slice(&bytes).expect("a problem is JSON")
    }

    #[test]
    fn codes_are_exactly_those_of_the_contract_with_their_statuses() {
        let mut expected: Vec<(&str, u16)> =
            CONTRACT.iter().flat_map(|(status, codes)| codes.split_whitespace().map(|code| (code, *status))).collect();
        expected.sort_unstable();
        let built: Vec<_> = ErrorCode::ALL.iter().map(|code| (code.as_str(), code.status().as_u16())).collect();
        assert_eq!(built, expected);
    }

    #[test]
    fn a_problem_carries_its_members_and_headers() {
        let error = ApiError::new(ErrorCode::OffsetTruncated, "offset 0 is gone")
            .member("headOffset", 42)
            .header(HeaderName::from_static("head-offset"), HeaderValue::from(42));
        let response = error.into_response();
        assert_eq!(response.status(), 410);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["head-offset"], "42");
        assert_eq!(response.extensions().get(), Some(&ErrorCode::OffsetTruncated));
        let expected = serde_json::json!({
            "type": "about:blank", "title": "Gone", "status": 410, "code": "offset_truncated",
            "detail": "offset 0 is gone", "retryable": false, "sideEffects": "none", "headOffset": 42,
        });
        assert_eq!(body_of(response), expected);
    }

    #[test]
    fn overload_and_unavailability_always_say_when_to_retry() {
        for code in ErrorCode::ALL {
            let response = ApiError::new(*code, "x").into_response();
            let asks = matches!(code.status().as_u16(), 429 | 503);
            assert_eq!(response.headers().contains_key("retry-after"), asks, "{code}");
        }
        let longer = ApiError::new(ErrorCode::Overloaded, "x").retry_after(Duration::from_millis(1001));
        assert_eq!(longer.into_response().headers()["retry-after"], "2");
    }

    #[test]
    fn the_members_for_a_report_are_those_of_the_problem() {
        let error = ApiError::new(ErrorCode::StoreUnavailable, "x").possible().member("segment", "0.#epoch.0");
        let mut whole = body_of(error.clone().into_response());
        whole.as_object_mut().expect("an object").remove("type");
        assert_eq!(Value::Object(error.to_json_members()), whole);
        assert_eq!(whole["sideEffects"], "possible");
        assert_eq!(whole["retryable"], true);
    }
}
