//! The owner of a connection's socket.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use futures::StreamExt as _;
use futures::future::{BoxFuture, OptionFuture};
use pravega_protocol::wire::FrameCodec;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{sleep_until, timeout};
use tokio_util::codec::Decoder as _;
use tokio_util::sync::CancellationToken;

use super::StoreContext;
use super::close_reason::CloseReason;
use super::conversation::{Conversation, Next};
use super::reads::Awaited;
use super::room::Deferred;
use crate::node::{LogFailed, NoRoom, Node, Room};

/// Room that is made for each read of the socket.
const READ_BYTES: usize = 64 * 1024;

/// How long the last replies may take to be written.
const LAST_REPLIES: Duration = Duration::from_secs(5);

/// How long the client may take to close after them.
const DRAIN: Duration = Duration::from_secs(1);

/// Most that a client may send into a connection that ends, and still hear its last replies.
const DRAINED_BYTES: usize = 64 * 1024 * 1024;

/// Serves one connection to its end.
pub(super) async fn run<R, W>(reader: R, writer: W, context: Arc<StoreContext>, stop: CancellationToken)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let node = Arc::clone(&context.node);
    let mut connection = Connection {
        reader,
        writer,
        codec: FrameCodec::store(),
        incoming: BytesMut::new(),
        conversation: Conversation::new(context),
        room: None,
        node,
    };
    let why = connection.converse(&stop).await;
    tracing::debug!(%why, "a client's connection ends");
    connection.finish().await;
}

/// What a connection met.
enum Event {
    Read(io::Result<usize>),
    Written(io::Result<usize>),
    Reached(Result<(), LogFailed>),
    Changed(Awaited),
    Room(Deferred, Result<Room, NoRoom>),
    Expired,
    Stopped,
}

struct Connection<R, W> {
    reader: R,
    writer: W,
    codec: FrameCodec,
    incoming: BytesMut,
    conversation: Conversation,
    /// Waited for by an append; nothing else is heard meanwhile.
    room: Option<BoxFuture<'static, (Deferred, Result<Room, NoRoom>)>>,
    node: Arc<Node>,
}

impl<R, W> Connection<R, W>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    /// Hears and answers until one side ends it, and says why.
    async fn converse(&mut self, stop: &CancellationToken) -> CloseReason {
        loop {
            if let Err(why) = self.check().and_then(|()| self.hear_all()).and_then(|()| self.settle()) {
                return why;
            }
            let event = self.next_event(stop).await;
            if let Err(why) = self.check().and_then(|()| self.meet(event)) {
                return why;
            }
        }
    }

    /// A node that is broken answers nothing more.
    fn check(&self) -> Result<(), CloseReason> {
        self.node.check().map_err(|_| CloseReason("a step of the node panicked"))
    }

    /// Handles the commands that have arrived, as long as there is room for their replies.
    fn hear_all(&mut self) -> Result<(), CloseReason> {
        while self.hears() {
            let decoded = self.codec.decode(&mut self.incoming);
            let Some(frame) = decoded.map_err(|_| CloseReason("bytes that are not a frame"))? else { break };
            let next = self.conversation.hear(frame);
            self.go_on(next)?;
        }
        Ok(())
    }

    fn hears(&self) -> bool {
        self.room.is_none() && self.conversation.has_room()
    }

    fn settle(&mut self) -> Result<(), CloseReason> {
        self.conversation.replies.settle(&self.node).map_err(log_failed)
    }

    fn go_on(&mut self, next: Next) -> Result<(), CloseReason> {
        match next {
            Next::Hear => Ok(()),
            Next::Close(why) => Err(why),
            Next::WaitForRoom(deferred) => {
                let node = Arc::clone(&self.node);
                let waiting = async move {
                    let room = deferred.room(&node).await;
                    (deferred, room)
                };
                self.room = Some(Box::pin(waiting));
                Ok(())
            }
        }
    }

    /// Cancel safe: what it reads and writes is kept.
    async fn next_event(&mut self, stop: &CancellationToken) -> Event {
        let (hears, expiry) = (self.hears(), self.conversation.expiry());
        let Self { reader, writer, incoming, conversation, room, node, .. } = self;
        let Conversation { replies, waiting, .. } = conversation;
        let (awaited, resumes) = (replies.awaited(), replies.has_room() && !waiting.is_empty());
        if hears {
            incoming.reserve(READ_BYTES);
        }
        tokio::select! {
            read = reader.read_buf(incoming), if hears => Event::Read(read),
            written = writer.write_buf(&mut replies.outbox), if replies.outbox.has_remaining() => Event::Written(written),
            reached = node.reached(awaited.unwrap_or_default()), if awaited.is_some() => Event::Reached(reached),
            Some(read) = waiting.next(), if resumes => Event::Changed(read),
            Some((deferred, room)) = OptionFuture::from(room.as_mut()), if room.is_some() => Event::Room(deferred, room),
            Some(()) = OptionFuture::from(expiry.map(sleep_until)) => Event::Expired,
            () = stop.cancelled() => Event::Stopped,
        }
    }

    fn meet(&mut self, event: Event) -> Result<(), CloseReason> {
        match event {
            Event::Read(Ok(0)) => Err(CloseReason("the client closed")),
            Event::Read(Err(_)) | Event::Written(Err(_)) => Err(CloseReason("the connection failed")),
            Event::Read(Ok(_)) | Event::Written(Ok(_)) => Ok(()),
            Event::Reached(reached) => self.conversation.replies.settled(reached).map_err(log_failed),
            Event::Changed(awaited) => {
                let next = self.conversation.resume(awaited);
                self.go_on(next)
            }
            Event::Room(deferred, room) => {
                self.room = None;
                let next = match room {
                    Ok(room) => self.conversation.go_on(deferred, room),
                    Err(why) => self.conversation.refuse(&deferred, &why),
                };
                self.go_on(next)
            }
            Event::Expired => {
                self.conversation.drop_transients();
                Err(CloseReason("a writer's token has expired"))
            }
            Event::Stopped => Err(CloseReason("the store stops")),
        }
    }

    /// Sends what is due, and closes so that the client still receives it.
    async fn finish(mut self) {
        if let Ok(Ok(())) = timeout(LAST_REPLIES, self.send_all()).await {
            // to close a socket that holds unread bytes would reset the connection, and the last replies be lost
            let _ = timeout(DRAIN, self.drain()).await;
        }
    }

    async fn send_all(&mut self) -> io::Result<()> {
        let Self { conversation: Conversation { replies, .. }, node, writer, .. } = self;
        while !replies.is_empty() {
            replies.settle(node).map_err(io::Error::other)?;
            if let Some(position) = replies.awaited() {
                let reached = node.reached(position).await;
                replies.settled(reached).map_err(io::Error::other)?;
            }
            writer.write_all_buf(&mut replies.outbox).await?;
        }
        assert!(replies.is_empty(), "all that was due is written");
        writer.shutdown().await
    }

    async fn drain(&mut self) -> io::Result<()> {
        let mut left = DRAINED_BYTES;
        loop {
            self.incoming.clear();
            self.incoming.reserve(READ_BYTES);
            match self.reader.read_buf(&mut self.incoming).await? {
                0 => return Ok(()),
                read => left = left.saturating_sub(read),
            }
            if left == 0 {
                return Ok(());
            }
        }
    }
}

fn log_failed(error: LogFailed) -> CloseReason {
    tracing::error!(%error, "replies of the embedded store cannot be sent");
    CloseReason("the log failed")
}
