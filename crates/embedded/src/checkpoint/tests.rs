//! What is saved is loaded, also after a save that failed.

use std::fs;

use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

use super::store::Loaded;
use super::*;
use crate::other_process;

const CACHE_BYTES: usize = 256 * 1024;

fn new_dir() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn open(dir: &TempDir) -> Checkpoint {
    Checkpoint::open(dir.path(), CACHE_BYTES).expect("a checkpoint")
}

fn put(key: &'static str, value: &'static str) -> EntryChange {
    EntryChange::Put { key: key.into(), value: value.into() }
}

fn remove(key: &'static str) -> EntryChange {
    EntryChange::Remove { key: key.into() }
}

/// The position, and all entries as text.
fn loaded(checkpoint: &Checkpoint) -> (u64, Vec<(String, String)>) {
    let Loaded { applied, entries } = checkpoint.load().expect("readable");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let entries = entries.map(|entry| entry.expect("readable"));
    (applied, entries.map(|(key, value)| (text(&key), text(&value))).collect())
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec()
}

#[test]
fn nothing_is_applied_at_first() {
    let dir = new_dir();
    assert_eq!(loaded(&open(&dir)), (0, Vec::new()));
    assert_eq!(loaded(&open(&dir)), (0, Vec::new()));
}

#[test]
fn what_was_saved_is_loaded_in_the_order_of_keys_with_its_position() {
    let dir = new_dir();
    let checkpoint = open(&dir);
    checkpoint.save([put("b", "1"), put("a", ""), put("c", "3")], 70).expect("saved");
    assert_eq!(loaded(&checkpoint), (70, pairs([("a", ""), ("b", "1"), ("c", "3")])));
    checkpoint.save([remove("a"), put("b", "2"), put("c", "4"), remove("c"), remove("z")], 90).expect("saved");
    drop(checkpoint);
    assert_eq!(loaded(&open(&dir)), (90, pairs([("b", "2")])));
}

#[test]
fn entries_that_are_loaded_are_those_of_one_moment() {
    let dir = new_dir();
    let checkpoint = open(&dir);
    checkpoint.save([put("a", "1"), put("b", "1")], 1).expect("saved");
    let Loaded { applied, mut entries } = checkpoint.load().expect("readable");
    let first = entries.next().expect("one").expect("readable");
    checkpoint.save([remove("a"), put("b", "2")], 2).expect("saved");
    let second = entries.next().expect("one").expect("readable");
    assert_eq!((applied, first.1, second.1), (1, "1".into(), "1".into()));
    assert_eq!(loaded(&checkpoint), (2, pairs([("b", "2")])));
}

#[test]
fn any_number_of_entries_is_loaded() {
    let dir = new_dir();
    let checkpoint = open(&dir);
    let entry =
        |n: u32| EntryChange::Put { key: n.to_be_bytes().to_vec().into(), value: vec![1; n as usize % 3000].into() };
    checkpoint.save((0..3000).map(entry), 5).expect("saved");
    let entries = checkpoint.load().expect("readable").entries.map(|entry| entry.expect("readable"));
    let mut count = 0;
    for (n, (key, value)) in entries.enumerate() {
        assert_eq!((&key[..], value.len()), (&(n as u32).to_be_bytes()[..], n % 3000));
        count += 1;
    }
    assert_eq!(count, 3000);
}

#[test]
fn a_save_that_ends_in_its_midst_saves_nothing() {
    let dir = new_dir();
    let checkpoint = open(&dir);
    checkpoint.save([put("a", "1")], 1).expect("saved");
    let changes = [put("a", "2"), put("b", "2")].into_iter().chain(std::iter::from_fn(|| panic!("the node stops")));
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| checkpoint.save(changes, 2)));
    assert!(ended.is_err());
    assert_eq!(loaded(&checkpoint), (1, pairs([("a", "1")])));
    drop(checkpoint);
    assert_eq!(loaded(&open(&dir)), (1, pairs([("a", "1")])));
}

/// In another process, since the limit of a file's size, which stands for a full disk, is a process's.
#[tokio::test]
async fn a_save_that_the_disk_refused_saves_nothing_and_may_be_tried_again() {
    const TEST: &str = "checkpoint::tests::a_save_that_the_disk_refused_saves_nothing_and_may_be_tried_again";
    const FILE_LIMIT: rlimit::Resource = rlimit::Resource::FSIZE;
    let Some(dir) = other_process::directory() else {
        return assert!(other_process::passes(TEST, new_dir().path()));
    };
    let _not_deadly = signal(SignalKind::from_raw(25)).expect("a handler of SIGXFSZ");
    let checkpoint = Checkpoint::open(&dir, CACHE_BYTES).expect("a checkpoint");
    checkpoint.save([put("a", "1")], 1).expect("saved");
    let (_, hard) = FILE_LIMIT.get().expect("the limit");
    let bytes = fs::metadata(dir.join("checkpoint.redb")).expect("the file").len();
    FILE_LIMIT.set(bytes, hard).expect("limited");
    let large = || [EntryChange::Put { key: "b".into(), value: vec![b'2'; 8 << 20].into() }];
    for _ in 0..2 {
        let message = checkpoint.save(large(), 2).expect_err("the file can't grow").to_string();
        assert!(message.contains("File too large"), "{message}");
        assert_eq!(loaded(&checkpoint), (1, pairs([("a", "1")])));
    }
    FILE_LIMIT.set(hard, hard).expect("limited no more");
    checkpoint.save(large(), 2).expect("saved");
    assert_eq!(loaded(&checkpoint).0, 2);
}

#[test]
fn a_checkpoint_of_another_version_is_refused() {
    let dir = new_dir();
    drop(open(&dir));
    let file = dir.path().join("checkpoint.redb");
    let database = redb::Database::open(&file).expect("a database");
    let write = database.begin_write().expect("a transaction");
    let state = redb::TableDefinition::<&str, u64>::new("state");
    write.open_table(state).expect("a table").insert("version", 2).expect("inserted");
    write.commit().expect("committed");
    drop(database);
    let message = Checkpoint::open(dir.path(), CACHE_BYTES).expect_err("another version").to_string();
    let expected = "has format version 2, and this program supports versions up to 1";
    assert!(message.starts_with(&format!("{} {expected}", file.display())), "{message}");
}

#[test]
fn a_file_that_is_no_checkpoint_is_refused() {
    let dir = new_dir();
    let file = dir.path().join("checkpoint.redb");
    fs::write(&file, vec![b'x'; 10_000]).expect("written");
    let message = Checkpoint::open(dir.path(), CACHE_BYTES).expect_err("no database").to_string();
    assert!(message.starts_with(&format!("cannot open {}: ", file.display())), "{message}");
    assert_eq!(fs::read(&file).expect("the file"), vec![b'x'; 10_000]);
}
