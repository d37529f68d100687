//! The Pravegas of these tests themselves, without a gateway: they ask callers who they are.

use std::time::Duration;

use http::Method;
use pravega_protocol::controller::stream_info::AccessOperation;
use pravega_protocol::wire::{
    CreateSegment, DelegationToken, JavaStr, RequestId, SealSegment, Segment, SetupAppend, WireCommand, WriterId,
};
use serde_json::json;
use tokio::time::timeout;
use tonic::Code;
use uuid::Uuid;

use super::control::controller_decides_so;
use crate::support::Answer;
use crate::support::foreign::values;
use crate::support::process::Finished;
#[cfg(feature = "embedded")]
use crate::support::secured::Protection;
use crate::support::secured::SecuredPravega;
use crate::support::secured::users::{ADMIN, GUEST, OTHER, READER, User, WRITER};

/// How long a client may try what it may not do.
const REFUSED_WITHIN: Duration = Duration::from_secs(15);

async fn rest_asks_for_credentials_and_rights(pravega: &SecuredPravega) {
    let stream = || pravega.rest(Method::GET, "/v1/scopes/shop/streams/orders");
    let status = async |request| Answer::of(request).await.status.as_u16();
    assert_eq!(status(stream()).await, 401);
    assert_eq!(status(WRITER.mistyped().sends(stream())).await, 401);
    assert_eq!(status(OTHER.sends(stream())).await, 403);
    for user in [READER, WRITER, ADMIN, GUEST] {
        assert_eq!(status(user.sends(stream())).await, 200, "{}", user.name);
    }
}

async fn tokens_are_sold_to_those_with_the_right(pravega: &SecuredPravega) {
    use AccessOperation::{Read, ReadWrite};
    let buy = async |user: User, access| pravega.token(user, "shop", "orders", access).await.map(drop);
    for access in [Read, ReadWrite] {
        assert_eq!(buy(WRITER.mistyped(), access).await, Err(Code::Unauthenticated));
        assert_eq!(buy(OTHER, access).await, Err(Code::PermissionDenied));
        assert_eq!((buy(WRITER, access).await, buy(ADMIN, access).await), (Ok(()), Ok(())));
    }
    assert_eq!(buy(READER, Read).await, Ok(()));
    assert_eq!(buy(READER, ReadWrite).await, Err(Code::PermissionDenied));
}

/// The reason for the gateway's own rules: with a token for reading, a segment can be sealed.
async fn store_checks_less_than_the_gateway(pravega: &SecuredPravega) {
    let mut session = pravega.session().await;
    let name = format!("shop/orders/{}.#epoch.0", rand::random_range(1_000_000..i32::MAX));
    let segment = || Segment(JavaStr::new(&*name).expect("short"));
    let reading = pravega.token(READER, "shop", "orders", AccessOperation::Read).await.expect("allowed");
    let changing = pravega.token(WRITER, "shop", "orders", AccessOperation::ReadWrite).await.expect("allowed");
    let create = CreateSegment {
        request_id: RequestId(1),
        segment: segment(),
        target_rate: 0,
        scale_type: 0,
        delegation_token: changing.clone(),
        rollover_size_bytes: 0,
    };
    assert!(matches!(session.ask(create).await, WireCommand::SegmentCreated(_)));
    let writer_id = WriterId(Uuid::new_v4());
    let set_up =
        |delegation_token| SetupAppend { request_id: RequestId(2), writer_id, segment: segment(), delegation_token };
    for token in [DelegationToken::none(), reading.clone()] {
        assert!(matches!(session.ask(set_up(token)).await, WireCommand::AuthTokenCheckFailed(_)));
    }
    assert!(matches!(session.ask(set_up(changing)).await, WireCommand::AppendSetup(_)));
    let seal = |delegation_token| SealSegment { request_id: RequestId(3), segment: segment(), delegation_token };
    assert!(matches!(session.ask(seal(DelegationToken::none())).await, WireCommand::AuthTokenCheckFailed(_)));
    assert!(matches!(session.ask(seal(reading)).await, WireCommand::SegmentSealed(_)));
}

/// Pravega's own client finds the same rights.
async fn java_client_finds_the_same_rights(pravega: &SecuredPravega) {
    let written = json!("aGVsbG8=");
    let event = json!({ "key": null, "base64": written }).to_string() + "\n";
    let write = async |user: User| pravega.java(user, &["write", "shop", "orders"], &event).await;
    write(WRITER).await.success();
    let read = async |user: User| pravega.java(user, &["batch", "shop", "orders"], "").await;
    tokio::join!(
        fails("reader writes", write(READER)),
        fails("other writes", write(OTHER)),
        fails("mistyped writes", write(WRITER.mistyped())),
        fails("other reads", read(OTHER)),
    );
    for user in [READER, WRITER] {
        let lines = values(read(user).await);
        let found = lines.iter().filter(|line| line["base64"] == written).count();
        assert_eq!(found, 1, "{}: {lines:?}", user.name);
    }
}

/// Fails if the client succeeds. It may go on for minutes with what is refused.
async fn fails(what: &str, running: impl Future<Output = Finished>) {
    if let Ok(finished) = timeout(REFUSED_WITHIN, running).await {
        assert!(!finished.status.success(), "{what}");
    }
}

#[cfg(feature = "embedded")]
#[tokio::test]
async fn embedded_one_asks_for_users_and_rights() {
    let pravega = SecuredPravega::embedded(Protection::FULL, &[]).await;
    rest_asks_for_credentials_and_rights(&pravega).await;
    tokens_are_sold_to_those_with_the_right(&pravega).await;
    store_checks_less_than_the_gateway(&pravega).await;
    controller_decides_so(&pravega).await;
    pravega.stop().await;
}

#[cfg(feature = "embedded")]
#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn java_client_agrees_on_the_embedded_one() {
    let pravega = SecuredPravega::embedded(Protection::FULL, &[]).await;
    java_client_finds_the_same_rights(&pravega).await;
    pravega.stop().await;
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn real_one_asks_for_users_and_rights() {
    let (pravega, _turn) = SecuredPravega::real().await;
    rest_asks_for_credentials_and_rights(pravega).await;
    tokens_are_sold_to_those_with_the_right(pravega).await;
    store_checks_less_than_the_gateway(pravega).await;
    controller_decides_so(pravega).await;
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn java_client_agrees_on_the_real_one() {
    let (pravega, _turn) = SecuredPravega::real().await;
    java_client_finds_the_same_rights(pravega).await;
}
