//! What a crash leaves is cut; what it cannot have done is damage.

use super::*;

/// Three records with ends at 56, 92 and 128 of the file, and a log that has them.
async fn three() -> (TempDir, [Bytes; 3]) {
    let payloads = [payload(1, 0), payload(2, 20), payload(3, 20)].map(|bytes| [&bytes[..], b"."].concat().into());
    (log_of(&payloads).await, payloads)
}

/// What is replayed, and that the log takes more behind it which is replayed too.
async fn heals_to(dir: &TempDir, expected: &[Bytes]) {
    let (log, replay) = open(dir);
    assert_eq!(payloads_from(replay, 0), expected);
    let more = payload(9, 5);
    append_durably(&log, more.clone()).await;
    drop(log);
    assert_eq!(replayed(dir), [expected, &[more]].concat());
}

/// A file that was cut short takes no more: what came after is in another one.
fn remove_rolled_over(dir: &TempDir) {
    let (log, _) = open(dir);
    for file in &log.files()[1..] {
        fs::remove_file(file_of(dir, file.first)).expect("removed");
    }
}

#[tokio::test]
async fn last_records_torn_at_any_byte_are_cut() {
    let (dir, payloads) = three().await;
    let file = file_of(&dir, 0);
    let whole = fs::read(&file).expect("the file");
    let ends: Vec<usize> = records(&dir).iter().map(|record| FILE_HEADER + record.end as usize).collect();
    for torn in FILE_HEADER..ends[2] {
        let left = ends.iter().filter(|end| **end <= torn).count();
        let mut zeros = whole.clone();
        zeros[torn..].fill(0);
        let mut garbage = whole.clone();
        garbage[torn..].fill(0xa5);
        for bytes in [&zeros, &garbage, &whole[..torn].to_vec()] {
            fs::write(&file, bytes).expect("written");
            heals_to(&dir, &payloads[..left]).await;
            remove_rolled_over(&dir);
        }
    }
}

#[tokio::test]
async fn any_bit_flipped_in_the_last_record_cuts_it() {
    let (dir, payloads) = three().await;
    let file = file_of(&dir, 0);
    let whole = fs::read(&file).expect("the file");
    let last = records(&dir)[2].clone();
    for offset in last.start..last.end {
        for bit in 0..8 {
            fs::write(&file, &whole).expect("written");
            flip_bit(&file, FILE_HEADER + offset as usize, bit);
            assert_eq!(replayed(&dir), payloads[..2], "bit {bit} at {offset}");
        }
    }
}

#[tokio::test]
async fn any_bit_flipped_before_the_last_record_is_damage_and_changes_nothing() {
    let (dir, _) = three().await;
    let file = file_of(&dir, 0);
    let whole = fs::read(&file).expect("the file");
    let records = records(&dir);
    for record in &records[..2] {
        for offset in record.start..record.end {
            flip_bit(&file, FILE_HEADER + offset as usize, 3);
            let damaged = fs::read(&file).expect("the file");
            let at = FILE_HEADER as u64 + record.start;
            let expected = format!("{} is damaged at byte {at}: no whole record begins here", file.display());
            assert_eq!(refusal(dir.path()), expected, "flipped at {offset}");
            assert!(fs::read(&file).expect("the file") == damaged);
            fs::write(&file, &whole).expect("written");
        }
    }
}

#[tokio::test]
async fn any_bit_flipped_in_a_files_header_is_damage() {
    let (dir, _) = three().await;
    let file = file_of(&dir, 0);
    for offset in 0..FILE_HEADER {
        flip_bit(&file, offset, 5);
        assert!(refusal(dir.path()).contains("is damaged at byte 0"), "flipped at {offset}");
        flip_bit(&file, offset, 5);
    }
    replayed(&dir);
}

#[tokio::test]
async fn damage_before_the_last_file_is_an_error_when_it_is_reached() {
    let payloads: Vec<_> = (0..6).map(|n| payload(n, 1900)).collect();
    let dir = log_of(&payloads).await;
    let records = records(&dir);
    flip_bit(&file_of(&dir, records[2].start), FILE_HEADER + 1000, 0);
    let mut replay = open(&dir).1.records_from(0).expect("the start");
    assert!(replay.by_ref().take(2).all(|record| record.is_ok()));
    let error = replay.next().expect("an error").expect_err("damage").to_string();
    let file = file_of(&dir, records[2].start);
    assert_eq!(error, format!("{} is damaged at byte 40: no whole record begins here", file.display()));
    assert!(replay.next().is_none());
    // What lies behind can be read by callers who need nothing before it.
    assert_eq!(payloads_from(open(&dir).1, records[4].start), payloads[4..]);
}

#[tokio::test]
async fn a_file_that_is_missing_or_short_between_others_is_damage() {
    let payloads: Vec<_> = (0..6).map(|n| payload(n, 1900)).collect();
    let dir = log_of(&payloads).await;
    let middle = file_of(&dir, 2 * 1916);
    let bytes = fs::read(&middle).expect("the file");
    fs::write(&middle, &bytes[..bytes.len() - 1]).expect("written");
    let message = refusal(dir.path());
    assert!(message.ends_with("is damaged at byte 3871: the file ends before the next one begins"), "{message}");
    fs::remove_file(&middle).expect("removed");
    let message = refusal(dir.path());
    assert!(message.contains(&file_of(&dir, 0).display().to_string()), "{message}");
}

#[tokio::test]
async fn stale_bytes_behind_a_cut_are_no_records_later() {
    let payloads = [payload(1, 30), payload(2, 30), payload(3, 30)];
    let dir = log_of(&payloads).await;
    let records = records(&dir);
    // The second record is lost, the third is what a crash left of the same group.
    let file = file_of(&dir, 0);
    let third = regrouped(&dir, &records[2], records[2].start - records[1].start);
    overwrite(&file, FILE_HEADER + records[2].start as usize, &third);
    overwrite(&file, FILE_HEADER + records[1].start as usize, &[0; 46]);
    let (log, replay) = open(&dir);
    assert_eq!(payloads_from(replay, 0), payloads[..1]);
    // One of the same length takes the place of the second, right before the third.
    append_durably(&log, payload(4, 30)).await;
    drop(log);
    assert_eq!(replayed(&dir), [payload(1, 30), payload(4, 30)]);
}

/// The record's bytes, as part of a group that began this many bytes before it.
fn regrouped(dir: &TempDir, record: &Record, since_group: u64) -> Vec<u8> {
    use crate::log::directory::Directory;
    use crate::log::layout::RecordHeader;

    let id = Directory::open(dir.path()).expect("the directory").id;
    let header = RecordHeader {
        payload_bytes: record.payload.len() as u32,
        since_group: since_group as u32,
        payload_crc: crc32fast::hash(&record.payload),
    };
    [&header.encode(id, record.start), &record.payload[..]].concat()
}

#[tokio::test]
async fn a_bit_flipped_amid_the_last_group_is_damage_since_no_sector_was_lost() {
    let (dir, disk) = (new_dir(), TestDisk::new());
    let (log, _) = Log::open(dir.path(), small_files_on(&disk)).expect("a log");
    disk.hold();
    append(&log, payload(0, 10)).await;
    disk.await_sync();
    let group = [append(&log, payload(1, 600)).await, append(&log, payload(2, 600)).await];
    disk.release();
    drop(log);
    let file = file_of(&dir, 0);
    flip_bit(&file, FILE_HEADER + group[0].payload_at as usize + 100, 0);
    let message = refusal(dir.path());
    assert!(message.contains(&format!("is damaged at byte {}", FILE_HEADER as u64 + group[0].start)), "{message}");
}

#[tokio::test]
async fn a_payload_that_looks_like_records_is_none() {
    let (dir, _) = three().await;
    let inner = fs::read(file_of(&dir, 0)).expect("the file");
    let (log, _) = open(&dir);
    append_durably(&log, inner[FILE_HEADER..200].to_vec().into()).await;
    let torn = append_durably(&log, inner[FILE_HEADER..200].to_vec().into()).await;
    drop(log);
    overwrite(&file_of(&dir, 0), FILE_HEADER + torn.start as usize, &[0; RECORD_HEADER]);
    assert_eq!(replayed(&dir).len(), 4);
}

#[tokio::test]
async fn power_lost_amid_a_group_leaves_what_was_durable_and_a_beginning_of_the_group() {
    for sectors in 0..16_u32 {
        let (dir, disk) = (new_dir(), TestDisk::new());
        let (log, _) = Log::open(dir.path(), small_files_on(&disk)).expect("a log");
        append_durably(&log, payload(0, 300)).await;
        disk.hold();
        append(&log, payload(1, 400)).await;
        disk.await_sync();
        for n in 2..6 {
            append(&log, payload(n, 400)).await;
        }
        disk.release();
        log.durable(3 * 416).await.expect("a disk that works");
        disk.hold();
        let group = [append(&log, payload(6, 300)).await, append(&log, payload(7, 300)).await];
        disk.await_sync();
        let mut sector = 0;
        disk.crash(|| {
            sector += 1;
            sectors >> (sector - 1) & 1 == 1
        });
        assert!(log.durable(group[1].end).await.is_err());
        drop(log);
        let lengths = [300, 400, 400, 400, 400, 400, 300, 300];
        let whole: Vec<_> = lengths.iter().enumerate().map(|(n, length)| payload(n, *length)).collect();
        let payloads = replayed(&dir);
        assert!((6..=8).contains(&payloads.len()), "{} for {sectors:b}", payloads.len());
        assert_eq!(payloads, whole[..payloads.len()]);
    }
}
