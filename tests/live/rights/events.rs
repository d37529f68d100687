//! What is asked of `/v1/events`, `/v1/webhooks` and `/v1/segments`.

use serde_json::json;

use super::callers::{Needs, Resource, Right};
use super::case::Case;
use super::ground::Found;
use super::{CHANGE, READ};
use crate::support::http::escape;
use crate::support::wire::framed;

const EVENTS: &str = "/v1/events?scope=shop&stream=orders";
const MISSING: &str = "/v1/events?scope=shop&stream=missing";
const SEGMENTS: &str = "/v1/segments/shop/orders";

/// Only the admin has any right to a stream that there is not.
const READ_ALL: Needs = &[(Resource::Root, Right::Read)];
const CHANGE_ALL: Needs = &[(Resource::Root, Right::Change)];

/// The webhook that [`cases`] needs.
pub(super) const WEBHOOK: &str = "webhooks=orders=scope=shop&stream=orders";

pub(super) fn cases() -> Vec<Case> {
    [appends(), pages(), lists()].into_iter().flatten().collect()
}

fn appends() -> Vec<Case> {
    let document = json!({ "events": [{ "text": "one" }, { "text": "two" }] }).to_string();
    let items = json!({ "items": [1, 2] }).to_string();
    let framed = [framed(b"one"), framed(b"two")].concat();
    vec![
        append("POST one event", EVENTS, "text/plain", 201, "one"),
        append("POST one event without a type", &format!("{EVENTS}&routing-key=k"), "", 201, "one"),
        append("POST NDJSON", EVENTS, "application/x-ndjson", 200, "{\"id\":1}\n{\"id\":2}\n"),
        append("POST framed events", EVENTS, "application/vnd.pravega.events", 200, framed),
        append("POST a document of events", EVENTS, "application/vnd.pravega.events+json", 200, document),
        append("POST a split document", &format!("{EVENTS}&split=/items"), "application/json", 200, items),
        append("POST to a segment", &format!("{EVENTS}&segment=0"), "text/plain", 201, "one"),
        append("POST to a webhook", "/v1/webhooks/orders", "application/json", 201, "{\"id\":1}"),
        Case::new("POST to a missing stream", CHANGE_ALL, Found::Stream, 404, |gateway, _| {
            gateway.post(MISSING).body("one")
        }),
    ]
}

fn append(name: &str, path: &str, form: &'static str, status: u16, body: impl Into<Vec<u8>>) -> Case {
    let (path, body) = (path.to_owned(), body.into());
    Case::new(name, CHANGE, Found::Stream, status, move |gateway, _| {
        let request = gateway.post(&path).body(body.clone());
        if form.is_empty() { request } else { request.header("Content-Type", form) }
    })
}

fn pages() -> Vec<Case> {
    let full = format!("{EVENTS}&segment={}&offset=0", escape("0.#epoch.0"));
    vec![
        page("GET a page", &format!("{EVENTS}&segment=0"), "application/json", 200),
        page("GET a page of the only segment", &format!("{EVENTS}&offset=0"), "application/json", 200),
        page("GET a page of a full segment id", &full, "application/json", 200),
        page("GET lines", &format!("{full}&count=1"), "application/x-ndjson", 200),
        page("GET framed events", &full, "application/vnd.pravega.events", 200),
        page("GET a bare payload", &format!("{full}&count=1"), "application/octet-stream", 200),
        Case::new("GET and wait", READ, Found::Stream, 204, |gateway, target| {
            let path = format!("{EVENTS}&segment={}&offset={}", escape(&target.short_name()), target.tail);
            gateway.get(&path).header("Prefer", "wait=1")
        }),
        Case::new("GET a page of a missing stream", READ_ALL, Found::Stream, 404, |gateway, _| {
            gateway.get(&format!("{MISSING}&segment=0"))
        }),
    ]
}

fn page(name: &str, path: &str, form: &'static str, status: u16) -> Case {
    let path = path.to_owned();
    Case::new(name, READ, Found::Stream, status, move |gateway, _| gateway.get(&path).header("Accept", form))
}

fn lists() -> Vec<Case> {
    let list = |name, query: &'static str| {
        Case::new(name, READ, Found::Stream, 200, move |gateway, _| gateway.get(&format!("{SEGMENTS}{query}")))
    };
    let missing = Case::new("GET segments of a missing stream", READ_ALL, Found::Stream, 404, |gateway, _| {
        gateway.get("/v1/segments/shop/missing")
    });
    vec![list("GET segments", ""), list("GET active segments", "?state=active"), missing]
}
