//! Sessions and leases through TLS, against a store that is played.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use pravega_protocol::wire::{
    AttributeId, DelegationToken, Frame, FrameCodec, GetSegmentAttribute, Hello, JavaStr, KeepAlive, RequestId,
    Segment, SegmentAttribute, WireCommand,
};
use prometheus_client::metrics::gauge::Gauge;
use rustls::CertificateError;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use tokio_util::codec::Framed;

use super::*;
use crate::config;
use crate::controller::Endpoint;
use crate::telemetry::metrics::Metrics;
use crate::upstream_tls::authority::{Authority, CaFile, Identity};
use crate::upstream_tls::{HandshakeError, UpstreamTls};

const PATIENCE: Duration = Duration::from_secs(30);

const TIMES: SessionTimes =
    SessionTimes { connect: PATIENCE, keep_alive: Duration::from_secs(20), dead_after: Duration::from_secs(60) };

/// The other end of our sockets.
struct Store {
    listener: TcpListener,
    identity: Identity,
}

/// One connection of it, after Hello.
struct Peer(Framed<TlsStream<TcpStream>, FrameCodec>);

impl Store {
    async fn start(identity: Identity) -> (Self, Endpoint) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        (Self { listener, identity }, Endpoint::new("localhost", port))
    }

    /// `None` if the gateway does not believe it.
    async fn accept(&self) -> Option<Peer> {
        let (socket, _) = self.listener.accept().await.expect("a connection");
        let stream = self.identity.accept(socket).await.ok()?;
        let mut peer = Peer(Framed::new(stream, FrameCodec::store()));
        let hello = peer.0.next().await?.expect("a frame");
        assert!(matches!(hello.to_command(), Ok((WireCommand::Hello(_), _))));
        peer.say(Hello { high_version: 16, low_version: 5 }).await;
        Some(peer)
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

    /// Answers one question.
    async fn answer(&mut self) {
        let request_id = self.hear().await.request_id().expect("a request");
        self.say(SegmentAttribute { request_id, value: 7 }).await;
    }
}

fn question(request_id: RequestId) -> GetSegmentAttribute {
    let segment_name = Segment(JavaStr::new("s/t/0.#epoch.0").expect("short"));
    let attribute_id = AttributeId(uuid::Uuid::nil());
    GetSegmentAttribute { request_id, segment_name, attribute_id, delegation_token: DelegationToken::none() }
}

async fn open(endpoint: &Endpoint, tls: Option<&UpstreamTls>, times: SessionTimes) -> Result<Session, Error> {
    let opened = timeout(PATIENCE, Session::open(endpoint, tls, times, &Gauge::default())).await;
    opened.expect("it never hangs")
}

async fn open_with(store: &Store, endpoint: &Endpoint, tls: &UpstreamTls) -> (Result<Session, Error>, Option<Peer>) {
    tokio::join!(open(endpoint, Some(tls), TIMES), store.accept())
}

/// A session with a store that is believed.
async fn session() -> (Session, Peer) {
    let ours = Authority::new();
    let (store, endpoint) = Store::start(ours.vouch_for(&["localhost"])).await;
    let (session, peer) = open_with(&store, &endpoint, &CaFile::of(&ours).tls()).await;
    (session.expect("it is believed"), peer.expect("it is believed"))
}

async fn ask(session: &Session, peer: &mut Peer) {
    let (reply, ()) = tokio::join!(session.call(question), peer.answer());
    assert!(matches!(reply, Ok(WireCommand::SegmentAttribute(SegmentAttribute { value: 7, .. }))), "{reply:?}");
}

fn problem(session: Result<Session, Error>) -> ConnectProblem {
    match session {
        Err(Error::Connect(error)) => std::sync::Arc::into_inner(error).expect("no one shares it").problem,
        other => panic!("{other:?}"),
    }
}

async fn problem_with(identity: Identity, tls: &UpstreamTls) -> ConnectProblem {
    let (store, endpoint) = Store::start(identity).await;
    problem(open_with(&store, &endpoint, tls).await.0)
}

#[tokio::test]
async fn requests_and_replies_go_through_tls() {
    let (session, mut peer) = session().await;
    ask(&session, &mut peer).await;
    ask(&session, &mut peer).await;
}

#[tokio::test]
async fn a_store_that_is_not_to_be_believed_is_refused_with_the_reason() {
    use ConnectProblem::Tls;
    let (ours, other) = (Authority::new(), Authority::new());
    let tls = CaFile::of(&ours).tls();
    let stranger = problem_with(other.vouch_for(&["localhost"]), &tls).await;
    assert!(matches!(stranger, Tls(HandshakeError::Issuer)), "{stranger}");
    let elsewhere = problem_with(ours.vouch_for(&["store.example"]), &tls).await;
    let expected = |error: &CertificateError| matches!(error, CertificateError::NotValidForNameContext { .. });
    assert!(matches!(&elsewhere, Tls(HandshakeError::Certificate(error)) if expected(error)), "{elsewhere}");
    let expired = problem_with(ours.vouch_for_expired(&["localhost"]), &tls).await;
    let expected = |error: &CertificateError| matches!(error, CertificateError::ExpiredContext { .. });
    assert!(matches!(&expired, Tls(HandshakeError::Certificate(error)) if expected(error)), "{expired}");
}

#[tokio::test]
async fn a_store_without_tls_is_an_error() {
    let tls = CaFile::of(&Authority::new()).tls();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let endpoint = Endpoint::new("localhost", listener.local_addr().expect("bound").port());
    let greeting = async {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        let hello = WireCommand::from(Hello { high_version: 16, low_version: 5 }).frame();
        let mut bytes = bytes::BytesMut::new();
        hello.encode(&mut bytes);
        socket.write_all(&bytes).await.expect("the connection stands");
        socket
    };
    let (session, _socket) = tokio::join!(open(&endpoint, Some(&tls), TIMES), greeting);
    let problem = problem(session);
    assert!(matches!(problem, ConnectProblem::Tls(HandshakeError::NotTls)), "{problem}");
}

#[tokio::test]
async fn a_store_that_stays_silent_in_the_handshake_costs_the_time_to_connect() {
    let tls = CaFile::of(&Authority::new()).tls();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let endpoint = Endpoint::new("localhost", listener.local_addr().expect("bound").port());
    let times = SessionTimes { connect: Duration::from_millis(200), ..TIMES };
    let problem = problem(open(&endpoint, Some(&tls), times).await);
    assert!(matches!(problem, ConnectProblem::TimedOut(_)), "{problem}");
}

#[tokio::test]
async fn a_store_with_tls_is_an_error_where_none_is_spoken() {
    let (store, endpoint) = Store::start(Authority::new().vouch_for(&["localhost"])).await;
    let (session, peer) = tokio::join!(open(&endpoint, None, TIMES), store.accept());
    assert!(peer.is_none());
    problem(session);
}

#[tokio::test]
async fn open_sessions_go_on_when_the_authorities_change() {
    let (before, after) = (Authority::new(), Authority::new());
    let file = CaFile::of(&before);
    let tls = file.tls();
    let (old, old_endpoint) = Store::start(before.vouch_for(&["localhost"])).await;
    let (new, new_endpoint) = Store::start(after.vouch_for(&["localhost"])).await;
    let (session, peer) = open_with(&old, &old_endpoint, &tls).await;
    let (session, mut peer) = (session.expect("it is believed"), peer.expect("it is believed"));
    ask(&session, &mut peer).await;

    file.write(&after.pem());
    tls.look().await;
    ask(&session, &mut peer).await;
    let (refused, _) = open_with(&old, &old_endpoint, &tls).await;
    assert!(matches!(problem(refused), ConnectProblem::Tls(HandshakeError::Issuer)));
    let (session, peer) = open_with(&new, &new_endpoint, &tls).await;
    ask(&session.expect("it is believed"), &mut peer.expect("it is believed")).await;
}

#[tokio::test]
async fn frames_beyond_what_the_socket_takes_arrive_whole() {
    let (session, mut peer) = session().await;
    let flow = session.open_flow().await.expect("open");
    let block = Frame { code: 3, payload: vec![7; 5 << 20].into() };
    let mut bytes = bytes::BytesMut::new();
    block.encode(&mut bytes);
    flow.send(bytes.freeze()).await.expect("the session stands");
    let received = timeout(PATIENCE, peer.0.next()).await.expect("in time").expect("open").expect("a frame");
    assert_eq!(received.payload.len(), block.payload.len());
    ask(&session, &mut peer).await;
}

#[tokio::test]
async fn a_store_that_closes_ends_the_session() {
    let (session, peer) = session().await;
    // without the farewell of TLS
    drop(peer);
    let lost = timeout(PATIENCE, session.lost()).await.expect("in time");
    assert!(matches!(lost.cause, LostCause::Closed), "{}", lost.cause);
}

#[tokio::test]
async fn a_lease_is_given_again_unless_the_store_closed_it() {
    let ours = Authority::new();
    let (store, endpoint) = Store::start(ours.vouch_for(&["localhost"])).await;
    let pool = Pool::new(config::SegmentStore::default(), Some(CaFile::of(&ours).tls()), Metrics::default());
    let (lease, peer) = tokio::join!(pool.lease(&endpoint, LeaseKind::Short), store.accept());
    let (mut lease, mut peer) = (lease.expect("connected"), peer.expect("it is believed"));
    for _ in 0..2 {
        lease.send(WireCommand::from(KeepAlive {}).frame()).await.expect("sent");
        assert!(matches!(peer.hear().await, WireCommand::KeepAlive(_)));
        lease.give_back();
        lease = timeout(PATIENCE, pool.lease(&endpoint, LeaseKind::Short)).await.expect("the same").expect("open");
    }
    lease.give_back();
    peer.0.get_mut().shutdown().await.expect("the connection stands");
    let (lease, peer) = tokio::join!(pool.lease(&endpoint, LeaseKind::Short), store.accept());
    assert!(lease.is_ok() && peer.is_some(), "another connection");
}
