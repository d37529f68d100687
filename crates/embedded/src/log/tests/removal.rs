use super::*;
use crate::log::files::Files;

/// Twelve files of two records each.
async fn log_of_files() -> (TempDir, Vec<Bytes>) {
    let payloads: Vec<_> = (0..24).map(|n| payload(n, 1700)).collect();
    (log_of(&payloads).await, payloads)
}

#[tokio::test]
async fn files_that_end_before_a_position_are_removed() {
    let (dir, payloads) = log_of_files().await;
    let (log, _) = open(&dir);
    let files = log.files();
    assert_eq!(files.len(), 12);
    log.remove_before(files[3].end - 1).expect("removed");
    assert_eq!(log.files(), files[3..]);
    log.remove_before(files[3].end).expect("removed");
    assert_eq!(log.files(), files[4..]);
    assert!(!file_of(&dir, files[3].first).exists());
    drop(log);
    let (_log, replay) = open(&dir);
    assert_eq!(replay.first(), files[4].first);
    assert_eq!(payloads_from(replay, files[4].first), payloads[8..]);
}

#[tokio::test]
async fn the_last_file_is_never_removed() {
    let (dir, _) = log_of_files().await;
    let (log, _) = open(&dir);
    let end = log.end();
    log.remove_before(u64::MAX).expect("removed");
    assert_eq!(log.files().len(), 1);
    let receipt = append_durably(&log, payload(99, 100)).await;
    assert_eq!(receipt.start, end);
    drop(log);
    assert_eq!(replayed(&dir).last(), Some(&payload(99, 100)));
}

#[tokio::test]
async fn what_was_removed_is_neither_read_nor_replayed() {
    let (dir, _) = log_of_files().await;
    let (log, replay) = open(&dir);
    let files = log.files();
    log.read(16, 100).expect("still there");
    log.remove_before(files[0].end).expect("removed");
    assert_eq!(log.read(16, 100).expect_err("gone").to_string(), "position 16 was removed from the log");
    drop((log, replay));
    let error = open(&dir).1.records_from(0).expect_err("gone").to_string();
    assert_eq!(error, "the log holds positions 3432 to 41184 and can't be replayed from 0");
}

#[tokio::test]
async fn any_number_of_files_is_read_through_few_open_ones() {
    let payloads: Vec<_> = (0..100).map(|n| payload(n, 3000)).collect();
    let dir = log_of(&payloads).await;
    let (log, _) = open(&dir);
    let mine = || {
        let links =
            fs::read_dir("/proc/self/fd").expect("descriptors").filter_map(|entry| entry.ok()?.path().read_link().ok());
        links.filter(|path| path.starts_with(dir.path())).count()
    };
    for round in 0..2 {
        for (n, payload) in payloads.iter().enumerate() {
            assert_eq!(log.read(n as u64 * 3016 + 16, 3000).expect("durable"), payload, "{n} in round {round}");
            assert!(mine() <= Files::MAX_OPEN + 2, "{}", mine());
        }
    }
}

#[tokio::test]
async fn removed_files_are_closed_so_that_their_blocks_are_free() {
    let (dir, _) = log_of_files().await;
    let (log, _) = open(&dir);
    let first = file_of(&dir, 0);
    let is_open = || {
        let links =
            fs::read_dir("/proc/self/fd").expect("descriptors").filter_map(|entry| entry.ok()?.path().read_link().ok());
        links.map(|path| path.display().to_string()).any(|path| path.starts_with(&first.display().to_string()))
    };
    log.read(16, 100).expect("still there");
    assert!(is_open());
    log.remove_before(log.files()[0].end).expect("removed");
    assert!(!is_open());
}
