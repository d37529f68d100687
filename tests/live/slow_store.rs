//! A body of 1 GiB on its way to a store that reads 20 MB a second.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::iter;

use crate::support::events::deframe;
use crate::support::metrics::memory;
use crate::support::proxy::{Proxy, Treatment};
use crate::support::standalone::Standalone;
use crate::support::{Answer, Gateway, Stream, http};

const MIB: u64 = 1024 * 1024;

/// Bytes of a line, and of its event, which has no newline but a header of 8 bytes.
const LINE: usize = 1024;
const EVENT: u64 = LINE as u64 - 1 + 8;

/// Lines of the whole body, 1 GiB in total, and lines sent at a time.
const LINES: u64 = 1024 * MIB / LINE as u64;
const AT_A_TIME: u64 = 64;

const BYTES_PER_SECOND: u32 = 20_000_000;
const MOST_MEMORY: u64 = 100 * MIB;

/// Bytes that may be between the caller and the store: its share of `limits.bytes-in-flight`, and socket buffers.
const MOST_UNDERWAY: u64 = 32 * MIB + 32 * MIB;

/// The longest that the test may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(400);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs ./scripts/test"]
async fn gibibyte_for_a_slow_store_slows_its_sender_and_takes_little_memory() {
    let standalone = Standalone::start("6g").await;
    let proxy = Proxy::faithful(&standalone.pravega.store).await;
    let gateway = Gateway::start(&standalone.pravega, &["--segment-store-rewrite", &proxy.rule()]).await;
    gateway.await_ready().await;
    let stream = Stream::create(&gateway, 1).await;
    proxy.treat(Treatment::Throttled(BYTES_PER_SECOND));

    let sent = Arc::new(AtomicU64::new(0));
    let client = http::builder().timeout(PATIENCE).build().expect("no setting is wrong");
    let request = client.post(gateway.url(&stream.events())).header("Content-Type", "application/x-ndjson");
    let uploading = Answer::of(request.body(body(sent.clone())));
    let watching = watch(&gateway, &proxy, &sent);
    let answer = tokio::select! {
        answer = uploading => answer.expect(200).json(),
        () = watching => unreachable!("it has no end"),
    };
    let peak = memory(gateway.pid(), "VmHWM");
    println!("at most {} MiB", peak / MIB);
    assert!(peak < MOST_MEMORY, "{} MiB", peak / MIB);
    assert_eq!((&answer["events"], &answer["segments"][0]["offset"]), (&LINES.into(), &0.into()));
    let direct = Gateway::start(&standalone.pravega, &[]).await;
    assert_all_is_there(&direct, &stream).await;
}

fn line(number: u64) -> String {
    format!("{number:0width$}\n", width = LINE - 1)
}

fn body(sent: Arc<AtomicU64>) -> reqwest::Body {
    let chunks = iter(0..LINES / AT_A_TIME).map(move |chunk| {
        let lines: String = (chunk * AT_A_TIME..(chunk + 1) * AT_A_TIME).map(line).collect();
        sent.fetch_add(lines.len() as u64, Ordering::Relaxed);
        Ok::<_, Infallible>(lines)
    });
    reqwest::Body::wrap_stream(chunks)
}

/// Checks that the sender is slowed down and that the gateway's memory does not grow.
async fn watch(gateway: &Gateway, proxy: &Proxy, sent: &AtomicU64) {
    let mut looks = tokio::time::interval(Duration::from_millis(100));
    loop {
        looks.tick().await;
        // In this order, since both keep growing.
        let sent = sent.load(Ordering::Relaxed);
        let underway = sent.saturating_sub(proxy.bytes_to_store());
        assert!(underway < MOST_UNDERWAY, "{} MiB are on their way", underway / MIB);
        let resident = memory(gateway.pid(), "VmRSS");
        assert!(resident < MOST_MEMORY, "{} MiB after {} MiB", resident / MIB, sent / MIB);
    }
}

/// Checks that the stream holds every line once and in order.
async fn assert_all_is_there(gateway: &Gateway, stream: &Stream) {
    let mut next = 0;
    let mut offset = 0;
    loop {
        let request = gateway.get(&format!("{}&offset={offset}", stream.events()));
        let page = Answer::of(request.header("Accept", "application/vnd.pravega.events")).await.expect(200);
        for payload in deframe(&page.body) {
            assert!(payload == line(next).trim_end().as_bytes(), "event {next} is another");
            next += 1;
        }
        offset = page.header("next-offset").parse().expect("an offset");
        if page.headers.contains_key("up-to-date") {
            break;
        }
    }
    assert_eq!((next, offset), (LINES, LINES * EVENT));
}
