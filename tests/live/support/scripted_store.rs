//! A segment store that does as the test says, line by line: the other end of the wire.
//!
//! It answers Hello and KeepAlive by itself, since every session and every probe begins so.

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

/// A listener whose connections are handed to the test once they ask for something.
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
    heard: Option<WireCommand>,
}

/// A writer that was set up in a conversation.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    pub(crate) id: WriterId,
    pub(crate) segment: Segment,
    /// Of the set-up.
    pub(crate) request_id: RequestId,
}

/// A block of events as it was sent.
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

    /// The rule that sends a gateway here, whatever store the controller names.
    pub(crate) fn rule(&self) -> &str {
        &self.rule
    }

    /// The next connection on which more is said than Hello and KeepAlive.
    pub(crate) async fn conversation(&mut self) -> Conversation {
        let next = timeout(PATIENCE, self.conversations.recv()).await.expect("the gateway asks for something");
        next.expect("the listener lives as long as this")
    }

    /// The next connection, which must begin by setting up a writer; it is told that its last number is this.
    pub(crate) async fn writer(&mut self, last_number: i64) -> (Conversation, Writer) {
        let mut conversation = self.conversation().await;
        let writer = conversation.hear_setup().await;
        conversation.say_set_up(&writer, last_number).await;
        (conversation, writer)
    }

    /// As [`writer`](Self::writer), for one that never wrote.
    pub(crate) async fn new_writer(&mut self) -> (Conversation, Writer) {
        self.writer(NO_VALUE).await
    }
}

impl Drop for ScriptedStore {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Hands the connection on when something is asked; ends with it where nothing ever is.
async fn greet(socket: TcpStream, conversations: mpsc::Sender<Conversation>) {
    let mut conversation = Conversation { frames: Framed::new(socket, FrameCodec::store()), heard: None };
    if let Some(command) = conversation.next().await {
        conversation.heard = Some(command);
        // A test that is over listens no more.
        let _ = conversations.send(conversation).await;
    }
}

impl Conversation {
    /// The next command; `None` once the gateway has closed.
    pub(crate) async fn hear(&mut self) -> Option<WireCommand> {
        match self.heard.take() {
            Some(command) => Some(command),
            None => timeout(PATIENCE, self.next()).await.expect("the gateway says something, or closes"),
        }
    }

    async fn next(&mut self) -> Option<WireCommand> {
        loop {
            let frame: Frame = self.frames.next().await?.ok()?;
            let (command, skipped) = frame.to_command().expect("the gateway sends commands of the table");
            assert_eq!(skipped, 0, "{command:?}");
            match command {
                WireCommand::Hello(_) => self.say(Hello { high_version: 16, low_version: 5 }).await,
                WireCommand::KeepAlive(_) => self.say(KeepAlive {}).await,
                command => return Some(command),
            }
        }
    }

    /// Sends a reply. The gateway may have closed meanwhile.
    pub(crate) async fn say(&mut self, reply: impl Into<WireCommand>) {
        let _ = self.frames.send(reply.into().frame()).await;
    }

    /// Sends bytes that need not be frames.
    pub(crate) async fn say_bytes(&mut self, bytes: &[u8]) {
        self.frames.get_mut().write_all(bytes).await.expect("the gateway is still there");
    }

    /// Says that nothing more will be said; the gateway may still be heard.
    pub(crate) async fn say_goodbye(&mut self) {
        self.frames.get_mut().shutdown().await.expect("the gateway is still there");
    }

    /// SetupAppend, which must come next.
    pub(crate) async fn hear_setup(&mut self) -> Writer {
        match self.hear().await {
            Some(WireCommand::SetupAppend(SetupAppend { request_id, writer_id, segment, .. })) => {
                Writer { id: writer_id, segment, request_id }
            }
            other => panic!("{other:?} where SetupAppend was expected"),
        }
    }

    /// Answers SetupAppend with the last number of the writer that is stored.
    pub(crate) async fn say_set_up(&mut self, writer: &Writer, last_number: i64) {
        let Writer { id: writer_id, segment, request_id } = writer.clone();
        let last_event_number = EventNumber(last_number);
        self.say(AppendSetup { request_id, segment, writer_id, last_event_number }).await;
    }

    /// The question for a segment's state, which must come next.
    pub(crate) async fn hear_question(&mut self) -> GetStreamSegmentInfo {
        match self.hear().await {
            Some(WireCommand::GetStreamSegmentInfo(question)) => question,
            other => panic!("{other:?} where GetStreamSegmentInfo was expected"),
        }
    }

    /// Answers with an empty segment.
    pub(crate) async fn say_state(&mut self, question: GetStreamSegmentInfo, is_sealed: bool) {
        let GetStreamSegmentInfo { request_id, segment_name, .. } = question;
        let (exists, is_deleted, last_modified) = (true, false, 0);
        let (write_offset, start_offset) = (Offset(0), Offset(0));
        self.say(StreamSegmentInfo {
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

    /// A block, which must come next.
    pub(crate) async fn hear_block(&mut self) -> Block {
        let data = match self.hear().await {
            Some(WireCommand::AppendBlock(block)) => block.data.0,
            other => panic!("{other:?} where AppendBlock was expected"),
        };
        match self.hear().await {
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
        self.say(reply).await;
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
