//! Compares the dashboard with the program's table of metrics.

use std::collections::BTreeSet;

use pravega_gateway::telemetry::metrics::{MetricTable, Metrics};
use serde_json::Value;

/// Metrics of other programs that panels show.
const FOREIGN: [&str; 1] = ["container_memory_working_set_bytes"];

fn dashboard() -> Value {
    let text = include_str!("../../config/grafana/pravega-gateway.json");
    serde_json::from_str(text).expect("the dashboard is JSON")
}

/// Every query of the panels.
fn queries(dashboard: &Value) -> Vec<&str> {
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().expect("a query")).collect()
}

/// Each metric of the table with the names of its samples.
fn samples_by_metric() -> Vec<(&'static str, Vec<String>)> {
    let samples = |(name, kind): &(&'static str, &str)| {
        let suffixes: &[&str] = match kind {
            kind if kind.contains("Histogram") => &["_bucket", "_sum", "_count"],
            kind if kind.contains("Counter") => &["_total"],
            kind if kind.contains("Gauge") => &[""],
            other => panic!("{name} is a {other}"),
        };
        (*name, suffixes.iter().map(|suffix| format!("pravega_gateway_{name}{suffix}")).collect())
    };
    MetricTable::ALL.iter().map(samples).collect()
}

#[test]
fn metrics_are_told_by_their_names_in_the_table() {
    let text = Metrics::default().encode();
    let names: Vec<_> =
        text.lines().filter_map(|line| line.split(['{', ' ']).next()).filter(|name| *name != "#").collect();
    let samples: BTreeSet<_> = samples_by_metric().into_iter().flat_map(|(_, samples)| samples).collect();
    assert!(names.len() > 50, "{text}");
    for name in names {
        assert!(samples.contains(name), "{name} is not in the table");
    }
}

/// The names before selectors: in these queries every metric has one.
fn metrics_in(query: &str) -> impl Iterator<Item = &str> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    query.split('{').rev().skip(1).map(move |before| {
        let start = before.bytes().rposition(|byte| !is_part(byte)).map_or(0, |last| last + 1);
        &before[start..]
    })
}

#[test]
fn queries_name_only_metrics_that_there_are() {
    let samples: BTreeSet<_> = samples_by_metric().into_iter().flat_map(|(_, samples)| samples).collect();
    let dashboard = dashboard();
    let queries = queries(&dashboard);
    assert!(queries.len() > 30, "{queries:?}");
    for query in queries {
        let mut named = metrics_in(query).peekable();
        assert!(named.peek().is_some(), "{query} selects nothing");
        for name in named {
            assert!(samples.contains(name) || FOREIGN.contains(&name), "{name} is no metric: {query}");
        }
    }
}

#[test]
fn every_metric_is_shown() {
    let dashboard = dashboard();
    let shown: BTreeSet<_> = queries(&dashboard).into_iter().flat_map(metrics_in).collect();
    let metrics = samples_by_metric();
    assert!(metrics.len() > 20, "{metrics:?}");
    for (name, samples) in metrics {
        assert!(samples.iter().any(|sample| shown.contains(sample.as_str())), "{name} is on no panel");
    }
}

#[test]
fn panels_are_in_rows_and_have_ids_of_their_own() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().expect("panels");
    let rows: Vec<_> = panels.iter().filter(|panel| panel["type"] == "row").map(|row| &row["title"]).collect();
    assert_eq!(rows, ["Traffic", "Appends", "Reads", "Pravega", "Limits, budget, memory", "Errors"]);
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().expect("an id")).collect();
    assert_eq!(ids.len(), panels.len());
}
