//! The store over TCP, as a client sees it.

mod broken_disk;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{SinkExt as _, StreamExt as _};
use pravega_protocol::wire::{
    AppendBlock, AppendBlockEnd, AppendSetup, AuthErrorCode, AuthTokenCheckFailed, CreateSegment, DataAppended,
    DelegationToken, ErrorMessage, EventNumber, Frame, FrameCodec, Hello, JavaStr, NO_VALUE, Offset, Raw, ReadSegment,
    RequestId, SealSegment, Segment, SegmentCreated, SegmentIsSealed, SegmentRead, SegmentSealed, SetupAppend,
    TruncateSegment, WireCommand, WriterId,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::codec::Framed;
use uuid::Uuid;

use http_server::tls::Acceptor;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::node::Node;
use crate::node::NodeLimits;
use crate::users::Permission;
use crate::users::Tokens;

/// Longest wait for a reply.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) const WRITER: WriterId = WriterId(Uuid::from_u128(7));

/// A store on a free port, which ends with it.
struct Store {
    address: std::net::SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Store {
    async fn with_room(max_bytes: u64) -> Self {
        Self::start(max_bytes, None).await
    }

    async fn with_tokens(tokens: &Tokens) -> Self {
        Self::start(1 << 20, Some(tokens.clone())).await
    }

    async fn start(max_bytes: u64, tokens: Option<Tokens>) -> Self {
        Self::of(Node::in_memory(limits(max_bytes)), tokens).await
    }

    async fn of(node: Arc<Node>, tokens: Option<Tokens>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let context = StoreContext { node, tokens, acceptor: Acceptor::plain() };
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, context, stop.clone()));
        Self { address, stop, serving }
    }

    async fn client(&self) -> Client {
        let socket = TcpStream::connect(self.address).await.expect("it listens");
        Client(Framed::new(socket, FrameCodec::client()))
    }

    /// Ends the store after its clients.
    async fn stop<const N: usize>(self, clients: [Client; N]) {
        drop(clients);
        self.stop.cancel();
        timeout(PATIENCE, self.serving).await.expect("it ends soon").expect("no panic");
    }
}

fn limits(max_bytes: u64) -> NodeLimits {
    NodeLimits { max_bytes, wait_for_room: Duration::from_millis(200) }
}

struct Client(Framed<TcpStream, FrameCodec>);

impl Client {
    async fn say(&mut self, command: impl Into<WireCommand>) {
        self.0.send(command.into().frame()).await.expect("the store listens");
    }

    /// The next reply; `None` once the store has closed.
    async fn hear(&mut self) -> Option<WireCommand> {
        let frame: Frame = timeout(PATIENCE, self.0.next()).await.expect("a reply or a close")?.expect("a frame");
        Some(frame.to_command().expect("a command").0)
    }

    async fn ask(&mut self, command: impl Into<WireCommand>) -> WireCommand {
        self.say(command).await;
        self.hear().await.expect("a reply")
    }

    /// Creates the segment "s" and sets the writer up.
    async fn set_up(&mut self) {
        let created = self.ask(create()).await;
        assert_eq!(created, SegmentCreated { request_id: RequestId(1), segment: segment() }.into());
        let last_event_number = EventNumber(NO_VALUE);
        let expected =
            AppendSetup { request_id: RequestId(2), segment: segment(), writer_id: WRITER, last_event_number };
        assert_eq!(self.ask(set_up()).await, expected.into());
    }
}

pub(super) fn segment() -> Segment {
    Segment(JavaStr::new("s").expect("short"))
}

pub(super) fn create() -> CreateSegment {
    CreateSegment {
        request_id: RequestId(1),
        segment: segment(),
        target_rate: 0,
        scale_type: 0,
        delegation_token: DelegationToken::none(),
        rollover_size_bytes: 0,
    }
}

pub(super) fn set_up() -> SetupAppend {
    let delegation_token = DelegationToken::none();
    SetupAppend { request_id: RequestId(2), writer_id: WRITER, segment: segment(), delegation_token }
}

pub(super) fn block(number: i64, data: impl Into<Bytes>) -> AppendBlockEnd {
    AppendBlockEnd {
        writer_id: WRITER,
        size_of_whole_events: 0,
        data: data.into().into(),
        num_events: 1,
        last_event_number: EventNumber(number),
        request_id: RequestId(number.wrapping_add(100)),
    }
}

fn acknowledged(number: i64, previous: i64, offset: i64) -> WireCommand {
    DataAppended {
        writer_id: WRITER,
        event_number: EventNumber(number),
        previous_event_number: EventNumber(previous),
        request_id: RequestId(number.wrapping_add(100)),
        current_segment_write_offset: Offset(offset),
    }
    .into()
}

pub(super) fn read(offset: i64) -> ReadSegment {
    ReadSegment {
        segment: segment(),
        offset: Offset(offset),
        suggested_length: 1000,
        delegation_token: DelegationToken::none(),
        request_id: RequestId(3),
    }
}

fn bytes(offset: i64, data: &'static [u8], at_tail: bool, end_of_segment: bool) -> WireCommand {
    let data = Bytes::from_static(data).into();
    let request_id = RequestId(3);
    SegmentRead { segment: segment(), offset: Offset(offset), at_tail, end_of_segment, data, request_id }.into()
}

#[tokio::test]
async fn pipelined_blocks_are_stored_in_order_and_each_is_acknowledged() {
    let store = Store::with_room(1 << 20).await;
    let mut client = store.client().await;
    client.set_up().await;
    let mut frames = BytesMut::new();
    for number in 0..1000 {
        WireCommand::from(block(number, number.to_be_bytes().to_vec())).encode_frame(&mut frames);
    }
    tokio::io::AsyncWriteExt::write_all(client.0.get_mut(), &frames).await.expect("the store listens");
    for number in 0..1000 {
        let previous = if number == 0 { NO_VALUE } else { number - 1 };
        assert_eq!(client.hear().await, Some(acknowledged(number, previous, 8 * (number + 1))));
    }
    store.stop([client]).await;
}

#[tokio::test]
async fn split_event_is_put_together_and_padding_left_out() {
    let store = Store::with_room(1 << 20).await;
    let mut client = store.client().await;
    client.set_up().await;
    for (number, tail, rest, end) in [(0, -2_i32, &b"cd"[..], &b"ef"[..]), (1, -1, b"\0\0\0", b"")] {
        let mut data = BytesMut::from(&b"ab"[..]);
        data.extend_from_slice(&tail.to_be_bytes());
        data.extend_from_slice(&i32::try_from(rest.len()).expect("short").to_be_bytes());
        data.extend_from_slice(rest);
        client.say(AppendBlock { writer_id: WRITER, data: Raw(data.freeze()) }).await;
        client.say(AppendBlockEnd { size_of_whole_events: 2, ..block(number, end) }).await;
    }
    assert_eq!(client.hear().await, Some(acknowledged(0, NO_VALUE, 6)));
    assert_eq!(client.hear().await, Some(acknowledged(1, 0, 8)));
    assert_eq!(client.ask(read(0)).await, bytes(0, b"abcdefab", true, false));
    store.stop([client]).await;
}

#[tokio::test]
async fn read_at_the_tail_waits_for_an_append_and_for_a_seal() {
    let store = Store::with_room(1 << 20).await;
    let (mut client, mut reader) = (store.client().await, store.client().await);
    client.set_up().await;
    reader.say(read(0)).await;
    assert_eq!(client.ask(block(0, "hello")).await, acknowledged(0, NO_VALUE, 5));
    assert_eq!(reader.hear().await, Some(bytes(0, b"hello", true, false)));
    reader.say(read(5)).await;
    let delegation_token = DelegationToken::none();
    let sealed = client.ask(SealSegment { request_id: RequestId(4), segment: segment(), delegation_token }).await;
    assert_eq!(sealed, SegmentSealed { request_id: RequestId(4), segment: segment() }.into());
    let server_stack_trace = JavaStr::default();
    let ended = SegmentIsSealed { request_id: RequestId(3), segment: segment(), server_stack_trace, offset: Offset(5) };
    assert_eq!(reader.hear().await, Some(ended.into()));
    assert_eq!(reader.ask(read(5)).await, bytes(5, b"", false, true));
    store.stop([client, reader]).await;
}

#[tokio::test]
async fn append_without_room_and_what_follows_it_is_refused_until_the_writer_is_set_up_again() {
    let store = Store::with_room(10).await;
    let mut client = store.client().await;
    client.set_up().await;
    assert_eq!(client.ask(block(0, "01234567")).await, acknowledged(0, NO_VALUE, 8));
    client.say(block(1, "012")).await;
    client.say(block(2, "0")).await;
    for number in [1, 2] {
        match client.hear().await {
            Some(WireCommand::ErrorMessage(ErrorMessage { request_id, message, error_code, .. })) => {
                assert_eq!((request_id.0, error_code.0), (100 + number, -1));
                assert!(message.as_str().contains("is full: 10 bytes are the limit"), "{message}");
            }
            other => panic!("{other:?}"),
        }
    }
    let mut other = store.client().await;
    let (request_id, delegation_token) = (RequestId(5), DelegationToken::none());
    let truncate = TruncateSegment { request_id, segment: segment(), truncation_offset: Offset(8), delegation_token };
    other.ask(truncate).await;
    client.ask(set_up()).await;
    assert_eq!(client.ask(block(2, "0")).await, acknowledged(2, 0, 9));
    store.stop([client, other]).await;
}

#[tokio::test]
async fn connection_that_ends_for_a_mistake_tells_what_is_due_first() {
    let store = Store::with_room(1 << 20).await;
    let mut client = store.client().await;
    client.set_up().await;
    client.say(block(7, "x")).await;
    client.say(block(6, "y")).await;
    client.say(Hello { high_version: 16, low_version: 5 }).await;
    assert_eq!(client.hear().await, Some(acknowledged(7, NO_VALUE, 1)));
    assert_eq!(client.hear().await, None);
    store.stop([client]).await;
}

fn token(tokens: &Tokens, permission: Permission) -> DelegationToken {
    DelegationToken(JavaStr::new(tokens.mint("prn::/scope:s", permission)).expect("short"))
}

fn refused(request_id: i64) -> WireCommand {
    let (server_stack_trace, error_code) = (JavaStr::default(), AuthErrorCode(0));
    AuthTokenCheckFailed { request_id: RequestId(request_id), server_stack_trace, error_code }.into()
}

#[tokio::test]
async fn token_that_does_not_grant_it_is_refused_and_the_connection_stays() {
    let tokens = Tokens::new("key", None).expect("a key");
    let store = Store::with_tokens(&tokens).await;
    let mut client = store.client().await;
    assert_eq!(client.ask(create()).await, refused(1));
    let (read_only, all) = (token(&tokens, Permission::Read), token(&tokens, Permission::ReadUpdate));
    client.ask(CreateSegment { delegation_token: read_only.clone(), ..create() }).await;
    assert_eq!(client.ask(SetupAppend { delegation_token: read_only.clone(), ..set_up() }).await, refused(2));
    // in place of the request id
    assert_eq!(client.ask(read(77)).await, refused(77));
    client.ask(SetupAppend { delegation_token: all, ..set_up() }).await;
    assert_eq!(client.ask(block(0, "x")).await, acknowledged(0, NO_VALUE, 1));
    assert_eq!(client.ask(ReadSegment { delegation_token: read_only, ..read(0) }).await, bytes(0, b"x", true, false));
    store.stop([client]).await;
}

#[tokio::test]
async fn connection_of_a_writer_ends_with_its_token() {
    let tokens = Tokens::new("key", Some(Duration::from_secs(3))).expect("a key");
    let store = Store::with_tokens(&tokens).await;
    let (mut client, mut reader) = (store.client().await, store.client().await);
    let delegation_token = token(&tokens, Permission::ReadUpdate);
    client.ask(CreateSegment { delegation_token: delegation_token.clone(), ..create() }).await;
    client.ask(SetupAppend { delegation_token: delegation_token.clone(), ..set_up() }).await;
    assert_eq!(client.hear().await, None);
    assert_eq!(reader.ask(read(0)).await, refused(0));
    reader.say(SetupAppend { delegation_token, ..set_up() }).await;
    assert_eq!(reader.hear().await, None);
    store.stop([client, reader]).await;
}
