//! The online readers of a group as REST reports them, from the state that Java readers write.

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::foreign::OpenReader;
use crate::support::{Embedded, Pravega, http};

/// One of the two controllers, and a scope with a stream on it.
struct Side<'a> {
    at: &'a Pravega,
    scope: String,
}

impl<'a> Side<'a> {
    async fn with_stream(at: &'a Pravega) -> Self {
        let side = Self { at, scope: format!("online{}", uuid::Uuid::new_v4().simple()) };
        let stream =
            json!({ "streamName": "read", "scalingPolicy": { "type": "FIXED_NUM_SEGMENTS", "minSegments": 2 } });
        assert_eq!(side.rest(Method::POST, "", Some(json!({ "scopeName": side.scope }))).await.0, 201);
        assert_eq!(side.rest(Method::POST, &format!("/{}/streams", side.scope), Some(stream)).await.0, 201);
        side
    }

    async fn rest(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = format!("{}/v1/scopes{path}", self.at.rest);
        let mut request = http::client().request(method, url).header("Content-Type", "application/json");
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let answer = request.send().await.expect("the controller answers");
        let (status, body) = (answer.status().as_u16(), answer.bytes().await.expect("a whole answer"));
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    fn group(&self) -> String {
        format!("/{}/readergroups/group", self.scope)
    }

    /// Checks the online readers that REST reports for the group.
    async fn shows(&self, online: &[&str]) {
        let (status, mut group) = self.rest(Method::GET, &self.group(), None).await;
        let ids = group["onlineReaderIds"].as_array_mut().unwrap_or_else(|| panic!("{status}"));
        ids.sort_by_key(Value::to_string);
        let stream = format!("{}/read", self.scope);
        let expected = json!({
            "scopeName": self.scope, "readerGroupName": "group", "streamList": [stream], "onlineReaderIds": online,
        });
        assert_eq!((status, group), (200, expected));
    }

    async fn open(&self, id: &str) -> OpenReader {
        OpenReader::open(&self.at.controller, &self.scope, "read", "group", id).await
    }
}

/// A reader is online from being opened until it is closed; one that dies stays online.
async fn readers_come_and_go(side: &Side<'_>) {
    assert_eq!(side.rest(Method::GET, &side.group(), None).await.0, 404);
    let (closed, killed) = (side.open("closed").await, side.open("killed").await);
    side.shows(&["closed", "killed"]).await;
    closed.close().await;
    killed.kill().await;
    side.shows(&["killed"]).await;
}

async fn group_is_deleted(side: &Side<'_>) {
    assert_eq!(side.rest(Method::DELETE, &side.group(), None).await.0, 204);
    assert_eq!(side.rest(Method::GET, &side.group(), None).await.0, 404);
    assert_eq!(side.rest(Method::DELETE, &side.group(), None).await.0, 404);
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn real_controller_shows_java_readers_as_this_test_expects_them() {
    let real = Pravega::of_this_run();
    let side = Side::with_stream(&real).await;
    readers_come_and_go(&side).await;
    group_is_deleted(&side).await;
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn embedded_controller_shows_java_readers_also_after_a_restart() {
    let data = TempDir::new().expect("a folder");
    let node = Embedded::in_directory(data.path(), &[]).await;
    let side = Side::with_stream(&node.pravega).await;
    readers_come_and_go(&side).await;
    let scope = side.scope;
    node.kill().await;
    // The state is now in the log only.
    let node = Embedded::in_directory(data.path(), &[]).await;
    let side = Side { at: &node.pravega, scope };
    side.shows(&["killed"]).await;
    group_is_deleted(&side).await;
    node.stop().await;
}
