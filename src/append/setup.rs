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

use super::failure::Failure;
use super::recovery::failure_of;
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

    /// Sets the writer up. Nothing may be sent before, because the reply decides what is to be sent.
    pub(super) async fn open(&self) -> Result<ReadyFlow, Failure> {
        self.set_up(self.open_flow().await?).await
    }

    /// The number of the writer's last event in a sealed segment; `None` while the segment does not say that it is
    /// sealed, since earlier appends may still be committed until then.
    ///
    /// One connection answers both, as another one may lead to a store that lags behind.
    pub(super) async fn final_number(&self) -> Result<Option<i64>, Failure> {
        let mut flow = self.open_flow().await?;
        if !self.is_sealed(&mut flow).await? {
            return Ok(None);
        }
        let ready = self.set_up(flow).await?;
        Ok(Some(ready.last_number))
    }

    /// Makes the next connection ask the controller where the segment is.
    pub(super) fn forget_endpoint(&self) {
        self.store.forget_endpoint(&self.segment);
    }

    pub(super) async fn open_flow(&self) -> Result<Flow, Failure> {
        let session = self.store.session(&self.segment, Purpose::Append).await.map_err(Failure::Unreachable)?;
        session.open_flow().await.map_err(|_| Failure::Disconnected)
    }

    pub(super) async fn is_sealed(&self, flow: &mut Flow) -> Result<bool, Failure> {
        let question = GetStreamSegmentInfo {
            request_id: flow.next_request_id(),
            segment_name: wire_name(&self.segment),
            delegation_token: DelegationToken::none(),
        };
        match self.ask(flow, question).await? {
            WireCommand::StreamSegmentInfo(info) => Ok(info.is_sealed),
            other => Err(failure_of(&other)),
        }
    }

    pub(super) async fn set_up(&self, mut flow: Flow) -> Result<ReadyFlow, Failure> {
        let request = self.request(&mut flow);
        match self.ask(&mut flow, request).await? {
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

    pub(super) fn request(&self, flow: &mut Flow) -> SetupAppend {
        SetupAppend {
            request_id: flow.next_request_id(),
            writer_id: self.writer_id,
            segment: wire_name(&self.segment),
            delegation_token: DelegationToken::none(),
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

pub(super) async fn send(flow: &Flow, request: impl Command) -> Result<(), Failure> {
    let mut frame = BytesMut::new();
    request.encode_frame(&mut frame);
    flow.send(frame.freeze()).await.map_err(|_| Failure::Disconnected)
}
