//! Whether a body is one event or several, where each ends, and what is reported about them.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

use crate::api::append::json_pointer::JsonPointer;
use crate::api::error::{ApiError, ErrorCode};
use crate::api::request::accept_header::preferred;
use crate::api::request::params::{Params, invalid};

const FRAMES: &str = "application/vnd.pravega.events";
const DOCUMENT: &str = "application/vnd.pravega.events+json";

/// How a body holds its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Form {
    /// It is one.
    Single,
    /// It holds several.
    Several(BatchForm),
}

/// How a body holds several events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BatchForm {
    pub(super) layout: Layout,
    pub(super) reporting: Reporting,
}

/// Where one event ends and the next begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Layout {
    /// An event per line.
    Lines,
    /// As events lie in a segment.
    Frames,
    /// The elements of `events` in a JSON document, each with its own routing key.
    Described,
    /// The elements of an array in a JSON document, at this pointer.
    Elements(JsonPointer),
}

/// What is reported about the events of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reporting {
    /// Each event has a report, not only those that failed.
    pub(super) each: bool,
    /// Reports go out as events are acknowledged.
    pub(super) streamed: bool,
}

impl Form {
    /// Takes `split` and `report`, and looks at `Content-Type` and `Accept`.
    pub(crate) fn take(params: &mut Params, headers: &HeaderMap) -> Result<Self, ApiError> {
        let split = params.take_parsed("split", "a JSON pointer such as /items")?;
        let each = take_report(params)?;
        let Some(layout) = Layout::of(&media_type(headers)?, split)? else {
            if each {
                return Err(invalid("report", "each", "the body is a single event; only a batch has reports"));
            }
            return Ok(Self::Single);
        };
        if layout == Layout::Described && params.has("key-from") {
            let detail = format!("key-from cannot be used with {DOCUMENT}, whose events have a member routingKey");
            return Err(ApiError::new(ErrorCode::ParameterInvalid, detail).member("parameter", "key-from"));
        }
        let streamed =
            preferred(headers, &["application/json", "application/x-ndjson"]) == Some("application/x-ndjson");
        Ok(Self::Several(BatchForm { layout, reporting: Reporting { each, streamed } }))
    }
}

impl Layout {
    fn of(media_type: &str, split: Option<JsonPointer>) -> Result<Option<Self>, ApiError> {
        let by_type = match media_type {
            "application/x-ndjson" | "application/jsonl" => Some(Self::Lines),
            FRAMES => Some(Self::Frames),
            DOCUMENT => Some(Self::Described),
            _ => None,
        };
        match (by_type, split) {
            (Some(_), Some(_)) => {
                let detail = format!("split cannot be used with {media_type}, which already separates its events");
                Err(ApiError::new(ErrorCode::ParameterInvalid, detail).member("parameter", "split"))
            }
            (None, Some(pointer)) => Ok(Some(Self::Elements(pointer))),
            (by_type, None) => Ok(by_type),
        }
    }
}

fn take_report(params: &mut Params) -> Result<bool, ApiError> {
    match params.take("report").as_deref() {
        None => Ok(false),
        Some("each") => Ok(true),
        Some(other) => Err(invalid("report", other, "expected each")),
    }
}

/// The content type in lower case, without its parameters; empty where there is none.
pub(crate) fn media_type(headers: &HeaderMap) -> Result<String, ApiError> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let Some(value) = values.next() else {
        return Ok(String::new());
    };
    let media_type = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    match std::str::from_utf8(media_type) {
        Ok(text) if values.next().is_none() && !text.contains(',') => Ok(text.trim().to_ascii_lowercase()),
        _ => Err(ApiError::new(ErrorCode::HeaderInvalid, "header Content-Type is not one media type")),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn take(query: &str, content_type: &'static str) -> Result<Form, ErrorCode> {
        let mut params = Params::parse(Some(query)).expect("well formed");
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        Form::take(&mut params, &headers).map_err(|error| error.code())
    }

    fn layout(query: &str, content_type: &'static str) -> Option<Layout> {
        match take(query, content_type) {
            Ok(Form::Several(batch)) => Some(batch.layout),
            _ => None,
        }
    }

    #[test]
    fn content_type_or_split_says_where_events_end() {
        assert_eq!(layout("", "application/x-ndjson; charset=utf-8"), Some(Layout::Lines));
        assert_eq!(layout("", "Application/JSONL"), Some(Layout::Lines));
        assert_eq!(layout("", FRAMES), Some(Layout::Frames));
        assert_eq!(layout("", DOCUMENT), Some(Layout::Described));
        let items = "/items".parse().expect("a pointer");
        assert_eq!(layout("split=/items", "text/plain"), Some(Layout::Elements(items)));
        assert_eq!(take("", "application/json"), Ok(Form::Single));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for (query, content_type) in [
            ("split=/items", "application/x-ndjson"),
            ("split=items", "application/json"),
            ("key-from=/k", DOCUMENT),
            ("report=each", "text/plain"),
            ("report=all", FRAMES),
        ] {
            assert_eq!(take(query, content_type), Err(ErrorCode::ParameterInvalid), "{query} {content_type}");
        }
    }
}
