//! Where an event goes: by the caller's key, by a key out of its JSON, at random, or to a named segment.

use http::HeaderMap;
use pravega_protocol::stream::{KeyPosition, SegmentId};

use crate::api::append::json_pointer::{JsonPointer, KeyProblem, routing_key};
use crate::api::error::{ApiError, ErrorCode};
use crate::api::request::params::{Params, invalid};
use crate::api::request::target::{SegmentRef, take_segment};
use crate::append::Target;

const HEADER: &str = "routing-key";

/// How a request says where its events go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RequestRouting {
    /// A position of its own for each event.
    Random,
    /// The same key for all events.
    Key(String),
    /// The key is in each event's JSON.
    KeyFrom {
        /// Where.
        pointer: JsonPointer,
        /// Whether events without one go anywhere.
        random_if_missing: bool,
    },
    /// Into this segment, if it is active.
    Segment(SegmentRef),
}

impl RequestRouting {
    /// Takes `Routing-Key`, `routing-key`, `key-from`, `key-from-missing` and `segment`.
    pub(crate) fn take(params: &mut Params, headers: &HeaderMap) -> Result<Self, ApiError> {
        let key = take_key(params, headers)?;
        let segment = take_segment(params)?;
        let pointer = params.take_parsed("key-from", "a JSON pointer such as /auditID")?;
        let random_if_missing = take_missing(params, pointer.is_some())?;
        match (key, segment, pointer) {
            (None, None, None) => Ok(Self::Random),
            (Some(key), None, None) => Ok(Self::Key(key)),
            (None, Some(segment), None) => Ok(Self::Segment(segment)),
            (None, None, Some(pointer)) => Ok(Self::KeyFrom { pointer, random_if_missing }),
            (None, Some(_), Some(_)) => Err(conflict("segment", "key-from")),
            (Some(_), _, Some(_)) => Err(conflict("key-from", "a routing key")),
            (Some(_), Some(_), None) => Err(conflict("segment", "a routing key")),
        }
    }

    /// Where one event goes; `segment` is the named one, once it is resolved.
    pub(crate) fn target(&self, segment: Option<SegmentId>, payload: &[u8]) -> Result<Target, ApiError> {
        match (self, segment) {
            (_, Some(segment)) => Ok(Target::Segment(segment)),
            (Self::Key(key), None) => Ok(Target::Position(KeyPosition::of_key(key))),
            (Self::KeyFrom { pointer, random_if_missing }, None) => match routing_key(payload, pointer) {
                Ok(key) => Ok(Target::Position(KeyPosition::of_key(&key))),
                Err(KeyProblem::Missing | KeyProblem::NotAScalar(_)) if *random_if_missing => Ok(anywhere()),
                Err(problem) => Err(ApiError::new(ErrorCode::BodyInvalid, format!("event for key-from {problem}"))),
            },
            (Self::Random | Self::Segment(_), None) => Ok(anywhere()),
        }
    }
}

impl RequestRouting {
    /// Where an event goes that has a key of its own, which counts more than the request's.
    pub(crate) fn target_of_own(&self, key: &str) -> Result<Target, ApiError> {
        match self {
            Self::Segment(_) => {
                let detail = "an event has a routing key, but the request names a segment; give only one of them";
                Err(ApiError::new(ErrorCode::BodyInvalid, detail))
            }
            Self::Random | Self::Key(_) | Self::KeyFrom { .. } => Ok(Target::Position(KeyPosition::of_key(key))),
        }
    }
}

fn anywhere() -> Target {
    Target::Position(KeyPosition::random())
}

fn take_key(params: &mut Params, headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(HEADER).iter();
    let header = values.next().map(|value| std::str::from_utf8(value.as_bytes()).map(str::to_owned));
    if values.next().is_some() {
        return Err(ApiError::new(ErrorCode::HeaderInvalid, "header Routing-Key is given more than once"));
    }
    let header =
        header.transpose().map_err(|_| ApiError::new(ErrorCode::HeaderInvalid, "header Routing-Key is not UTF-8"))?;
    match (header, params.take(HEADER)) {
        (Some(header), Some(parameter)) if header != parameter => {
            Err(invalid(HEADER, &parameter, format_args!("the header Routing-Key says {header:?}")))
        }
        (header, parameter) => Ok(header.or(parameter)),
    }
}

fn take_missing(params: &mut Params, has_pointer: bool) -> Result<bool, ApiError> {
    match params.take("key-from-missing").as_deref() {
        None => Ok(false),
        Some("random") if has_pointer => Ok(true),
        Some("random") => Err(invalid("key-from-missing", "random", "it can only be used with key-from")),
        Some(other) => Err(invalid("key-from-missing", other, "expected random")),
    }
}

fn conflict(one: &str, other: &str) -> ApiError {
    let detail = format!("parameter {one} cannot be given together with {other}");
    ApiError::new(ErrorCode::ParameterInvalid, detail).member("parameter", one)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn take(query: &str, header: Option<&'static [u8]>) -> Result<RequestRouting, ErrorCode> {
        let mut headers = HeaderMap::new();
        if let Some(value) = header {
            headers.insert(HEADER, HeaderValue::from_bytes(value).expect("a header value"));
        }
        let mut params = Params::parse(Some(query)).expect("a query");
        RequestRouting::take(&mut params, &headers).map_err(|error| error.code())
    }

    #[test]
    fn key_comes_from_header_or_parameter_and_both_must_agree() {
        assert_eq!(take("", None), Ok(RequestRouting::Random));
        assert_eq!(take("routing-key=a", None), Ok(RequestRouting::Key("a".to_owned())));
        assert_eq!(take("routing-key=%C3%A9", Some("é".as_bytes())), Ok(RequestRouting::Key("é".to_owned())));
        assert_eq!(take("routing-key=a", Some(b"b")), Err(ErrorCode::ParameterInvalid));
    }

    #[test]
    fn empty_header_is_the_empty_key() {
        assert_eq!(take("", Some(b"")), Ok(RequestRouting::Key(String::new())));
    }

    #[test]
    fn header_that_is_not_utf_8_is_refused() {
        assert_eq!(take("", Some(b"\xff")), Err(ErrorCode::HeaderInvalid));
    }

    #[test]
    fn segment_and_keys_exclude_each_other() {
        for query in ["segment=0&routing-key=a", "segment=0&key-from=/a", "routing-key=a&key-from=/a"] {
            assert_eq!(take(query, None), Err(ErrorCode::ParameterInvalid), "{query}");
        }
    }

    #[test]
    fn key_from_missing_needs_key_from() {
        assert_eq!(take("key-from-missing=random", None), Err(ErrorCode::ParameterInvalid));
        let both = take("key-from=/a&key-from-missing=random", None);
        assert!(matches!(both, Ok(RequestRouting::KeyFrom { random_if_missing: true, .. })));
    }
}
