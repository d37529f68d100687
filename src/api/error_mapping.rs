//! How the errors of the layers below look to callers. The only place that knows both.

use http::HeaderName;

use crate::api::error::{ApiError, ErrorCode};
use crate::telemetry::labels::Limit;
use crate::{append, budget, controller, read, segment_store};

const HEAD_OFFSET: HeaderName = HeaderName::from_static("head-offset");
const TAIL_OFFSET: HeaderName = HeaderName::from_static("tail-offset");

pub(crate) fn controller(error: &controller::Error) -> ApiError {
    use controller::Error;
    let code = match error {
        Error::ScopeNotFound(_) => ErrorCode::ScopeNotFound,
        Error::StreamNotFound(_) => ErrorCode::StreamNotFound,
        Error::Unauthenticated { .. } => ErrorCode::Unauthenticated,
        Error::Forbidden { .. } => ErrorCode::Forbidden,
        Error::Unavailable { .. } | Error::Timeout { .. } => ErrorCode::ControllerUnavailable,
        Error::Rejected { .. } | Error::Protocol { .. } => ErrorCode::UpstreamError,
    };
    match error {
        Error::Unauthenticated { .. } => {
            ApiError::new(code, "Pravega demands credentials, or did not accept those in the header Authorization")
        }
        Error::Forbidden { .. } => ApiError::new(code, "Pravega does not allow the caller to do this"),
        error => ApiError::new(code, error.to_string()),
    }
}

impl From<segment_store::Error> for ApiError {
    fn from(error: segment_store::Error) -> Self {
        use segment_store::Error;
        match &error {
            Error::Controller(error) => controller(error),
            Error::Connect(_) | Error::Lost(_) => Self::new(ErrorCode::StoreUnavailable, error.to_string()),
            Error::Undecodable(_) => Self::new(ErrorCode::UpstreamError, error.to_string()),
        }
    }
}

impl From<append::Error> for ApiError {
    fn from(error: append::Error) -> Self {
        use append::Error;
        let api = match &error {
            Error::StreamSealed(_) => Self::new(ErrorCode::StreamSealed, error.to_string()),
            Error::SegmentSealed(_) => Self::new(ErrorCode::SegmentSealed, error.to_string()),
            Error::SegmentNotFound { .. } => Self::new(ErrorCode::SegmentNotFound, error.to_string()),
            Error::Controller(error) => controller(error),
            Error::Store { error, .. } => error.clone().into(),
            Error::Refused { .. } => Self::new(ErrorCode::UpstreamError, error.to_string()),
            Error::Failed { .. } | Error::Stopped { .. } | Error::Stalled(_) => {
                Self::new(ErrorCode::StoreUnavailable, error.to_string())
            }
        };
        if error.may_have_been_written() { api.possible() } else { api }
    }
}

impl From<read::Error> for ApiError {
    fn from(error: read::Error) -> Self {
        use read::Error;
        let detail = error.to_string();
        match error {
            Error::SegmentNotFound(_) => Self::new(ErrorCode::SegmentNotFound, detail),
            Error::Truncated { head, .. } => Self::new(ErrorCode::OffsetTruncated, detail)
                .member("headOffset", head)
                .header(HEAD_OFFSET, head.into()),
            Error::BeyondTail { tail, .. } => Self::new(ErrorCode::OffsetBeyondTail, detail)
                .member("tailOffset", tail)
                .header(TAIL_OFFSET, tail.into()),
            Error::NotABoundary { .. } => Self::new(ErrorCode::NotAnEventBoundary, detail),
            Error::EventTooLarge { .. } => {
                let hint = "; Accept: application/octet-stream with count=1 streams it";
                Self::new(ErrorCode::EventTooLarge, detail + hint).over(Limit::BufferedEvent)
            }
            Error::Overloaded(error) => error.into(),
            Error::Store(error) => error.into(),
            Error::Stalled { .. } => Self::new(ErrorCode::DeadlineExceeded, detail),
            Error::Refused { .. } => Self::new(ErrorCode::UpstreamError, detail),
        }
    }
}

impl From<read::TooManyWaits> for ApiError {
    fn from(error: read::TooManyWaits) -> Self {
        Self::new(ErrorCode::Overloaded, error.to_string())
    }
}

impl From<budget::Overloaded> for ApiError {
    fn from(error: budget::Overloaded) -> Self {
        use budget::Overloaded;
        let (code, limit) = match error {
            Overloaded::Exhausted { .. } => (ErrorCode::Overloaded, Limit::BytesInFlight),
            Overloaded::OverShare { .. } => (ErrorCode::CallerOverShare, Limit::CallerShare),
            Overloaded::TooLarge { .. } => (ErrorCode::BodyTooLarge, Limit::BytesInFlight),
        };
        Self::new(code, error.to_string()).over(limit)
    }
}
