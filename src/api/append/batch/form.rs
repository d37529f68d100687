//! Whether a body is one event or several, where each ends, and what is reported about them.

use http::HeaderMap;

use crate::api::append::json_pointer::JsonPointer;
use crate::api::error::{ApiError, ErrorCode};
use crate::api::request::accept_header::preferred;
use crate::api::request::content_type::ContentType;
use crate::api::request::params::{Params, invalid};

const FRAMES: &str = "application/vnd.pravega.events";
const DOCUMENT: &str = "application/vnd.pravega.events+json";

/// The names in use for an event per line, none of them registered.
const LINES: &[&str] = &[
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonl",
    "application/jsonlines",
    "application/x-jsonlines",
    "application/json-lines",
    "text/x-ndjson",
    "text/ndjson",
    "text/jsonl",
];

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
    /// A batch that fails in part has the status of its first failure.
    pub(super) strict: bool,
}

impl Form {
    /// Takes `split` and `report`, and looks at the content type and `Accept`. A `strict` batch has one status, which
    /// only its end decides: its reports are not streamed.
    pub(crate) fn take(
        params: &mut Params,
        headers: &HeaderMap,
        content_type: &ContentType,
        strict: bool,
    ) -> Result<Self, ApiError> {
        let split = params.take_parsed("split", "a JSON pointer such as /items")?;
        let each = take_report(params)?;
        let layout = Layout::of(content_type.media_type(), split)?;
        if params.has("key-from") || layout.as_ref().is_some_and(|layout| *layout != Layout::Frames) {
            content_type.check_is_utf_8()?;
        }
        let Some(layout) = layout else {
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
        let reporting = Reporting { each, streamed: streamed && !strict, strict };
        Ok(Self::Several(BatchForm { layout, reporting }))
    }
}

impl Layout {
    fn of(media_type: &str, split: Option<JsonPointer>) -> Result<Option<Self>, ApiError> {
        let by_type = match media_type {
            lines if LINES.contains(&lines) => Some(Self::Lines),
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

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::CONTENT_TYPE;

    use super::*;

    fn take(query: &str, content_type: &'static str) -> Result<Form, ErrorCode> {
        let mut params = Params::parse(Some(query)).expect("well formed");
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        let content_type = ContentType::of(&headers).expect("well formed");
        Form::take(&mut params, &headers, &content_type, false).map_err(|error| error.code())
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
        for name in LINES {
            assert_eq!(layout("", name), Some(Layout::Lines));
        }
        assert_eq!(layout("", "Application/JSONL"), Some(Layout::Lines));
        for single in ["application/json-seq", "multipart/mixed; boundary=x", "application/x-ndjson+gzip"] {
            assert_eq!(take("", single), Ok(Form::Single), "{single}");
        }
        assert_eq!(layout("", FRAMES), Some(Layout::Frames));
        assert_eq!(layout("", DOCUMENT), Some(Layout::Described));
        let items = "/items".parse().expect("a pointer");
        assert_eq!(layout("split=/items", "text/plain"), Some(Layout::Elements(items)));
        assert_eq!(take("", "application/json"), Ok(Form::Single));
    }

    #[test]
    fn text_that_is_cut_or_parsed_must_be_utf_8() {
        for (query, content_type) in [
            ("", "application/x-ndjson; charset=latin1"),
            ("split=/items", "text/plain; charset=utf-16"),
            ("key-from=/k", "application/json; charset=iso-8859-1"),
            ("", "application/vnd.pravega.events+json; charset=utf-16"),
        ] {
            assert_eq!(take(query, content_type), Err(ErrorCode::UnsupportedEncoding), "{query} {content_type}");
        }
        assert_eq!(take("", "text/plain; charset=latin1"), Ok(Form::Single), "any bytes are one event");
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
