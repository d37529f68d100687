//! The same over REST.

use reqwest::Method;

use super::side::Side;

const FIXED: &str = r#"{"type":"FIXED_NUM_SEGMENTS","minSegments":2}"#;

pub(super) async fn ask(side: &mut Side) {
    let scope = format!("/v1/scopes/{}-rest", side.scope);
    scopes(side, &scope).await;
    streams(side, &scope).await;
    refused(side, &scope).await;
    ends(side, &scope).await;
    health(side).await;
}

async fn scopes(side: &mut Side, scope: &str) {
    let name = scope.rsplit_once('/').expect("a path").1.to_owned();
    let body = format!(r#"{{"scopeName":"{name}"}}"#);
    for body in [&*body, &body, r#"{"scopeName":"a_b"}"#, r#"{"scopeName":""}"#, "{}", r#"{"other":1}"#, "{", "[]"] {
        side.rest(Method::POST, "/v1/scopes", Some(body)).await;
    }
    side.rest(Method::GET, scope, None).await;
    side.rest(Method::GET, &format!("{scope}/"), None).await;
    side.rest(Method::GET, &format!("{scope}/streams/"), None).await;
    side.rest(Method::GET, "/v1/scopes/nobody-has-it", None).await;
    side.rest(Method::DELETE, "/v1/scopes/nobody-has-it", None).await;
    side.rest(Method::PATCH, "/v1/scopes", None).await;
    side.rest(Method::GET, "/v1/nothing", None).await;
    side.rest(Method::GET, "/ping", None).await;
}

async fn streams(side: &mut Side, scope: &str) {
    let streams = format!("{scope}/streams");
    for body in [
        format!(r#"{{"streamName":"a","scalingPolicy":{FIXED},"streamTags":["y","x"],"retentionPolicy":{{"type":"LIMITED_DAYS","value":3}}}}"#),
        format!(r#"{{"streamName":"a","scalingPolicy":{FIXED}}}"#),
        format!(r#"{{"streamName":"fine","scalingPolicy":{FIXED},"retentionPolicy":{{"type":"LIMITED_DAYS","value":0,"timeBasedRetention":{{"days":1,"hours":2,"minutes":3}}}}}}"#),
        format!(r#"{{"streamName":"worthless","scalingPolicy":{FIXED},"retentionPolicy":{{"type":"LIMITED_DAYS"}}}}"#),
        r#"{"streamName":"rate","scalingPolicy":{"type":"BY_RATE_IN_EVENTS_PER_SEC","targetRate":5,"scaleFactor":2,"minSegments":1},"retentionPolicy":{"type":"LIMITED_SIZE_MB","value":3,"maxValue":9},"timestampAggregationTimeout":1000,"rolloverSizeBytes":4194304}"#.to_owned(),
    ] {
        side.rest(Method::POST, &streams, Some(&body)).await;
    }
    for path in ["", "/a", "/_MARKa", "/nope", "?filter_type=showInternalStreams", "?filter_type=tag&filter_value=x"] {
        side.rest(Method::GET, &format!("{streams}{path}"), None).await;
    }
    side.rest(Method::GET, &format!("{streams}?filter_type=tag"), None).await;
    side.rest(Method::GET, "/v1/scopes/nobody-has-it/streams", None).await;
    for query in
        ["?from=0&to=99999999999999", "?from=0", "?from=5&to=1", "?from=-1&to=1", "?from=0&to=1", "?from=x&to=1"]
    {
        side.rest(Method::GET, &format!("{streams}/a/scaling-events{query}"), None).await;
    }
    side.rest(Method::GET, &format!("{streams}/nope/scaling-events?from=0&to=1"), None).await;
    side.rest(Method::GET, &format!("{scope}/readergroups"), None).await;
    side.rest(Method::GET, "/v1/scopes/nobody-has-it/readergroups", None).await;
    side.rest(Method::GET, &format!("{scope}/readergroups/nope"), None).await;
    side.rest(Method::DELETE, &format!("{scope}/readergroups/nope"), None).await;
}

async fn refused(side: &mut Side, scope: &str) {
    let streams = format!("{scope}/streams");
    for body in [
        r#"{"streamName":"b"}"#.to_owned(),
        format!(r#"{{"streamName":"a_b","scalingPolicy":{FIXED}}}"#),
        format!(r#"{{"scalingPolicy":{FIXED}}}"#),
        r#"{"streamName":"b","scalingPolicy":{"type":"FIXED_NUM_SEGMENTS"}}"#.to_owned(),
        r#"{"streamName":"b","scalingPolicy":{"type":"FIXED_NUM_SEGMENTS","minSegments":0}}"#.to_owned(),
        r#"{"streamName":"b","scalingPolicy":{"type":"BY_RATE_IN_EVENTS_PER_SEC","minSegments":1}}"#.to_owned(),
        r#"{"streamName":"#.to_owned(),
        String::new(),
    ] {
        side.rest(Method::POST, &streams, Some(&body)).await;
    }
    let elsewhere = format!(r#"{{"streamName":"b","scalingPolicy":{FIXED}}}"#);
    side.rest(Method::POST, "/v1/scopes/nobody-has-it/streams", Some(&elsewhere)).await;
    side.rest(Method::PUT, &format!("{streams}/nope"), Some(&format!(r#"{{"scalingPolicy":{FIXED}}}"#))).await;
    side.rest(Method::PUT, &format!("{streams}/a"), Some("{}")).await;
    for state in [r#"{"streamState":"ACTIVE"}"#, "{}"] {
        side.rest(Method::PUT, &format!("{streams}/a/state"), Some(state)).await;
    }
}

async fn ends(side: &mut Side, scope: &str) {
    let streams = format!("{scope}/streams");
    let sealed = r#"{"streamState":"SEALED"}"#;
    side.rest(Method::DELETE, &format!("{streams}/a"), None).await;
    side.rest(Method::DELETE, scope, None).await;
    for stream in ["nope", "a", "a", "fine", "rate"] {
        side.rest(Method::PUT, &format!("{streams}/{stream}/state"), Some(sealed)).await;
    }
    side.rest(Method::PUT, &format!("{streams}/a"), Some(&format!(r#"{{"scalingPolicy":{FIXED}}}"#))).await;
    side.rest(Method::GET, &format!("{streams}/a/scaling-events?from=0&to=99999999999999"), None).await;
    for stream in ["a", "a", "fine", "rate"] {
        side.rest(Method::DELETE, &format!("{streams}/{stream}"), None).await;
    }
    side.rest(Method::DELETE, scope, None).await;
    side.rest(Method::GET, scope, None).await;
}

async fn health(side: &mut Side) {
    for path in
        ["", "/GRPCServer", "/nope", "/readiness", "/liveness/eventProcessor", "/details", "/status", "/status/nope"]
    {
        side.rest(Method::GET, &format!("/v1/health{path}"), None).await;
    }
}
