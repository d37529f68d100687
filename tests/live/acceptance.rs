//! What applications do through Pravega's own clients. The programs do not know which server they talk to, and must
//! print the same on each.

use serde_json::Value;

use crate::support::foreign::Foreign;
use crate::support::standalone::Standalone;
use crate::support::{Embedded, Pravega};

/// On a separate real Pravega: the programs delete a scope with its streams, which keeps one of a real controller's few
/// threads busy, possibly forever.
#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn java_programs_cannot_tell_the_embedded_pravega_from_a_real_one() {
    let (real, embedded) = (Standalone::start("2g").await, Embedded::start(&[]).await);
    same_on(Foreign::Java, &real.pravega.controller, &embedded.pravega.controller).await;
    embedded.stop().await;
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn python_programs_cannot_tell_the_embedded_pravega_from_a_real_one() {
    let embedded = Embedded::start(&[]).await;
    same_on(Foreign::Python, &Pravega::of_this_run().controller, &embedded.pravega.controller).await;
    embedded.stop().await;
}

/// Runs every scenario on two servers, where it must succeed, and compares what it prints.
async fn same_on(client: Foreign, one: &str, other: &str) {
    // One after the other, so that a slow machine does not cause differences.
    let on_one = client.acceptance(one).await;
    let on_other = client.acceptance(other).await;
    let names = |results: &[Value]| results.iter().map(|result| result["scenario"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&on_one), names(&on_other));
    let differences: String = on_one.iter().zip(&on_other).map(|(one, other)| difference(one, other)).collect();
    assert!(differences.is_empty(), "{client:?} on {one} and on {other}:\n{differences}");
}

/// The first difference between what a scenario printed on the two servers.
fn difference(one: &Value, other: &Value) -> String {
    let results = |scenario: &Value| scenario["results"].as_array().expect("results").clone();
    let (in_one, in_other) = (results(one), results(other));
    let same = in_one.iter().zip(&in_other).take_while(|(one, other)| one == other).count();
    match (in_one.get(same), in_other.get(same)) {
        (None, None) => String::new(),
        (one_has, other_has) => format!("{}, result {same}: {one_has:?} and {other_has:?}\n", one["scenario"]),
    }
}
