//! Bodies with several events, in every format.

mod blocks;
mod broken;
mod compressed;
mod foreign;
mod reports;

use serde_json::Value;

use crate::support::{Answer, Gateway, Stream};

pub(crate) const LINES: &str = "application/x-ndjson";
pub(crate) const FRAMES: &str = "application/vnd.pravega.events";
pub(crate) const DESCRIBED: &str = "application/vnd.pravega.events+json";

/// Posts a body of this type with more parameters.
async fn post(gateway: &Gateway, stream: &Stream, kind: &str, more: &str, body: impl Into<Vec<u8>>) -> Answer {
    let path = stream.events() + more;
    Answer::of(gateway.post(&path).header("Content-Type", kind).body(body.into())).await
}

/// An event as it is framed in a segment.
fn framed(payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short");
    [&[0; 4], &length.to_be_bytes()[..], payload].concat()
}

fn reports(answer: &Value) -> Vec<(u64, u64, u64)> {
    let number = |report: &Value, name: &str| report[name].as_u64().unwrap_or_else(|| panic!("{name} in {report}"));
    let reports = answer["reports"].as_array().unwrap_or_else(|| panic!("reports in {answer}"));
    reports.iter().map(|report| (number(report, "index"), number(report, "count"), number(report, "status"))).collect()
}
