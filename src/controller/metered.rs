//! Counts what the controller is asked.

use std::num::NonZeroU32;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use pravega_protocol::stream::{Scope, ScopedStream, SegmentId, SegmentName, StreamSegments, Successor};

use super::client::{Access, ControllerClient, Placement, SegmentLocation};
use super::credentials::Credentials;
use super::error::Error;
use crate::telemetry::labels::{ControllerRequestLabels, RequestOutcome};
use crate::telemetry::metrics::Metrics;

/// A client whose calls are counted by name and outcome.
pub struct MeteredClient<C> {
    client: C,
    metrics: Metrics,
}

impl<C: ControllerClient> MeteredClient<C> {
    /// Counts the calls of this client.
    pub fn new(client: C, metrics: Metrics) -> Self {
        Self { client, metrics }
    }

    fn counted<'a, T: Send + 'a>(
        &'a self,
        call: &'static str,
        asked: BoxFuture<'a, Result<T, Error>>,
    ) -> BoxFuture<'a, Result<T, Error>> {
        let count = move |answer: Result<T, Error>| {
            let outcome = answer.as_ref().map_or_else(outcome_of, |_| RequestOutcome::Ok);
            self.metrics.controller_requests.get_or_create(&ControllerRequestLabels { call, outcome }).inc();
            answer
        };
        asked.map(count).boxed()
    }
}

fn outcome_of(error: &Error) -> RequestOutcome {
    match error {
        Error::Unavailable { .. } => RequestOutcome::Lost,
        Error::Timeout { .. } => RequestOutcome::TimedOut,
        Error::ScopeNotFound(_)
        | Error::StreamNotFound(_)
        | Error::Unauthenticated { .. }
        | Error::Forbidden { .. }
        | Error::Rejected { .. }
        | Error::Protocol { .. } => RequestOutcome::Refused,
    }
}

impl<C: ControllerClient> ControllerClient for MeteredClient<C> {
    fn current_segments<'a>(
        &'a self,
        caller: &'a Credentials,
        stream: &'a ScopedStream,
    ) -> BoxFuture<'a, Result<StreamSegments, Error>> {
        self.counted("getCurrentSegments", self.client.current_segments(caller, stream))
    }

    fn epoch_segments<'a>(
        &'a self,
        caller: &'a Credentials,
        stream: &'a ScopedStream,
        epoch: u32,
    ) -> BoxFuture<'a, Result<StreamSegments, Error>> {
        self.counted("getEpochSegments", self.client.epoch_segments(caller, stream, epoch))
    }

    fn head_segments<'a>(
        &'a self,
        caller: &'a Credentials,
        stream: &'a ScopedStream,
    ) -> BoxFuture<'a, Result<Vec<SegmentLocation>, Error>> {
        self.counted("getSegments", self.client.head_segments(caller, stream))
    }

    fn segments_between<'a>(
        &'a self,
        caller: &'a Credentials,
        stream: &'a ScopedStream,
        from: &'a [SegmentLocation],
        to: &'a [SegmentLocation],
    ) -> BoxFuture<'a, Result<Vec<SegmentId>, Error>> {
        self.counted("getSegmentsBetween", self.client.segments_between(caller, stream, from, to))
    }

    fn segments_following<'a>(
        &'a self,
        caller: &'a Credentials,
        segment: &'a SegmentName,
    ) -> BoxFuture<'a, Result<Vec<Successor>, Error>> {
        self.counted("getSegmentsImmediatelyFollowing", self.client.segments_following(caller, segment))
    }

    fn get_uri<'a>(
        &'a self,
        caller: &'a Credentials,
        segment: &'a SegmentName,
    ) -> BoxFuture<'a, Result<Placement, Error>> {
        self.counted("getURI", self.client.get_uri(caller, segment))
    }

    fn scope_exists<'a>(&'a self, caller: &'a Credentials, scope: &'a Scope) -> BoxFuture<'a, Result<bool, Error>> {
        self.counted("checkScopeExists", self.client.scope_exists(caller, scope))
    }

    fn create_scope<'a>(&'a self, caller: &'a Credentials, scope: &'a Scope) -> BoxFuture<'a, Result<(), Error>> {
        self.counted("createScope", self.client.create_scope(caller, scope))
    }

    fn create_stream<'a>(
        &'a self,
        caller: &'a Credentials,
        stream: &'a ScopedStream,
        segments: NonZeroU32,
    ) -> BoxFuture<'a, Result<(), Error>> {
        self.counted("createStream", self.client.create_stream(caller, stream, segments))
    }

    fn stream_exists<'a>(
        &'a self,
        caller: &'a Credentials,
        stream: &'a ScopedStream,
    ) -> BoxFuture<'a, Result<bool, Error>> {
        self.counted("checkStreamExists", self.client.stream_exists(caller, stream))
    }

    fn delegation_token<'a>(
        &'a self,
        caller: &'a Credentials,
        stream: &'a ScopedStream,
        access: Access,
    ) -> BoxFuture<'a, Result<String, Error>> {
        self.counted("getDelegationToken", self.client.delegation_token(caller, stream, access))
    }
}
