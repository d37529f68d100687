//! Many callers cost Pravega little.

use std::process::Stdio;

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::support::metrics::{connections, sample};
use crate::support::pravega::variable;
use crate::support::{Answer, Gateway, PATIENCE, Pravega, Stream};

const CLIENTS: usize = 2000;
const FIRST_REQUESTS: usize = 1000;

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn two_thousand_clients_share_fewer_than_ten_connections_to_the_store() {
    let gateway = Gateway::ready(&[]).await;
    let stream = Stream::create(&gateway, 4).await;
    let (mut clients, mut printed) = start_clients(&gateway, &stream);
    assert_eq!(next_line(&mut printed).await, json!({ "posting": CLIENTS }));

    let most = timeout(PATIENCE, most_connections(&gateway)).await.expect("all are served");
    assert!((1..10).contains(&most), "{most} connections to the store");

    drop(clients.stdin.take());
    let end = next_line(&mut printed).await;
    assert_eq!((&end["kept"], &end["problems"]), (&json!(CLIENTS), &json!([])));
    let statuses = end["statuses"].as_object().expect("statuses");
    assert_eq!(statuses.keys().collect::<Vec<_>>(), ["201"], "all are served");
    assert!(clients.wait().await.expect("it is our child").success());
}

#[tokio::test]
async fn thousand_first_requests_for_a_cold_stream_ask_the_controller_once() {
    rlimit::increase_nofile_limit(u64::MAX).expect("the limit can be raised");
    // So that cached answers do not expire on a slow machine.
    let remembered = ["--set", "controller.segments-ttl=10m", "--set", "controller.endpoint-ttl=10m"];
    let gateway = Gateway::ready(&remembered).await;
    let stream = Stream::create(&gateway, 1).await;
    let asked = ["getCurrentSegments", "getURI"]
        .map(|call| format!("pravega_gateway_controller_requests_total{{call=\"{call}\",outcome=\"ok\"}}"));
    let before = [sample(&gateway, &asked[0]).await, sample(&gateway, &asked[1]).await];

    let requests = (0..FIRST_REQUESTS).map(|number| {
        let request = gateway.post(&stream.events()).body(number.to_string());
        async move { Answer::of(request).await.expect(201) }
    });
    join_all(requests).await;

    for (name, before) in asked.iter().zip(before) {
        assert_eq!(sample(&gateway, name).await - before, 1.0, "{name}");
    }
    assert_eq!(stream.read_all(&gateway).await.len(), FIRST_REQUESTS);
}

/// The most simultaneous connections to the store while every client posts twice more.
async fn most_connections(gateway: &Gateway) -> usize {
    let store_port = Pravega::of_this_run().store_port();
    let answered = "pravega_gateway_append_events_total";
    let enough = sample(gateway, answered).await + 2.0 * CLIENTS as f64;
    let mut most = 0;
    while sample(gateway, answered).await < enough {
        most = most.max(connections(gateway.pid(), store_port));
        assert!(sample(gateway, "pravega_gateway_http_connections").await >= CLIENTS as f64, "all are connected");
    }
    most
}

/// The clients, in a separate process.
fn start_clients(gateway: &Gateway, stream: &Stream) -> (Child, Lines<BufReader<ChildStdout>>) {
    let url = gateway.url("");
    let (host, port) = url.trim_start_matches("http://").rsplit_once(':').expect("host:port");
    let mut clients = Command::new(variable("TEST_PYTHON"))
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/live/data/keep_alive_clients.py"))
        .args([host, port, &stream.events(), &CLIENTS.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("Python can be started");
    let printed = clients.stdout.take().expect("piped");
    (clients, BufReader::new(printed).lines())
}

async fn next_line(printed: &mut Lines<BufReader<ChildStdout>>) -> Value {
    let line = timeout(PATIENCE, printed.next_line()).await.expect("the clients get on");
    serde_json::from_str(&line.expect("text").expect("a line")).expect("JSON lines")
}
