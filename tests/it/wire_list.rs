//! `wire list`: the table of commands as text and for `docs/wire.md`.

use std::collections::BTreeSet;
use std::path::Path;

use pravega_protocol::wire::CommandType;

use crate::support::{golden, json_lines, run};

#[test]
fn every_command_is_listed_with_its_code_and_its_fields() {
    let finished = run(&["wire", "list"]);
    let lines = finished.lines_of_success();
    assert_eq!(lines.len(), CommandType::ALL.len());
    for info in CommandType::ALL.iter().map(|command| command.info()) {
        let begins = |line: &&&str| line.split_whitespace().next() == Some(&info.code.to_string());
        let line = lines.iter().find(begins).unwrap_or_else(|| panic!("{} is not listed", info.name));
        assert!(line.split_whitespace().nth(1) == Some(info.name), "{line}");
        assert!(info.fields.iter().all(|field| line.contains(field.name)), "{line}");
    }
}

#[test]
fn every_command_of_the_golden_vectors_is_listed_with_its_direction() {
    let finished = run(&["wire", "list"]);
    let mut listed = BTreeSet::new();
    for line in finished.lines_of_success() {
        let words: Vec<_> = line.split_whitespace().collect();
        assert!(["both", "request", "reply", "part"].contains(&words[2]), "{line}");
        assert!(["none", "read", "write", "admin"].contains(&words[3]), "{line}");
        listed.insert(words[1].to_owned());
    }
    for vector in json_lines(golden("wire-vectors.jsonl").lines()) {
        let name = vector["name"].as_str().expect("a name");
        assert!(listed.contains(name), "{name} is not listed");
    }
}

#[test]
fn markdown_is_the_page_in_the_docs() {
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/wire.md")).expect("docs/wire.md");
    let finished = run(&["wire", "list", "--markdown"]);
    assert_eq!((finished.code, finished.stdout), (Some(0), page));
}
