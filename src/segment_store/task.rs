//! The task that owns a session's socket. Only it reads and writes there: a request's future may be dropped halfway, a
//! frame may not.
//!
//! ```text
//! Session, Flow ── Message ─▶ inbox ─▶ SessionState ── outbox ─▶ socket ─▶ store
//!       ▲                                calls, flows                        │
//!       └──── reply, by its request id ─────┴◀──────────── frames ◀──────────┘
//! ```
//!
//! It ends when the last handle is dropped, when the connection fails or breaks the protocol, and when the store stays
//! silent. Whatever the end, those who wait find their sender dropped, and the cause in the session's watch.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::{Buf as _, Bytes, BytesMut};
use http_server::GaugeGuard;
use pravega_protocol::wire::{
    AuthTokenCheckFailed, Command as _, CommandType, Frame, FrameCodec, FrameError, KeepAlive, Offset, Outbox,
    RequestId, ShowError, WireCommand,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::codec::Decoder as _;
use tokio_util::either::Either;

use super::error::{Error, Lost, LostCause};
use super::handshake::{Connection, is_unannounced_end};
use super::session::{CALLS_FLOW, SessionTimes};
use crate::controller::Endpoint;

/// Bytes waiting for the socket above which no more messages are taken.
const OUTBOX_BYTES: usize = 1024 * 1024;

/// Room that is made for each read of the socket.
const READ_BYTES: usize = 64 * 1024;

/// What the session's handles ask of the task.
#[derive(Debug)]
pub(super) enum Message {
    /// Send a request that has one reply.
    Call {
        request_id: RequestId,
        /// Set for reads: a refused token comes back with the offset in place of the request id.
        read_offset: Option<Offset>,
        frame: Bytes,
        reply: oneshot::Sender<Result<WireCommand, Error>>,
    },
    /// Deliver the replies of a flow.
    OpenFlow { id: u32, sink: mpsc::Sender<WireCommand> },
    /// Send frames of a flow.
    Send { frames: Bytes },
    /// Forget a flow.
    EndFlow { id: u32 },
}

struct Call {
    read_offset: Option<Offset>,
    reply: oneshot::Sender<Result<WireCommand, Error>>,
}

pub(super) fn spawn(
    connection: Connection,
    endpoint: Endpoint,
    times: SessionTimes,
    inbox: mpsc::Receiver<Message>,
    ended: watch::Sender<Option<Arc<Lost>>>,
    open: GaugeGuard,
) {
    let parts = connection.into_parts();
    let (incoming, state) = (parts.read_buf, SessionState::default());
    let running = match parts.io {
        Either::Left(socket) => {
            let (reader, writer) = socket.into_split();
            let task = SessionTask { reader, writer, flushing: Flushing::Needless, incoming, times, inbox, state };
            Either::Left(task.run())
        }
        Either::Right(stream) => {
            let (reader, writer) = tokio::io::split(stream);
            let task = SessionTask { reader, writer, flushing: Flushing::Done, incoming, times, inbox, state };
            Either::Right(task.run())
        }
    };
    tokio::spawn(async move {
        let (cause, heard) = running.await;
        drop(open);
        tracing::debug!(store.endpoint = %endpoint, cause = %cause, "session ended");
        ended.send_replace(Some(Arc::new(Lost { endpoint, cause, heard })));
    });
}

/// Whether the writer holds back what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flushing {
    /// It never does: TCP.
    Needless,
    /// It may: TLS records that the socket had no room for.
    Due,
    /// It does not at the moment.
    Done,
}

struct SessionTask<R, W> {
    reader: R,
    writer: W,
    flushing: Flushing,
    incoming: BytesMut,
    times: SessionTimes,
    inbox: mpsc::Receiver<Message>,
    state: SessionState,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> SessionTask<R, W> {
    /// Runs until the session ends. Waiters learn of it when their senders are dropped with the state.
    async fn run(mut self) -> (LostCause, Instant) {
        let cause = self.serve().await;
        self.state.check_end(&cause);
        (cause, self.state.heard)
    }

    fn has_to_write(&self) -> bool {
        self.state.outbox.has_remaining() || self.flushing == Flushing::Due
    }

    async fn serve(&mut self) -> LostCause {
        let mut codec = FrameCodec::client();
        let mut ticks = tokio::time::interval(self.times.keep_alive / 2);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.incoming.reserve(READ_BYTES);
            tokio::select! {
                read = self.reader.read_buf(&mut self.incoming) => {
                    if let Err(cause) = self.state.received(read, &mut self.incoming, &mut codec) {
                        return cause;
                    }
                }
                message = self.inbox.recv(), if self.state.has_room() => match message {
                    Some(message) => self.state.take_all(message, &mut self.inbox),
                    None => return LostCause::Dropped,
                },
                written = write_or_flush(&mut self.writer, &mut self.state.outbox, self.flushing), if self.has_to_write() => {
                    match written {
                        Ok(flushing) => self.flushing = flushing,
                        Err(error) => return FrameError::Io(error).into(),
                    }
                }
                _ = ticks.tick() => if let Err(cause) = self.state.tick(&self.times) {
                    return cause;
                },
            }
        }
    }
}

/// Writes some of what waits, else flushes.
///
/// # Cancel safety
/// What left the outbox is written; a flush goes on where it was.
async fn write_or_flush<W: AsyncWrite + Unpin>(
    writer: &mut W,
    outbox: &mut Outbox,
    flushing: Flushing,
) -> std::io::Result<Flushing> {
    if !outbox.has_remaining() {
        writer.flush().await?;
        return Ok(Flushing::Done);
    }
    writer.write_buf(outbox).await?;
    Ok(if flushing == Flushing::Needless { Flushing::Needless } else { Flushing::Due })
}

/// The name of a reply that writers wait for: one that cannot be decoded would never arrive.
fn writers_reply(code: i32) -> Option<&'static str> {
    let command = CommandType::from_code(code)?;
    let awaited = matches!(
        command,
        CommandType::AppendSetup
            | CommandType::DataAppended
            | CommandType::ConditionalCheckFailed
            | CommandType::InvalidEventNumber
    );
    awaited.then_some(command.info().name)
}

pub(super) struct SessionState {
    pub(super) outbox: Outbox,
    calls: HashMap<RequestId, Call>,
    pub(super) flows: HashMap<u32, mpsc::Sender<WireCommand>>,
    heard: Instant,
    asked: Option<Instant>,
}

impl Default for SessionState {
    fn default() -> Self {
        Self {
            outbox: Default::default(),
            calls: HashMap::new(),
            flows: HashMap::new(),
            heard: Instant::now(),
            asked: None,
        }
    }
}

impl SessionState {
    fn has_room(&self) -> bool {
        self.outbox.bytes() < OUTBOX_BYTES
    }

    /// Takes a message and whatever else is there, so that small frames share a write.
    pub(super) fn take_all(&mut self, first: Message, inbox: &mut mpsc::Receiver<Message>) {
        self.take(first);
        while self.has_room()
            && let Ok(message) = inbox.try_recv()
        {
            self.take(message);
        }
        self.outbox.seal_small();
        self.check_outbox();
    }

    fn check_outbox(&self) {
        assert_eq!(self.outbox.bytes(), self.outbox.remaining(), "all of the outbox is ready to be written");
    }

    /// A handle outlives what was asked through it, so that without handles no one waits.
    fn check_end(&self, cause: &LostCause) {
        self.check_outbox();
        if matches!(cause, LostCause::Dropped) {
            assert_eq!(self.waiting(), 0, "calls or flows without a session wait");
        }
    }

    /// Calls and flows whose owners wait for replies.
    pub(super) fn waiting(&self) -> usize {
        let calls = self.calls.values().filter(|call| !call.reply.is_closed());
        calls.count() + self.flows.values().filter(|sink| !sink.is_closed()).count()
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Call { request_id, read_offset, frame, reply } => {
                if !reply.is_closed() {
                    let before = self.calls.insert(request_id, Call { read_offset, reply });
                    assert!(before.is_none_or(|call| call.reply.is_closed()), "two calls with one request id");
                    self.outbox.push(frame);
                }
            }
            Message::OpenFlow { id, sink } => {
                let before = self.flows.insert(id, sink);
                assert!(before.is_none_or(|sink| sink.is_closed()), "two flows with one id");
            }
            Message::Send { frames } => self.outbox.push(frames),
            Message::EndFlow { id } => {
                self.flows.remove(&id);
            }
        }
    }

    fn received(
        &mut self,
        read: std::io::Result<usize>,
        incoming: &mut BytesMut,
        codec: &mut FrameCodec,
    ) -> Result<(), LostCause> {
        if read.as_ref().is_err_and(is_unannounced_end) || read.map_err(FrameError::Io)? == 0 {
            codec.decode_eof(incoming)?;
            return Err(LostCause::Closed);
        }
        self.heard = Instant::now();
        self.asked = None;
        while let Some(frame) = codec.decode(incoming)? {
            self.deliver(&frame)?;
        }
        Ok(())
    }

    fn deliver(&mut self, frame: &Frame) -> Result<(), LostCause> {
        match frame.to_command() {
            Ok((WireCommand::KeepAlive(_) | WireCommand::Hello(_), _)) => Ok(()),
            Ok((WireCommand::AuthTokenCheckFailed(failed), _)) => self.deliver_refused_token(failed),
            Ok((reply, _)) => match reply.request_id() {
                Some(request_id) => self.deliver_to(request_id, reply),
                None => Ok(()),
            },
            Err(error) => {
                tracing::warn!(frame.code = frame.code, %error, "undecodable reply");
                self.fail_call(frame, error);
                writers_reply(frame.code).map_or(Ok(()), |name| Err(LostCause::Undecodable(name)))
            }
        }
    }

    /// Fails the call that waits for an undecodable reply, if the request id leads the payload, as in most replies.
    fn fail_call(&mut self, frame: &Frame, error: ShowError) {
        let leading = frame.payload.first_chunk().map(|bytes| RequestId(i64::from_be_bytes(*bytes)));
        if let Some(call) = leading.and_then(|request_id| self.calls.remove(&request_id)) {
            let _ = call.reply.send(Err(error.into()));
        }
    }

    pub(super) fn deliver_to(&mut self, request_id: RequestId, reply: WireCommand) -> Result<(), LostCause> {
        if request_id.flow() == CALLS_FLOW {
            if let Some(call) = self.calls.remove(&request_id) {
                let _ = call.reply.send(Ok(reply));
            }
            return Ok(());
        }
        let Some(sink) = self.flows.get(&request_id.flow()) else {
            return Ok(());
        };
        match sink.try_send(reply) {
            Err(mpsc::error::TrySendError::Full(_)) => Err(LostCause::Unasked),
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
        }
    }

    /// For a read the store puts the offset where the request id belongs; every read at that offset is answered.
    fn deliver_refused_token(&mut self, failed: AuthTokenCheckFailed) -> Result<(), LostCause> {
        let offset = Offset(failed.request_id.0);
        let of_reads: Vec<_> = self
            .calls
            .iter()
            .filter(|(_, call)| call.read_offset == Some(offset))
            .map(|(request_id, _)| *request_id)
            .collect();
        for request_id in of_reads {
            self.deliver_to(request_id, failed.clone().into())?;
        }
        self.deliver_to(failed.request_id, failed.into())
    }

    /// Sends a KeepAlive after silence, gives up after more of it, and forgets callers that gave up.
    fn tick(&mut self, times: &SessionTimes) -> Result<(), LostCause> {
        self.calls.retain(|_, call| !call.reply.is_closed());
        self.flows.retain(|_, sink| !sink.is_closed());
        match self.asked {
            Some(_) if self.heard.elapsed() >= times.dead_after => Err(LostCause::Silent(times.dead_after)),
            None if self.heard.elapsed() >= times.keep_alive => {
                self.asked = Some(Instant::now());
                let mut frame = BytesMut::new();
                KeepAlive {}.encode_frame(&mut frame);
                self.outbox.push(frame.freeze());
                self.outbox.seal_small();
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::BufWriter;
    use tokio::time::timeout;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn what_a_writer_holds_back_is_flushed_before_the_next_message() {
        let (near, mut far) = tokio::io::duplex(1024);
        let (reader, writer) = tokio::io::split(near);
        let (messages, inbox) = mpsc::channel(1);
        let times = SessionTimes { connect: PATIENCE, keep_alive: PATIENCE, dead_after: PATIENCE };
        let (writer, incoming, state) = (BufWriter::new(writer), BytesMut::new(), SessionState::default());
        let task = SessionTask { reader, writer, flushing: Flushing::Done, incoming, times, inbox, state };
        let running = tokio::spawn(task.run());
        for frame in [&b"first"[..], b"other"] {
            messages.send(Message::Send { frames: Bytes::from_static(frame) }).await.expect("the task runs");
            let mut heard = [0; 5];
            timeout(PATIENCE, far.read_exact(&mut heard)).await.expect("it is flushed").expect("the pipe stands");
            assert_eq!(heard, frame);
        }
        drop(messages);
        let (cause, _) = running.await.expect("no panic");
        assert!(matches!(cause, LostCause::Dropped), "{cause}");
    }
}
