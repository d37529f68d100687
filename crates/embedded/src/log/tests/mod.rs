//! Every sentence of the log's documentation, on real files; crashes and broken disks are simulated below them.

mod append;
mod broken;
mod crash;
mod directory;
mod disk;
mod full;
mod properties;
mod removal;

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tempfile::TempDir;

use super::replay::{Record, Replay};
use super::write_buffer::Receipt;
use super::{Log, Options};
pub(crate) use disk::{Call, TestDisk};

/// Bytes of a file's header, and of a record's, as in the module's documentation.
const FILE_HEADER: usize = 40;
const RECORD_HEADER: usize = 16;

fn new_dir() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn small_files() -> Options {
    Options { file_bytes: 4096, ..Options::default() }
}

fn small_files_on(disk: &Arc<TestDisk>) -> Options {
    small_files().on(disk)
}

impl Options {
    /// The same on a simulated disk.
    pub(crate) fn on(self, disk: &Arc<TestDisk>) -> Self {
        Self { disk: Arc::clone(disk) as _, ..self }
    }
}

fn open(dir: &TempDir) -> (Log, Replay) {
    Log::open(dir.path(), small_files()).expect("a log")
}

fn payloads_from(replay: Replay, from: u64) -> Vec<Bytes> {
    let records = replay.records_from(from).expect("a position in the log");
    records.map(|record| record.expect("a whole record").payload).collect()
}

/// All payloads in the directory's log.
fn replayed(dir: &TempDir) -> Vec<Bytes> {
    let (_log, replay) = open(dir);
    let first = replay.first();
    payloads_from(replay, first)
}

fn records(dir: &TempDir) -> Vec<Record> {
    let (_log, replay) = open(dir);
    replay.records_from(0).expect("the start").map(|record| record.expect("a whole record")).collect()
}

fn refusal(dir: &Path) -> String {
    match Log::open(dir, small_files()) {
        Ok(_) => panic!("{} opens", dir.display()),
        Err(error) => error.to_string(),
    }
}

/// Something of this length that differs by `seed`.
fn payload(seed: usize, length: usize) -> Bytes {
    (0..length).map(|at| (seed.wrapping_mul(31).wrapping_add(at.wrapping_mul(7)) % 251) as u8 + 1).collect()
}

async fn append(log: &Log, payload: Bytes) -> Receipt {
    let room = log.reserve(payload.len()).await.expect("room");
    log.append(vec![payload], room)
}

async fn append_durably(log: &Log, payload: Bytes) -> Receipt {
    let receipt = append(log, payload).await;
    log.durable(receipt.end).await.expect("a disk that works");
    receipt
}

/// A closed log with these payloads.
async fn log_of(payloads: &[Bytes]) -> TempDir {
    let dir = new_dir();
    let (log, _) = open(&dir);
    for payload in payloads {
        append_durably(&log, payload.clone()).await;
    }
    log.close().await.expect("all written");
    dir
}

fn file_of(dir: &TempDir, first: u64) -> PathBuf {
    dir.path().join(format!("{first:020}.log"))
}

fn overwrite(file: &Path, offset: usize, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(file).expect("the file");
    file.write_all_at(bytes, offset as u64).expect("written");
}

fn flip_bit(file: &Path, offset: usize, bit: u8) {
    let byte = fs::read(file).expect("the file")[offset];
    overwrite(file, offset, &[byte ^ 1 << bit]);
}
