//! The limit of a request's headers, and problems for what is too large.

use http::HeaderMap;

use crate::api::error::{ApiError, ErrorCode};
use crate::telemetry::labels::Limit;

/// What a header line adds to its name and value: `: ` and the line's end.
const LINE_BYTES: usize = 4;

/// What exceeds a limit of the sizes, as a problem.
pub(crate) fn too_large(limit: Limit, detail: String) -> ApiError {
    let code = match limit {
        Limit::Event | Limit::BufferedEvent => ErrorCode::EventTooLarge,
        Limit::RawMessage => ErrorCode::MessageTooLarge,
        _ => ErrorCode::BodyTooLarge,
    };
    ApiError::new(code, detail).over(limit)
}

/// # Errors
/// `431 headers_too_large` when all header lines together exceed `max_bytes`.
pub(crate) fn check_headers(headers: &HeaderMap, max_bytes: usize) -> Result<(), ApiError> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + LINE_BYTES).sum();
    if bytes <= max_bytes {
        return Ok(());
    }
    let detail = format!("the headers have {bytes} bytes; the limit is {max_bytes}");
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
}
