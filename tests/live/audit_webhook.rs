//! The setup for Kubernetes' audit events: API server, webhook, gateway, stream.

use serde_json::Value;

use crate::kubernetes::{document, gateway, string, variable};
use crate::support::stream::payloads;
use crate::support::{Answer, Gateway, Stream};

#[track_caller]
fn assert_members(value: &Value, known: &[&str]) {
    for name in value.as_object().expect("an object").keys() {
        assert!(known.contains(&name.as_str()), "{name} is not in {known:?}");
    }
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn audit_webhook_reaches_the_gateway_beside_the_api_server() {
    let config = document("audit-webhook.yaml").await;
    assert_eq!((string(&config["apiVersion"]), string(&config["kind"])), ("v1", "Config"));
    assert_members(&config, &["apiVersion", "kind", "clusters", "contexts", "current-context", "users"]);
    let context = named(&config, "contexts", string(&config["current-context"]));
    assert_members(&context["context"], &["cluster", "user"]);
    named(&config, "users", string(&context["context"]["user"]));
    let cluster = named(&config, "clusters", string(&context["context"]["cluster"]));
    assert_members(&cluster["cluster"], &["server"]);
    let url: http::Uri = string(&cluster["cluster"]["server"]).parse().expect("a URL");
    assert_eq!(url.query(), None, "the API server would drop it");
    let name = url.path().strip_prefix("/v1/webhooks/").expect("the path of a webhook");
    let workload = document("audit-gateway.yaml").await;
    let container = gateway(&workload["spec"]["template"]["spec"]);
    assert_eq!(
        url.authority().map(ToString::to_string).as_deref(),
        Some(variable(container, "PRAVEGA_GATEWAY__LISTEN"))
    );
    assert!(variable(container, "PRAVEGA_GATEWAY__WEBHOOKS").starts_with(&format!("{name}=")));
}

/// The entry with this name in one of a kubeconfig's lists.
#[track_caller]
fn named<'a>(config: &'a Value, list: &str, name: &str) -> &'a Value {
    let entries = config[list].as_array().expect("a list");
    entries.iter().find(|entry| entry["name"] == name).unwrap_or_else(|| panic!("{list} has no {name}"))
}

/// No validator includes the schema of audit.k8s.io/v1. Source: apiserver, `pkg/apis/audit/v1/types.go`.
#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn audit_policy_has_only_fields_levels_and_stages_that_there_are() {
    const LEVELS: [&str; 4] = ["None", "Metadata", "Request", "RequestResponse"];
    const STAGES: [&str; 4] = ["RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"];
    const RULE: [&str; 9] = [
        "level",
        "users",
        "userGroups",
        "verbs",
        "resources",
        "namespaces",
        "nonResourceURLs",
        "omitStages",
        "omitManagedFields",
    ];
    let policy = document("audit-policy.yaml").await;
    assert_eq!((string(&policy["apiVersion"]), string(&policy["kind"])), ("audit.k8s.io/v1", "Policy"));
    assert_members(&policy, &["apiVersion", "kind", "metadata", "rules", "omitStages", "omitManagedFields"]);
    assert!(policy["omitStages"].as_array().expect("a list").iter().all(|stage| STAGES.contains(&string(stage))));
    let rules = policy["rules"].as_array().expect("a list");
    for rule in rules {
        assert_members(rule, &RULE);
        assert!(LEVELS.contains(&string(&rule["level"])), "{rule}");
        for resource in rule["resources"].as_array().into_iter().flatten() {
            assert_members(resource, &["group", "resources", "resourceNames"]);
        }
        assert!(
            rule.get("resources").is_none() || rule.get("nonResourceURLs").is_none(),
            "{rule} may have one of them"
        );
    }
    assert!(
        rules.last().is_some_and(|rule| rule.as_object().is_some_and(|rule| rule.len() == 1)),
        "everything else is logged"
    );
}

/// Posts a list of events as the API server does, to the path in the webhook's file and with its own query. The gateway
/// has the example's setting.
#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn audit_events_of_the_api_server_become_events_with_their_ids_as_keys() {
    let body = include_str!("data/audit-event-list.json");
    let list: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!((string(&list["kind"]), string(&list["apiVersion"])), ("EventList", "audit.k8s.io/v1"));
    let first = Gateway::ready(&[]).await;
    let stream = Stream::create(&first, 2).await;
    let workload = document("audit-gateway.yaml").await;
    let webhook = variable(gateway(&workload["spec"]["template"]["spec"]), "PRAVEGA_GATEWAY__WEBHOOKS");
    let (names, ours) = ("scope=kubernetes&stream=audit", format!("scope={}&stream={}", stream.scope, stream.name));
    assert!(webhook.contains(names), "{webhook}");
    let gateway = Gateway::ready(&["--set", &format!("webhooks={}", webhook.replace(names, &ours))]).await;
    let config = document("audit-webhook.yaml").await;
    let url: http::Uri = string(&config["clusters"][0]["cluster"]["server"]).parse().expect("a URL");

    let request = gateway.post(&format!("{}?timeout=30s", url.path())).header("Content-Type", "application/json");
    let answer = Answer::of(request.body(body)).await.expect(200).json();

    let items = list["items"].as_array().expect("events");
    assert_eq!(answer["events"], items.len());
    let stored: Vec<Value> = payloads(&stream.read_all(&gateway).await).into_iter().map(json).collect();
    assert_eq!(stored.len(), items.len());
    for item in items {
        assert!(stored.contains(item), "{item} is not stored");
    }
    let stages = |id: &Value| -> Vec<_> {
        let of_request = |event: &&Value| event["auditID"] == *id;
        stored.iter().filter(of_request).map(|event| event["stage"].clone()).collect()
    };
    for item in items {
        let sent: Vec<_> = items.iter().filter(|other| other["auditID"] == item["auditID"]).collect();
        let sent: Vec<_> = sent.into_iter().map(|event| event["stage"].clone()).collect();
        assert_eq!(stages(&item["auditID"]), sent, "the stages of a request keep their order");
    }
}

fn json(payload: &[u8]) -> Value {
    serde_json::from_slice(payload).expect("an item is JSON")
}
