//! A real cluster whose tokens live for seconds only, and whose controller is restarted with other users.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::load::{LEDGER, ORDERS, append, goes_on_until, nothing_is_lost_for, refused_by};
use crate::support::cluster::{Cluster, Guard};
use crate::support::secured::users::{ADMIN, OTHER, READER, USERS, WRITER, password_file};
use crate::support::{Answer, Gateway};

const LIFE: Duration = Duration::from_secs(12);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs ./scripts/test"]
async fn nothing_is_lost_while_tokens_end_and_users_who_left_are_refused_after_a_tokens_life_at_most() {
    let passwords = password_file(&USERS).await;
    let mut cluster = Cluster::guarded(Guard { passwords: &passwords, token_life: LIFE }).await;
    let gateway = Gateway::start(&cluster.pravega, &[]).await;
    gateway.await_ready().await;
    create(&gateway, "shop", "orders").await;
    create(&gateway, "office", "ledger").await;

    nothing_is_lost_for(5 * LIFE / 2, &gateway).await;

    append(&gateway, OTHER, LEDGER).await.expect(201);
    let changed = password_file(&[ADMIN, READER, OTHER.with_rights_of(READER)]).await;
    cluster.replace_users(&changed).await;
    let latest = Instant::now() + LIFE;
    tokio::join!(
        refused_by(latest, &gateway, WRITER, ORDERS, 401),
        refused_by(latest, &gateway, OTHER, LEDGER, 403),
        goes_on_until(latest, &gateway),
    );
}

async fn create(gateway: &Gateway, scope: &str, stream: &str) {
    let policy = json!({ "type": "FIXED_NUM_SEGMENTS", "minSegments": 1 });
    for (path, body) in [
        ("/v1/scopes".to_owned(), json!({ "scopeName": scope })),
        (format!("/v1/scopes/{scope}/streams"), json!({ "streamName": stream, "scalingPolicy": policy })),
    ] {
        let request = gateway.post(&path).header("Content-Type", "application/json").body(body.to_string());
        Answer::of(ADMIN.sends(request)).await.expect(201);
    }
}
