//! Which directories may be used, and by whom.

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
    other.line_after("is open").expect("it opens the log");
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
    let mut durable = || other.line_after("is durable: ").expect("it goes on").parse::<usize>().expect("a number");
    while durable() < 100 {}
    other.kill();
    let last =
        std::iter::from_fn(|| other.line_after("is durable: ")).last().map_or(100, |n| n.parse().expect("a number"));
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
    let message = refusal(dir.path());
    assert!(message.contains("holds \"letters.txt\", which is not an embedded node's data"), "{message}");
    assert!(message.starts_with(&dir.path().display().to_string()), "{message}");
    assert!(!file_of(&dir, 0).exists());
}

#[test]
fn a_directory_of_another_version_is_refused() {
    for version in [0, 2, u64::MAX] {
        let dir = new_dir();
        open(&dir);
        let id = "b1946ac9-2b0e-4a8e-9d9c-4f6b7c7d8e9f";
        let format = format!("pravega-gateway embedded node, version {version}\n{id}\n");
        fs::write(dir.path().join("FORMAT"), format).expect("written");
        assert_eq!(refusal(dir.path()), unsupported(dir.path(), version));
    }
}

#[test]
fn a_directory_of_no_known_format_is_refused() {
    for (format, line) in [
        ("", ""),
        ("other", "other"),
        ("pravega-gateway embedded node, version 1\n", "pravega-gateway embedded node, version 1"),
        ("pravega-gateway embedded node, version x\nid", "pravega-gateway embedded node, version x"),
    ] {
        let dir = new_dir();
        open(&dir);
        let file = dir.path().join("FORMAT");
        fs::write(&file, format).expect("written");
        let but = "and not with an embedded node's format and version";
        assert_eq!(refusal(dir.path()), format!("{} begins with {line:?}, {but}", file.display()));
    }
}

#[test]
fn a_new_directory_has_the_pinned_version() {
    let dir = new_dir();
    open(&dir);
    let format = fs::read_to_string(dir.path().join("FORMAT")).expect("readable");
    let id = format.strip_prefix("pravega-gateway embedded node, version 1\n").expect("the version");
    assert!(uuid::Uuid::try_parse(id.trim_end()).is_ok(), "{id}");
}

#[tokio::test]
async fn a_file_of_another_version_is_refused() {
    let dir = log_of(&[payload(1, 10)]).await;
    let file = file_of(&dir, 0);
    overwrite(&file, 8, &7_u32.to_be_bytes());
    let header = fs::read(&file).expect("the file");
    overwrite(&file, 36, &crc32fast::hash(&header[..36]).to_be_bytes());
    assert_eq!(refusal(dir.path()), unsupported(&file, 7));
}

fn unsupported(path: &Path, version: u64) -> String {
    let path = path.display();
    format!(
        "{path} has format version {version}, and this program supports versions up to 1: use the release that wrote it, \
         or a newer one"
    )
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
    let message = refusal(Path::new("/proc/self"));
    assert!(message.starts_with("cannot write /proc/self/LOCK: "), "{message}");
}

#[tokio::test]
async fn a_file_of_another_log_is_damage() {
    let (dir, other) = (log_of(&[payload(1, 10)]).await, log_of(&[payload(2, 10)]).await);
    fs::copy(file_of(&other, 0), file_of(&dir, 0)).expect("copied");
    let file = file_of(&dir, 0);
    let expected = format!("{} is damaged at byte 0: this is not the header of a file of this log", file.display());
    assert_eq!(refusal(dir.path()), expected);
}
