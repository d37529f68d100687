//! Who may only read a stream sees the same list of its segments as everyone: gRPC does not tell readers the key ranges of
//! past epochs, REST does.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::support::secured::SecuredPravega;
use crate::support::secured::users::{ADMIN, READER, User};
use crate::support::{Answer, Gateway, PATIENCE};

const STREAM: &str = "/v1/scopes/shop/streams/ranges";

#[cfg(feature = "embedded")]
#[tokio::test]
async fn readers_see_them_of_the_embedded_one() {
    let pravega = SecuredPravega::embedded(crate::support::secured::Protection::FULL, &[]).await;
    readers_see_them(&pravega).await;
    pravega.stop().await;
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn readers_see_them_of_the_real_one() {
    let (pravega, _turn) = SecuredPravega::real().await;
    readers_see_them(pravega).await;
}

async fn readers_see_them(pravega: &SecuredPravega) {
    let gateway = pravega.gateway(&[]).await;
    let policy = |segments: u32| json!({ "type": "FIXED_NUM_SEGMENTS", "minSegments": segments });
    let created = json!({ "streamName": "ranges", "scalingPolicy": policy(2) });
    control(pravega, Method::POST, "/v1/scopes/shop/streams", &created).await.expect(201);
    control(pravega, Method::PUT, STREAM, &json!({ "scalingPolicy": policy(3) })).await.expect(200);
    let scaled = async {
        loop {
            let all = list(&gateway, ADMIN).await;
            if all.as_array().expect("segments").len() == 5 {
                return all;
            }
            sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    let all = timeout(PATIENCE, scaled).await.expect("a changed number of segments scales the stream");
    assert_eq!(all[0]["keyRange"], json!([0.0, 0.5]));
    assert_eq!(list(&gateway, READER).await, all);
}

async fn control(pravega: &SecuredPravega, method: Method, path: &str, body: &Value) -> Answer {
    let request = pravega.rest(method, path).header("Content-Type", "application/json").body(body.to_string());
    Answer::of(ADMIN.sends(request)).await
}

async fn list(gateway: &Gateway, user: User) -> Value {
    Answer::of(user.sends(gateway.get("/v1/segments/shop/ranges"))).await.expect(200).json()["segments"].clone()
}
