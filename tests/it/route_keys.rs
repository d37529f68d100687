//! `route`: the positions of keys in the key space, as Pravega's own hash computes them.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::support::{Finished, golden, run, run_with_stdin};

/// A key and its position. The number stays text because a JSON parser may get its last bit wrong.
#[derive(Deserialize)]
struct Routed<'a> {
    key: String,
    #[serde(borrow)]
    position: &'a RawValue,
}

impl<'a> Routed<'a> {
    fn parse(line: &'a str) -> Self {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    fn position(&self) -> f64 {
        self.position.get().parse().expect("a position is a number")
    }
}

fn route_stdin(stdin: &str) -> Finished {
    run_with_stdin(&["route", "--stdin"], stdin)
}

/// Fails unless the text parses to the value and no text with fewer digits does.
fn assert_shortest(text: &str, value: f64) {
    assert_eq!(text.parse::<f64>().map(f64::to_bits), Ok(value.to_bits()), "{text}");
    let digits = text.trim_start_matches(['0', '.']).chars().filter(char::is_ascii_digit).count();
    if let Some(decimals) = digits.checked_sub(2) {
        let shorter = format!("{value:.decimals$e}");
        assert_ne!(
            shorter.parse::<f64>().map(f64::to_bits),
            Ok(value.to_bits()),
            "{shorter} parses to the same value as {text}"
        );
    }
}

#[test]
fn keys_as_arguments_print_the_positions_of_the_golden_vectors() {
    let vectors = golden("routing-vectors.jsonl");
    // a process argument cannot contain a zero byte
    let vectors: Vec<_> = vectors.lines().map(Routed::parse).filter(|vector| !vector.key.contains('\0')).collect();
    let mut arguments = vec!["route", "--"];
    arguments.extend(vectors.iter().map(|vector| vector.key.as_str()));
    let finished = run(&arguments);
    let positions = finished.lines_of_success();
    assert_eq!(positions.len(), vectors.len());
    for (position, vector) in positions.iter().zip(&vectors) {
        assert_shortest(position, vector.position());
    }
}

#[test]
fn keys_on_stdin_print_the_positions_of_the_golden_vectors() {
    let vectors = golden("routing-vectors.jsonl");
    let vectors: Vec<_> = vectors.lines().map(Routed::parse).collect();
    let keys: String = vectors.iter().map(|vector| format!("{}\n", serde_json::json!(vector.key))).collect();
    let finished = route_stdin(&keys);
    let lines = finished.lines_of_success();
    assert_eq!(lines.len(), vectors.len());
    for (line, vector) in lines.iter().zip(&vectors) {
        let routed = Routed::parse(line);
        assert_eq!(routed.key, vector.key);
        assert_shortest(routed.position.get(), vector.position());
    }
}

#[test]
fn line_that_is_no_json_string_is_refused_after_those_before_it() {
    for line in ["k1", "5", "[\"k1\"]", "\"k1"] {
        let finished = route_stdin(&format!("\"a\"\n\n{line}\n\"b\"\n"));
        finished.assert_refused(&["line 3", "field key"]);
        assert_eq!(finished.stdout.lines().map(|line| Routed::parse(line).key).collect::<Vec<_>>(), ["a"]);
    }
}

#[test]
fn key_or_stdin_is_needed_and_not_both() {
    assert_eq!(run(&["route"]).code, Some(2));
    assert_eq!(run(&["route", "--stdin", "k1"]).code, Some(2));
}

#[test]
fn unreachable_controller_is_named_when_a_segment_is_asked_for() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let controller = closed.expect("a port that nothing listens on any more").to_string();
    let finished = run(&["route", "--controller", &controller, "--scope", "s", "--stream", "t", "k1"]);
    finished.assert_refused(&[&controller, "cannot be reached"]);
}
