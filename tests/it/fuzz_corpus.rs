//! Runs the bodies of the fuzz targets over the committed corpus.

#[path = "../../fuzz/bodies/mod.rs"]
#[expect(unreachable_pub, reason = "the fuzz targets see them as public")]
mod bodies;

use std::fs;
use std::path::PathBuf;

/// Every committed input of a target. Requires at least `least` of them, so that a lost corpus is noticed.
fn inputs(target: &str, least: usize) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files = fs::read_dir(&folder).expect("the corpus is there").map(|file| file.expect("readable").path());
    let inputs: Vec<_> = files.map(|path| (path.clone(), fs::read(path).expect("readable"))).collect();
    assert!(inputs.len() >= least, "{} inputs in {}", inputs.len(), folder.display());
    inputs
}

/// Runs a body over each input, naming the input that fails.
fn run(target: &str, least: usize, body: fn(&[u8])) {
    for (path, input) in inputs(target, least) {
        let outcome = std::panic::catch_unwind(|| body(&input));
        assert!(outcome.is_ok(), "{} fails the {target} target", path.display());
    }
}

#[test]
fn frames_of_the_corpus_come_out_the_same_however_they_arrive() {
    run("frame", 7, bodies::frame);
}

#[test]
fn commands_of_the_corpus_survive_bytes_and_json() {
    run("command", 69, bodies::command);
}
