//! An in-memory node holds no more than `--embedded-max-bytes`.

use std::time::Duration;

use bytes::Bytes;
use pravega_protocol::wire::{
    CreateTableSegment, NO_VALUE, Offset, Segment, TableEntries, TableEntry, TableKey, UpdateTableEntries, WireCommand,
    WriterId,
};
use tokio::time::sleep;
use uuid::Uuid;

use super::client::{Client, block, error_message, named, token};
use crate::support::embedded::Embedded;
use crate::support::problem::Problem;
use crate::support::{Answer, Gateway};

const MAX_BYTES: i64 = 1024 * 1024;

async fn full_node(segment: &Segment) -> Embedded {
    let node = Embedded::start(&["--embedded-max-bytes", "1MiB"]).await;
    let mut client = Client::connect(&node.pravega.store).await;
    client.create(segment).await;
    append(&mut client, segment, MAX_BYTES as usize).await.expect("it fits");
    node
}

/// Appends with a new writer; returns the error's text if that is refused.
async fn append(client: &mut Client, segment: &Segment, bytes: usize) -> Result<(), String> {
    let writer_id = WriterId(Uuid::new_v4());
    assert_eq!(client.set_up(segment, writer_id).await.expect("it runs"), NO_VALUE);
    match client.ask(block(writer_id, 0, 1, vec![1; bytes])).await.expect("the connection stays open") {
        WireCommand::DataAppended(_) => Ok(()),
        refused => Err(error_message(&refused).to_owned()),
    }
}

#[tokio::test]
async fn append_waits_for_a_truncation_and_fails_without_one() {
    let segment = named("memory/bound/0.#epoch.0");
    let node = full_node(&segment).await;
    let [mut writer, mut other] =
        [Client::connect(&node.pravega.store).await, Client::connect(&node.pravega.store).await];
    let waiting = append(&mut writer, &segment, 1000);
    let truncating = async {
        // room becomes free while the append waits for it
        sleep(Duration::from_secs(1)).await;
        other.truncate(&segment, MAX_BYTES).await
    };
    let (appended, truncated) = tokio::join!(waiting, truncating);
    appended.expect("there was room in time");
    assert!(matches!(truncated, WireCommand::SegmentTruncated(_)), "{truncated:?}");

    append(&mut other, &segment, MAX_BYTES as usize - 1000).await.expect("it fits");
    let refused = append(&mut writer, &segment, 1).await.expect_err("it is full");
    assert!(refused.contains("--embedded-max-bytes") && refused.contains("1048576 bytes"), "{refused}");
    // reads do not wait, nor does anything that frees room
    assert_eq!(read_all(&mut writer, &segment).await, MAX_BYTES as usize);
    other.truncate(&segment, MAX_BYTES + 1000).await;
    append(&mut writer, &segment, 1).await.expect("there is room");
    node.stop().await;
}

async fn read_all(client: &mut Client, segment: &Segment) -> usize {
    let info = client.info(segment).await;
    client.read(segment, info.start_offset.0, info.write_offset.0).await.len()
}

#[tokio::test]
async fn table_entries_count_and_find_no_room_beside_events() {
    let segment = named("memory/bound/0.#epoch.0");
    let node = full_node(&segment).await;
    let mut client = Client::connect(&node.pravega.store).await;
    let table = named("memory/_tables/bound");
    let create = CreateTableSegment {
        request_id: client.request_id(),
        segment: table.clone(),
        delegation_token: token(),
        sorted_deprecated: false,
        key_length: 0,
        rollover_size_bytes: 0,
    };
    let created = client.ask(create).await.expect("it runs");
    assert!(matches!(created, WireCommand::SegmentCreated(_)), "{created:?}");
    let refused = put(&mut client, &table).await;
    assert!(error_message(&refused).contains("--embedded-max-bytes"), "{refused:?}");
    client.truncate(&segment, MAX_BYTES).await;
    let put = put(&mut client, &table).await;
    assert!(matches!(put, WireCommand::TableEntriesUpdated(_)), "{put:?}");
    // the entry's bytes are not available to events
    let refused = append(&mut client, &segment, MAX_BYTES as usize - 500).await.expect_err("the entry holds 1000");
    assert!(refused.contains("--embedded-max-bytes"), "{refused}");
    node.stop().await;
}

async fn put(client: &mut Client, table: &Segment) -> WireCommand {
    let key = TableKey { data: Bytes::from_static(b"key"), version: NO_VALUE };
    let update = UpdateTableEntries {
        request_id: client.request_id(),
        segment: table.clone(),
        delegation_token: token(),
        table_entries: TableEntries(vec![TableEntry { key, value: Bytes::from_static(&[2; 1000]) }]),
        table_segment_offset: Offset(-1),
    };
    client.ask(update).await.expect("the connection stays open")
}

#[tokio::test]
async fn caller_of_a_gateway_hears_that_there_is_no_room_and_which_flag_gives_more() {
    let gateway = Gateway::embedded(&["--embedded-max-bytes", "1MiB"]).await;
    let post = |bytes| Answer::of(gateway.post("/v1/events?scope=memory&stream=bound").body(vec![b'x'; bytes]));
    post(1000 * 1024).await.expect(201);
    let problem = Problem::of(post(100 * 1024).await, 503, "store_unavailable");
    problem.says("--embedded-max-bytes").changed_nothing();
}
