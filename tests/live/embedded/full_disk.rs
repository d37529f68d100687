//! A disk that is full or read-only: callers get errors, nothing acknowledged is lost, and the node recovers.

use std::time::Duration;

use pravega_protocol::wire::{
    AttributeId, DataAppended, NO_VALUE, Segment, UpdateSegmentAttribute, WireCommand, WriterId,
};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::client::{Client, block, error_message, named, token};
use crate::support::PATIENCE;
use crate::support::embedded::Embedded;
use crate::support::small_disk::SmallDisk;

/// Room for two log files and the rest of the directory.
const DISK_MIB: u32 = 152;

/// Bytes of each append.
const APPEND: usize = 1024 * 1024;

/// Most appends that fit.
const MOST: i64 = DISK_MIB as i64;

async fn start(disk: &SmallDisk) -> Embedded {
    let program = disk.command(env!("CARGO_BIN_EXE_pravega-gateway"));
    let data = disk.data();
    let arguments = ["--data", data.to_str().expect("ASCII")];
    Embedded::run(program, &arguments).await.unwrap_or_else(|ended| panic!("it ended:\n{ended}"))
}

/// Appends with numbers from `first` on until one is refused; returns how many were acknowledged, and the error.
async fn append_until_refused(client: &mut Client, segment: &Segment, first: i64) -> (i64, String) {
    let writer_id = WriterId(Uuid::new_v4());
    assert_eq!(client.set_up(segment, writer_id).await.expect("it runs"), NO_VALUE);
    for number in 0..MOST {
        let data = vec![(first + number) as u8; APPEND];
        match client.ask(block(writer_id, number, 1, data)).await.expect("the connection stays open") {
            WireCommand::DataAppended(DataAppended { event_number, .. }) => assert_eq!(event_number.0, number),
            refused => {
                let again = client.ask(block(writer_id, number + 1, 1, "x")).await.expect("it stays open");
                assert_eq!(error_message(&again), error_message(&refused), "what follows must not be stored alone");
                return (number, error_message(&refused).to_owned());
            }
        }
    }
    panic!("{MOST} MiB fit on a disk of {DISK_MIB} MiB")
}

/// Checks that the segment holds this many appends, starting at `from`.
async fn check(client: &mut Client, segment: &Segment, from: i64, count: i64) {
    let length = client.info(segment).await.write_offset.0;
    assert_eq!(length, count * APPEND as i64);
    let bytes = client.read(segment, from * APPEND as i64, length).await;
    let appends = bytes.chunks(APPEND).zip(from..);
    assert!(appends.into_iter().all(|(append, number)| append.iter().all(|byte| *byte == number as u8)));
}

/// Updates an attribute until there is no room for that; returns the error.
async fn update_until_refused(client: &mut Client, segment: &Segment) -> String {
    let mut expected_value = NO_VALUE;
    for new_value in 0..100_000 {
        let update = UpdateSegmentAttribute {
            request_id: client.request_id(),
            segment_name: segment.clone(),
            attribute_id: AttributeId(Uuid::from_u128(1)),
            new_value,
            expected_value,
            delegation_token: token(),
        };
        match client.ask(update).await.expect("the connection stays open") {
            WireCommand::SegmentAttributeUpdated(updated) => assert!(updated.success),
            refused => return error_message(&refused).to_owned(),
        }
        expected_value = new_value;
    }
    panic!("a full disk took all updates")
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn full_disk_is_told_and_loses_nothing_and_takes_more_once_there_is_room() {
    let disk = SmallDisk::of(DISK_MIB).await;
    let node = start(&disk).await;
    let address = node.pravega.store.clone();
    let mut client = Client::connect(&address).await;
    let segment = named("full/disk/0.#epoch.0");
    client.create(&segment).await;
    let (count, refused) = append_until_refused(&mut client, &segment, 0).await;
    assert!(refused.contains("no room for more records") && refused.contains("No space left on device"), "{refused}");
    check(&mut client, &segment, 0, count).await;
    let refused = update_until_refused(&mut client, &segment).await;
    assert!(refused.contains("No space left on device"), "{refused}");

    // everything acknowledged is still there, and the disk is as full as before
    node.kill().await;
    let node = start(&disk).await;
    let mut client = Client::connect(&node.pravega.store).await;
    check(&mut client, &segment, 0, count).await;

    // truncation frees the file that it empties
    let kept = count - 1;
    let truncated = client.truncate(&segment, kept * APPEND as i64).await;
    assert!(matches!(truncated, WireCommand::SegmentTruncated(_)), "{truncated:?}");
    let more = timeout(PATIENCE, append_at_last(&node.pravega.store, &segment, count)).await.expect("it heals");
    check(&mut client, &segment, kept, count + more).await;
    node.stop().await;
    let node = start(&disk).await;
    check(&mut Client::connect(&node.pravega.store).await, &segment, kept, count + more).await;
    node.stop().await;
}

/// Retries until an append succeeds, then appends as much as fits.
async fn append_at_last(address: &str, segment: &Segment, first: i64) -> i64 {
    let mut total = 0;
    while total < 2 {
        let mut client = Client::connect(address).await;
        total += append_until_refused(&mut client, segment, first + total).await.0;
        sleep(Duration::from_millis(100)).await;
    }
    total
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn disk_that_others_fill_is_full_only_as_long_as_they_do() {
    let disk = SmallDisk::of(DISK_MIB).await;
    let node = start(&disk).await;
    disk.fill(DISK_MIB - 64 - 4).await;
    let segment = named("full/disk/0.#epoch.0");
    let mut client = Client::connect(&node.pravega.store).await;
    client.create(&segment).await;
    let (count, refused) = append_until_refused(&mut client, &segment, 0).await;
    assert!(refused.contains("No space left on device"), "{refused}");
    disk.fill(0).await;
    let more = append_at_last(&node.pravega.store, &segment, count).await;
    check(&mut client, &segment, 0, count + more).await;
    node.stop().await;
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn read_only_disk_is_told_at_the_start() {
    let disk = SmallDisk::of(DISK_MIB).await;
    let node = start(&disk).await;
    node.stop().await;
    disk.make_read_only().await;
    let data = disk.data();
    let program = disk.command(env!("CARGO_BIN_EXE_pravega-gateway"));
    let arguments = ["--data", data.to_str().expect("ASCII")];
    let refused = Embedded::run(program, &arguments).await.expect_err("it can't be written to");
    assert!(refused.contains("exit status: 1"), "{refused}");
    assert!(refused.contains(&*data.to_string_lossy()) && refused.contains("Read-only file system"), "{refused}");
}
