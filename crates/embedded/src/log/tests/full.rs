//! A full disk refuses reservations, and nothing that was reserved.

use std::fs::File;

use rustix::io::Errno;

use super::disk::Call;
use super::*;
use crate::log::ReserveError;
use crate::other_process;

/// A disk whose room can be set.
enum Small {
    /// A file system of 1 MiB, which this file fills.
    Real(PathBuf),
    Simulated(Arc<TestDisk>),
}

impl Small {
    fn set_room(&self, bytes: u64) {
        match self {
            Self::Real(filler) => {
                fs::write(filler, []).expect("emptied");
                let dir = filler.parent().expect("a directory");
                let stats = rustix::fs::statvfs(dir).expect("free blocks");
                let filler = File::create(filler).expect("made");
                let free = stats.f_bfree * stats.f_frsize;
                let filled = free.checked_sub(bytes).expect("so much is free");
                rustix::fs::fallocate(&filler, rustix::fs::FallocateFlags::empty(), 0, filled.max(1)).expect("filled");
            }
            Self::Simulated(disk) => disk.set_room(bytes),
        }
    }

    fn options(&self) -> Options {
        let options = Options { file_bytes: 64 * 1024, ..Options::default() };
        match self {
            Self::Real(_) => options,
            Self::Simulated(disk) => Options { disk: Arc::clone(disk) as _, ..options },
        }
    }
}

/// Fills a log on a full disk, makes room, and goes on.
async fn fill_and_heal(dir: &Path, disk: Small) {
    let (log, _) = Log::open(dir, disk.options()).expect("a log");
    disk.set_room(0);
    let mut written = Vec::new();
    let refused = loop {
        match log.reserve(1000).await {
            Ok(room) => {
                written.push(payload(written.len(), 1000));
                let receipt = log.append(vec![written[written.len() - 1].clone()], room);
                log.durable(receipt.end).await.expect("what is reserved can be written");
            }
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, ReserveError::NoSpace(_)), "{refused}");
    assert!(refused.to_string().starts_with("no room for more records: cannot "), "{refused}");
    // A file's bytes but for an eighth, which is kept for what frees room.
    assert_eq!(written.len(), 56);
    let room = log.reserve_to_free(1000).await.expect("an eighth is kept");
    written.push(payload(1, 1000));
    let receipt = log.append(vec![payload(1, 1000)], room);
    log.durable(receipt.end).await.expect("what is reserved can be written");

    assert!(matches!(log.reserve(1000).await, Err(ReserveError::NoSpace(_))));
    disk.set_room(80 * 1024);
    for n in 0..30 {
        written.push(payload(n, 1000));
        let receipt = append_durably(&log, payload(n, 1000)).await;
        assert_eq!(log.read(receipt.payload_at, 1000).expect("durable"), payload(n, 1000));
    }
    assert_eq!(log.files().len(), 2);
    disk.set_room(0);
    drop(log);
    let (_log, replay) = Log::open(dir, disk.options()).expect("a full disk is no reason not to open");
    assert_eq!(payloads_from(replay, 0), written);
}

#[tokio::test]
async fn full_disk_refuses_reservations_until_there_is_room() {
    fill_and_heal(new_dir().path(), Small::Simulated(TestDisk::new())).await;
}

/// On a file system of its own, in another process that alone sees it; where none can be had, simulated.
#[tokio::test]
async fn full_file_system_refuses_reservations_until_there_is_room() {
    if let Some(dir) = other_process::directory() {
        return fill_and_heal(&dir.join("log"), Small::Real(dir.join("filler"))).await;
    }
    let dir = new_dir();
    let test = "log::tests::full::full_file_system_refuses_reservations_until_there_is_room";
    match other_process::on_small_file_system(test, dir.path()) {
        Some(passed) => assert!(passed),
        None => fill_and_heal(dir.path(), Small::Simulated(TestDisk::new())).await,
    }
}

#[test]
fn full_disk_is_told_when_a_log_is_begun() {
    let (dir, disk) = (new_dir(), TestDisk::new());
    disk.fail_next(Call::Write, Errno::NOSPC);
    let error = Log::open(dir.path(), small_files_on(&disk)).expect_err("full").to_string();
    let spare = dir.path().join("spare.0");
    assert_eq!(error, format!("cannot fill {}: No space left on device (os error 28)", spare.display()));
    assert!(!spare.exists());
}

#[tokio::test]
async fn next_file_is_made_before_it_is_needed() {
    let (dir, disk) = (new_dir(), TestDisk::new());
    let (log, _) = Log::open(dir.path(), small_files_on(&disk)).expect("a log");
    append_durably(&log, payload(1, 1900)).await;
    disk.hold();
    append(&log, payload(2, 500)).await;
    // One sync is the record's, the other the spare file's.
    disk.await_syncs(2);
    disk.release();
}

#[tokio::test]
async fn all_that_is_reserved_fits_whatever_is_used_of_it() {
    let (dir, disk) = (new_dir(), TestDisk::new());
    let (log, _) = Log::open(dir.path(), small_files_on(&disk)).expect("a log");
    append_durably(&log, payload(0, 2000)).await;
    append_durably(&log, payload(0, 200)).await;
    // Together more than the file has left: the spare one stands for them.
    let rooms = [log.reserve(900).await, log.reserve(900).await, log.reserve(900).await, log.reserve(700).await];
    disk.set_room(0);
    let mut last = 0;
    for (room, length) in rooms.into_iter().zip([900, 1, 900, 700]) {
        last = log.append(vec![payload(length, length)], room.expect("room")).end;
    }
    log.durable(last).await.expect("what is reserved can be written");
}
