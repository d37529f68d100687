//! A directory that an earlier release wrote.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use tempfile::TempDir;

use super::*;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/format")
}

fn unpacked() -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for entry in fs::read_dir(golden().join("directory_v1")).expect("the fixture") {
        let path = entry.expect("a file").path();
        let name = path.file_name().expect("a name").to_str().expect("text");
        match name.strip_suffix(".gz") {
            Some(name) => {
                let mut packed = GzDecoder::new(File::open(&path).expect("readable"));
                io::copy(&mut packed, &mut File::create(dir.path().join(name)).expect("created")).expect("unpacked");
            }
            None => drop(fs::copy(&path, dir.path().join(name)).expect("copied")),
        }
    }
    dir
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// Everything that a node holds, a line for each thing.
async fn described(node: &Node) -> Vec<String> {
    let (mut lines, reads) = node.look(|state| (header_lines(state), contents(state))).into_inner();
    for (name, parts) in reads {
        let bytes = node.fetch(parts).await.expect("readable").concat();
        lines.push(format!("{name}: bytes {}", text(&bytes)));
    }
    lines.sort();
    lines
}

fn header_lines(state: &State) -> Vec<String> {
    let segments = state.segments().flat_map(segment_lines);
    let records = state.records("").map(|(key, value)| format!("{key} = {}", text(value)));
    segments.chain(records).collect()
}

fn segment_lines(segment: &StoredSegment) -> Vec<String> {
    let (name, data) = (segment.name(), segment.data());
    let sealed = if segment.is_sealed() { ", sealed" } else { "" };
    let (kind, start, length) = (segment.kind(), data.start(), data.length());
    let mut lines = vec![format!("{name}: {kind:?}, {start}..{length}{sealed}, changed {}", segment.last_modified())];
    lines.extend(segment.attributes.iter().map(|(id, value)| format!("{name}: attribute {id} = {value}")));
    if let Some(table) = segment.table() {
        lines.push(format!("{name}: table of {}", table.length()));
        lines.extend(
            table.live().map(|(version, key, value)| {
                format!("{name}: entry {} = {}, version {version}", text(key), text(value))
            }),
        );
    }
    lines
}

fn contents(state: &State) -> Vec<(String, Vec<Part>)> {
    let all = |segment: &StoredSegment| {
        let data = segment.data();
        (segment.name().to_owned(), data.read(data.start(), usize::MAX))
    };
    state.segments().filter(|segment| segment.data().length() > 0).map(all).collect()
}

/// Opened twice, since the second time what was replayed is in a checkpoint.
#[tokio::test]
async fn a_directory_of_version_1_opens_with_all_that_is_in_it() {
    let dir = unpacked();
    let expected = fs::read_to_string(golden().join("directory_v1.txt")).expect("the expected content");
    for time in ["replayed", "from a checkpoint"] {
        let node = Node::open(dir.path(), limits(1 << 20)).expect("it opens");
        let found = described(&node).await.join("\n") + "\n";
        assert!(found == expected, "{time}:\n{found}");
        node.checkpoint(journal(&node)).await.expect("a checkpoint");
        kill(node).await;
    }
}
