//! Checks the documentation where it repeats what the program or the repository defines.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use pravega_gateway::api::ErrorCode;
use pravega_gateway::config::Config;
use pravega_gateway::telemetry::metrics::MetricTable;

/// The largest README, so that a newcomer can read it in one go.
const MAX_README_BYTES: usize = 8192;

/// Pages outside docs/.
const TOP_PAGES: [&str; 5] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"];

/// Folders whose files the text names by their path from the root.
const FOLDERS: [&str; 9] =
    ["src/", "crates/", "tests/", "benches/", "fuzz/", "config/", "docs/", "scripts/", "./scripts/"];

/// A Markdown page.
struct Page {
    /// Relative to the root of the repository.
    path: PathBuf,
    text: String,
}

impl Page {
    fn read(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let text = std::fs::read_to_string(root().join(&path));
        Self { text: text.unwrap_or_else(|error| panic!("{}: {error}", path.display())), path }
    }

    /// The top-level pages and those of docs/.
    fn all() -> Vec<Self> {
        let files = std::fs::read_dir(root().join("docs")).expect("docs/ is there");
        let names = files.map(|file| file.expect("docs/ can be listed").file_name());
        let docs: BTreeSet<_> = names.map(|name| Path::new("docs").join(name)).collect();
        let docs = docs.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "md"));
        TOP_PAGES.iter().map(PathBuf::from).chain(docs).map(Self::read).collect()
    }

    /// The text from a heading to the next one of the same or a higher level.
    fn section(&self, heading: &str) -> &str {
        let page = self.path.display();
        let begin = self.text.split_once(&format!("\n{heading}\n"));
        let (_, rest) = begin.unwrap_or_else(|| panic!("{page} has no heading {heading}"));
        let level = heading.bytes().take_while(|byte| *byte == b'#').count();
        let ends = (1..=level).filter_map(|level| rest.find(&format!("\n{} ", "#".repeat(level))));
        &rest[..ends.min().unwrap_or(rest.len())]
    }

    /// The text outside fenced blocks.
    fn prose(&self) -> impl Iterator<Item = &str> {
        self.text.split("```").step_by(2)
    }

    /// The inline code outside fenced blocks.
    fn quoted(&self) -> impl Iterator<Item = &str> {
        self.prose().flat_map(quoted)
    }

    /// Targets of links within the repository: a path from the root, possibly of the page itself, and an anchor.
    fn links(&self) -> impl Iterator<Item = (PathBuf, Option<&str>)> {
        let targets = self.prose().flat_map(|text| text.split("](").skip(1)).filter_map(|rest| rest.split_once(')'));
        let targets = targets.map(|(target, _)| target).filter(|target| !target.contains("://"));
        targets.map(|target| {
            let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
            (if file.is_empty() { self.path.clone() } else { self.beside(file) }, anchor)
        })
    }

    /// Resolves a path relative to this page to one relative to the root.
    fn beside(&self, file: &str) -> PathBuf {
        let mut path = self.path.parent().expect("a page is a file").to_owned();
        for part in Path::new(file) {
            match part.to_str() {
                Some("..") => assert!(path.pop(), "{}: {file} leaves the repository", self.path.display()),
                _ => path.push(part),
            }
        }
        path
    }

    /// The anchors that GitHub generates for headings.
    fn anchors(&self) -> BTreeSet<String> {
        let mut anchors = BTreeSet::new();
        for heading in self.prose().flat_map(str::lines).filter(|line| line.starts_with('#')) {
            let first = anchor(heading.trim_start_matches('#').trim());
            let free = (0..).map(|n| if n == 0 { first.clone() } else { format!("{first}-{n}") });
            anchors.extend(free.into_iter().find(|anchor| !anchors.contains(anchor)));
        }
        anchors
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

/// The inline code of a text.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The cells of each row of the tables.
fn rows(markdown: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines = markdown.lines().filter_map(|line| line.strip_prefix('|')?.strip_suffix('|'));
    lines.map(|line| line.split('|').map(str::trim).collect())
}

fn defaults() -> BTreeMap<String, String> {
    Config::default().entries().into_iter().collect()
}

/// The key of a setting that is written as `key`, `key=value` or a variable.
fn as_key(text: &str) -> String {
    let name = text.split('=').next().unwrap_or_default();
    match name.strip_prefix("PRAVEGA_GATEWAY__") {
        Some(variable) => variable.replace("__", ".").replace('_', "-").to_lowercase(),
        None => name.to_owned(),
    }
}

#[test]
fn readme_is_short() {
    let bytes = Page::read("README.md").text.len();
    assert!(bytes <= MAX_README_BYTES, "README.md has {bytes} bytes; details belong in docs/");
}

#[test]
fn readme_leads_to_every_page() {
    let linked: BTreeSet<_> = Page::read("README.md").links().map(|(file, _)| file).collect();
    for page in Page::all().into_iter().filter(|page| page.path != Path::new("README.md")) {
        assert!(linked.contains(&page.path), "README.md does not link {}", page.path.display());
    }
}

#[test]
fn error_table_is_the_closed_set_with_its_statuses() {
    let page = Page::read("docs/http-api.md");
    let listed: BTreeSet<(u16, &str)> = rows(page.section("### Error codes"))
        .filter_map(|cells| Some((cells[0].parse().ok()?, cells[1])))
        .flat_map(|(status, codes)| quoted(codes).map(move |code| (status, code)))
        .collect();
    let known = ErrorCode::ALL.iter().map(|code| (code.status().as_u16(), code.as_str())).collect();
    assert_eq!(listed, known);
}

#[test]
fn limits_stand_with_their_defaults() {
    let (defaults, page) = (defaults(), Page::read("docs/settings.md"));
    let limits: Vec<_> = rows(page.section("## Limits")).filter(|cells| cells[1].starts_with('`')).collect();
    assert!(limits.iter().any(|cells| cells[1] == "`limits.bytes-in-flight`"), "the table is there");
    for cells in &limits {
        let (key, value) = (cells[1].trim_matches('`'), cells[2].trim_matches('`'));
        assert_eq!(defaults.get(key).map(|default| default.trim_matches('"')), Some(value), "{key}");
    }
    for key in defaults.keys().filter(|key| key.starts_with("limits.")) {
        assert!(limits.iter().any(|cells| cells[1].trim_matches('`') == key), "{key} is missing");
    }
}

#[test]
fn settings_that_are_named_exist() {
    let (defaults, pages) = (defaults(), Page::all());
    let sections: BTreeSet<_> =
        defaults.keys().filter_map(|key| key.split_once('.')).map(|(section, _)| section).collect();
    let mut named = 0;
    for page in &pages {
        for key in page.quoted().map(as_key) {
            if key.split_once('.').is_some_and(|(section, rest)| sections.contains(section) && rest != "rs") {
                assert!(defaults.contains_key(&key), "{}: {key} is no setting", page.path.display());
                named += 1;
            }
        }
    }
    assert!(named > 10, "only {named} settings are named");
}

#[test]
fn metrics_that_are_named_exist() {
    let pages = Page::all();
    let known: BTreeSet<_> = MetricTable::ALL.iter().map(|(name, _)| *name).collect();
    let named: BTreeSet<_> =
        pages.iter().flat_map(Page::quoted).filter(|text| text.starts_with("pravega_gateway_")).collect();
    assert!(named.len() > 3, "{named:?}");
    for name in
        named.into_iter().filter_map(|name| name.strip_prefix("pravega_gateway_")).filter(|name| !name.is_empty())
    {
        assert!(known.contains(name.strip_suffix("_total").unwrap_or(name)), "{name} is no metric");
    }
}

#[test]
fn files_that_are_named_exist() {
    let pages = Page::all();
    let linked = pages.iter().flat_map(|page| page.links().map(move |(file, _)| (page, file)));
    let in_a_folder = |text: &&str| FOLDERS.iter().any(|folder| text.starts_with(folder));
    // The first word of a command is its name.
    let as_file = |text: &str| PathBuf::from(text.split(' ').next().unwrap_or_default().trim_start_matches("./"));
    let named = pages.iter().flat_map(|page| page.quoted().filter(in_a_folder).map(move |text| (page, as_file(text))));
    let files: Vec<_> = linked.chain(named).collect();
    for file in ["scripts/test", "LICENSE", "wire/table.rs"] {
        assert!(files.iter().any(|(_, named)| named.ends_with(file)), "{file} is not named");
    }
    let missing = files.iter().filter(|(_, file)| !root().join(file).exists());
    let missing: BTreeSet<_> =
        missing.map(|(page, file)| format!("{} in {}", file.display(), page.path.display())).collect();
    assert!(missing.is_empty(), "these files do not exist: {missing:#?}");
}

#[test]
fn headings_that_are_linked_exist() {
    let pages = Page::all();
    let anchors: BTreeMap<_, _> = pages.iter().map(|page| (page.path.clone(), page.anchors())).collect();
    let mut linked = 0;
    for page in &pages {
        for (file, anchor) in page.links().filter_map(|(file, anchor)| Some((file, anchor?))) {
            let found = anchors.get(&file).is_some_and(|anchors| anchors.contains(anchor));
            assert!(found, "{} links {}#{anchor}", page.path.display(), file.display());
            linked += 1;
        }
    }
    assert!(linked > 10, "only {linked} headings are linked");
}

#[test]
fn anchors_are_those_of_github() {
    let text = "# A `GET /v1/events` here\n## Same\n```sh\n# no heading\n```\n## Same\n### How to add …\n".to_owned();
    let page = Page { path: "docs/page.md".into(), text };
    let anchors = ["a-get-v1events-here", "same", "same-1", "how-to-add-"].map(str::to_owned);
    assert_eq!(page.anchors(), BTreeSet::from(anchors));
    assert_eq!(page.beside("../src/lib.rs"), Path::new("src/lib.rs"));
    assert_eq!(page.beside("wire.md"), Path::new("docs/wire.md"));
}
