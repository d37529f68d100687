//! Sessions and pools against a store that is played line by line.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use pravega_protocol::wire::{
    AuthErrorCode, AuthTokenCheckFailed, DelegationToken, Frame, FrameCodec, GetSegmentAttribute, Hello, JavaStr,
    KeepAlive, Offset, ReadSegment, RequestId, Segment, SegmentAttribute, WireCommand,
};
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::codec::Framed;

use super::*;
use crate::config;
use crate::controller::{Endpoint, Life};
use crate::telemetry::metrics::Metrics;

const TIMES: SessionTimes = SessionTimes {
    connect: Duration::from_secs(5),
    keep_alive: Duration::from_secs(20),
    dead_after: Duration::from_secs(60),
};

/// The other end of our sockets.
struct Store {
    listener: TcpListener,
}

/// One connection of it, after Hello.
struct Peer(Framed<TcpStream, FrameCodec>);

impl Store {
    async fn start() -> (Self, Endpoint) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        (Self { listener }, Endpoint::new("127.0.0.1", port))
    }

    async fn accept(&self) -> Peer {
        let (socket, _) = self.listener.accept().await.expect("a connection");
        let mut peer = Peer(Framed::new(socket, FrameCodec::store()));
        assert!(matches!(peer.hear().await, WireCommand::Hello(_)));
        peer.say(Hello { high_version: 16, low_version: 5 }).await;
        peer
    }
}

impl Peer {
    async fn hear(&mut self) -> WireCommand {
        let frame = self.0.next().await.expect("the connection stands").expect("a frame");
        frame.to_command().expect("it decodes").0
    }

    async fn say(&mut self, command: impl Into<WireCommand>) {
        self.0.send(command.into().frame()).await.expect("the connection stands");
    }

    async fn hear_request_id(&mut self) -> RequestId {
        self.hear().await.request_id().expect("a request")
    }
}

async fn session() -> (Session, Peer) {
    session_with(TIMES).await
}

async fn session_with(times: SessionTimes) -> (Session, Peer) {
    let (store, endpoint) = Store::start().await;
    let gauge = Gauge::default();
    let (session, peer) = tokio::join!(Session::open(&endpoint, None, times, &gauge), store.accept());
    (session.expect("the store says Hello"), peer)
}

fn segment() -> Segment {
    Segment(JavaStr::new("s/t/0.#epoch.0").expect("short"))
}

fn question(request_id: RequestId) -> GetSegmentAttribute {
    let attribute_id = pravega_protocol::wire::AttributeId(uuid::Uuid::nil());
    GetSegmentAttribute { request_id, segment_name: segment(), attribute_id, delegation_token: DelegationToken::none() }
}

fn value(reply: Result<WireCommand, Error>) -> i64 {
    match reply.expect("a reply") {
        WireCommand::SegmentAttribute(attribute) => attribute.value,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn replies_find_their_callers_in_any_order() {
    let (session, mut peer) = session().await;
    let answering = async {
        let (first, second) = (peer.hear_request_id().await, peer.hear_request_id().await);
        peer.say(SegmentAttribute { request_id: second, value: 2 }).await;
        peer.say(SegmentAttribute { request_id: first, value: 1 }).await;
    };
    let (one, two, ()) = tokio::join!(session.call(question), session.call(question), answering);
    assert_eq!((value(one), value(two)), (1, 2));
}

#[tokio::test]
async fn replies_of_a_flow_go_to_its_owner_alone() {
    let (session, mut peer) = session().await;
    let mut flow = session.open_flow().await.expect("open");
    let request_id = flow.next_request_id();
    let answering = async {
        let call = peer.hear_request_id().await;
        peer.say(SegmentAttribute { request_id, value: 7 }).await;
        peer.say(SegmentAttribute { request_id: RequestId::of_flow(4711, 1), value: 8 }).await;
        peer.say(SegmentAttribute { request_id: call, value: 9 }).await;
    };
    let (call, ()) = tokio::join!(session.call(question), answering);
    assert_eq!(value(call), 9, "a reply for an unknown flow is thrown away");
    assert_eq!(value(flow.receive().await.map_err(Error::from)), 7);
}

#[tokio::test]
async fn everyone_learns_why_a_session_ended() {
    let (session, mut peer) = session().await;
    let mut flow = session.open_flow().await.expect("open");
    let ending = async {
        peer.hear().await;
        drop(peer);
    };
    let (call, ()) = tokio::join!(session.call(question), ending);
    assert!(matches!(call, Err(Error::Lost(lost)) if matches!(lost.cause, LostCause::Closed)));
    assert!(flow.receive().await.is_err());
    assert!(matches!(session.call(question).await, Err(Error::Lost(_))), "late callers learn it too");
    assert!(!session.is_open());
}

#[tokio::test]
async fn broken_framing_ends_the_session() {
    let (session, mut peer) = session().await;
    let breaking = async {
        peer.hear().await;
        use tokio::io::AsyncWriteExt as _;
        peer.0.get_mut().write_all(&[0, 0, 0, 35, 0xff, 0xff, 0xff, 0xff]).await.expect("written");
        peer
    };
    let (call, _peer) = tokio::join!(session.call(question), breaking);
    assert!(matches!(call, Err(Error::Lost(lost)) if matches!(lost.cause, LostCause::Frame(_))));
}

#[tokio::test]
async fn undecodable_reply_fails_its_caller_and_no_other() {
    let (session, mut peer) = session().await;
    let answering = async {
        let (first, second) = (peer.hear_request_id().await, peer.hear_request_id().await);
        let cut = Frame { code: 35, payload: first.0.to_be_bytes().to_vec().into() };
        peer.0.send(cut).await.expect("sent");
        peer.say(SegmentAttribute { request_id: second, value: 2 }).await;
    };
    let (one, two, ()) = tokio::join!(session.call(question), session.call(question), answering);
    assert!(matches!(one, Err(Error::Undecodable(_))));
    assert_eq!(value(two), 2);
}

#[tokio::test]
async fn refused_token_of_a_read_reaches_the_read_at_that_offset() {
    let (session, mut peer) = session().await;
    let read = |request_id| ReadSegment {
        segment: segment(),
        offset: Offset(4711),
        suggested_length: 8,
        delegation_token: DelegationToken::none(),
        request_id,
    };
    let answering = async {
        peer.hear().await;
        let server_stack_trace = JavaStr::default();
        let error_code = AuthErrorCode(0);
        peer.say(AuthTokenCheckFailed { request_id: RequestId(4711), server_stack_trace, error_code }).await;
    };
    let (reply, ()) = tokio::join!(session.call(read), answering);
    assert!(matches!(reply, Ok(WireCommand::AuthTokenCheckFailed(_))));
}

#[tokio::test]
async fn silence_is_asked_after_and_then_ends_the_session() {
    let times = SessionTimes { keep_alive: Duration::from_millis(50), dead_after: Duration::from_millis(200), ..TIMES };
    let (session, mut peer) = session_with(times).await;
    assert!(matches!(peer.hear().await, WireCommand::KeepAlive(_)));
    peer.say(KeepAlive {}).await;
    assert!(matches!(peer.hear().await, WireCommand::KeepAlive(_)), "an answered one keeps the session alive");
    assert!(matches!(session.lost().await.cause, LostCause::Silent(_)));
}

fn pool() -> Pool {
    Pool::new(config::SegmentStore::default(), None, Metrics::default())
}

#[tokio::test]
async fn store_that_never_answered_fails_at_once() {
    let (store, endpoint) = Store::start().await;
    drop(store);
    let before = tokio::time::Instant::now();
    let refused = pool().session(&endpoint, Purpose::Read).await;
    let Err(Error::Connect(error)) = refused else { panic!("{refused:?}") };
    let refusal = std::io::ErrorKind::ConnectionRefused;
    assert!(matches!(&error.problem, ConnectProblem::Io(error) if error.kind() == refusal), "{error}");
    assert!(before.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn store_that_answered_lately_is_known_to_be_worth_waiting_for() {
    let (store, endpoint) = Store::start().await;
    let pool = pool();
    assert!(!pool.was_healthy(&endpoint));
    let (session, peer) = tokio::join!(pool.session(&endpoint, Purpose::Read), store.accept());
    let session = session.expect("open");
    drop((peer, store));
    session.lost().await;
    let refused = pool.session(&endpoint, Purpose::Append).await;
    assert!(matches!(refused, Err(Error::Connect(_))), "one attempt is made");
    assert!(pool.was_healthy(&endpoint), "on whatever connection it was heard");
}

#[tokio::test]
async fn appends_and_reads_never_share_a_session() {
    let (store, endpoint) = Store::start().await;
    let pool = pool();
    let sessions =
        async { (pool.session(&endpoint, Purpose::Append).await, pool.session(&endpoint, Purpose::Read).await) };
    let peers = async { (store.accept().await, store.accept().await) };
    let ((append, read), _peers) = tokio::join!(sessions, peers);
    assert!(append.is_ok() && read.is_ok());
}

#[tokio::test]
async fn connection_that_was_given_back_is_leased_again_unless_the_store_closed_it() {
    let (store, endpoint) = Store::start().await;
    let pool = pool();
    let (lease, peer) = tokio::join!(pool.lease(&endpoint, LeaseKind::Short), store.accept());
    lease.expect("connected").give_back();
    let again = pool.lease(&endpoint, LeaseKind::Short).await.expect("no new connection is needed");
    again.give_back();
    drop(peer);
    let reconnecting = async {
        let mut lease = pool.lease(&endpoint, LeaseKind::Short).await.expect("connected");
        lease.send(WireCommand::from(KeepAlive {}).frame()).await.expect("sent");
        lease
    };
    let answering = async {
        let mut peer = store.accept().await;
        assert!(matches!(peer.hear().await, WireCommand::KeepAlive(_)));
    };
    tokio::join!(reconnecting, answering);
}

#[tokio::test]
async fn reads_that_may_wait_for_long_leave_connections_to_others() {
    let (store, endpoint) = Store::start().await;
    let settings = config::SegmentStore { exclusive_connections: 2, ..config::SegmentStore::default() };
    let pool = Pool::new(settings, None, Metrics::default());
    let (waiting, _peer) = tokio::join!(pool.lease(&endpoint, LeaseKind::Patient), store.accept());
    let _waiting = waiting.expect("connected");
    let mut another = Box::pin(pool.lease(&endpoint, LeaseKind::Patient));
    assert!(futures::poll!(another.as_mut()).is_pending(), "half of the connections are for others");
    let (lease, _other_peer) = tokio::join!(pool.lease(&endpoint, LeaseKind::Short), store.accept());
    lease.expect("connected");
}

#[tokio::test]
async fn session_that_many_writers_used_is_left_to_them() {
    let (store, endpoint) = Store::start().await;
    let settings = config::SegmentStore { append_sessions: 1, ..config::SegmentStore::default() };
    let pool = Pool::new(settings, None, Metrics::default());
    let (first, _peer) = tokio::join!(pool.session(&endpoint, Purpose::Append), store.accept());
    let first = first.expect("connected");
    let mut flow = None;
    for _ in 0..2000 {
        let session = pool.session(&endpoint, Purpose::Append).await.expect("the same one");
        flow = Some(session.open_flow().await.expect("open"));
    }
    let (second, _other_peer) = tokio::join!(pool.session(&endpoint, Purpose::Append), store.accept());
    assert_eq!(second.expect("connected").flows_opened(), 0);
    assert!(first.is_open() && flow.expect("the last").has_room(), "those who use it go on");
}

#[tokio::test]
async fn flow_hears_replies_while_there_is_no_room_to_send() {
    // with room for one message in its queue
    let (messages, mut inbox) = tokio::sync::mpsc::channel(1);
    let (_ended, end) = tokio::sync::watch::channel(None);
    let session = Session::of_task(Endpoint::new("store", 1), messages, end);
    let mut flow = session.open_flow().await.expect("open");
    let Some(task::Message::OpenFlow { sink, .. }) = inbox.recv().await else { panic!("not opened") };
    assert!(flow.has_room());
    flow.send_now(bytes::Bytes::from_static(b"first"));
    assert!(!flow.has_room());
    sink.send(SegmentAttribute { request_id: RequestId(1), value: 7 }.into()).await.expect("the flow hears");
    assert!(matches!(flow.step(true).await, FlowStep::Reply(Ok(_))));
    let (step, taken) = tokio::join!(flow.step(true), inbox.recv());
    assert!(matches!(step, FlowStep::Room) && matches!(taken, Some(task::Message::Send { .. })));
    flow.send_now(bytes::Bytes::from_static(b"second"));
    assert!(matches!(inbox.recv().await, Some(task::Message::Send { .. })));
}

#[tokio::test]
async fn session_on_which_a_token_ends_takes_no_new_writers_and_then_sends_its_own_away() {
    let (store, endpoint) = Store::start().await;
    let pool = Pool::new(
        config::SegmentStore { append_sessions: 1, ..config::SegmentStore::default() },
        None,
        Metrics::default(),
    );
    let (first, _peer) = tokio::join!(pool.session(&endpoint, Purpose::Append), store.accept());
    let first = first.expect("connected");
    let flow = first.open_flow().await.expect("open");
    let sold_ago = |seconds| Instant::now().checked_sub(Duration::from_secs(seconds)).expect("the machine is up");
    let life = |sold: Instant, seconds| Some(Life::new(sold, Duration::from_secs(seconds)));
    flow.note_token(life(sold_ago(0), 600));
    flow.note_token(None);
    let same = pool.session(&endpoint, Purpose::Append).await.expect("it is open");
    assert!(same.takes_writers() && !flow.is_ending(), "its end is far away");
    flow.note_token(life(sold_ago(41), 60));
    flow.note_token(life(sold_ago(0), 600));
    assert!(!first.takes_writers() && !flow.is_ending(), "what ends first counts");
    let (second, _other_peer) = tokio::join!(pool.session(&endpoint, Purpose::Append), store.accept());
    assert!(second.expect("connected").takes_writers());
    flow.note_token(life(sold_ago(51), 60));
    assert!(flow.is_ending() && first.is_open());
}
