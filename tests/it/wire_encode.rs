//! `wire encode`: JSON becomes frames in hex.

use serde_json::json;

use crate::support::{Finished, golden, json_lines, run_with_stdin};

const KEEP_ALIVE: &str = r#"{"name":"KeepAlive"}"#;

fn encode(stdin: &str) -> Finished {
    run_with_stdin(&["wire", "encode"], stdin)
}

/// Encodes one SealSegment with these fields.
fn seal_segment(fields: serde_json::Value) -> Finished {
    encode(&json!({ "name": "SealSegment", "fields": fields }).to_string())
}

#[test]
fn every_golden_vector_becomes_its_frame_whatever_members_stand_beside_it() {
    let text = golden("wire-vectors.jsonl");
    let finished = encode(&text);
    let frames = finished.lines_of_success();
    let vectors = json_lines(text.lines());
    assert_eq!(frames.len(), vectors.len());
    for (frame, vector) in frames.iter().zip(&vectors) {
        assert_eq!(vector["frame"], *frame, "{}", vector["name"]);
    }
}

#[test]
fn command_is_found_by_name_by_type_and_by_code_alone() {
    let lines = [KEEP_ALIVE, r#"{"type":"KEEP_ALIVE"}"#, r#"{"code":100,"fields":{}}"#];
    assert_eq!(encode(&lines.join("\n")).lines_of_success(), ["0000006400000000"; 3]);
}

#[test]
fn numbers_beyond_2_to_the_53rd_are_taken_as_strings_of_digits() {
    let fields = |id: serde_json::Value| json!({ "requestId": id, "segment": "a", "delegationToken": "" });
    let number = seal_segment(fields(9_007_199_254_740_993_i64.into()));
    let digits = seal_segment(fields("9007199254740993".into()));
    assert_eq!(number.lines_of_success(), digits.lines_of_success());
    assert!(number.stdout.contains("0020000000000001"), "{number:?}");
}

#[test]
fn empty_lines_are_skipped_but_counted() {
    let finished = encode(&format!("\n\n{KEEP_ALIVE}\n \n{{\n"));
    finished.assert_refused(&["line 5"]);
    assert_eq!(finished.stdout, "0000006400000000\n");
}

#[test]
fn lines_before_a_bad_one_are_printed_and_those_after_it_are_not() {
    let finished = encode(&format!("{KEEP_ALIVE}\n{KEEP_ALIVE}\n{{\"name\":\"Nope\"}}\n{KEEP_ALIVE}\n"));
    finished.assert_refused(&["line 3", "field name", "Nope"]);
    assert_eq!(finished.stdout.lines().count(), 2);
}

#[test]
fn line_that_is_no_json_object_is_refused() {
    encode("{\"name\":").assert_refused(&["line 1", "not JSON"]);
    encode("[]").assert_refused(&["line 1", "object"]);
}

#[test]
fn unknown_commands_are_refused_by_the_member_that_names_them() {
    encode(r#"{"type":"SEAL_THE_SEGMENT"}"#).assert_refused(&["line 1", "field type"]);
    encode(r#"{"code":999}"#).assert_refused(&["line 1", "field code", "999"]);
    encode(r#"{"fields":{}}"#).assert_refused(&["line 1", "field name", "missing"]);
}

#[test]
fn members_that_name_different_commands_are_refused() {
    encode(r#"{"name":"KeepAlive","code":28}"#).assert_refused(&["line 1", "field code"]);
}

#[test]
fn missing_field_is_refused_by_its_name() {
    seal_segment(json!({ "requestId": 1, "delegationToken": "" })).assert_refused(&[
        "line 1",
        "SealSegment",
        "field segment is missing",
    ]);
}

#[test]
fn unknown_field_is_refused_by_its_name() {
    seal_segment(json!({ "requestId": 1, "segment": "a", "delegationToken": "", "offset": 4 })).assert_refused(&[
        "line 1",
        "SealSegment",
        "field offset",
    ]);
}

#[test]
fn value_of_the_wrong_kind_is_refused_by_the_name_of_its_field() {
    let wrong = [("requestId", json!("x")), ("requestId", json!(1.5)), ("segment", json!(5)), ("segment", json!(null))];
    for (name, value) in wrong {
        let mut fields = json!({ "requestId": 1, "segment": "a", "delegationToken": "" });
        fields[name] = value;
        seal_segment(fields).assert_refused(&["line 1", &format!("field {name} ")]);
    }
}

#[test]
fn number_that_does_not_fit_its_field_is_refused() {
    let line = r#"{"name":"Hello","fields":{"highVersion":2147483648,"lowVersion":5}}"#;
    encode(line).assert_refused(&["line 1", "field highVersion", "32 bits"]);
}
