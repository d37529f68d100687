//! One round of questions to a controller, without memory.

use std::num::NonZeroU32;
use std::sync::Arc;

use futures::future::BoxFuture;
use pravega_protocol::stream::{Scope, ScopedStream, SegmentId, SegmentName, StreamSegments, Successor};

use super::credentials::Credentials;
use super::endpoint::Endpoint;
use super::error::Error;

/// What a delegation token is to allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Reading.
    Read,
    /// Appending and everything else.
    Write,
    /// Both.
    ReadWrite,
}

/// A place in a stream cut: a segment and a byte offset in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SegmentLocation {
    /// The segment.
    pub segment: SegmentId,
    /// Bytes from its beginning; −1 when the segment has not begun at this cut.
    pub offset: i64,
}

/// Where a segment lives, in the controller's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// Host and port as the controller said them; the host may be empty or unspecified.
    pub said: Endpoint,
    /// The host at which the controller that said so was reached.
    pub controller_host: Arc<str>,
}

/// The controller calls that the gateway makes, each with the credentials of a caller: one round over the known
/// addresses, not retried and not remembered.
///
/// A missing stream is always [`Error::StreamNotFound`] here; [`Controller`](super::Controller) finds out
/// whether its scope is missing.
///
/// # Cancel safety
/// Dropping a call's future gives up the answer and nothing else; what was to be created may be created.
pub trait ControllerClient: Send + Sync + 'static {
    /// The segments that take appends; none when the stream is sealed.
    fn current_segments<'a>(
        &'a self,
        caller: &'a Credentials,
        stream: &'a ScopedStream,
    ) -> BoxFuture<'a, Result<StreamSegments, Error>>;

    /// The segments of an epoch, with their parts of the key space.
    fn epoch_segments<'a>(
        &'a self,
        caller: &'a Credentials,
        stream: &'a ScopedStream,
        epoch: u32,
    ) -> BoxFuture<'a, Result<StreamSegments, Error>>;

    /// The cut at which the readable part of the stream begins.
    fn head_segments<'a>(
        &'a self,
        caller: &'a Credentials,
        stream: &'a ScopedStream,
    ) -> BoxFuture<'a, Result<Vec<SegmentLocation>, Error>>;

    /// Every segment on or between two cuts, in any order; an empty `to` is the active epoch.
    fn segments_between<'a>(
        &'a self,
        caller: &'a Credentials,
        stream: &'a ScopedStream,
        from: &'a [SegmentLocation],
        to: &'a [SegmentLocation],
    ) -> BoxFuture<'a, Result<Vec<SegmentId>, Error>>;

    /// The segments that follow a sealed one; none for the last of a sealed stream, and none for an active
    /// or unknown segment.
    fn segments_following<'a>(
        &'a self,
        caller: &'a Credentials,
        segment: &'a SegmentName,
    ) -> BoxFuture<'a, Result<Vec<Successor>, Error>>;

    /// Where a segment lives. The controller answers for any name, whether it exists or not.
    fn get_uri<'a>(
        &'a self,
        caller: &'a Credentials,
        segment: &'a SegmentName,
    ) -> BoxFuture<'a, Result<Placement, Error>>;

    /// Whether there is such a scope.
    fn scope_exists<'a>(&'a self, caller: &'a Credentials, scope: &'a Scope) -> BoxFuture<'a, Result<bool, Error>>;

    /// Creates a scope; one that exists is fine.
    fn create_scope<'a>(&'a self, caller: &'a Credentials, scope: &'a Scope) -> BoxFuture<'a, Result<(), Error>>;

    /// Creates a stream of a fixed number of segments, in a scope that exists; a stream that exists is fine.
    fn create_stream<'a>(
        &'a self,
        caller: &'a Credentials,
        stream: &'a ScopedStream,
        segments: NonZeroU32,
    ) -> BoxFuture<'a, Result<(), Error>>;

    /// Whether there is such a stream.
    fn stream_exists<'a>(
        &'a self,
        caller: &'a Credentials,
        stream: &'a ScopedStream,
    ) -> BoxFuture<'a, Result<bool, Error>>;

    /// A token for the segment store; empty where the controller has authentication off.
    fn delegation_token<'a>(
        &'a self,
        caller: &'a Credentials,
        stream: &'a ScopedStream,
        access: Access,
    ) -> BoxFuture<'a, Result<String, Error>>;
}
