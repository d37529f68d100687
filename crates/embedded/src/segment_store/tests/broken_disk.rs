//! A disk that takes no more, as one that the system has made read-only: clients get the reason, nothing is acknowledged, and
//! what was is still read.

use std::path::Path;

use rustix::io::Errno;
use tempfile::TempDir;

use super::*;
use crate::log::{Call, Options, TestDisk};

/// A quiet segment.
fn other() -> Segment {
    Segment(JavaStr::new("other").expect("short"))
}

fn node_in(dir: &Path, options: Options) -> Arc<Node> {
    Node::open_with(dir, limits(1 << 30), options).expect("it can be opened")
}

/// A store whose segments "s" and "other" each hold the same bytes, and its disk.
async fn store_in(dir: &Path) -> (Store, Arc<TestDisk>) {
    let disk = TestDisk::new();
    let store = Store::of(node_in(dir, Options::default().on(&disk)), None).await;
    let mut client = store.client().await;
    client.set_up().await;
    assert_eq!(client.ask(block(0, "kept")).await, acknowledged(0, NO_VALUE, 4));
    client.ask(CreateSegment { segment: other(), ..create() }).await;
    client.ask(SetupAppend { segment: other(), ..set_up() }).await;
    assert_eq!(client.ask(block(0, "kept")).await, acknowledged(0, NO_VALUE, 4));
    (store, disk)
}

#[track_caller]
fn assert_reports_broken_disk(reply: &WireCommand) {
    let WireCommand::ErrorMessage(ErrorMessage { message, error_code, .. }) = reply else { panic!("{reply:?}") };
    assert_eq!(error_code.0, -1);
    let text = message.as_str();
    assert!(text.contains("log failed: cannot write") && text.contains("Read-only"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn read_only_disk_acknowledges_nothing_and_tells_why_and_reads_go_on() {
    let dir = TempDir::new().expect("a folder");
    let (store, disk) = store_in(dir.path()).await;
    let mut client = store.client().await;
    client.ask(set_up()).await;
    disk.fail_next(Call::Write, Errno::ROFS);
    client.say(block(1, "lost")).await;
    assert_eq!(client.hear().await, None, "whether it is kept is not known");

    let mut client = store.client().await;
    // what the lost append did to this segment must not be reported
    assert_reports_broken_disk(&client.ask(set_up()).await);
    // the other one goes on, but for changes
    let quiet = ReadSegment { segment: other(), ..read(0) };
    let WireCommand::SegmentRead(found) = client.ask(quiet).await else { panic!("no bytes") };
    assert_eq!(&found.data.0.0[..], b"kept");
    let setup = client.ask(SetupAppend { segment: other(), ..set_up() }).await;
    assert!(matches!(setup, WireCommand::AppendSetup(_)), "{setup:?}");
    assert_reports_broken_disk(&client.ask(block(1, "more")).await);
    assert_reports_broken_disk(
        &client.ask(CreateSegment { segment: Segment(JavaStr::new("new").expect("short")), ..create() }).await,
    );
    store.stop([client]).await;

    let store = Store::of(node_in(dir.path(), Options::default()), None).await;
    let mut client = store.client().await;
    assert_eq!(client.ask(read(0)).await, bytes(0, b"kept", true, false));
    store.stop([client]).await;
}
