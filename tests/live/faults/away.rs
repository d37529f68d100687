//! A controller that is away after the gateway has asked it, and a store that it knows nothing of.

use std::time::Duration;

use futures::future::join_all;

use crate::support::metrics::count;
use crate::support::problem::Problem;
use crate::support::proxy::{Proxy, Treatment};
use crate::support::stream::payloads;
use crate::support::wire::path;
use crate::support::{Answer, Gateway, Pravega, Stream};

/// Longer than the gateway believes the controller unasked about any segment.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(21);

#[tokio::test]
async fn what_the_controller_said_serves_on_while_it_is_silent() {
    let pravega = Pravega::of_this_run();
    let proxy = Proxy::faithful(&pravega.controller).await;
    let through_proxy = Pravega { controller: proxy.address().to_owned(), ..pravega };
    let gateway = Gateway::start(&through_proxy, &[]).await;
    gateway.await_ready().await;
    let stream = Stream::create(&gateway, 1).await;
    stream.append(&gateway, None, "event").await;
    assert_eq!(payloads(&stream.read_all(&gateway).await), [b"event"]);

    proxy.treat(Treatment::Stalled);
    for pause in [Duration::from_secs(2), FORGOTTEN_AFTER] {
        tokio::time::sleep(pause).await;
        let named = stream.events() + "&segment=0.%23epoch.0";
        let calls = [
            (gateway.get(&named), 200),
            (gateway.get(&stream.events()), 200),
            (gateway.post(&named).body("event"), 201),
            (gateway.post(&(stream.events() + "&routing-key=k")).body("event"), 201),
            (gateway.post(&path("GetStreamSegmentInfo", &stream, 0)), 200),
        ];
        for (call, status) in calls {
            Answer::of(call.header("Request-Timeout", "2s")).await.expect(status);
        }
    }
    let unknown = gateway.post("/v1/events?scope=s&stream=unknown").header("Request-Timeout", "1s").body("event");
    Problem::of(Answer::of(unknown).await, 503, "deadline_exceeded").changed_nothing();

    proxy.treat(Treatment::Faithful);
    assert_eq!(stream.read_all(&gateway).await.len(), 5);
}

#[tokio::test]
async fn segment_that_is_sealed_at_its_store_alone_is_409_for_every_poster() {
    let gateway = Gateway::ready(&[]).await;
    let (sealed, other) = (Stream::create(&gateway, 1).await, Stream::create(&gateway, 1).await);
    for stream in [&sealed, &other] {
        stream.append(&gateway, Some("key"), "event").await;
    }
    Answer::of(gateway.post(&path("SealSegment", &sealed, 0))).await.expect(200);
    for _ in 0..3 {
        let posts = (0..16).map(|number| {
            let keyed = format!("{}&routing-key=k{number}", sealed.events());
            Answer::of(gateway.post(&keyed).header("Request-Timeout", "5s").body("refused"))
        });
        for answer in join_all(posts).await {
            Problem::of(answer, 409, "segment_sealed").changed_nothing();
        }
        other.append(&gateway, Some("key"), "event").await;
    }
    assert_eq!(payloads(&sealed.read_all(&gateway).await), [b"event"]);
    assert_eq!(other.read_all(&gateway).await.len(), 4);
    // The first block after the seal may have had others behind it.
    let set_ups = count(&gateway, "pravega_gateway_append_set_ups_total").await;
    assert!(set_ups < 40, "{set_ups}");
}
