//! One process per directory, and recovery from what a crash leaves at the end of the log.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use pravega_protocol::wire::{NO_VALUE, Segment, WireCommand, WriterId};
use tempfile::TempDir;
use uuid::Uuid;

use super::client::{Client, block, named};
use crate::support::embedded::Embedded;

const WRITER: WriterId = WriterId(Uuid::from_u128(3));

/// Bytes of each event.
const EVENT: usize = 100;

async fn append(client: &mut Client, number: i64) {
    let reply = client.ask(block(WRITER, number, 1, vec![number as u8 + 1; EVENT])).await.expect("it runs");
    assert!(matches!(reply, WireCommand::DataAppended(_)), "{reply:?}");
}

/// Checks that exactly this many events are stored.
async fn check(client: &mut Client, segment: &Segment, count: i64) {
    let last = client.set_up(segment, WRITER).await.expect("it runs");
    assert_eq!(last, count.checked_sub(1).filter(|last| *last >= 0).unwrap_or(NO_VALUE));
    let expected: Vec<u8> = (0..count).flat_map(|number| [number as u8 + 1; EVENT]).collect();
    let length = client.info(segment).await.write_offset.0;
    assert!(client.read(segment, 0, length).await == expected, "{count}");
}

#[tokio::test]
async fn second_process_on_a_directory_ends_at_once_and_says_why() {
    let dir = TempDir::new().expect("a folder");
    let node = Embedded::in_directory(dir.path(), &[]).await;
    let data = dir.path().to_str().expect("ASCII");
    let refused = Embedded::try_start(&["--data", data]).await.expect_err("the first one has it");
    assert!(refused.contains("exit status: 1"), "{refused}");
    assert!(refused.contains(&format!("{data} is in use: another process")), "{refused}");
    let (mut client, segment) = (Client::connect(&node.pravega.store).await, named("one/process/0.#epoch.0"));
    client.create(&segment).await;
    check(&mut client, &segment, 0).await;
    append(&mut client, 0).await;
    node.stop().await;
    let node = Embedded::in_directory(dir.path(), &[]).await;
    check(&mut Client::connect(&node.pravega.store).await, &segment, 1).await;
    node.stop().await;
}

/// Damage to the end of the log.
#[derive(Debug, Clone, Copy)]
enum Damage {
    /// The end of the last record was not written.
    Unwritten,
    /// The end of the last record is garbage.
    Garbled,
    /// The file ends within the last record.
    Cut,
    /// The last record is complete, but garbage follows it.
    Followed,
}

impl Damage {
    /// Damages the file; returns whether the last record is lost.
    fn hits(self, file: &Path) -> bool {
        let bytes = fs::read(file).expect("the log");
        let end = bytes.iter().rposition(|byte| *byte != 0).expect("records") + 1;
        let log = OpenOptions::new().write(true).open(file).expect("the log");
        match self {
            Self::Unwritten => write(&log, &[0; 7], end - 7),
            Self::Garbled => write(&log, &[bytes[end - 1] ^ 0x55], end - 1),
            Self::Cut => log.set_len(end as u64 - 7).expect("it can be cut"),
            Self::Followed => write(&log, b"the beginning of another record", end),
        }
        !matches!(self, Self::Followed)
    }
}

fn write(file: &File, bytes: &[u8], at: usize) {
    file.write_all_at(bytes, at as u64).expect("it can be written");
}

/// The last file of the log; names sort by position.
fn last_file(dir: &Path) -> PathBuf {
    let files = fs::read_dir(dir).expect("the directory").map(|entry| entry.expect("an entry").path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "log")).max().expect("a log")
}

#[tokio::test]
async fn torn_end_of_the_log_is_cut_and_all_before_it_is_there() {
    let dir = TempDir::new().expect("a folder");
    let mut node = Embedded::in_directory(dir.path(), &[]).await;
    let segment = named("torn/tail/0.#epoch.0");
    Client::connect(&node.pravega.store).await.create(&segment).await;
    let mut count = 0;
    for damage in [Damage::Unwritten, Damage::Garbled, Damage::Followed, Damage::Cut, Damage::Unwritten] {
        let mut client = Client::connect(&node.pravega.store).await;
        check(&mut client, &segment, count).await;
        for _ in 0..5 {
            append(&mut client, count).await;
            count += 1;
        }
        node.kill().await;
        count -= i64::from(damage.hits(&last_file(dir.path())));
        node = Embedded::in_directory(dir.path(), &[]).await;
    }
    check(&mut Client::connect(&node.pravega.store).await, &segment, count).await;
    node.stop().await;
}
