//! What callers were told of their events, and whether what is stored agrees with it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::problem::Problem;
use super::{Answer, Stream};

/// What a caller was told of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Told {
    /// Acknowledged.
    Stored,
    /// Refused, `sideEffects: possible`.
    MayBeStored,
    /// Refused, `sideEffects: none`.
    NotStored,
}

/// Codes with which an event may be refused while Pravega, or the gateway, goes away.
const OUTAGES: [&str; 4] = ["deadline_exceeded", "store_unavailable", "controller_unavailable", "draining"];

impl Told {
    /// What an answer to a single event says: `201`, or a `503` for an outage.
    #[track_caller]
    pub(crate) fn by(answer: Answer) -> Self {
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

/// What the callers with each key were told of their events, which are numbered by key.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    told: BTreeMap<String, Vec<Told>>,
}

impl Ledger {
    /// Notes what was told of a key's events from 0 on.
    pub(crate) fn enter(&mut self, key: &str, told: Vec<Told>) {
        assert!(self.told.insert(key.to_owned(), told).is_none(), "one caller a key");
    }

    /// How many events of all keys were told to be so.
    pub(crate) fn count(&self, told: Told) -> usize {
        self.told.values().flatten().filter(|this| **this == told).count()
    }

    /// Checks payloads, each key's in the order of the stream: what was acknowledged is there once and in its order, what
    /// may be there at most once, and nothing else.
    #[track_caller]
    pub(crate) fn check<P: AsRef<[u8]>>(&self, stored: impl IntoIterator<Item = P>) {
        let mut found: BTreeMap<&str, Vec<usize>> = self.told.keys().map(|key| (key.as_str(), Vec::new())).collect();
        for payload in stored {
            let (key, number) = parse(payload.as_ref());
            found.get_mut(&*key).unwrap_or_else(|| panic!("nobody wrote {key} {number}")).push(number);
        }
        for (key, numbers) in found {
            check_key(key, &self.told[key], numbers);
        }
    }
}

#[track_caller]
fn check_key(key: &str, told: &[Told], mut numbers: Vec<usize>) {
    let is_acknowledged = |number: &usize| told.get(*number) == Some(&Told::Stored);
    let acknowledged: Vec<_> = (0..told.len()).filter(is_acknowledged).collect();
    let in_order: Vec<_> = numbers.iter().copied().filter(is_acknowledged).collect();
    if in_order != acknowledged {
        let odd = in_order.iter().zip(&acknowledged).position(|(found, told)| found != told);
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
            told.get(number),
            Some(&Told::NotStored),
            "{key} {number} is stored although refused without effects"
        );
        assert!(number < told.len(), "{key} {number} is stored and nobody was told anything of it");
    }
}

/// The payload of a key's event, made longer by so many bytes.
pub(crate) fn payload(key: &str, number: usize, padding: usize) -> String {
    format!("{key} {number} {}", "x".repeat(padding))
}

fn parse(payload: &[u8]) -> (String, usize) {
    let text = std::str::from_utf8(payload).expect("we wrote text");
    let mut parts = text.splitn(3, ' ');
    let (key, number) = (parts.next().expect("a key"), parts.next().and_then(|number| number.parse().ok()));
    assert!(parts.next().expect("padding").bytes().all(|byte| byte == b'x'), "nobody wrote {text:?}");
    (key.to_owned(), number.expect("a number"))
}

/// What the answer to a batch says of each of so many events that were sent. Those behind its end were not read.
#[track_caller]
pub(crate) fn told_of_batch(answer: &Answer, sent: usize) -> Vec<Told> {
    assert!([200, 207, 503].contains(&answer.status.as_u16()), "{} {}", answer.status, answer.text());
    let body = answer.json();
    let no_reports = Vec::new();
    let reports = body["reports"].as_array().unwrap_or(&no_reports);
    let mut told = vec![Told::Stored; as_count(&body["events"])];
    for report in reports {
        let (index, count) = (as_count(&report["index"]), as_count(&report["count"]));
        let code = report["code"].as_str().expect("a code");
        let this = match code {
            "not_written" => Told::NotStored,
            code => Told::in_problem(code, &report["sideEffects"]),
        };
        told.splice(index..index, vec![this; count]);
    }
    assert!(answer.status != 200 || told.len() == sent, "{sent} events were sent: {body}");
    told.resize(sent, Told::NotStored);
    told
}

fn as_count(number: &Value) -> usize {
    usize::try_from(number.as_u64().unwrap_or(0)).expect("a small number")
}

/// A request path for one key's events.
pub(crate) fn path(stream: &Stream, key: &str) -> String {
    format!("{}&routing-key={key}", stream.events())
}
