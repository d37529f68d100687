//! Bodies that hold bytes of the budget.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::budget::Permit;

/// A body that holds its bytes of the budget until it is written, or its reader is gone.
struct PermitBody {
    body: Body,
    _permit: Permit,
}

/// Ties a permit to the life of a body.
pub(crate) fn hold(body: Body, permit: Permit) -> Body {
    Body::new(PermitBody { body, _permit: permit })
}

impl http_body::Body for PermitBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
