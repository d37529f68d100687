//! The examples for Kubernetes: valid by its schemas, and consistent with this program.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::checks;

const WORKLOADS: [&str; 2] = ["sidecar.yaml", "audit-gateway.yaml"];

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/kubernetes").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).expect("the file is in the repository")
}

pub(crate) async fn document(name: &str) -> Value {
    checks::yaml(&text(name)).await
}

/// The gateway's container in a workload's pod.
pub(crate) fn gateway(pod: &Value) -> &Value {
    let containers = ["initContainers", "containers"].into_iter().filter_map(|list| pod[list].as_array()).flatten();
    containers.into_iter().find(|container| container["name"] == "pravega-gateway").expect("it is there")
}

fn variables(container: &Value) -> Vec<(&str, &str)> {
    let list = container["env"].as_array().expect("variables");
    list.iter().map(|entry| (string(&entry["name"]), string(&entry["value"]))).collect()
}

pub(crate) fn variable<'a>(container: &'a Value, name: &str) -> &'a str {
    let found = variables(container).into_iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("{name} is not set")).1
}

#[track_caller]
pub(crate) fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// The effective settings with a container's variables, one per line; fails if the program would not start with them.
fn settings(container: &Value) -> String {
    let program = env!("CARGO_BIN_EXE_pravega-gateway");
    let output = Command::new(program).args(["config", "check"]).env_clear().envs(variables(container)).output();
    let output = output.expect("the program can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("settings are text")
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn workloads_are_valid_to_the_last_field() {
    for name in WORKLOADS {
        let said = checks::kubernetes(path(name).to_str().expect("text")).await.lines().join("\n");
        assert!(said.contains("passed"), "{said}");
    }
    let misspelt = tempfile::NamedTempFile::with_suffix(".yaml").expect("a temporary file");
    std::fs::write(misspelt.path(), text("sidecar.yaml").replace("readinessProbe", "readynessProbe")).expect("ours");
    let refused = checks::kubernetes(misspelt.path().to_str().expect("text")).await;
    assert!(!refused.status.success(), "the validator is strict");
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn gateways_start_with_their_variables_and_are_probed_where_they_listen() {
    for name in WORKLOADS {
        let workload = document(name).await;
        let container = gateway(&workload["spec"]["template"]["spec"]);
        let settings = settings(container);
        assert!(settings.lines().any(|line| line.starts_with("listen = [\"127.0.0.1:")), "{settings}");
        let port = container["ports"][0]["containerPort"].as_u64().expect("a port");
        assert_eq!(variable(container, "PRAVEGA_GATEWAY__MANAGEMENT"), format!("0.0.0.0:{port}"));
        assert_eq!(container["livenessProbe"]["httpGet"]["path"], "/healthz");
        assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/readyz");
        let annotations = &workload["spec"]["template"]["metadata"]["annotations"];
        assert_eq!(string(&annotations["prometheus.io/port"]), port.to_string());
    }
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn pods_grant_the_time_that_the_gateway_takes_to_end() {
    for name in WORKLOADS {
        let workload = document(name).await;
        let pod = &workload["spec"]["template"]["spec"];
        let settings = settings(gateway(pod));
        let duration = |key: &str| {
            let line = settings.lines().find_map(|line| line.strip_prefix(key)).expect("a setting");
            humantime::parse_duration(line.trim_matches([' ', '=', '"'])).expect("a duration")
        };
        let needed = duration("shutdown.delay") + duration("shutdown.grace");
        let granted = pod["terminationGracePeriodSeconds"].as_u64().map(Duration::from_secs).expect("a number");
        assert!(granted >= needed, "{name}: {granted:?} granted, {needed:?} needed");
    }
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn gateways_may_do_nothing_that_they_need_not() {
    for name in WORKLOADS {
        let workload = document(name).await;
        let pod = &workload["spec"]["template"]["spec"];
        let rights = &gateway(pod)["securityContext"];
        assert_eq!((&pod["securityContext"]["runAsNonRoot"], &rights["runAsUser"]), (&true.into(), &65532.into()));
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        assert_eq!(rights["readOnlyRootFilesystem"], true);
        assert_eq!(rights["allowPrivilegeEscalation"], false);
        assert_eq!(rights["capabilities"]["drop"][0], "ALL");
        assert_eq!(pod["automountServiceAccountToken"], false);
    }
}
