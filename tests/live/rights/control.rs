//! What is asked of `/v1/scopes`, where the controller decides.

use http::Method;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::READ;
use super::callers::{Caller, Needs, Resource, Right, Verdict};
use super::case::Case;
use super::ground::Found;
use crate::support::Answer;
use crate::support::http::client;
use crate::support::secured::SecuredPravega;

const READ_ROOT: Needs = &[(Resource::Root, Right::Read)];
const CHANGE_ROOT: Needs = &[(Resource::Root, Right::Change)];
const READ_SHOP: Needs = &[(Resource::Shop, Right::Read)];
const CHANGE_SHOP: Needs = &[(Resource::Shop, Right::Change)];
const READ_OFFICE: Needs = &[(Resource::Office, Right::Read)];
const CHANGE_ORDERS: Needs = &[(Resource::Orders, Right::Change)];
const READ_LEDGER: Needs = &[(Resource::Ledger, Right::Read)];

const ORDERS: &str = "/v1/scopes/shop/streams/orders";

/// A call, and the controller's answer to those with the right.
struct Call {
    name: &'static str,
    needs: Needs,
    method: Method,
    path: &'static str,
    body: Value,
    status: u16,
}

pub(super) fn cases() -> Vec<Case> {
    calls().into_iter().map(Call::through_the_gateway).collect()
}

fn calls() -> Vec<Call> {
    let fixed = json!({ "type": "FIXED_NUM_SEGMENTS", "minSegments": 1 });
    let update = json!({ "scalingPolicy": fixed });
    let again = json!({ "streamName": "orders", "scalingPolicy": fixed });
    let scope = json!({ "scopeName": "shop" });
    vec![
        ask("list scopes", READ_ROOT, "/v1/scopes"),
        change("create a scope", CHANGE_ROOT, Method::POST, "/v1/scopes", scope, 409),
        change("delete a missing scope", CHANGE_ROOT, Method::DELETE, "/v1/scopes/missing", Value::Null, 404),
        ask("read a scope", READ_SHOP, "/v1/scopes/shop"),
        ask("read another scope", READ_OFFICE, "/v1/scopes/office"),
        ask("list streams", READ_SHOP, "/v1/scopes/shop/streams"),
        change("create a stream", CHANGE_SHOP, Method::POST, "/v1/scopes/shop/streams", again, 409),
        ask("read a stream", READ, ORDERS),
        ask("read another stream", READ_LEDGER, "/v1/scopes/office/streams/ledger"),
        ask("list scaling events", READ, "/v1/scopes/shop/streams/orders/scaling-events?from=0&to=1"),
        change("update a stream", CHANGE_ORDERS, Method::PUT, ORDERS, update, 200),
        change("delete an open stream", CHANGE_ORDERS, Method::DELETE, ORDERS, Value::Null, 412),
    ]
}

fn ask(name: &'static str, needs: Needs, path: &'static str) -> Call {
    change(name, needs, Method::GET, path, Value::Null, 200)
}

fn change(name: &'static str, needs: Needs, method: Method, path: &'static str, body: Value, status: u16) -> Call {
    Call { name, needs, method, path, body, status }
}

impl Call {
    fn through_the_gateway(self) -> Case {
        let name = format!("control: {}", self.name);
        let case = Case::new(name, self.needs, Found::Stream, self.status, move |gateway, _| {
            self.with_body(client().request(self.method.clone(), gateway.url(self.path)))
        });
        case.refused_by_controller()
    }

    fn with_body(&self, request: RequestBuilder) -> RequestBuilder {
        let typed = request.header("Content-Type", "application/json");
        if self.body.is_null() { typed } else { typed.body(self.body.to_string()) }
    }
}

/// What the controller itself answers to everyone, without a gateway.
pub(super) async fn controller_decides_so(pravega: &SecuredPravega) {
    for call in calls() {
        for caller in Caller::ALL {
            let request = call.with_body(pravega.rest(call.method.clone(), call.path));
            let status = Answer::of(caller.sends(request)).await.status.as_u16();
            let expected: &[u16] = match caller.verdict(call.needs) {
                Verdict::Welcome => &[call.status],
                // What it cannot read may be a fault of its own to it.
                Verdict::Unauthenticated if caller == Caller::Malformed => &[401, 500],
                Verdict::Unauthenticated => &[401],
                Verdict::Forbidden => &[403],
            };
            assert!(expected.contains(&status), "{} as {caller:?}: {status} instead of {expected:?}", call.name);
        }
    }
}
