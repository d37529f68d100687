//! `wire decode`: frames in hex become JSON.

use serde_json::Value;

use crate::support::{golden, json_lines, run_with_stdin};

const KEEP_ALIVE: &str = "0000006400000000";

/// SealSegment of segment `a`, request id 1, no token.
const SEAL_SEGMENT: &str = "0000001c0000000d0000000000000001000161\
                            0000";

fn decode(stdin: &str) -> crate::support::Finished {
    run_with_stdin(&["wire", "decode"], stdin)
}

#[test]
fn every_golden_frame_becomes_its_type_code_name_and_fields() {
    let vectors = json_lines(golden("wire-vectors.jsonl").lines());
    let frames: String = vectors.iter().map(|vector| format!("{}\n", text(&vector["frame"]))).collect();
    let finished = decode(&frames);
    let decoded = json_lines(finished.lines_of_success());
    assert_eq!(decoded.len(), vectors.len());
    for (decoded, mut vector) in decoded.into_iter().zip(vectors) {
        vector.as_object_mut().expect("a vector is an object").remove("frame");
        assert_eq!(decoded, vector);
    }
}

#[test]
fn upper_case_hex_and_blanks_around_it_are_taken() {
    let finished = decode(&format!("  {}\t\r\n", SEAL_SEGMENT.to_uppercase()));
    let decoded = json_lines(finished.lines_of_success());
    assert_eq!((&decoded[0]["code"], &decoded[0]["fields"]["segment"]), (&28.into(), &"a".into()));
}

#[test]
fn empty_lines_are_skipped_but_counted() {
    let finished = decode(&format!("\n{KEEP_ALIVE}\n\n  \nzz\n"));
    finished.assert_refused(&["line 5", "field frame"]);
    assert_eq!(json_lines(finished.stdout.lines())[0]["name"], "KeepAlive");
}

#[test]
fn lines_before_a_bad_one_are_printed_and_those_after_it_are_not() {
    let finished = decode(&format!("{KEEP_ALIVE}\n{SEAL_SEGMENT}\nxx\n{KEEP_ALIVE}\n"));
    finished.assert_refused(&["line 3"]);
    let names: Vec<_> = json_lines(finished.stdout.lines()).iter().map(|line| line["name"].clone()).collect();
    assert_eq!(names, ["KeepAlive", "SealSegment"]);
}

#[test]
fn what_is_not_hex_is_refused_by_line_and_field() {
    decode("0000006400000zz0").assert_refused(&["line 1", "field frame is not hex"]);
    decode("000").assert_refused(&["line 1", "field frame is not hex"]);
}

#[test]
fn frame_that_is_cut_off_is_refused_by_line_and_field() {
    decode("000000").assert_refused(&["line 1", "field frame"]);
    decode(&SEAL_SEGMENT[..SEAL_SEGMENT.len() - 2]).assert_refused(&["line 1", "field frame"]);
}

#[test]
fn payload_that_ends_inside_a_field_is_refused_by_the_name_of_that_field() {
    let shortened = format!("0000001c0000000a{}", &SEAL_SEGMENT[16..36]);
    decode(&shortened).assert_refused(&["line 1", "SealSegment", "field segment"]);
}

#[test]
fn unknown_type_is_refused_by_its_code() {
    decode("000003e700000000").assert_refused(&["line 1", "field frame", "999"]);
}

#[test]
fn bytes_after_the_frame_are_refused() {
    decode(&format!("{KEEP_ALIVE}00")).assert_refused(&["line 1", "field frame", "1 bytes after its end"]);
}

#[test]
fn frame_larger_than_a_store_takes_is_refused_from_its_header() {
    decode("0000000300fffff8").assert_refused(&["line 1", "field frame", "16777207"]);
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}
