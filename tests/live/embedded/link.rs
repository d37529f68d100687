//! A connection to each of two stores, on which the same commands are sent.

use std::collections::HashMap;
use std::time::Duration;

use bytes::BytesMut;
use futures::StreamExt as _;
use pravega_protocol::wire::{
    DelegationToken, Frame, FrameCodec, GetStreamSegmentInfo, RequestId, Segment, WireCommand, WriterId,
};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::codec::Framed;

use super::same::same;

/// Longest wait for a reply.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often the real store is queried for a state that it has not reached yet.
const MAX_QUERIES: usize = 1000;

/// One for each of the two stores: the real one, then ours.
pub(crate) type Both<T> = [T; 2];

/// A connection to one store.
struct Side {
    name: &'static str,
    frames: Framed<TcpStream, FrameCodec>,
    /// Replies to reads that waited.
    late: HashMap<RequestId, WireCommand>,
}

/// A read that has no reply yet.
#[derive(Debug, Clone)]
pub(crate) struct WaitingRead {
    pub(crate) request_id: RequestId,
    pub(crate) segment: Both<Segment>,
    pub(crate) offset: i64,
}

/// What is known about a writer on a connection.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    pub(crate) id: WriterId,
    /// Index of its segment.
    pub(crate) segment: usize,
    /// Its last stored number; `i64::MIN` if there is none.
    pub(crate) last: i64,
}

/// The same connection to both stores.
pub(crate) struct Link {
    addresses: Both<String>,
    sides: Both<Side>,
    pub(crate) waiting: Vec<WaitingRead>,
    pub(crate) writers: Vec<Writer>,
}

/// What both stores replied.
#[derive(Debug)]
pub(crate) struct Received {
    /// Our replies, which match the real ones.
    pub(crate) replies: Vec<WireCommand>,
    /// The real replies, for values that may differ.
    pub(crate) real: Vec<WireCommand>,
    pub(crate) closed: bool,
}

impl Side {
    async fn open(name: &'static str, address: &str) -> Self {
        let socket = TcpStream::connect(address).await.expect("a store listens");
        socket.set_nodelay(true).expect("a TCP socket");
        Self { name, frames: Framed::new(socket, FrameCodec::client()), late: HashMap::new() }
    }

    /// Sends bytes. The store may have closed the connection already.
    async fn send(&mut self, bytes: &[u8]) {
        let _ = self.frames.get_mut().write_all(bytes).await;
    }

    /// The next reply; `None` once the store has closed the connection.
    async fn receive(&mut self) -> Option<WireCommand> {
        let next = timeout(PATIENCE, self.frames.next()).await;
        let next = next.unwrap_or_else(|_| panic!("the {} store neither answers nor closes", self.name));
        // a reset counts as a close
        let frame: Frame = next?.ok()?;
        Some(frame.to_command().expect("stores send commands of the table").0)
    }

    /// Replies up to and including the one to `last`; those to waiting reads are kept separately.
    async fn receive_until(&mut self, last: RequestId, waiting: &[WaitingRead]) -> (Vec<WireCommand>, bool) {
        let mut replies = Vec::new();
        loop {
            match self.receive().await {
                None => return (replies, true),
                Some(reply) => self.sort(reply, waiting, &mut replies),
            }
            if replies.last().and_then(WireCommand::request_id) == Some(last) {
                return (replies, false);
            }
        }
    }

    fn sort(&mut self, reply: WireCommand, waiting: &[WaitingRead], replies: &mut Vec<WireCommand>) {
        match reply.request_id() {
            Some(request_id) if waiting.iter().any(|read| read.request_id == request_id) => {
                self.late.insert(request_id, reply);
            }
            _ => replies.push(reply),
        }
    }

    /// The reply to a read that no longer waits.
    async fn receive_late(&mut self, request_id: RequestId, waiting: &[WaitingRead]) -> Option<WireCommand> {
        loop {
            if let Some(reply) = self.late.remove(&request_id) {
                return Some(reply);
            }
            let reply = self.receive().await?;
            let mut others = Vec::new();
            self.sort(reply, waiting, &mut others);
            assert_eq!(others, [], "unexpected replies");
        }
    }
}

impl Link {
    pub(crate) async fn open(addresses: &Both<String>) -> Self {
        let sides = [Side::open("real", &addresses[0]).await, Side::open("our", &addresses[1]).await];
        Self { addresses: addresses.clone(), sides, waiting: Vec::new(), writers: Vec::new() }
    }

    /// Sends the same frames to both, then a query for a segment's state, and receives replies up to that state. Panics
    /// if they differ.
    pub(crate) async fn send(&mut self, what: &str, frames: &Both<BytesMut>, state: StateQuery<'_>) -> Received {
        let [real, ours] = &mut self.sides;
        // ours answers in order, which determines how many replies to await before querying the state
        ours.send(&frames[1]).await;
        ours.send(&state.frame(1)).await;
        let (our_replies, our_close) = ours.receive_until(state.request_id, &self.waiting).await;
        let names: Vec<_> = our_replies.iter().map(|reply| reply.command_type().info().name).collect();
        println!("   {names:?}{}", if our_close { " and closed" } else { "" });
        real.send(&frames[0]).await;
        let awaited = our_replies.len() - usize::from(!our_close);
        let mut real_replies = Vec::new();
        let mut real_close = false;
        while !real_close && (our_close || real_replies.len() < awaited) {
            match real.receive().await {
                Some(reply) => real.sort(reply, &self.waiting, &mut real_replies),
                None => real_close = true,
            }
        }
        if !real_close {
            real.send(&state.frame(0)).await;
            let (more, closed) = real.receive_until(state.request_id, &self.waiting).await;
            real_replies.extend(more);
            real_close = closed;
        }
        // commands without a reply may take the real store a moment
        let mut queries = 0;
        while !real_close
            && !real_replies.last().zip(our_replies.last()).is_some_and(|(real, ours)| same(real, ours))
            && queries < MAX_QUERIES
        {
            queries += 1;
            real_replies.pop();
            real.send(&state.frame(0)).await;
            let (more, closed) = real.receive_until(state.request_id, &self.waiting).await;
            real_replies.extend(more);
            real_close = closed;
        }
        let agree = real_replies.len() == our_replies.len()
            && real_replies.iter().zip(&our_replies).all(|(real, ours)| same(real, ours));
        assert!(
            agree && real_close == our_close,
            "{what}\nreal store: {real_replies:#?} closed: {real_close}\nours: {our_replies:#?} closed: {our_close}"
        );
        if our_close {
            let addresses = self.addresses.clone();
            *self = Self::open(&addresses).await;
        }
        Received { replies: our_replies, real: real_replies, closed: our_close }
    }

    /// Receives the replies to a read that no longer waits, which must be the same.
    pub(crate) async fn receive_late(&mut self, read: &WaitingRead) {
        println!("   {} no longer waits", read.request_id.0);
        let [real, ours] = &mut self.sides;
        let our_reply = ours.receive_late(read.request_id, &self.waiting).await.expect("ours stays open");
        let real_reply = real.receive_late(read.request_id, &self.waiting).await.expect("the real store stays open");
        assert!(same(&real_reply, &our_reply), "{read:?}\nreal store: {real_reply:#?}\nours: {our_reply:#?}");
        self.waiting.retain(|waiting| waiting.request_id != read.request_id);
    }
}

/// A query for the state of a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StateQuery<'a> {
    pub(crate) request_id: RequestId,
    pub(crate) segment: &'a Both<Segment>,
}

impl StateQuery<'_> {
    fn frame(self, side: usize) -> BytesMut {
        let segment_name = self.segment[side].clone();
        let delegation_token = DelegationToken::none();
        let mut frame = BytesMut::new();
        let question = GetStreamSegmentInfo { request_id: self.request_id, segment_name, delegation_token };
        WireCommand::from(question).encode_frame(&mut frame);
        frame
    }
}
