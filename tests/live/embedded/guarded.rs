//! An embedded Pravega with authentication and TLS.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::{SinkExt as _, StreamExt as _};
use pravega_protocol::controller as proto;
use pravega_protocol::controller::controller_service_client::ControllerServiceClient;
use pravega_protocol::wire::{
    AuthErrorCode, DelegationToken, FrameCodec, JavaStr, RequestId, Segment, SetupAppend, WireCommand, WriterId,
};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::codec::Framed;
use tonic::transport::Channel;
use tonic::{Code, Request};
use uuid::Uuid;

use crate::support::foreign::java_at;
use crate::support::process::{curl, gateway_cli};
use crate::support::{Embedded, PATIENCE};

/// A file with a user who may do everything, and one who may only read a stream.
async fn users(folder: &Path) -> String {
    let everything = gateway_cli(&["embedded-user", "admin", "prn::*,READ_UPDATE"], "secret\n").await.lines();
    let stream = "prn::/scope:shop/stream:orders,READ";
    let reader = gateway_cli(&["embedded-user", "reader", stream], "other\n").await.lines();
    let file = folder.join("users");
    std::fs::write(&file, [everything, reader].concat().join("\n") + "\n").expect("a file");
    file.to_str().expect("ASCII").to_owned()
}

async fn status(arguments: &[&str]) -> String {
    let answered = curl(&[&["-o", "/dev/null", "-w", "%{http_code}"], arguments].concat(), "").await;
    String::from_utf8(answered.success()).expect("text")
}

type Credentials = tonic::metadata::MetadataValue<tonic::metadata::Ascii>;

fn with<T>(credentials: &Credentials, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", credentials.clone());
    request
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn only_users_get_in_and_each_only_to_what_is_theirs() {
    let folder = TempDir::new().expect("a folder");
    let node = Embedded::start(&["--users", &users(folder.path()).await]).await;
    let scopes = format!("{}/v1/scopes", node.pravega.rest);
    let create = ["-H", "Content-Type: application/json", "-d", r#"{"scopeName":"shop"}"#, &scopes];
    assert_eq!(status(&create).await, "401");
    assert_eq!(status(&[&["-u", "admin:wrong"], &create[..]].concat()).await, "401");
    assert_eq!(status(&[&["-u", "reader:other"], &create[..]].concat()).await, "403");
    assert_eq!(status(&[&["-u", "admin:secret"], &create[..]].concat()).await, "201");

    let admin =
        [("pravega_client_auth_method", "Basic"), ("pravega_client_auth_token", &*BASE64.encode("admin:secret"))];
    let controller = &node.pravega.controller;
    java_at(controller, &admin, &["create", "shop", "orders", "1"], "").await.success();
    let event = "{\"key\":null,\"base64\":\"aGVsbG8=\"}\n";
    java_at(controller, &admin, &["write", "shop", "orders"], event).await.success();
    let read = java_at(controller, &admin, &["read", "shop", "orders", "1"], "").await.lines();
    assert!(read[0].contains("aGVsbG8="), "{read:?}");
    let stream = format!("{scopes}/shop/streams/orders");
    let seal = ["-X", "PUT", "-H", "Content-Type: application/json", "-d", r#"{"streamState":"SEALED"}"#];
    assert_eq!(status(&["-u", "reader:other", &stream]).await, "200");
    assert_eq!(status(&[&["-u", "reader:other"], &seal[..], &[&format!("{stream}/state")]].concat()).await, "403");
    node.stop().await;
}

type Controller = ControllerServiceClient<Channel>;

async fn controller_of(node: &Embedded) -> Controller {
    let channel = Channel::from_shared(format!("http://{}", node.pravega.controller)).expect("a URL");
    ControllerServiceClient::new(channel.connect().await.expect("it listens"))
}

fn orders() -> proto::StreamInfo {
    proto::StreamInfo { scope: "shop".to_owned(), stream: "orders".to_owned(), access_operation: 4 }
}

fn basic(user_and_password: &str) -> Credentials {
    format!("Basic {}", BASE64.encode(user_and_password)).parse().expect("ASCII")
}

/// Creates the stream; returns a token for it.
async fn buy_token(controller: &mut Controller, credentials: &Credentials) -> String {
    let scope = proto::ScopeInfo { scope: "shop".to_owned() };
    controller.create_scope(with(credentials, scope)).await.expect("allowed");
    let fixed = proto::ScalingPolicy { min_num_segments: 1, ..Default::default() };
    let config = proto::StreamConfig { stream_info: Some(orders()), scaling_policy: Some(fixed), ..Default::default() };
    controller.create_stream(with(credentials, config)).await.expect("allowed");
    let token = controller.get_delegation_token(with(credentials, orders())).await.expect("allowed");
    token.into_inner().delegation_token
}

type Store = Framed<TcpStream, FrameCodec>;

async fn store_of(node: &Embedded) -> Store {
    Framed::new(TcpStream::connect(&node.pravega.store).await.expect("it listens"), FrameCodec::client())
}

async fn set_up(store: &mut Store, token: &str) -> WireCommand {
    let set_up = SetupAppend {
        request_id: RequestId(1),
        writer_id: WriterId(Uuid::from_u128(1)),
        segment: Segment(JavaStr::new("shop/orders/0.#epoch.0").expect("short")),
        delegation_token: DelegationToken(JavaStr::new(token).expect("short")),
    };
    store.send(WireCommand::from(set_up).frame()).await.expect("open");
    store.next().await.expect("open").expect("a frame").to_command().expect("a reply").0
}

#[tokio::test]
async fn store_takes_a_token_until_it_expires_and_then_closes_the_writers_connection() {
    let folder = TempDir::new().expect("a folder");
    let node = Embedded::start(&["--users", &users(folder.path()).await, "--token-life", "3s"]).await;
    let mut controller = controller_of(&node).await;
    let refused = controller.get_delegation_token(orders()).await.expect_err("no credentials");
    assert_eq!(refused.code(), Code::Unauthenticated);
    let token = buy_token(&mut controller, &basic("admin:secret")).await;

    let mut store = store_of(&node).await;
    for (token, is_good) in [("", false), ("nonsense", false), (&token, true)] {
        match set_up(&mut store, token).await {
            WireCommand::AppendSetup(_) => assert!(is_good, "{token:?}"),
            WireCommand::AuthTokenCheckFailed(refused) => {
                assert!(!is_good, "{token:?}");
                assert_eq!(refused.error_code, AuthErrorCode(0));
            }
            other => panic!("{other:?}"),
        }
    }
    let closed = timeout(Duration::from_secs(20), store.next()).await.expect("the token's life is 3 s");
    assert!(closed.is_none_or(|frame| frame.is_err()), "nothing more is sent");
    node.stop().await;
}

#[tokio::test]
async fn a_user_who_is_removed_gets_no_new_token_and_keeps_those_sold_before() {
    let folder = TempDir::new().expect("a folder");
    let file = users(folder.path()).await;
    let node = Embedded::start(&["--users", &file]).await;
    let (mut controller, admin) = (controller_of(&node).await, basic("admin:secret"));
    let token = buy_token(&mut controller, &admin).await;
    let lines = std::fs::read_to_string(&file).expect("a file");
    let (_, reader) = lines.split_once('\n').expect("two lines");
    std::fs::write(&file, reader).expect("a file");
    let refusing = async {
        loop {
            if let Err(refused) = controller.get_delegation_token(with(&admin, orders())).await {
                break refused;
            }
            tokio::task::yield_now().await;
        }
    };
    let refused = timeout(PATIENCE, refusing).await.expect("the file is read again");
    assert_eq!(refused.code(), Code::Unauthenticated);
    let mut store = store_of(&node).await;
    assert!(matches!(set_up(&mut store, &token).await, WireCommand::AppendSetup(_)), "until it expires");
    node.stop().await;
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn all_ports_speak_tls_with_the_given_files() {
    let folder = TempDir::new().expect("a folder");
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| folder.path().join(name));
    std::fs::write(&certificate, made.cert.pem()).expect("a file");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("a file");
    let [certificate, key] = [certificate, key].map(|path| path.to_str().expect("ASCII").to_owned());
    let node = Embedded::start(&["--tls-certificate", &certificate, "--tls-key", &key]).await;

    let scopes = node.pravega.rest.replace("http://", "https://") + "/v1/scopes";
    assert_eq!(status(&["--cacert", &certificate, &scopes]).await, "200");
    let plain = curl(&[&format!("{}/v1/scopes", node.pravega.rest)], "").await;
    assert!(!plain.status.success(), "plain HTTP is not answered");

    let tls = [("FOREIGN_AUTHORITY", &*certificate)];
    let controller = &node.pravega.controller;
    java_at(controller, &tls, &["create", "shop", "orders", "1"], "").await.success();
    let event = "{\"key\":null,\"base64\":\"aGVsbG8=\"}\n";
    java_at(controller, &tls, &["write", "shop", "orders"], event).await.success();
    let read = java_at(controller, &tls, &["read", "shop", "orders", "1"], "").await.lines();
    assert!(read[0].contains("aGVsbG8="), "{read:?}");
    node.stop().await;

    let missing = timeout(PATIENCE, Embedded::try_start(&["--tls-certificate", "/nowhere", "--tls-key", &key])).await;
    let said = missing.expect("at once").expect_err("no such file");
    assert!(said.contains("--tls-certificate /nowhere"), "{said}");
}
