//! A connection to one store that sends commands unchanged.

use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use pravega_protocol::wire::{
    AppendBlockEnd, CreateSegment, DelegationToken, ErrorMessage, EventNumber, Frame, FrameCodec, GetStreamSegmentInfo,
    JavaStr, Offset, ReadSegment, RequestId, Segment, SegmentRead, SetupAppend, StreamSegmentInfo, TruncateSegment,
    WireCommand, WriterId,
};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::codec::Framed;

/// Longest wait for a reply; longer than a store waits for room.
const PATIENCE: Duration = Duration::from_secs(30);

/// The store is gone, or has closed the connection.
#[derive(Debug)]
pub(crate) struct Gone;

pub(crate) struct Client {
    frames: Framed<TcpStream, FrameCodec>,
    last_request: i64,
}

pub(crate) fn named(name: &str) -> Segment {
    Segment(JavaStr::new(name).expect("short"))
}

pub(crate) fn token() -> DelegationToken {
    DelegationToken::none()
}

/// One block of whole events; `number` is that of the last one.
pub(crate) fn block(writer_id: WriterId, number: i64, num_events: i32, data: impl Into<Bytes>) -> AppendBlockEnd {
    AppendBlockEnd {
        writer_id,
        size_of_whole_events: 0,
        data: data.into().into(),
        num_events,
        last_event_number: EventNumber(number),
        request_id: RequestId(number),
    }
}

/// The text of an `ErrorMessage`.
#[track_caller]
pub(crate) fn error_message(reply: &WireCommand) -> &str {
    match reply {
        WireCommand::ErrorMessage(ErrorMessage { message, error_code, .. }) if error_code.0 == -1 => message.as_str(),
        other => panic!("no ErrorMessage: {other:?}"),
    }
}

impl Client {
    pub(crate) async fn connect(address: &str) -> Self {
        let socket = TcpStream::connect(address).await.expect("a store listens");
        socket.set_nodelay(true).expect("a TCP socket");
        Self { frames: Framed::new(socket, FrameCodec::client()), last_request: 0 }
    }

    pub(crate) fn request_id(&mut self) -> RequestId {
        self.last_request += 1;
        RequestId(self.last_request)
    }

    /// Sends one command and flushes it.
    pub(crate) async fn send(&mut self, command: impl Into<WireCommand>) -> Result<(), Gone> {
        let sent = timeout(PATIENCE, self.frames.send(command.into().frame())).await;
        sent.expect("the store reads").map_err(|_| Gone)
    }

    /// The next reply.
    pub(crate) async fn receive(&mut self) -> Result<WireCommand, Gone> {
        let next = timeout(PATIENCE, self.frames.next()).await.expect("the store answers or closes");
        let frame: Frame = next.ok_or(Gone)?.map_err(|_| Gone)?;
        Ok(frame.to_command().expect("stores send commands of the table").0)
    }

    pub(crate) async fn ask(&mut self, command: impl Into<WireCommand>) -> Result<WireCommand, Gone> {
        self.send(command).await?;
        self.receive().await
    }

    pub(crate) async fn create(&mut self, segment: &Segment) {
        let (request_id, segment, delegation_token) = (self.request_id(), segment.clone(), token());
        let (target_rate, scale_type, rollover_size_bytes) = (0, 0, 0);
        let create =
            CreateSegment { request_id, segment, target_rate, scale_type, delegation_token, rollover_size_bytes };
        let reply = self.ask(create).await.expect("it runs");
        assert!(matches!(reply, WireCommand::SegmentCreated(_)), "{reply:?}");
    }

    /// Sets up a writer; returns its last stored number.
    pub(crate) async fn set_up(&mut self, segment: &Segment, writer_id: WriterId) -> Result<i64, Gone> {
        let (request_id, segment, delegation_token) = (self.request_id(), segment.clone(), token());
        match self.ask(SetupAppend { request_id, writer_id, segment, delegation_token }).await? {
            WireCommand::AppendSetup(setup) => Ok(setup.last_event_number.0),
            other => panic!("not set up: {other:?}"),
        }
    }

    pub(crate) async fn info(&mut self, segment: &Segment) -> StreamSegmentInfo {
        let (request_id, segment_name, delegation_token) = (self.request_id(), segment.clone(), token());
        match self.ask(GetStreamSegmentInfo { request_id, segment_name, delegation_token }).await.expect("it runs") {
            WireCommand::StreamSegmentInfo(info) => info,
            other => panic!("no such segment: {other:?}"),
        }
    }

    pub(crate) async fn truncate(&mut self, segment: &Segment, offset: i64) -> WireCommand {
        let (request_id, segment, delegation_token) = (self.request_id(), segment.clone(), token());
        let truncation_offset = Offset(offset);
        self.ask(TruncateSegment { request_id, segment, truncation_offset, delegation_token }).await.expect("it runs")
    }

    /// The bytes between two offsets, which must exist.
    pub(crate) async fn read(&mut self, segment: &Segment, mut from: i64, to: i64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while from < to {
            let (request_id, segment, delegation_token) = (self.request_id(), segment.clone(), token());
            let suggested_length = i32::try_from(to - from).unwrap_or(i32::MAX);
            let read = ReadSegment { segment, offset: Offset(from), suggested_length, delegation_token, request_id };
            match self.ask(read).await.expect("it runs") {
                WireCommand::SegmentRead(SegmentRead { data, .. }) => {
                    assert!(!data.0.0.is_empty(), "nothing at {from}, and it ends at {to}");
                    bytes.extend_from_slice(&data.0.0);
                    from += data.0.0.len() as i64;
                }
                other => panic!("no bytes: {other:?}"),
            }
        }
        bytes
    }
}
