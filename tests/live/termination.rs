//! The end of the process, as an orchestrator brings it about.

use std::collections::HashSet;
use std::sync::Arc;

use futures::future::join_all;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::support::{Gateway, PATIENCE, Stream, http};

const POSTERS: usize = 16;
/// Acknowledgements after which the gateway is asked to end.
const BEFORE_THE_END: u32 = 200;

#[tokio::test]
async fn termination_loses_no_acknowledged_event_and_exits_with_0() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 4).await;
    let url = Arc::new(gateway.url(&stream.events()));
    let acknowledged = Arc::new(Semaphore::new(0));
    let posters =
        (0..POSTERS).map(|poster| tokio::spawn(post_until_refused(url.clone(), poster, acknowledged.clone())));
    let posters: Vec<_> = posters.collect();

    let enough = timeout(PATIENCE, acknowledged.acquire_many(BEFORE_THE_END)).await;
    enough.expect("posts are acknowledged").expect("it is never closed").forget();
    let status = gateway.stop().await;

    assert_eq!(status.code(), Some(0));
    let acknowledged = join_all(posters).await.into_iter().flat_map(|poster| poster.expect("it ended by itself"));
    let acknowledged: HashSet<_> = acknowledged.collect();
    assert!(acknowledged.len() >= BEFORE_THE_END as usize);
    let stored = stream.read_all(&Gateway::ready(&[]).await).await;
    let once: HashSet<_> = stored.iter().map(|event| String::from_utf8_lossy(&event.payload).into_owned()).collect();
    assert_eq!(once.len(), stored.len(), "nothing is stored twice");
    let lost: Vec<_> = acknowledged.difference(&once).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

/// Posts until the gateway takes no more; returns what it acknowledged.
async fn post_until_refused(url: Arc<String>, poster: usize, acknowledged: Arc<Semaphore>) -> Vec<String> {
    let client = http::client();
    let mut taken = Vec::new();
    loop {
        let payload = format!("poster {poster} event {}", taken.len());
        match client.post(&*url).body(payload.clone()).send().await {
            Ok(answer) if answer.status() == 201 => taken.push(payload),
            Ok(answer) => {
                assert_eq!(answer.status(), 503, "while it ends it says so");
                return taken;
            }
            Err(_) => return taken,
        }
        acknowledged.add_permits(1);
    }
}
