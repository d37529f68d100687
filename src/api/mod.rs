//! The HTTP edge.
pub mod error;

pub use error::{ApiError, ErrorCode, SideEffects};
