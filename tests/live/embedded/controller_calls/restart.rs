//! What a node with a data directory still knows after it was killed.

use futures::{SinkExt as _, StreamExt as _};
use pravega_protocol::controller::scale_request::KeyRangeEntry;
use pravega_protocol::controller::*;
use pravega_protocol::wire::{
    ConditionalAppend, DelegationToken, EventFrame, EventNumber, FrameCodec, JavaStr, Offset, RequestId, Segment,
    SetupAppend, WireCommand, WriterId,
};
use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_util::codec::Framed;
use uuid::Uuid;

use super::side::{Side, ask, id};
use crate::support::Embedded;
use crate::support::foreign::java_at;

const SCOPE: &str = "kept";
const GROUP_ID: &str = "0b5a2a04-5f50-4c4c-8d0a-2b5a3f7c9e11";

/// Long enough for a restart on a busy machine.
const LEASE_MILLIS: i64 = 120_000;

const PATIENCE: usize = 1000;

async fn at(node: &Embedded) -> Side {
    Side::at(&node.pravega.controller, &node.pravega.rest, SCOPE).await
}

async fn java(node: &Embedded, words: &[&str], stdin: &str) -> Vec<String> {
    java_at(&node.pravega.controller, &[], words, stdin).await.lines()
}

async fn write(node: &Embedded, base64: &str) {
    java(node, &["write", SCOPE, "stream"], &format!("{{\"key\":\"k\",\"base64\":\"{base64}\"}}\n")).await;
}

/// The events of the stream as base64, in no particular order.
async fn events(node: &Embedded) -> Vec<String> {
    let mut lines = java(node, &["batch", SCOPE, "stream"], "").await;
    lines.pop().expect("a summary");
    let base64 = |line: &String| {
        let event: Value = serde_json::from_str(line).expect("JSON");
        event["base64"].as_str().expect("a payload").to_owned()
    };
    let mut events: Vec<String> = lines.iter().map(base64).collect();
    events.sort();
    events
}

/// Appends one event to an empty segment.
async fn append(store: &str, segment: &str, payload: &'static [u8]) {
    let mut frames = Framed::new(TcpStream::connect(store).await.expect("it listens"), FrameCodec::client());
    let (writer_id, request_id) = (WriterId(Uuid::new_v4()), RequestId(1));
    let set_up = SetupAppend {
        request_id,
        writer_id,
        segment: Segment(JavaStr::new(segment).expect("short")),
        delegation_token: DelegationToken(JavaStr::default()),
    };
    let (event_number, expected_offset) = (EventNumber(1), Offset(0));
    let event = EventFrame(payload.into());
    let append = ConditionalAppend { writer_id, event_number, expected_offset, event, request_id };
    for command in [WireCommand::from(set_up), append.into()] {
        frames.send(command.frame()).await.expect("open");
        let reply = frames.next().await.expect("open").expect("a frame").to_command().expect("a reply").0;
        assert!(matches!(reply, WireCommand::AppendSetup(_) | WireCommand::DataAppended(_)), "{reply:?}");
    }
}

fn about(side: &Side, txn: TxnId) -> TxnRequest {
    TxnRequest {
        stream_info: Some(side.stream("stream")),
        txn_id: Some(txn),
        writer_id: String::new(),
        timestamp: i64::MIN,
    }
}

async fn make(side: &mut Side) {
    side.client.create_scope(side.scope_info()).await.expect("a new scope");
    let tags = Some(Tags { tag: vec!["one".into(), "two".into()] });
    side.client.create_stream(StreamConfig { tags, ..side.fixed("stream", 1) }).await.expect("a new stream");
    let group = ReaderGroupConfiguration {
        scope: SCOPE.into(),
        reader_group_name: "group".into(),
        group_refresh_time_millis: 3000,
        automatic_checkpoint_interval_millis: 30_000,
        max_outstanding_checkpoint_request: 3,
        retention_type: 1,
        reader_group_id: GROUP_ID.into(),
        starting_stream_cuts: vec![side.cut("stream", &[(id(0, 0), 0)])],
        ending_stream_cuts: vec![side.cut("stream", &[])],
        ..ReaderGroupConfiguration::default()
    };
    side.client.create_reader_group(group).await.expect("a new group");
}

/// Begins a transaction in the first epoch and writes an event to it.
async fn begin(side: &mut Side, store: &str) -> TxnId {
    let request =
        CreateTxnRequest { stream_info: Some(side.stream("stream")), lease: LEASE_MILLIS, scale_grace_period: 0 };
    let begun = side.client.create_transaction(request).await.expect("a transaction").into_inner();
    let txn = begun.txn_id.expect("its id");
    let TxnId { high_bits, low_bits } = txn;
    append(store, &format!("{SCOPE}/stream/0.#epoch.0#transaction.{high_bits:016x}{low_bits:016x}"), b"txn").await;
    txn
}

async fn scale(side: &mut Side) {
    let half = |start| KeyRangeEntry { start, end: start + 0.5 };
    let request = ScaleRequest {
        stream_info: Some(side.stream("stream")),
        sealed_segments: vec![id(0, 0)],
        new_key_ranges: vec![half(0.0), half(0.5)],
        scale_timestamp: 0,
    };
    let epoch = side.client.scale(request).await.expect("a scale").into_inner().epoch;
    let check = ScaleStatusRequest { stream_info: Some(side.stream("stream")), epoch };
    for _ in 0..PATIENCE {
        let status = side.client.check_scale(check.clone()).await.expect("a status").into_inner();
        if status.status() == scale_status_response::ScaleStatus::Success {
            return;
        }
    }
    panic!("the scale is not over");
}

/// Everything that the node reports about what was created.
async fn look(node: &Embedded, txn: TxnId) -> Vec<(String, String)> {
    let mut side = at(node).await;
    let side = &mut side;
    ask!(side, get_stream_configuration, side.stream("stream"));
    ask!(
        side,
        list_streams_in_scope_for_tag,
        StreamsInScopeWithTagRequest { scope: Some(side.scope_info()), tag: "two".into(), continuation_token: None }
    );
    ask!(side, get_current_segments, side.stream("stream"));
    for epoch in [0, 1] {
        ask!(side, get_epoch_segments, GetEpochSegmentsRequest { stream_info: Some(side.stream("stream")), epoch });
    }
    ask!(side, get_segments_immediately_following, side.segment("stream", 0, 0));
    ask!(side, check_transaction_state, about(side, txn));
    ask!(side, list_subscribers, side.stream("stream"));
    let group = ReaderGroupInfo { scope: SCOPE.into(), reader_group: "group".into(), ..ReaderGroupInfo::default() };
    ask!(side, get_reader_group_config, group);
    let table = KeyValueTableInfo { scope: SCOPE.into(), kvt_name: "table".into() };
    ask!(side, get_key_value_table_configuration, table.clone());
    ask!(side, get_current_segments_key_value_table, table);
    for path in ["streams/stream", "streams/stream/scaling-events?from=0&to=99999999999999", "readergroups"] {
        side.rest(Method::GET, &format!("/v1/scopes/{SCOPE}/{path}"), None).await;
    }
    std::mem::take(&mut side.exchanges).into_iter().map(|exchange| (exchange.call, exchange.answer)).collect()
}

async fn commit(side: &mut Side, txn: TxnId) {
    side.client.commit_transaction(about(side, txn)).await.expect("it is open");
    for _ in 0..PATIENCE {
        let state = side.client.check_transaction_state(about(side, txn)).await.expect("a state").into_inner();
        match state.state() {
            txn_state::State::Committed => return,
            other => assert_eq!(other, txn_state::State::Committing),
        }
    }
    panic!("the commit is not over");
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn node_that_was_killed_knows_all_that_it_has_confirmed() {
    let data = TempDir::new().expect("a folder");
    let node = Embedded::in_directory(data.path(), &[]).await;
    let mut side = at(&node).await;
    make(&mut side).await;
    write(&node, "YmVmb3Jl").await;
    let txn = begin(&mut side, &node.pravega.store).await;
    scale(&mut side).await;
    write(&node, "YWZ0ZXI=").await;
    java(&node, &["table-put", SCOPE, "table", "key", "value"], "").await;
    let entry = java(&node, &["table-get", SCOPE, "table", "key"], "").await;
    let before = look(&node, txn).await;
    let is_refusal = |answer: &str| answer.chars().all(char::is_alphanumeric) || answer.starts_with(['4', '5']);
    assert!(before.iter().all(|(_, answer)| !is_refusal(answer)), "{before:?}");
    node.kill().await;

    let node = Embedded::in_directory(data.path(), &[]).await;
    assert_eq!(look(&node, txn).await, before);
    assert_eq!(java(&node, &["table-get", SCOPE, "table", "key"], "").await, entry);
    assert_eq!(events(&node).await, ["YWZ0ZXI=", "YmVmb3Jl"]);
    commit(&mut at(&node).await, txn).await;
    assert_eq!(events(&node).await, ["YWZ0ZXI=", "YmVmb3Jl", "dHhu"]);
    node.stop().await;
}
