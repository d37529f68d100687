//! A segment store that the test scripts message by message: the other end of the wire.
//!
//! It answers Hello and KeepAlive automatically, since every session and every probe begins with them.

use bytes::{Buf as _, Bytes};
use futures::{SinkExt as _, StreamExt as _};
use pravega_protocol::wire::{
    AppendBlockEnd, AppendSetup, DataAppended, EventNumber, Frame, FrameCodec, GetStreamSegmentInfo, Hello, KeepAlive,
    NO_VALUE, Offset, RequestId, Segment, SetupAppend, StreamSegmentInfo, WireCommand, WriterId,
};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::codec::Framed;

use super::PATIENCE;

/// A listener that hands each connection to the test once a command other than Hello and KeepAlive arrives.
#[derive(Debug)]
pub(crate) struct ScriptedStore {
    rule: String,
    conversations: mpsc::Receiver<Conversation>,
    accepting: JoinHandle<()>,
}

/// A connection after Hello.
#[derive(Debug)]
pub(crate) struct Conversation {
    frames: Framed<TcpStream, FrameCodec>,
    received: Option<WireCommand>,
}

/// A writer that was set up in a conversation.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    pub(crate) id: WriterId,
    pub(crate) segment: Segment,
    /// The request id of its SetupAppend.
    pub(crate) request_id: RequestId,
}

/// A block of events as the gateway sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) writer_id: WriterId,
    pub(crate) payloads: Vec<Bytes>,
    pub(crate) last_number: i64,
    pub(crate) request_id: RequestId,
}

impl ScriptedStore {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (sender, conversations) = mpsc::channel(16);
        let accepting = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(greet(socket, sender.clone()));
            }
        });
        Self { rule: format!("*:*={address}"), conversations, accepting }
    }

    /// The rewrite rule that sends a gateway here, whichever store the controller names.
    pub(crate) fn rule(&self) -> &str {
        &self.rule
    }

    /// The next connection on which a command other than Hello and KeepAlive arrives.
    pub(crate) async fn conversation(&mut self) -> Conversation {
        let next = timeout(PATIENCE, self.conversations.recv()).await.expect("the gateway asks for something");
        next.expect("the listener lives as long as this")
    }

    /// The next connection, which must begin with SetupAppend; the reply reports this last number.
    pub(crate) async fn writer(&mut self, last_number: i64) -> (Conversation, Writer) {
        let mut conversation = self.conversation().await;
        let writer = conversation.receive_setup().await;
        conversation.send_set_up(&writer, last_number).await;
        (conversation, writer)
    }

    /// Like [`writer`](Self::writer), for a writer that has never written.
    pub(crate) async fn new_writer(&mut self) -> (Conversation, Writer) {
        self.writer(NO_VALUE).await
    }
}

impl Drop for ScriptedStore {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Hands the connection on at its first command; ends with the connection if none arrives.
async fn greet(socket: TcpStream, conversations: mpsc::Sender<Conversation>) {
    let mut conversation = Conversation { frames: Framed::new(socket, FrameCodec::store()), received: None };
    if let Some(command) = conversation.next().await {
        conversation.received = Some(command);
        // The test may be over.
        let _ = conversations.send(conversation).await;
    }
}

impl Conversation {
    /// The next command; `None` once the gateway has closed the connection.
    pub(crate) async fn receive(&mut self) -> Option<WireCommand> {
        match self.received.take() {
            Some(command) => Some(command),
            None => timeout(PATIENCE, self.next()).await.expect("the gateway sends something or closes"),
        }
    }

    async fn next(&mut self) -> Option<WireCommand> {
        loop {
            let frame: Frame = self.frames.next().await?.ok()?;
            let (command, skipped) = frame.to_command().expect("the gateway sends commands of the table");
            assert_eq!(skipped, 0, "{command:?}");
            match command {
                WireCommand::Hello(_) => self.send(Hello { high_version: 16, low_version: 5 }).await,
                WireCommand::KeepAlive(_) => self.send(KeepAlive {}).await,
                command => return Some(command),
            }
        }
    }

    /// Sends a reply. The gateway may have closed the connection already.
    pub(crate) async fn send(&mut self, reply: impl Into<WireCommand>) {
        let _ = self.frames.send(reply.into().frame()).await;
    }

    /// Sends bytes that need not be frames.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.frames.get_mut().write_all(bytes).await.expect("the gateway is still there");
    }

    /// Closes the sending half of the connection; the gateway can still send.
    pub(crate) async fn send_eof(&mut self) {
        self.frames.get_mut().shutdown().await.expect("the gateway is still there");
    }

    /// Receives SetupAppend, which must come next.
    pub(crate) async fn receive_setup(&mut self) -> Writer {
        match self.receive().await {
            Some(WireCommand::SetupAppend(SetupAppend { request_id, writer_id, segment, .. })) => {
                Writer { id: writer_id, segment, request_id }
            }
            other => panic!("{other:?} where SetupAppend was expected"),
        }
    }

    /// Answers SetupAppend with the writer's last stored number.
    pub(crate) async fn send_set_up(&mut self, writer: &Writer, last_number: i64) {
        let Writer { id: writer_id, segment, request_id } = writer.clone();
        let last_event_number = EventNumber(last_number);
        self.send(AppendSetup { request_id, segment, writer_id, last_event_number }).await;
    }

    /// Receives GetStreamSegmentInfo, which must come next.
    pub(crate) async fn receive_question(&mut self) -> GetStreamSegmentInfo {
        match self.receive().await {
            Some(WireCommand::GetStreamSegmentInfo(question)) => question,
            other => panic!("{other:?} where GetStreamSegmentInfo was expected"),
        }
    }

    /// Answers that the segment is empty.
    pub(crate) async fn send_state(&mut self, question: GetStreamSegmentInfo, is_sealed: bool) {
        self.send_bounds(question, is_sealed, 0, 0).await;
    }

    /// Answers that the segment holds the bytes from `head` to `tail`.
    pub(crate) async fn send_bounds(&mut self, question: GetStreamSegmentInfo, is_sealed: bool, head: i64, tail: i64) {
        let GetStreamSegmentInfo { request_id, segment_name, .. } = question;
        let (exists, is_deleted, last_modified) = (true, false, 0);
        let (write_offset, start_offset) = (Offset(tail), Offset(head));
        self.send(StreamSegmentInfo {
            request_id,
            segment_name,
            exists,
            is_sealed,
            is_deleted,
            last_modified,
            write_offset,
            start_offset,
        })
        .await;
    }

    /// Receives a block, which must come next.
    pub(crate) async fn receive_block(&mut self) -> Block {
        let data = match self.receive().await {
            Some(WireCommand::AppendBlock(block)) => block.data.0,
            other => panic!("{other:?} where AppendBlock was expected"),
        };
        match self.receive().await {
            Some(WireCommand::AppendBlockEnd(end)) => block(data, end),
            other => panic!("{other:?} where AppendBlockEnd was expected"),
        }
    }

    /// Acknowledges a block that follows the number `previous` and ends at `offset` of the segment.
    pub(crate) async fn acknowledge(&mut self, block: &Block, previous: i64, offset: i64) {
        let reply = DataAppended {
            writer_id: block.writer_id,
            event_number: EventNumber(block.last_number),
            previous_event_number: EventNumber(previous),
            request_id: block.request_id,
            current_segment_write_offset: Offset(offset),
        };
        self.send(reply).await;
    }
}

fn block(data: Bytes, end: AppendBlockEnd) -> Block {
    assert_eq!(usize::try_from(end.size_of_whole_events), Ok(data.len()));
    let payloads = events(data);
    assert_eq!(usize::try_from(end.num_events), Ok(payloads.len()));
    Block { writer_id: end.writer_id, payloads, last_number: end.last_event_number.0, request_id: end.request_id }
}

fn events(mut data: Bytes) -> Vec<Bytes> {
    let mut events = Vec::new();
    while !data.is_empty() {
        assert_eq!(data.get_i32(), 0, "the type of an event");
        let length = usize::try_from(data.get_i32()).expect("a length");
        events.push(data.split_to(length));
    }
    events
}
