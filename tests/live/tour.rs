//! The commands of README.md, of the tour and of the reference, against the program.
//!
//! A block `sh` is run by bash; the block right after it shows what it prints: `text` line by line, `json` as a value.
//! In both, `…` stands for anything: in a line, as a line for any number of lines, as a JSON string for any value.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio::process::Command;

use crate::support::Gateway;
use crate::support::process::run;

/// A page whose commands are run.
#[derive(Debug, Clone, Copy)]
struct Page {
    name: &'static str,
    text: &'static str,
    /// The scope on the page. Each run replaces it by a unique one of the same length, since the page shows lengths.
    scope: &'static str,
}

const README: Page = Page { name: "README.md", text: include_str!("../../README.md"), scope: "demo" };

const TOUR: Page = Page { name: "docs/tour.md", text: include_str!("../../docs/tour.md"), scope: "shop" };

const REFERENCE: Page = Page { name: "docs/http-api.md", text: include_str!("../../docs/http-api.md"), scope: "demo" };

const ANYTHING: &str = "…";

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn every_line_of_the_tour_prints_what_the_page_shows() {
    follow(TOUR, Gateway::ready(&[]).await).await;
}

#[cfg(feature = "embedded")]
#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn every_line_of_the_tour_prints_the_same_with_the_embedded_pravega() {
    follow(TOUR, Gateway::embedded(&[]).await).await;
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn every_line_of_the_readme_prints_what_it_shows() {
    follow(README, Gateway::ready(&["--set", "auto-create=true"]).await).await;
}

#[cfg(feature = "embedded")]
#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn every_line_of_the_readme_prints_the_same_with_the_embedded_pravega() {
    follow(README, Gateway::embedded(&[]).await).await;
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn every_example_of_the_reference_prints_what_it_shows() {
    follow(REFERENCE, Gateway::ready(&["--set", "auto-create=true"]).await).await;
}

#[cfg(feature = "embedded")]
#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn every_example_of_the_reference_prints_the_same_with_the_embedded_pravega() {
    follow(REFERENCE, Gateway::embedded(&[]).await).await;
}

async fn follow(page: Page, gateway: Gateway) {
    let steps = steps(page.name, page.text);
    assert!(!steps.is_empty(), "{} has no block of type sh", page.name);
    let place = Place::new(page, gateway);
    for step in steps {
        step.take(&place).await;
    }
}

/// Commands and the output that the page shows for them.
struct Step<'a> {
    page: &'static str,
    /// Where the commands begin in the page.
    line: usize,
    commands: String,
    shows: Block<'a>,
}

/// A fenced block.
struct Block<'a> {
    line: usize,
    kind: &'a str,
    lines: Vec<&'a str>,
}

/// Where the commands run.
struct Place {
    page: Page,
    gateway: Gateway,
    scope: String,
    folder: tempfile::TempDir,
    path: std::ffi::OsString,
}

impl Place {
    fn new(page: Page, gateway: Gateway) -> Self {
        let letters = uuid::Uuid::new_v4().into_bytes().map(|byte| char::from(b'a' + byte % 26));
        let scope = letters[..page.scope.len()].iter().collect();
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { page, gateway, scope, folder, path: path_with_the_program() }
    }

    /// Replaces the page's addresses and scope by those of this run.
    fn translate(&self, text: &str) -> String {
        text.replace("http://127.0.0.1:8080", &self.gateway.url(""))
            .replace("http://127.0.0.1:8081", &self.gateway.management_url(""))
            .replace(self.page.scope, &self.scope)
    }
}

/// PATH with the directory of the tested program in front.
fn path_with_the_program() -> std::ffi::OsString {
    let program = Path::new(env!("CARGO_BIN_EXE_pravega-gateway"));
    let folder = program.parent().expect("it lies in a folder").to_owned();
    let others = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::iter::once(folder).chain(std::env::split_paths(&others)).collect();
    std::env::join_paths(folders).expect("the folders were separate before")
}

fn steps<'a>(page: &'static str, text: &'a str) -> Vec<Step<'a>> {
    let mut blocks = blocks(text).into_iter().peekable();
    let mut steps = Vec::new();
    while let Some(block) = blocks.next() {
        if block.kind != "sh" {
            continue;
        }
        let line = block.line;
        let shows = blocks.next_if(|next| matches!(next.kind, "text" | "json"));
        let shows = shows.unwrap_or_else(|| panic!("{page}:{line}: what this prints is not shown"));
        steps.push(Step { page, line, commands: block.lines.join("\n"), shows });
    }
    steps
}

fn blocks(markdown: &str) -> Vec<Block<'_>> {
    let mut lines = markdown.lines().zip(1..);
    let mut blocks = Vec::new();
    while let Some((line, number)) = lines.next() {
        if let Some(kind) = line.strip_prefix("```") {
            let inside = lines.by_ref().map(|(line, _)| line).take_while(|line| *line != "```");
            blocks.push(Block { line: number, kind, lines: inside.collect() });
        }
    }
    blocks
}

impl Step<'_> {
    async fn take(&self, place: &Place) {
        let mut bash = Command::new("bash");
        bash.args(["-euo", "pipefail", "-c", &place.translate(&self.commands)]).current_dir(place.folder.path());
        bash.env("PATH", &place.path).env("no_proxy", "*").env("NO_PROXY", "*");
        let printed = run(&mut bash, "").await.success();
        let printed = String::from_utf8(printed).expect("the tour prints text").replace('\r', "");
        let shown = place.translate(&self.shows.lines.join("\n"));
        let is_same = match self.shows.kind {
            "json" => is_same_json(&json(&shown), &json(&printed)),
            _ => is_same_text(&shown, &printed),
        };
        let Self { page, line, .. } = self;
        assert!(is_same, "{page}:{line} shows\n{shown}\nbut this was printed:\n{printed}");
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn is_same_json(shown: &Value, printed: &Value) -> bool {
    match (shown, printed) {
        (Value::String(shown), _) if shown == ANYTHING => true,
        (Value::Object(shown), Value::Object(printed)) => {
            shown.len() == printed.len()
                && shown.iter().all(|(name, shown)| {
                    let is_same = |printed| is_same_json(shown, printed) || is_unknown_place(name, printed);
                    printed.get(name).is_some_and(is_same)
                })
        }
        (Value::Array(shown), Value::Array(printed)) => {
            shown.len() == printed.len()
                && shown.iter().zip(printed).all(|(shown, printed)| is_same_json(shown, printed))
        }
        _ => shown == printed,
    }
}

/// Offsets are null where one acknowledgement covered several blocks, which occasionally happens to a batch.
fn is_unknown_place(name: &str, printed: &Value) -> bool {
    matches!(name, "offset" | "nextOffset") && printed.is_null()
}

fn is_same_text(shown: &str, printed: &str) -> bool {
    let shown: Vec<_> = shown.lines().collect();
    let printed: Vec<_> = printed.lines().collect();
    are_same_lines(&shown, &printed)
}

fn are_same_lines(shown: &[&str], printed: &[&str]) -> bool {
    match (shown, printed) {
        ([], []) => true,
        ([first, rest @ ..], _) if *first == ANYTHING => {
            (0..=printed.len()).any(|skipped| are_same_lines(rest, &printed[skipped..]))
        }
        ([first, shown @ ..], [line, printed @ ..]) => is_same_line(first, line) && are_same_lines(shown, printed),
        _ => false,
    }
}

fn is_same_line(shown: &str, printed: &str) -> bool {
    match shown.split_once(ANYTHING) {
        None => shown == printed,
        Some((before, after)) => printed.strip_prefix(before).is_some_and(|rest| {
            let ends = (0..=rest.len()).filter(|end| rest.is_char_boundary(*end));
            ends.into_iter().any(|end| is_same_line(after, &rest[end..]))
        }),
    }
}

#[test]
fn comparison_tells_differences() {
    assert!(is_same_text("a\n…\nz", "a\nb\nc\nz") && is_same_text("a…c…e", "abcde") && is_same_text("…", ""));
    assert!(!is_same_text("a\n…\nz", "a\nb\nc") && !is_same_text("a…c", "abcd") && !is_same_text("", "a"));
    let shown = json(r#"{"a":[1,"…"],"offset":3}"#);
    assert!(is_same_json(&shown, &json(r#"{"offset":3,"a":[1,{"b":2}]}"#)));
    assert!(is_same_json(&shown, &json(r#"{"offset":null,"a":[1,2]}"#)));
    for other in [r#"{"a":[1,2],"offset":4}"#, r#"{"a":[2,2],"offset":3}"#, r#"{"a":[1],"offset":3}"#, r#"{"a":[1,2]}"#]
    {
        assert!(!is_same_json(&shown, &json(other)), "{other}");
    }
}

#[test]
#[should_panic(expected = "page.md:3: what this prints is not shown")]
fn commands_without_output_are_refused() {
    steps("page.md", "# Tour\n\n```sh\ncurl x\n```\nand then\n```console\n$ y\n```\n");
}
