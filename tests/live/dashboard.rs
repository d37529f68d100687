//! Checks the dashboard's queries against Prometheus' own grammar.

use serde_json::Value;

use crate::support::checks;

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn queries_of_the_dashboard_are_promql() {
    let dashboard: Value =
        serde_json::from_str(include_str!("../../config/grafana/pravega-gateway.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    // Grafana substitutes a duration.
    let query = |target: &Value| target["expr"].as_str().expect("a query").replace("$__rate_interval", "5m");
    let queries: Vec<_> = targets.map(query).collect();
    assert!(queries.len() > 30, "{queries:?}");
    assert_eq!(checks::promql(&queries).await, Vec::<String>::new());
    assert_eq!(checks::promql(&["sum(rate(x)".to_owned()]).await.len(), 1, "the parser rejects an invalid query");
}
