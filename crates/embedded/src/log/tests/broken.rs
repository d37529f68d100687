use rustix::io::Errno;

use super::disk::Call;
use super::*;
use crate::log::ReserveError;

#[tokio::test]
async fn a_failed_write_or_sync_ends_the_log_for_good() {
    for (call, action) in [(Call::Write, "write"), (Call::SyncData, "sync")] {
        let (dir, disk) = (new_dir(), TestDisk::new());
        let (log, _) = Log::open(dir.path(), small_files_on(&disk)).expect("a log");
        let before = append_durably(&log, payload(1, 10)).await;
        let unused = log.reserve(10).await.expect("room");
        disk.fail_next(call, Errno::IO);
        let lost = append(&log, payload(2, 10)).await;
        let message = log.durable(lost.end).await.expect_err("the disk is broken").to_string();
        let file = file_of(&dir, 0);
        let cause = format!("cannot {action} {}: Input/output error (os error 5)", file.display());
        assert_eq!(message, format!("the embedded node's log failed: {cause}"));

        let refused = log.reserve(10).await.expect_err("ended");
        assert!(matches!(&refused, ReserveError::Failed(failed) if failed.to_string() == message), "{refused}");
        let late = log.append(vec![payload(3, 10)], unused);
        assert_eq!(log.durable(late.end).await.expect_err("ended").to_string(), message);
        assert_eq!(log.close().await.expect_err("ended").to_string(), message);

        log.durable(before.end).await.expect("was durable before");
        assert_eq!(log.read(before.payload_at, 10).expect("durable"), payload(1, 10));
        drop(log);
        assert_eq!(replayed(&dir), [payload(1, 10)]);
    }
}

#[tokio::test]
async fn all_who_wait_learn_why_the_log_failed() {
    let (dir, disk) = (new_dir(), TestDisk::new());
    let (log, _) = Log::open(dir.path(), Options { max_gathered_bytes: 1000, ..small_files_on(&disk) }).expect("a log");
    disk.hold();
    let first = append(&log, payload(1, 400)).await;
    disk.await_sync();
    let second = append(&log, payload(2, 400)).await;
    disk.fail_next(Call::Write, Errno::IO);
    let (first, second, third, ()) =
        tokio::join!(log.durable(first.end), log.durable(second.end), log.reserve(900), async { disk.release() });
    first.expect("was synced before");
    assert!(!second.expect_err("was not written").is_closed());
    assert!(matches!(third, Err(ReserveError::Failed(failed)) if !failed.is_closed()));
}

#[tokio::test]
async fn a_failed_rollover_ends_the_log() {
    for call in [Call::SyncAll, Call::Write] {
        let (dir, disk) = (new_dir(), TestDisk::new());
        let (log, _) = Log::open(dir.path(), small_files_on(&disk)).expect("a log");
        append_durably(&log, payload(1, 1900)).await;
        disk.fail_next(call, Errno::IO);
        let room = log.reserve(3000).await;
        assert!(matches!(room, Err(ReserveError::Failed(_))), "{room:?}");
        drop(log);
        assert_eq!(replayed(&dir), [payload(1, 1900)]);
    }
}

#[tokio::test]
async fn a_disk_that_fails_is_told_when_the_log_is_opened() {
    for (call, message) in [(Call::Allocate, "fill"), (Call::SyncAll, "fill")] {
        let (dir, disk) = (new_dir(), TestDisk::new());
        disk.fail_next(call, Errno::IO);
        let error = Log::open(dir.path(), small_files_on(&disk)).expect_err("the disk is broken").to_string();
        assert_eq!(
            error,
            format!("cannot {message} {}: Input/output error (os error 5)", dir.path().join("spare.0").display())
        );
        assert_eq!(replayed(&dir), Vec::<Bytes>::new());
    }
}
