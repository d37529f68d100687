//! Records the outcomes that callers got for their events, and compares them with what is stored.

use std::collections::BTreeMap;

use serde_json::Value;

use super::problem::Problem;
use super::{Answer, Stream};

/// The outcome that a caller got for one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// Acknowledged.
    Stored,
    /// Refused, `sideEffects: possible`.
    MayBeStored,
    /// Refused, `sideEffects: none`.
    NotStored,
}

/// Codes with which an event may be refused while Pravega, or the gateway, goes away.
const OUTAGES: [&str; 4] = ["deadline_exceeded", "store_unavailable", "controller_unavailable", "draining"];

impl Outcome {
    /// The outcome in the answer to a single event: `201`, or a `503` for an outage.
    #[track_caller]
    pub(crate) fn of(answer: Answer) -> Self {
        if answer.status == 201 {
            return Self::Stored;
        }
        let code = answer.json()["code"].as_str().expect("a code").to_owned();
        let problem = Problem::of(answer, 503, &code);
        Self::in_problem(&code, problem.member("sideEffects"))
    }

    #[track_caller]
    fn in_problem(code: &str, side_effects: &Value) -> Self {
        assert!(OUTAGES.contains(&code), "{code}");
        match side_effects.as_str() {
            Some("possible") => Self::MayBeStored,
            Some("none") => Self::NotStored,
            other => panic!("sideEffects {other:?}"),
        }
    }
}

/// The outcomes by routing key; the events of a key are numbered from 0.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    outcomes: BTreeMap<String, Vec<Outcome>>,
}

impl Ledger {
    /// Records the outcomes of all of a key's events.
    pub(crate) fn record(&mut self, key: &str, outcomes: Vec<Outcome>) {
        assert!(self.outcomes.insert(key.to_owned(), outcomes).is_none(), "one caller a key");
    }

    /// Number of events with this outcome.
    pub(crate) fn count(&self, outcome: Outcome) -> usize {
        self.outcomes.values().flatten().filter(|this| **this == outcome).count()
    }

    /// Checks payloads, which must be in stream order for each key: acknowledged events are stored once and in order,
    /// those that may be stored at most once, and nothing else is stored.
    #[track_caller]
    pub(crate) fn check<P: AsRef<[u8]>>(&self, stored: impl IntoIterator<Item = P>) {
        let mut found: BTreeMap<&str, Vec<usize>> =
            self.outcomes.keys().map(|key| (key.as_str(), Vec::new())).collect();
        for payload in stored {
            let (key, number) = parse(payload.as_ref());
            found.get_mut(&*key).unwrap_or_else(|| panic!("no caller wrote {key} {number}")).push(number);
        }
        for (key, numbers) in found {
            check_key(key, &self.outcomes[key], numbers);
        }
    }
}

#[track_caller]
fn check_key(key: &str, outcomes: &[Outcome], mut numbers: Vec<usize>) {
    let is_acknowledged = |number: &usize| outcomes.get(*number) == Some(&Outcome::Stored);
    let acknowledged: Vec<_> = (0..outcomes.len()).filter(is_acknowledged).collect();
    let in_order: Vec<_> = numbers.iter().copied().filter(is_acknowledged).collect();
    if in_order != acknowledged {
        let odd = in_order.iter().zip(&acknowledged).position(|(found, expected)| found != expected);
        let around = |all: &[usize]| {
            let odd = odd.unwrap_or(all.len().min(in_order.len()).min(acknowledged.len()));
            format!("{:?}", &all[odd.saturating_sub(2).min(all.len())..(odd + 6).min(all.len())])
        };
        let counts = (acknowledged.len(), in_order.len());
        panic!("{key}: acknowledged … {} …, stored … {} … {counts:?}", around(&acknowledged), around(&in_order));
    }
    numbers.sort_unstable();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{key}: an event is stored twice");
    for number in numbers {
        assert_ne!(
            outcomes.get(number),
            Some(&Outcome::NotStored),
            "{key} {number} is stored although refused without effects"
        );
        assert!(number < outcomes.len(), "{key} {number} is stored but no outcome was reported");
    }
}

/// The payload of a key's event, padded by this many bytes.
pub(crate) fn payload(key: &str, number: usize, padding: usize) -> String {
    format!("{key} {number} {}", "x".repeat(padding))
}

fn parse(payload: &[u8]) -> (String, usize) {
    let text = std::str::from_utf8(payload).expect("we wrote text");
    let mut parts = text.splitn(3, ' ');
    let (key, number) = (parts.next().expect("a key"), parts.next().and_then(|number| number.parse().ok()));
    assert!(parts.next().expect("padding").bytes().all(|byte| byte == b'x'), "no caller wrote {text:?}");
    (key.to_owned(), number.expect("a number"))
}

/// The outcomes of the events of a batch, of which `sent` were sent. Those after the batch's end were not read.
#[track_caller]
pub(crate) fn batch_outcomes(answer: &Answer, sent: usize) -> Vec<Outcome> {
    assert!([200, 207, 503].contains(&answer.status.as_u16()), "{} {}", answer.status, answer.text());
    let body = answer.json();
    let no_reports = Vec::new();
    let reports = body["reports"].as_array().unwrap_or(&no_reports);
    let mut outcomes = vec![Outcome::Stored; as_count(&body["events"])];
    for report in reports {
        let (index, count) = (as_count(&report["index"]), as_count(&report["count"]));
        let code = report["code"].as_str().expect("a code");
        let this = match code {
            "not_written" => Outcome::NotStored,
            code => Outcome::in_problem(code, &report["sideEffects"]),
        };
        outcomes.splice(index..index, vec![this; count]);
    }
    assert!(answer.status != 200 || outcomes.len() == sent, "{sent} events were sent: {body}");
    outcomes.resize(sent, Outcome::NotStored);
    outcomes
}

fn as_count(number: &Value) -> usize {
    usize::try_from(number.as_u64().unwrap_or(0)).expect("a small number")
}

/// A request path for one key's events.
pub(crate) fn path(stream: &Stream, key: &str) -> String {
    format!("{}&routing-key={key}", stream.events())
}
