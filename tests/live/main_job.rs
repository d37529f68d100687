//! What the gateway is for: anything that is posted comes back byte for byte, with curl as the client.

use crate::support::foreign::{Foreign, java, values};
use crate::support::process::curl;
use crate::support::stream::payloads;
use crate::support::{Gateway, Pravega, Stream, metrics, wire};

/// A valid picture of 16 by 16 pixels.
const PNG: &[u8] = include_bytes!("data/pixels.png");

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn text_file_posted_as_ndjson_comes_back_line_by_line() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock");
    let text = std::fs::read(file).expect("the lock file is there");
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();

    let upload = format!("@{file}");
    let url = gateway.url(&stream.events());
    let posted = curl(&["--data-binary", &upload, "-H", "Content-Type: application/x-ndjson", &url], "").await;
    let summary: serde_json::Value = serde_json::from_slice(&posted.success()).expect("JSON");
    assert_eq!(summary["events"], lines.len());

    assert_eq!(payloads(&stream.read_all(&gateway).await), lines);
    let framed = curl(&["-H", "Accept: application/vnd.pravega.events", &url], "").await.success();
    assert_eq!(framed, lines.iter().flat_map(|line| wire::framed(line)).collect::<Vec<u8>>());
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn picture_posted_as_one_event_comes_back_whole() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let upload = concat!("@", env!("CARGO_MANIFEST_DIR"), "/tests/live/data/pixels.png");
    let url = gateway.url(&stream.events());

    let arguments = ["--data-binary", upload, "-H", "Content-Type: image/png", "-w", "%{http_code}", "-D", "-", &url];
    let posted = String::from_utf8(curl(&arguments, "").await.success()).expect("text");
    assert!(posted.ends_with("201"), "{posted}");
    let location = posted.lines().find_map(|line| line.strip_prefix("location: ")).expect("a Location");
    let address = gateway.url(&format!("{}&count=1", location.trim()));
    let got = curl(&["-H", "Accept: application/octet-stream", &address], "").await.success();
    assert_eq!(got, PNG);
    assert_eq!(Foreign::Java.read(&stream, 1).await, [PNG]);
    assert_eq!(Foreign::Python.read(&stream, 1).await, [PNG]);
    let info = values(java("info", &stream, &[], "").await);
    assert_eq!(info[0]["tail"]["0.#epoch.0"], PNG.len() + 8);
}

#[tokio::test]
async fn appends_share_the_sessions_that_the_metrics_tell() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 4).await;
    for number in 0..8 {
        stream.append(&gateway, Some(&number.to_string()), number.to_string()).await;
    }
    let reported = metrics::store_sessions(&gateway, "append").await + metrics::store_sessions(&gateway, "read").await;
    let seen = metrics::connections(gateway.pid(), Pravega::of_this_run().store_port());
    assert!((1..=4).contains(&seen) && reported == seen as f64, "{reported} reported, {seen} seen");
    assert!(gateway.stop().await.success());
}
