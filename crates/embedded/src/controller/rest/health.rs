//! Health: a node in one process is up as a whole or not at all, so all parts say the same.

use std::collections::BTreeMap;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::body::ErrorStatus;
use crate::controller::Controller;

/// The parts that Pravega's controller has.
const PARTS: [&str; 5] =
    ["GRPCServer", "eventProcessor", "retentionService", "segmentContainerMonitor", "watermarkingService"];

#[derive(Debug, Serialize)]
struct Health {
    name: &'static str,
    status: &'static str,
    readiness: bool,
    liveness: bool,
    details: Map<String, Value>,
    children: BTreeMap<&'static str, Health>,
}

impl Health {
    fn up(name: &'static str, children: impl IntoIterator<Item = &'static str>) -> Self {
        let children = children.into_iter().map(|name| (name, Self::up(name, [])));
        let (readiness, liveness) = (true, true);
        Self { name, status: "UP", readiness, liveness, details: Map::new(), children: children.collect() }
    }
}

pub(super) fn router() -> Router<Controller> {
    let aspect = |value: Value| {
        let one = value.clone();
        (get(async || Json(value)), get(async |Path(id): Path<String>| part(&id).map(|_| Json(one))))
    };
    let routes = Router::new().route("/health", get(async || Json(Health::up("", PARTS)))).route(
        "/health/{id}",
        get(async |Path(id): Path<String>| Ok::<_, ErrorStatus>(Json(Health::up(part(&id)?, [])))),
    );
    let aspects =
        [("readiness", json!(true)), ("liveness", json!(true)), ("details", json!({})), ("status", json!("UP"))];
    aspects.into_iter().fold(routes, |routes, (name, value)| {
        let (all, one) = aspect(value);
        routes.route(&format!("/health/{name}"), all).route(&format!("/health/{name}/{{id}}"), one)
    })
}

fn part(id: &str) -> Result<&'static str, ErrorStatus> {
    PARTS.into_iter().find(|part| *part == id).ok_or(ErrorStatus(StatusCode::NOT_FOUND))
}
