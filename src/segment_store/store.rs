//! Segments, wherever they are: finds the store of a segment, and tries again while the segment moves.

use std::sync::Arc;

use pravega_protocol::stream::SegmentName;
use pravega_protocol::wire::{Command, CommandType, DelegationToken, JavaStr, RequestId, Segment, WireCommand};

use super::error::Error;
use super::exclusive::{Lease, LeaseKind};
use super::pool::{Pool, Purpose};
use super::session::Session;
use crate::controller::{Controller, Endpoint, Grant};
use crate::retry::Backoff;
use crate::telemetry::labels::{RequestOutcome, StoreError, StoreRequestLabels};
use crate::telemetry::metrics::Metrics;

/// Reaches segments by name for one caller: the controller says where, the pool connects. Clones share both.
#[derive(Debug, Clone)]
pub struct SegmentStore {
    controller: Controller,
    pool: Arc<Pool>,
    metrics: Metrics,
    grant: Grant,
}

impl SegmentStore {
    /// Joins the two, for a caller who shows nothing.
    pub fn new(controller: Controller, pool: Arc<Pool>, metrics: Metrics) -> Self {
        Self { controller, pool, metrics, grant: Grant::open() }
    }

    /// The same for another caller: with the credentials of this grant the controller is asked, and its tokens are shown
    /// to the stores.
    #[must_use]
    pub fn with_grant(&self, grant: &Grant) -> Self {
        Self { controller: self.controller.of_caller(grant.credentials()), grant: grant.clone(), ..self.clone() }
    }

    /// What the caller may do.
    pub fn grant(&self) -> &Grant {
        &self.grant
    }

    /// A session with the store that has the segment.
    ///
    /// A store that refuses, and gave no sign of life within the last 30 s, fails at once; with one that did, the
    /// segment's store is looked up again and tried until the caller gives up, or the 30 s are over.
    ///
    /// # Errors
    /// [`Error::Controller`], [`Error::Connect`].
    ///
    /// # Cancel safety
    /// Nothing is left half done.
    pub async fn session(&self, segment: &SegmentName, purpose: Purpose) -> Result<Session, Error> {
        let mut backoff = Backoff::default();
        loop {
            let endpoint = self.controller.endpoint(segment).await?;
            match self.pool.session(&endpoint, purpose).await {
                Ok(session) => return Ok(session),
                Err(error) => self.try_again(segment, &endpoint, error, &mut backoff).await?,
            }
        }
    }

    /// A connection of the caller's own with the store that has the segment.
    ///
    /// # Errors
    /// As [`session`](Self::session).
    ///
    /// # Cancel safety
    /// The place in the queue is lost, nothing else.
    pub async fn lease(&self, segment: &SegmentName, kind: LeaseKind) -> Result<Lease, Error> {
        let mut backoff = Backoff::default();
        loop {
            let endpoint = self.controller.endpoint(segment).await?;
            match self.pool.lease(&endpoint, kind).await {
                Ok(lease) => return Ok(lease),
                Err(error) => self.try_again(segment, &endpoint, error, &mut backoff).await?,
            }
        }
    }

    /// Pauses before another attempt, where one is worth it; else gives the error back.
    async fn try_again(
        &self,
        segment: &SegmentName,
        endpoint: &Endpoint,
        error: Error,
        backoff: &mut Backoff,
    ) -> Result<(), Error> {
        self.controller.doubt_endpoint(segment);
        self.count_error(&error);
        if !matches!(error, Error::Connect(_)) || !self.pool.was_healthy(endpoint) {
            return Err(error);
        }
        tokio::time::sleep(backoff.next_delay()).await;
        Ok(())
    }

    /// Forgets where the segment is, after a WrongHost.
    pub fn forget_endpoint(&self, segment: &SegmentName) {
        self.controller.forget_endpoint(segment);
    }

    /// Asks the segment's store, and asks again while the segment moves or a session is lost, and once with another token
    /// where the caller's was refused. For requests that may be repeated. Ends with the reply, or when the caller's
    /// deadline cancels it.
    ///
    /// # Errors
    /// [`Error::Controller`], [`Error::Connect`], [`Error::Undecodable`].
    ///
    /// # Cancel safety
    /// The request may have been sent; its reply is thrown away.
    pub async fn call<C: Command>(
        &self,
        segment: &SegmentName,
        request: impl Fn(RequestId, DelegationToken) -> C,
    ) -> Result<WireCommand, Error> {
        let mut backoff = Backoff::default();
        let mut was_refused = false;
        loop {
            let session = self.session(segment, Purpose::Read).await?;
            let token = self.grant.token().await?.shown();
            let answered = session.call(|request_id| request(request_id, token)).await;
            self.count(C::TYPE, &answered);
            match answered {
                Ok(WireCommand::WrongHost(_)) => self.forget_endpoint(segment),
                Ok(WireCommand::AuthTokenCheckFailed(_)) if !self.grant.is_open() && !was_refused => {
                    was_refused = true;
                    self.grant.doubt_token();
                }
                Err(Error::Lost(lost)) => {
                    tracing::debug!(segment = %segment, cause = %lost.cause, "retrying a request whose session was lost")
                }
                answered => return answered,
            }
            tokio::time::sleep(backoff.next_delay()).await;
        }
    }

    /// Asks the segment's store once, and holds the caller's credentials only until the request is sent.
    ///
    /// # Errors
    /// As [`call`](Self::call), and [`Error::Lost`].
    ///
    /// # Cancel safety
    /// As [`call`](Self::call).
    pub async fn call_once<C: Command>(
        self,
        segment: &SegmentName,
        request: impl FnOnce(RequestId, DelegationToken) -> C,
    ) -> Result<WireCommand, Error> {
        let session = self.session(segment, Purpose::Read).await?;
        let token = self.grant.token().await?.shown();
        let counted = self.with_grant(&Grant::open());
        drop(self);
        let answered = session.call(|request_id| request(request_id, token)).await;
        counted.count(C::TYPE, &answered);
        if let Ok(WireCommand::WrongHost(_)) = answered {
            counted.forget_endpoint(segment);
        }
        answered
    }

    fn count(&self, command: CommandType, answered: &Result<WireCommand, Error>) {
        match answered {
            Ok(reply) => self.count_reply(command.info().replies, reply),
            Err(error) => self.count_error(error),
        }
        let outcome = match answered {
            Ok(reply) if command.info().replies.contains(&reply.command_type()) => RequestOutcome::Ok,
            Ok(_) | Err(Error::Undecodable(_)) => RequestOutcome::Refused,
            Err(_) => RequestOutcome::Lost,
        };
        let labels = StoreRequestLabels { command: command.info().name, outcome };
        self.metrics.store_requests.get_or_create(&labels).inc();
    }

    /// Counts a reply, unless it is one of those expected.
    pub fn count_reply(&self, expected: &[CommandType], reply: &WireCommand) {
        let reply = reply.command_type();
        if !expected.contains(&reply) {
            self.metrics.store_failed(StoreError::Reply(reply));
        }
    }

    /// Counts what kept a reply from coming, as far as it lies with the store.
    pub fn count_error(&self, error: &Error) {
        if let Some(error) = error.of_store() {
            self.metrics.store_failed(error);
        }
    }

    /// The controller that says where segments are.
    pub fn controller(&self) -> &Controller {
        &self.controller
    }
}

/// A segment's full name as commands carry it.
pub fn wire_name(segment: &SegmentName) -> Segment {
    Segment(JavaStr::new(segment.to_string()).expect("names are far shorter than 65,535 bytes"))
}
