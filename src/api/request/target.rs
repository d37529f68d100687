//! Which stream and segment a request is about.

use pravega_protocol::stream::{Scope, ScopedStream, SegmentId, SegmentName, StreamName};

use crate::api::error::{ApiError, ErrorCode};
use crate::api::request::params::{Params, invalid, missing};
use crate::app::App;
use crate::controller::{Access, Error as ControllerError};

/// A segment as callers name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SegmentRef {
    /// Its number; the newest epoch that has it.
    Number(u32),
    /// Number and epoch.
    Id(SegmentId),
}

/// Takes `scope` and `stream`, or the configured defaults.
pub(crate) fn take_stream(app: &App, params: &mut Params) -> Result<ScopedStream, ApiError> {
    stream_or_default(app, params.take("scope").as_deref(), params.take("stream").as_deref(), missing)
}

/// Checks the names that are given and puts them together with the configured defaults of those that are not.
///
/// # Errors
/// That of `missing` for a name that is neither given nor configured; `400` for an invalid one; `403` for Pravega's own
/// streams, unless a setting allows them.
pub(crate) fn stream_or_default(
    app: &App,
    scope: Option<&str>,
    stream: Option<&str>,
    missing: impl Fn(&'static str) -> ApiError,
) -> Result<ScopedStream, ApiError> {
    let config = app.config();
    let scope = scope.map(parse_scope).or_else(|| config.default_scope.clone().map(Ok));
    let stream = stream.map(parse_stream).or_else(|| config.default_stream.clone().map(Ok));
    let (scope, stream) = (scope.ok_or_else(|| missing("scope"))?, stream.ok_or_else(|| missing("stream"))?);
    let stream = ScopedStream::new(scope?, stream?);
    check_internal(app, &stream)?;
    Ok(stream)
}

/// As [`stream_or_default`], with both names given.
pub(crate) fn stream_of(app: &App, scope: &str, stream: &str) -> Result<ScopedStream, ApiError> {
    stream_or_default(app, Some(scope), Some(stream), missing)
}

fn parse_scope(name: &str) -> Result<Scope, ApiError> {
    check_segment_of_path("scope", name)?;
    Scope::new(name).map_err(|error| invalid("scope", name, error))
}

fn parse_stream(name: &str) -> Result<StreamName, ApiError> {
    check_segment_of_path("stream", name)?;
    StreamName::new(name).map_err(|error| invalid("stream", name, error))
}

/// Pravega takes these names, but no one could seal or delete what has one.
fn check_segment_of_path(parameter: &'static str, name: &str) -> Result<(), ApiError> {
    if matches!(name, "." | "..") {
        return Err(invalid(parameter, name, "clients and proxies remove it from the path of a control call"));
    }
    Ok(())
}

fn check_internal(app: &App, stream: &ScopedStream) -> Result<(), ApiError> {
    if stream.is_internal() && !app.config().segment_store.internal_streams {
        let detail = format!("stream {stream} is Pravega's own; segment-store.internal-streams = true allows it");
        return Err(ApiError::new(ErrorCode::Forbidden, detail));
    }
    Ok(())
}

/// Takes `segment`: below 2^32 a number, from there on a 64-bit id, or a full id.
pub(crate) fn take_segment(params: &mut Params) -> Result<Option<SegmentRef>, ApiError> {
    params.take("segment").map(|text| parse_segment(&text)).transpose()
}

pub(crate) fn parse_segment(text: &str) -> Result<SegmentRef, ApiError> {
    const EXPECTED: &str = "expected a number such as 7, a 64-bit id, or a full id such as 7.%23epoch.3";
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let id: i64 = text.parse().map_err(|_| invalid("segment", text, EXPECTED))?;
        return Ok(u32::try_from(id).map_or(SegmentRef::Id(SegmentId::from_i64(id)), SegmentRef::Number));
    }
    text.parse().map(SegmentRef::Id).map_err(|_| invalid("segment", text, EXPECTED))
}

impl SegmentRef {
    /// Finds the segment among those that can be read, from the newest epoch on.
    pub(crate) async fn resolve(self, app: &App, stream: &ScopedStream) -> Result<SegmentId, ApiError> {
        let is_sought = |segment: &SegmentId| match self {
            Self::Id(id) => *segment == id,
            Self::Number(number) => segment.number() == number,
        };
        app.grant(stream, Access::Read).await?;
        let segments = app.controller().readable_segments_with(stream, is_sought).await?;
        let found = segments.iter().copied().filter(is_sought).max_by_key(|segment| segment.epoch());
        found.ok_or_else(|| self.not_found(stream, &segments))
    }

    /// The segment's full name: of an id as it is, whether there is such a segment or not, of a number as it resolves.
    pub(crate) async fn name(self, app: &App, stream: ScopedStream) -> Result<SegmentName, ApiError> {
        let id = match self {
            Self::Id(id) => id,
            Self::Number(_) => self.resolve(app, &stream).await?,
        };
        Ok(SegmentName::new(stream, id))
    }

    fn not_found(self, stream: &ScopedStream, segments: &[SegmentId]) -> ApiError {
        let wanted = match self {
            Self::Number(number) => number.to_string(),
            Self::Id(id) => id.to_string(),
        };
        let detail = format!("stream {stream} has no segment {wanted} that can be read");
        with_segments(ApiError::new(ErrorCode::SegmentNotFound, detail), segments)
    }
}

/// The only segment of a stream that has one and never had another.
pub(crate) async fn only_segment(app: &App, stream: &ScopedStream) -> Result<SegmentId, ApiError> {
    app.grant(stream, Access::Read).await?;
    let segments = app.controller().readable_segments(stream).await?;
    match segments.as_ref() {
        [only] if only.epoch() == 0 => Ok(*only),
        _ => {
            let names: Vec<_> = segments.iter().map(ToString::to_string).collect();
            let detail = format!("parameter segment is missing; stream {stream} has the segments {}", names.join(", "));
            let error = ApiError::new(ErrorCode::ParameterMissing, detail).member("parameter", "segment");
            Err(with_segments(error, &segments))
        }
    }
}

fn with_segments(error: ApiError, segments: &[SegmentId]) -> ApiError {
    let names: Vec<_> = segments.iter().map(ToString::to_string).collect();
    error.member("segments", names)
}

impl From<ControllerError> for ApiError {
    fn from(error: ControllerError) -> Self {
        crate::api::error_mapping::controller(&error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segment_is_taken_as_number_as_id_and_as_full_id() {
        let id = SegmentId::new(7, 3);
        assert_eq!(parse_segment("7").ok(), Some(SegmentRef::Number(7)));
        assert_eq!(parse_segment("4294967295").ok(), Some(SegmentRef::Number(u32::MAX)));
        assert_eq!(parse_segment("12884901895").ok(), Some(SegmentRef::Id(id)));
        assert_eq!(parse_segment("7.#epoch.3").ok(), Some(SegmentRef::Id(id)));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "-1", "seven", "7.epoch.3", "99999999999999999999"] {
            assert_eq!(parse_segment(text).map_err(|error| error.code()), Err(ErrorCode::ParameterInvalid), "{text}");
        }
    }
}
