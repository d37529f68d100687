//! README.md and ARCHITECTURE.md, where they repeat what the program knows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use pravega_gateway::api::ErrorCode;
use pravega_gateway::config::Config;

const README: &str = include_str!("../../README.md");
const ARCHITECTURE: &str = include_str!("../../ARCHITECTURE.md");

#[test]
fn error_table_is_the_closed_set_with_its_statuses() {
    let listed: BTreeSet<(u16, &str)> = rows(section("## Errors"))
        .filter_map(|cells| Some((cells[0].parse().ok()?, cells[1])))
        .flat_map(|(status, codes)| quoted(codes).map(move |code| (status, code)))
        .collect();
    let known = ErrorCode::ALL.iter().map(|code| (code.status().as_u16(), code.as_str())).collect();
    assert_eq!(listed, known);
}

#[test]
fn limits_stand_with_their_defaults() {
    let defaults = defaults();
    let limits: Vec<_> = rows(section("## Settings")).filter(|cells| cells[1].starts_with('`')).collect();
    assert!(limits.iter().any(|cells| cells[1] == "`limits.bytes-in-flight`"), "the table is there");
    for cells in limits {
        let (key, value) = (cells[1].trim_matches('`'), cells[2].trim_matches('`'));
        assert_eq!(defaults.get(key).map(|default| default.trim_matches('"')), Some(value), "{key}");
    }
}

#[test]
fn settings_that_are_named_exist() {
    let defaults = defaults();
    let sections: BTreeSet<_> =
        defaults.keys().filter_map(|key| key.split_once('.')).map(|(section, _)| section).collect();
    let mut named = 0;
    for key in [README, ARCHITECTURE].into_iter().flat_map(quoted).map(as_key) {
        if key.split_once('.').is_some_and(|(section, rest)| sections.contains(section) && rest != "rs") {
            assert!(defaults.contains_key(&key), "{key} is no setting");
            named += 1;
        }
    }
    assert!(named > 10, "only {named} settings are named");
}

#[test]
fn files_that_are_named_exist() {
    let linked = README.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    let linked = linked.filter(|target| !target.contains("://"));
    let in_a_folder =
        |text: &&str| ["src/", "tests/", "config/", "docs/", "scripts/"].iter().any(|top| text.starts_with(top));
    let named = quoted(README).chain(quoted(ARCHITECTURE)).filter(in_a_folder);
    let scripts = quoted(README).filter_map(|text| text.strip_prefix("./")?.split(' ').next());
    let files: BTreeSet<_> = linked.chain(named).chain(scripts).collect();
    assert!(
        files.contains("scripts/test") && files.contains("LICENSE") && files.contains("src/wire/table.rs"),
        "{files:?}"
    );
    for file in files {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(file).exists(), "{file} does not exist");
    }
}

fn defaults() -> BTreeMap<String, String> {
    Config::default().entries().into_iter().collect()
}

/// A setting's key from the ways in which it is written: `key`, `key=value` or as a variable.
fn as_key(text: &str) -> String {
    let name = text.split('=').next().unwrap_or_default();
    match name.strip_prefix("PRAVEGA_GATEWAY__") {
        Some(variable) => variable.replace("__", ".").replace('_', "-").to_lowercase(),
        None => name.to_owned(),
    }
}

/// README.md from a heading of the second level to the next.
fn section(heading: &str) -> &'static str {
    let (_, rest) = README.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("{heading} is missing"));
    rest.split("\n## ").next().unwrap_or(rest)
}

/// The cells of each row of the tables.
fn rows(markdown: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines = markdown.lines().filter_map(|line| line.strip_prefix('|')?.strip_suffix('|'));
    lines.map(|line| line.split('|').map(str::trim).collect())
}

/// What stands between backticks, outside of fenced blocks.
fn quoted(markdown: &str) -> impl Iterator<Item = &str> {
    let prose = markdown.split("```").step_by(2);
    prose.flat_map(|text| text.split('`').skip(1).step_by(2))
}
