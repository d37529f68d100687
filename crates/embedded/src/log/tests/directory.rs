use std::io::Read as _;

use super::*;
use crate::other_process;

#[test]
fn a_directory_is_made_with_those_above_it() {
    let dir = new_dir();
    let below = dir.path().join("a/b");
    drop(Log::open(&below, small_files()).expect("a log"));
    assert!(below.join("00000000000000000000.log").is_file());
}

#[test]
fn a_directory_is_opened_once_in_a_process() {
    let dir = new_dir();
    let (log, _) = open(&dir);
    let expected = format!("{} is in use: another process runs an embedded node there", dir.path().display());
    assert_eq!(refusal(dir.path()), expected);
    drop(log);
    open(&dir);
}

#[test]
fn a_directory_is_opened_by_one_process() {
    if let Some(dir) = other_process::directory() {
        let _log = Log::open(&dir, small_files()).expect("a log");
        println!("is open");
        // Ends with the other process.
        let _ = std::io::stdin().read(&mut [0]);
        return;
    }
    let dir = new_dir();
    let mut other =
        other_process::Other::start("log::tests::directory::a_directory_is_opened_by_one_process", dir.path());
    other.told("is open").expect("it opens the log");
    assert!(refusal(dir.path()).contains("is in use: another process"));
    other.kill();
    open(&dir);
}

#[tokio::test]
async fn killed_process_loses_nothing_that_was_durable() {
    if let Some(dir) = other_process::directory() {
        let (log, _) = Log::open(&dir, small_files()).expect("a log");
        for n in 0.. {
            append(&log, payload(n, 1 + n % 1000)).await;
            append_durably(&log, payload(n, 1 + n % 1000)).await;
            println!("is durable: {n}");
        }
    }
    let dir = new_dir();
    let mut other =
        other_process::Other::start("log::tests::directory::killed_process_loses_nothing_that_was_durable", dir.path());
    let mut told = || other.told("is durable: ").expect("it goes on").parse::<usize>().expect("a number");
    while told() < 100 {}
    other.kill();
    let last = std::iter::from_fn(|| other.told("is durable: ")).last().map_or(100, |n| n.parse().expect("a number"));
    let payloads = replayed(&dir);
    assert!(payloads.len() >= 2 * (last + 1), "{} of {last}", payloads.len());
    for (at, found) in payloads.iter().enumerate() {
        assert_eq!(found, &payload(at / 2, 1 + at / 2 % 1000));
    }
}

#[test]
fn a_directory_of_something_else_is_refused_and_left_alone() {
    let dir = new_dir();
    fs::write(dir.path().join("letters.txt"), "dear").expect("written");
    let told = refusal(dir.path());
    assert!(told.contains("holds \"letters.txt\" and no embedded node's data"), "{told}");
    assert!(told.starts_with(&dir.path().display().to_string()), "{told}");
    assert!(!file_of(&dir, 0).exists());
}

#[test]
fn a_directory_of_another_version_is_refused() {
    for format in ["pravega-gateway embedded node, version 2\nb1946ac9-2b0e-4a8e-9d9c-4f6b7c7d8e9f\n", "", "other"] {
        let dir = new_dir();
        open(&dir);
        fs::write(dir.path().join("FORMAT"), format).expect("written");
        let line = format.lines().next().unwrap_or_default();
        let known = "\"pravega-gateway embedded node, version 1\"";
        let expected = format!("{} is of format {line:?}, this program knows {known} only", dir.path().display());
        assert_eq!(refusal(dir.path()), expected);
    }
}

#[test]
fn a_first_start_that_was_killed_is_begun_again() {
    let dir = new_dir();
    fs::write(dir.path().join("LOCK"), "").expect("written");
    fs::write(dir.path().join("FORMAT.new"), "prav").expect("written");
    open(&dir);
    fs::remove_file(file_of(&dir, 0)).expect("removed");
    fs::write(dir.path().join("spare.0"), "half a file").expect("written");
    assert_eq!(replayed(&dir), Vec::<Bytes>::new());
    assert!(!dir.path().join("spare.0").exists());
}

#[test]
fn a_directory_that_cannot_be_made_is_told() {
    let dir = new_dir();
    let file = dir.path().join("file");
    fs::write(&file, "").expect("written");
    let below = file.join("data");
    let expected = format!("cannot make directory {}: Not a directory (os error 20)", below.display());
    assert_eq!(refusal(&below), expected);
}

#[test]
fn a_directory_that_cannot_be_written_is_told() {
    // Nobody can make a file there, not even root.
    let told = refusal(Path::new("/proc/self"));
    assert!(told.starts_with("cannot write /proc/self/LOCK: "), "{told}");
}

#[tokio::test]
async fn a_file_of_another_log_is_damage() {
    let (dir, other) = (log_of(&[payload(1, 10)]).await, log_of(&[payload(2, 10)]).await);
    fs::copy(file_of(&other, 0), file_of(&dir, 0)).expect("copied");
    let file = file_of(&dir, 0);
    let expected = format!("{} is damaged at byte 0: this is not the header of a file of this log", file.display());
    assert_eq!(refusal(dir.path()), expected);
}
