//! Limits of connections and heads.

use http::HeaderMap;

use super::error::{ApiError, ErrorCode};
use crate::config;
use crate::telemetry::labels::Limit;

/// File descriptors that are left for everything but callers: stores, controller, log, files.
const SPARE_DESCRIPTORS: usize = 512;

/// What a header line adds to its name and value: `: ` and the line's end.
const LINE_BYTES: usize = 4;

/// Raises the soft limit of file descriptors to the hard one and says how many connections that allows: at most
/// `limits.connections`, and the descriptors less 512 that other things need, but at least one.
pub fn effective_connections(limits: &config::Limits) -> usize {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(descriptors) => connections_within(limits.connections, usize::try_from(descriptors).unwrap_or(usize::MAX)),
        Err(error) => {
            tracing::warn!(%error, "cannot read the limit of file descriptors");
            limits.connections
        }
    }
}

fn connections_within(asked: usize, descriptors: usize) -> usize {
    asked.min(descriptors.saturating_sub(SPARE_DESCRIPTORS)).max(1)
}

/// What exceeds a limit of the sizes, as a problem.
pub(super) fn too_large(limit: Limit, detail: String) -> ApiError {
    let code = match limit {
        Limit::Event | Limit::BufferedEvent => ErrorCode::EventTooLarge,
        Limit::RawMessage => ErrorCode::MessageTooLarge,
        _ => ErrorCode::BodyTooLarge,
    };
    ApiError::new(code, detail).over(limit)
}

/// # Errors
/// `431 headers_too_large` when all header lines together exceed `max_bytes`.
pub(super) fn check_headers(headers: &HeaderMap, max_bytes: usize) -> Result<(), ApiError> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + LINE_BYTES).sum();
    if bytes <= max_bytes {
        return Ok(());
    }
    let detail = format!("the headers are {bytes} bytes, more than {max_bytes}");
    Err(ApiError::new(ErrorCode::HeadersTooLarge, detail).member("maxBytes", max_bytes).over(Limit::Headers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_refused_just_over_the_limit() {
        let headers = HeaderMap::from_iter([(http::header::COOKIE, http::HeaderValue::from_static("0123456789"))]);
        let bytes = "cookie: 0123456789\r\n".len();
        assert!(check_headers(&headers, bytes).is_ok());
        let refused = check_headers(&headers, bytes - 1).expect_err("one byte too many");
        assert_eq!(refused.code(), ErrorCode::HeadersTooLarge);
    }

    #[test]
    fn connections_leave_descriptors_for_other_things() {
        assert_eq!(connections_within(16_384, 1_048_576), 16_384);
        assert_eq!(connections_within(16_384, 1024), 512);
        assert_eq!(connections_within(16_384, 256), 1);
    }
}
