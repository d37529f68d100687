//! The gRPC client against a controller that is played.

use std::collections::HashMap;

use pravega_protocol::controller::controller_service_server::{ControllerService, ControllerServiceServer};
use pravega_protocol::stream::KeyRange;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tonic::Request;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, Server, ServerTlsConfig};

use super::*;
use crate::upstream_tls::authority::{self, Authority, CaFile};

/// A controller that knows the stream `sc/st`, scaled from one segment to two and then truncated.
struct Scripted;

fn known(info: Option<&proto::StreamInfo>) -> Result<proto::StreamInfo, Status> {
    let info = info.ok_or_else(|| Status::internal("no stream"))?;
    match info.stream.as_str() {
        "st" => Ok(info.clone()),
        "secret" => Err(Status::unauthenticated("who are you")),
        "closed" => Err(Status::permission_denied("Authorization failed")),
        "broken" => Err(Status::unavailable("still starting")),
        "slow" => Err(Status::deadline_exceeded("too slow")),
        _ => Err(Status::not_found("no such stream")),
    }
}

fn proto_id(number: u32, epoch: u32) -> Option<proto::SegmentId> {
    let segment_id = SegmentId::new(number, epoch).as_i64();
    Some(proto::SegmentId { stream_info: None, segment_id })
}

fn proto_range(number: u32, low: f64, high: f64) -> proto::SegmentRange {
    proto::SegmentRange { segment_id: proto_id(number, 1), min_key: low, max_key: high }
}

#[tonic::async_trait]
impl ControllerService for Scripted {
    async fn get_current_segments(
        &self,
        request: Request<proto::StreamInfo>,
    ) -> Result<Response<proto::SegmentRanges>, Status> {
        if request.get_ref().stream == "hangs" {
            std::future::pending::<()>().await;
        }
        let info = known(Some(request.get_ref()))?;
        assert_eq!(info.access_operation(), AccessOperation::None);
        let halves = vec![proto_range(1, 0.0, 0.5), proto_range(2, 0.5, 1.0)];
        Ok(Response::new(proto::SegmentRanges { segment_ranges: halves, delegation_token: String::new() }))
    }

    async fn get_segments(
        &self,
        request: Request<proto::GetSegmentsRequest>,
    ) -> Result<Response<proto::SegmentsAtTime>, Status> {
        known(request.get_ref().stream_info.as_ref())?;
        let head = proto::segments_at_time::SegmentLocation { segment_id: proto_id(0, 0), offset: 42 };
        Ok(Response::new(proto::SegmentsAtTime { segments: vec![head], ..Default::default() }))
    }

    async fn get_segments_between(
        &self,
        request: Request<proto::StreamCutRange>,
    ) -> Result<Response<proto::StreamCutRangeResponse>, Status> {
        let range = request.into_inner();
        known(range.stream_info.as_ref())?;
        assert_eq!((range.from, range.to), (HashMap::from([(0, 42)]), HashMap::new()));
        let segments = [proto_id(2, 1), proto_id(0, 0), proto_id(1, 1)].into_iter().flatten().collect();
        Ok(Response::new(proto::StreamCutRangeResponse { segments, ..Default::default() }))
    }

    async fn get_segments_immediately_following(
        &self,
        request: Request<proto::SegmentId>,
    ) -> Result<Response<proto::SuccessorResponse>, Status> {
        known(request.get_ref().stream_info.as_ref())?;
        let entry =
            proto::successor_response::SegmentEntry { segment: Some(proto_range(1, 0.0, 0.5)), value: vec![0, 7] };
        Ok(Response::new(proto::SuccessorResponse { segments: vec![entry], ..Default::default() }))
    }

    async fn get_uri(&self, request: Request<proto::SegmentId>) -> Result<Response<proto::NodeUri>, Status> {
        let port = if request.get_ref().segment_id == 0 { 6000 } else { 66_000 };
        Ok(Response::new(proto::NodeUri { endpoint: "0.0.0.0".to_owned(), port }))
    }

    async fn check_scope_exists(
        &self,
        request: Request<proto::ScopeInfo>,
    ) -> Result<Response<proto::ExistsResponse>, Status> {
        Ok(Response::new(proto::ExistsResponse { exists: request.get_ref().scope == "sc" }))
    }

    async fn check_stream_exists(
        &self,
        request: Request<proto::StreamInfo>,
    ) -> Result<Response<proto::ExistsResponse>, Status> {
        Ok(Response::new(proto::ExistsResponse { exists: known(Some(request.get_ref())).is_ok() }))
    }

    async fn get_delegation_token(
        &self,
        request: Request<proto::StreamInfo>,
    ) -> Result<Response<proto::DelegationToken>, Status> {
        let info = known(Some(request.get_ref()))?;
        let delegation_token = format!("{:?}", info.access_operation());
        Ok(Response::new(proto::DelegationToken { delegation_token }))
    }
}

struct Running {
    port: u16,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut server: Server) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let router = server.add_service(ControllerServiceServer::new(Scripted));
    let task = tokio::spawn(router.serve_with_incoming(TcpIncoming::from(listener))).abort_handle();
    Running { port, task }
}

async fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("bound").port()
}

fn settings(addresses: &str) -> GrpcSettings {
    GrpcSettings::new(addresses.parse().expect("addresses"))
}

fn client(ports: &[u16]) -> GrpcClient {
    let addresses: Vec<_> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    GrpcClient::new(&settings(&addresses.join(","))).expect("a client")
}

fn stream(name: &str) -> ScopedStream {
    format!("sc/{name}").parse().expect("a stream")
}

fn segment(number: u32) -> SegmentName {
    SegmentName::new(stream("st"), SegmentId::new(number, 0))
}

async fn error_of(controller: &Running, name: &str) -> Error {
    client(&[controller.port]).current_segments(&Credentials::none(), &stream(name)).await.expect_err("no such luck")
}

#[tokio::test]
async fn answers_become_the_gateways_own_values() {
    let controller = serve(Server::builder()).await;
    let client = client(&[controller.port]);
    let st = stream("st");

    let current = client.current_segments(&Credentials::none(), &st).await.expect("segments");
    let halves = [(0.0, 0.5), (0.5, 1.0)].map(|(low, high)| KeyRange::new(low, high).expect("a range"));
    let expected = [(SegmentId::new(1, 1), halves[0]), (SegmentId::new(2, 1), halves[1])];
    assert_eq!(current.iter().collect::<Vec<_>>(), expected);

    let head = client.head_segments(&Credentials::none(), &st).await.expect("the head");
    assert_eq!(head, [SegmentLocation { segment: SegmentId::new(0, 0), offset: 42 }]);
    let all = client.segments_between(&Credentials::none(), &st, &head, &[]).await.expect("segments");
    assert_eq!(all, [SegmentId::new(2, 1), SegmentId::new(0, 0), SegmentId::new(1, 1)]);

    let successors = client.segments_following(&Credentials::none(), &segment(0)).await.expect("successors");
    let predecessors = vec![SegmentId::new(0, 0), SegmentId::new(7, 0)];
    assert_eq!(successors, [Successor { id: SegmentId::new(1, 1), range: halves[0], predecessors }]);

    assert!(client.scope_exists(&Credentials::none(), &st.scope).await.expect("an answer"));
    assert!(client.stream_exists(&Credentials::none(), &st).await.expect("an answer"));
    assert!(!client.stream_exists(&Credentials::none(), &stream("none")).await.expect("an answer"));
    let token = client.delegation_token(&Credentials::none(), &st, Access::ReadWrite).await.expect("a token");
    assert_eq!(token, "ReadWrite");
}

#[tokio::test]
async fn a_place_comes_with_the_host_of_the_controller_that_named_it() {
    let controller = serve(Server::builder()).await;
    let placement = client(&[controller.port]).get_uri(&Credentials::none(), &segment(0)).await.expect("a place");
    let expected = Placement { said: Endpoint::new("0.0.0.0", 6000), controller_host: "127.0.0.1".into() };
    assert_eq!(placement, expected);
}

#[tokio::test]
async fn an_impossible_port_is_a_protocol_error() {
    let controller = serve(Server::builder()).await;
    let error = client(&[controller.port]).get_uri(&Credentials::none(), &segment(1)).await.expect_err("port 66000");
    assert_eq!(error.to_string(), "controller answered getURI with the port 66000");
}

#[tokio::test]
async fn statuses_become_errors_that_say_what_to_do() {
    let controller = serve(Server::builder()).await;
    let missing = error_of(&controller, "none").await;
    assert!(matches!(&missing, Error::StreamNotFound(name) if *name == stream("none")), "{missing:?}");
    assert!(matches!(error_of(&controller, "secret").await, Error::Unauthenticated { .. }));
    assert!(matches!(error_of(&controller, "closed").await, Error::Forbidden { .. }));

    let starting = error_of(&controller, "broken").await;
    assert!(matches!(starting, Error::Rejected { code: Code::Unavailable, .. }), "{starting:?}");
    assert!(starting.is_retryable() && starting.is_answer());
    let slow = error_of(&controller, "slow").await;
    assert_eq!(slow.to_string(), "controller refused getCurrentSegments: too slow (DeadlineExceeded)");
}

#[tokio::test]
async fn a_refused_connection_is_told_from_an_answer() {
    let error = client(&[free_port().await])
        .current_segments(&Credentials::none(), &stream("st"))
        .await
        .expect_err("no one there");
    assert!(matches!(&error, Error::Unavailable { refused: true, .. }), "{error:?}");
    assert!(!error.is_answer());
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_server_that_does_not_speak_grpc_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let hangs_up = tokio::spawn(async move {
        loop {
            drop(listener.accept().await);
        }
    });
    let error = client(&[port]).current_segments(&Credentials::none(), &stream("st")).await.expect_err("no gRPC");
    assert!(matches!(error, Error::Unavailable { refused: false, .. }), "{error:?}");
    hangs_up.abort();
}

#[tokio::test]
async fn the_next_address_is_asked_when_one_is_down_and_stays_in_use() {
    let controller = serve(Server::builder()).await;
    let client = client(&[free_port().await, controller.port]);
    assert!(client.current_segments(&Credentials::none(), &stream("st")).await.is_ok());
    assert_eq!(client.preferred.load(Ordering::Relaxed), 1);
    assert!(client.current_segments(&Credentials::none(), &stream("st")).await.is_ok());
}

#[tokio::test]
async fn a_controller_that_comes_back_is_found_again() {
    let controller = serve(Server::builder()).await;
    let client = client(&[controller.port]);
    assert!(client.current_segments(&Credentials::none(), &stream("st")).await.is_ok());
    let port = controller.port;
    drop(controller);
    let lost = client.current_segments(&Credentials::none(), &stream("none")).await;
    assert!(lost.is_err());
    let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the same port");
    let router = Server::builder().add_service(ControllerServiceServer::new(Scripted));
    let task = tokio::spawn(router.serve_with_incoming(TcpIncoming::from(listener)));
    let found = async {
        while client.current_segments(&Credentials::none(), &stream("st")).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), found).await.expect("the controller is back");
    task.abort();
}

#[tokio::test]
async fn a_silent_controller_costs_one_call_timeout_per_address() {
    let controller = serve(Server::builder()).await;
    let mut settings = settings(&format!("127.0.0.1:{}", controller.port));
    settings.call_timeout = Duration::from_millis(50);
    let client = GrpcClient::new(&settings).expect("a client");
    let error = client.current_segments(&Credentials::none(), &stream("hangs")).await.expect_err("silence");
    assert!(matches!(error, Error::Timeout { call: "getCurrentSegments", .. }), "{error:?}");
    assert!(client.current_segments(&Credentials::none(), &stream("st")).await.is_ok());
}

/// A controller with this certificate.
async fn serve_with(identity: &authority::Identity) -> Running {
    let identity = Identity::from_pem(&identity.certificate_pem, identity.key_pem());
    serve(Server::builder().tls_config(ServerTlsConfig::new().identity(identity)).expect("TLS")).await
}

fn tls_client(controller: &Running, tls: UpstreamTls) -> GrpcClient {
    let settings = settings(&format!("tls://localhost:{}", controller.port));
    GrpcClient::new(&GrpcSettings { tls: Some(tls), ..settings }).expect("a client")
}

/// Why a controller is not reached.
async fn unavailable(client: &GrpcClient) -> String {
    match client.current_segments(&Credentials::none(), &stream("st")).await.expect_err("it is not to be believed") {
        Error::Unavailable { refused: false, cause, .. } => cause.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn tls_reaches_a_controller_that_the_authorities_vouch_for_and_no_other() {
    let (ours, other) = (Authority::new(), Authority::new());
    let controller = serve_with(&ours.vouch_for(&["localhost"])).await;
    let believing = tls_client(&controller, CaFile::of(&ours).tls());
    assert!(believing.current_segments(&Credentials::none(), &stream("st")).await.is_ok());
    let cause = unavailable(&tls_client(&controller, CaFile::of(&other).tls())).await;
    assert_eq!(cause, "the certificate is not from an authority in upstream.ca");
}

#[tokio::test]
async fn a_certificate_for_another_name_or_time_is_an_error_that_says_so() {
    let ours = Authority::new();
    let tls = CaFile::of(&ours).tls();
    let elsewhere = serve_with(&ours.vouch_for(&["controller.example"])).await;
    let cause = unavailable(&tls_client(&elsewhere, tls.clone())).await;
    assert!(cause.contains("localhost") && cause.contains("controller.example"), "{cause}");
    let expired = serve_with(&ours.vouch_for_expired(&["localhost"])).await;
    let cause = unavailable(&tls_client(&expired, tls)).await;
    assert!(cause.contains("certificate expired"), "{cause}");
}

#[tokio::test]
async fn new_authorities_count_for_new_connections_and_open_ones_go_on() {
    let (before, after) = (Authority::new(), Authority::new());
    let controller = serve_with(&before.vouch_for(&["localhost"])).await;
    let file = CaFile::of(&before);
    let client = tls_client(&controller, file.tls());
    let tls = client.hosts[0].tls.clone().expect("TLS");
    assert!(client.current_segments(&Credentials::none(), &stream("st")).await.is_ok());
    file.write(&after.pem());
    tls.look().await;
    assert!(client.current_segments(&Credentials::none(), &stream("st")).await.is_ok(), "on the open connection");
    client.hosts[0].reconnect();
    unavailable(&client).await;
    file.write(&before.pem());
    tls.look().await;
    assert!(client.current_segments(&Credentials::none(), &stream("st")).await.is_ok());
}

#[tokio::test]
async fn tls_on_one_side_alone_is_an_error_and_no_hang() {
    let ours = Authority::new();
    let without = serve(Server::builder()).await;
    let cause = unavailable(&tls_client(&without, CaFile::of(&ours).tls())).await;
    assert_eq!(cause, "the server does not speak TLS");
    let with = serve_with(&ours.vouch_for(&["localhost"])).await;
    let error =
        client(&[with.port]).current_segments(&Credentials::none(), &stream("st")).await.expect_err("it expects TLS");
    assert!(matches!(error, Error::Unavailable { refused: false, .. }), "{error:?}");
}

#[tokio::test]
async fn a_refused_connection_is_known_with_tls_too() {
    let nobody = Running { port: free_port().await, task: tokio::spawn(async {}).abort_handle() };
    let client = tls_client(&nobody, CaFile::of(&Authority::new()).tls());
    let error = client.current_segments(&Credentials::none(), &stream("st")).await.expect_err("no one there");
    assert!(matches!(error, Error::Unavailable { refused: true, .. }), "{error:?}");
}

#[tokio::test]
async fn tls_without_authorities_is_refused_at_once() {
    let error = GrpcClient::new(&settings("tls://localhost:9090")).expect_err("no authorities").to_string();
    assert!(error.starts_with("controller localhost:9090: tls:// needs upstream.ca (--upstream-ca)"), "{error}");
}
