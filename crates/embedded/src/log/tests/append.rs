//! Appending, awaiting and replaying.

use futures::FutureExt as _;

use super::*;
use crate::log::ReserveError;

#[tokio::test]
async fn a_record_lies_where_its_receipt_says() {
    let dir = new_dir();
    let (log, _) = open(&dir);
    let room = log.reserve(11).await.expect("room");
    let receipt = log.append(vec!["hello".into(), " ".into(), "world".into()], room);
    log.durable(receipt.end).await.expect("a disk that works");
    assert_eq!(receipt, Receipt { start: 0, payload_at: 16, end: 27 });
    assert_eq!(log.read(receipt.payload_at, 11).expect("durable"), "hello world");
    assert_eq!(log.read(receipt.payload_at + 6, 3).expect("durable"), "wor");
    let next = append(&log, payload(1, 1)).await;
    assert_eq!((next.start, log.end()), (27, 44));
}

#[tokio::test]
async fn records_are_replayed_in_order_from_any_of_their_starts_and_ends() {
    let payloads: Vec<_> = (1..200).map(|n| payload(n, n)).collect();
    let dir = log_of(&payloads).await;
    let records = records(&dir);
    assert_eq!(records.iter().map(|record| record.payload.clone()).collect::<Vec<_>>(), payloads);
    for (at, record) in records.iter().enumerate() {
        assert_eq!(record.payload_at + record.payload.len() as u64, record.end);
        assert_eq!(payloads_from(open(&dir).1, record.start), payloads[at..]);
    }
    let (log, replay) = open(&dir);
    assert_eq!((replay.first(), replay.end()), (0, log.end()));
    assert_eq!(payloads_from(replay, log.end()), Vec::<Bytes>::new());
}

#[tokio::test]
async fn a_position_in_the_midst_of_a_record_is_not_replayed_from() {
    let dir = log_of(&[payload(1, 50), payload(2, 50)]).await;
    let mut records = open(&dir).1.records_from(17).expect("a position in the log");
    let error = records.next().expect("an error").expect_err("no record begins there").to_string();
    assert!(error.ends_with("00000000000000000000.log is damaged at byte 57: no whole record begins here"), "{error}");
    assert!(records.next().is_none());
}

#[tokio::test]
async fn a_position_beyond_the_end_is_not_replayed_from() {
    let dir = log_of(&[payload(1, 50)]).await;
    let error = open(&dir).1.records_from(67).expect_err("it ends at 66").to_string();
    assert_eq!(error, "the log holds positions 0 to 66 and can't be replayed from 67");
}

#[tokio::test]
async fn files_roll_over_where_a_record_does_not_fit() {
    let dir = log_of(&[payload(1, 3000), payload(2, 1030), payload(3, 100), payload(4, 3500)]).await;
    let (log, replay) = open(&dir);
    let files: Vec<_> = log.files().iter().map(|file| (file.first, file.end, file.bytes)).collect();
    // The ones before the last keep no more than their records.
    assert_eq!(files, [(0, 3016, 3056), (3016, 4178, 1202), (4178, 7694, 4096)]);
    assert_eq!(payloads_from(replay, 3016), [payload(2, 1030), payload(3, 100), payload(4, 3500)]);
}

#[tokio::test]
async fn a_record_of_20_mib_fits_into_files_of_the_usual_size() {
    let dir = new_dir();
    let (log, _) = Log::open(dir.path(), Options::default()).expect("a log");
    let large = payload(1, 20 * 1024 * 1024);
    for _ in 0..4 {
        append_durably(&log, large.clone()).await;
    }
    assert_eq!(log.files().len(), 2);
    drop(log);
    let (log, replay) = Log::open(dir.path(), Options::default()).expect("a log");
    let records: Vec<_> = replay.records_from(0).expect("the start").map(|record| record.expect("whole")).collect();
    assert_eq!(records.len(), 4);
    for record in records {
        assert_eq!(record.payload, large);
        assert_eq!(log.read(record.payload_at, large.len()).expect("durable"), large);
    }
}

#[tokio::test]
async fn a_record_larger_than_a_file_is_refused() {
    let dir = new_dir();
    let (log, _) = open(&dir);
    let error = log.reserve(4096).await.expect_err("too large");
    assert!(matches!(error, ReserveError::TooLarge { bytes: 4096, max: 3533 }), "{error}");
    assert!(log.reserve(3533).await.is_ok());
}

#[tokio::test]
async fn more_than_was_reserved_is_written_all_the_same() {
    let dir = new_dir();
    let (log, _) = open(&dir);
    let payloads = [payload(1, 3000), payload(2, 3000), payload(3, 10_000), payload(4, 10)];
    let mut last = 0;
    for payload in payloads.clone() {
        let room = log.reserve(1).await.expect("room");
        log.append(vec![payload.clone()], room);
        last = log.append_unreserved(vec![payload]).end;
    }
    log.durable(last).await.expect("a disk that works");
    drop(log);
    let twice: Vec<_> = payloads.into_iter().flat_map(|payload| [payload.clone(), payload]).collect();
    assert_eq!(replayed(&dir), twice);
}

#[tokio::test]
async fn what_comes_while_the_disk_syncs_is_synced_as_one_group() {
    let (dir, disk) = (new_dir(), TestDisk::new());
    let (log, _) = Log::open(dir.path(), small_files_on(&disk)).expect("a log");
    let syncs = disk.syncs();
    disk.hold();
    let first = append(&log, payload(0, 10)).await;
    disk.await_sync();
    let mut last = first;
    for n in 1..50 {
        last = append(&log, payload(n, 10)).await;
    }
    assert!(log.durable(first.end).now_or_never().is_none());
    assert!(log.read(first.payload_at, 10).is_err());
    disk.release();
    log.durable(last.end).await.expect("a disk that works");
    assert_eq!(disk.syncs() - syncs, 2);
}

#[tokio::test]
async fn what_gathers_is_bounded_and_given_back_when_it_is_written() {
    let (dir, disk) = (new_dir(), TestDisk::new());
    let (log, _) = Log::open(dir.path(), Options { max_gathered_bytes: 1000, ..small_files_on(&disk) }).expect("a log");
    disk.hold();
    let receipt = append(&log, payload(1, 484)).await;
    let unused = log.reserve(400).await.expect("room");
    assert!(log.reserve(100).now_or_never().is_none());
    drop(unused);
    let unused = log.reserve(484).now_or_never().expect("was given back").expect("room");
    assert!(log.reserve(1).now_or_never().is_none());
    disk.release();
    log.durable(receipt.end).await.expect("a disk that works");
    drop(log.reserve(484).await.expect("room"));
    let small = log.append(vec![payload(2, 1)], unused);
    let rest = log.reserve(984 - 17).await.expect("only what the record holds was kept");
    drop(rest);
    log.durable(small.end).await.expect("a disk that works");
}

#[tokio::test]
async fn closing_writes_what_was_gathered_and_takes_no_more() {
    let dir = new_dir();
    let (log, _) = open(&dir);
    let room = log.reserve(10).await.expect("room");
    let receipts = [append(&log, payload(1, 10)).await, append(&log, payload(2, 10)).await];
    log.close().await.expect("all written");
    for receipt in receipts {
        log.durable(receipt.end).await.expect("was written");
    }
    assert!(matches!(log.reserve(1).await, Err(ReserveError::Failed(ended)) if ended.is_closed()));
    let late = log.append(vec![payload(3, 10)], room);
    assert_eq!(log.durable(late.end).await.expect_err("closed").to_string(), "the embedded node's log is closed");
    assert_eq!(log.read(receipts[1].payload_at, 10).expect("durable"), payload(2, 10));
    log.close().await.expect("all written, again");
    drop(log);
    assert_eq!(replayed(&dir), [payload(1, 10), payload(2, 10)]);
}

#[tokio::test]
async fn dropping_writes_what_was_gathered() {
    let dir = new_dir();
    let (log, _) = open(&dir);
    for n in 0..100 {
        append(&log, payload(n, 100)).await;
    }
    drop(log);
    assert_eq!(replayed(&dir), (0..100).map(|n| payload(n, 100)).collect::<Vec<_>>());
}
