//! How a writer is set up on a connection to its segment's store.
//!
//! ```text
//! open:          SetupAppend ─▶ AppendSetup: the number of the writer's last stored event
//! final_number:  GetStreamSegmentInfo ─▶ sealed? ─ yes ─▶ SetupAppend on the same connection ─▶ the final number
//! ```

use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::BytesMut;
use pravega_protocol::stream::SegmentName;
use pravega_protocol::wire::{
    Command, DelegationToken, GetStreamSegmentInfo, NO_VALUE, SetupAppend, WireCommand, WriterId,
};
use tokio::time::timeout;

use super::callers::Callers;
use super::failure::Failure;
use super::recovery::failure_of;
use crate::controller::{Grant, Token};
use crate::segment_store::{Flow, Purpose, SegmentStore, wire_name};

/// Event numbers that a store may report; larger ones would overflow before the segment is full.
const PLAUSIBLE_NUMBERS: RangeInclusive<i64> = 0..=i64::MAX / 2;

/// What a writer needs for setting itself up: who it is, and where its segment is.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    pub(super) store: SegmentStore,
    pub(super) segment: SegmentName,
    pub(super) writer_id: WriterId,
    /// Longest wait for a reply.
    pub(super) reply_timeout: Duration,
}

/// A flow on which the writer is set up.
pub(super) struct ReadyFlow {
    pub(super) flow: Flow,
    /// Number of the writer's last stored event, or [`NO_VALUE`].
    pub(super) last_number: i64,
}

impl Setup {
    pub(super) fn new(store: SegmentStore, segment: SegmentName, writer_id: WriterId, reply_timeout: Duration) -> Self {
        Self { store, segment, writer_id, reply_timeout }
    }

    /// Sets the writer up with the token of one of its callers, the first one who is not refused. Nothing may be sent
    /// before, because the reply decides what is to be sent.
    pub(super) async fn open(&self, callers: &Callers) -> Result<ReadyFlow, Failure> {
        for_one(callers, |grant| async move { self.set_up(self.open_flow(&grant).await?, &grant).await }).await
    }

    /// The number of the writer's last event in a sealed segment; `None` while the segment does not say that it is
    /// sealed, since earlier appends may still be committed until then.
    ///
    /// One connection answers both, as another one may lead to a store that lags behind.
    pub(super) async fn final_number(&self, callers: &Callers) -> Result<Option<i64>, Failure> {
        for_one(callers, |grant| async move {
            let mut flow = self.open_flow(&grant).await?;
            if !self.is_sealed(&mut flow, &grant).await? {
                return Ok(None);
            }
            let ready = self.set_up(flow, &grant).await?;
            Ok(Some(ready.last_number))
        })
        .await
    }

    /// Makes the next connection ask the controller where the segment is.
    pub(super) fn forget_endpoint(&self) {
        self.store.forget_endpoint(&self.segment);
    }

    pub(super) async fn open_flow(&self, grant: &Grant) -> Result<Flow, Failure> {
        let store = self.store.with_grant(grant);
        let session = store.session(&self.segment, Purpose::Append).await.map_err(Failure::Unreachable)?;
        session.open_flow().await.map_err(|_| Failure::Disconnected)
    }

    pub(super) async fn is_sealed(&self, flow: &mut Flow, grant: &Grant) -> Result<bool, Failure> {
        let token = bought(grant).await?;
        let question = GetStreamSegmentInfo {
            request_id: flow.next_request_id(),
            segment_name: wire_name(&self.segment),
            delegation_token: token.shown(),
        };
        match self.ask(flow, question).await? {
            WireCommand::StreamSegmentInfo(info) => Ok(info.is_sealed),
            other => Err(failure_of(&other)),
        }
    }

    pub(super) async fn set_up(&self, mut flow: Flow, grant: &Grant) -> Result<ReadyFlow, Failure> {
        let mut reply = self.show_token(&mut flow, grant).await?;
        if matches!(reply, WireCommand::AuthTokenCheckFailed(_)) && !grant.is_open() {
            reply = self.show_token(&mut flow, grant).await?;
        }
        match reply {
            WireCommand::AppendSetup(setup) => {
                let last_number = setup.last_event_number.0;
                if last_number != NO_VALUE && !PLAUSIBLE_NUMBERS.contains(&last_number) {
                    return Err(Failure::Refused("AppendSetup with an invalid event number"));
                }
                Ok(ReadyFlow { flow, last_number })
            }
            // These replies answer appends only.
            reply @ (WireCommand::SegmentIsSealed(_) | WireCommand::InvalidEventNumber(_)) => {
                Err(Failure::Refused(reply.command_type().info().name))
            }
            other => Err(failure_of(&other)),
        }
    }

    /// Sends SetupAppend with the caller's token. One that the store does not take is not shown again.
    async fn show_token(&self, flow: &mut Flow, grant: &Grant) -> Result<WireCommand, Failure> {
        let token = bought(grant).await?;
        let request = self.request(flow, token.shown());
        let reply = self.ask(flow, request).await;
        match &reply {
            Ok(WireCommand::AppendSetup(_)) => flow.note_token(token.life()),
            // A store that finds a token expired closes without a reply.
            Ok(WireCommand::AuthTokenCheckFailed(_)) | Err(Failure::Disconnected) => grant.doubt_token(),
            _ => {}
        }
        reply
    }

    pub(super) fn request(&self, flow: &mut Flow, delegation_token: DelegationToken) -> SetupAppend {
        SetupAppend {
            request_id: flow.next_request_id(),
            writer_id: self.writer_id,
            segment: wire_name(&self.segment),
            delegation_token,
        }
    }

    async fn ask(&self, flow: &mut Flow, request: impl Command) -> Result<WireCommand, Failure> {
        send(flow, request).await?;
        match timeout(self.reply_timeout, flow.receive()).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(_)) | Err(_) => Err(Failure::Disconnected),
        }
    }
}

/// Tries something for one caller after the other, until the controller does not refuse one.
async fn for_one<T, F: Future<Output = Result<T, Failure>>>(
    callers: &Callers,
    attempt: impl Fn(Grant) -> F,
) -> Result<T, Failure> {
    let mut refused = None;
    for grant in callers.grants() {
        match attempt(grant).await {
            Err(failure) if failure.is_refusal() => refused = Some(failure),
            outcome => return outcome,
        }
    }
    Err(refused.expect("there is at least one"))
}

async fn bought(grant: &Grant) -> Result<Token, Failure> {
    grant.token().await.map_err(|error| Failure::Unreachable(error.into()))
}

pub(super) async fn send(flow: &Flow, request: impl Command) -> Result<(), Failure> {
    let mut frame = BytesMut::new();
    request.encode_frame(&mut frame);
    flow.send(frame.freeze()).await.map_err(|_| Failure::Disconnected)
}
