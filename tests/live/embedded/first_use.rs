//! First use: a gateway with its own Pravega, where nothing was created before.

use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::certificates::Authority;
use crate::support::process::{curl, gateway_cli};
use crate::support::{Answer, Gateway, PATIENCE};

const EVENTS: &str = "/v1/events?scope=demo&stream=hello";

#[tokio::test]
async fn append_creates_scope_and_stream_of_one_segment_and_a_read_creates_nothing() {
    let gateway = Gateway::embedded(&[]).await;
    let missing = Answer::of(gateway.get(EVENTS)).await.expect(404);
    assert_eq!(missing.json()["code"], "scope_not_found");
    Answer::of(gateway.post(EVENTS).body("hello")).await.expect(201);
    let read = Answer::of(gateway.get(EVENTS)).await.expect(200);
    assert_eq!(read.json()["events"][0]["text"], "hello");
    let segments = Answer::of(gateway.get("/v1/segments/demo/hello")).await.expect(200).json();
    assert_eq!(segments["segments"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_thousand_first_appends_at_once_create_the_stream_once_and_all_are_stored() {
    let gateway = Gateway::embedded(&[]).await;
    let posts = (0..1000).map(|i| Answer::of(gateway.post(EVENTS).body(format!("{i}"))));
    for answer in futures::future::join_all(posts).await {
        answer.expect(201);
    }
    let page = Answer::of(gateway.get(&format!("{EVENTS}&count=2000"))).await.expect(200).json();
    let mut texts: Vec<i32> = page["events"]
        .as_array()
        .expect("events")
        .iter()
        .map(|event| event["text"].as_str().expect("text").parse().expect("a number"))
        .collect();
    texts.sort_unstable();
    assert_eq!(texts, (0..1000).collect::<Vec<_>>());
}

#[tokio::test]
async fn nothing_is_created_where_auto_create_is_off_and_as_many_segments_as_the_setting_says() {
    let gateway = Gateway::embedded(&["--set", "auto-create=false"]).await;
    let missing = Answer::of(gateway.post(EVENTS).body("hello")).await.expect(404);
    assert_eq!(missing.json()["code"], "scope_not_found");
    let gateway = Gateway::embedded(&["--set", "auto-create-segments=3"]).await;
    Answer::of(gateway.post(EVENTS).body("hello")).await.expect(201);
    let segments = Answer::of(gateway.get("/v1/segments/demo/hello")).await.expect(200).json();
    assert_eq!(segments["segments"].as_array().map(Vec::len), Some(3));
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn five_lines_say_what_runs_where_and_the_curls_they_name_work() {
    try_the_five_lines(&[], |command| command).await;
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn curls_of_the_five_lines_name_a_user_whose_password_curl_asks_for() {
    let folder = TempDir::new().expect("a folder");
    let users = folder.path().join("users");
    let line = gateway_cli(&["embedded-user", "ada", "prn::*,READ_UPDATE"], "secret\n").await.lines().remove(0);
    std::fs::write(&users, line + "\n").expect("a file of ours");
    let with_password = |command: String| {
        assert!(command.contains(" -u ada"), "{command}");
        command.replace(" -u ada", " -u ada:secret")
    };
    try_the_five_lines(&["--users", users.to_str().expect("ASCII")], with_password).await;
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn curls_of_the_five_lines_trust_the_certificate_of_the_gateway() {
    let folder = TempDir::new().expect("a folder");
    let [cert, key] = Authority::make("servers").issue("gateway").write(folder.path(), "gateway");
    try_the_five_lines(&["--tls-cert", &cert, "--tls-key", &key], |command| command).await;
}

async fn try_the_five_lines(arguments: &[&str], typed: impl Fn(String) -> String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_pravega-gateway"))
        .args(["--embedded", "--listen", "127.0.0.1:0", "--management", "127.0.0.1:0"])
        .args(["--segment-store-port=0", "--controller-port=0", "--rest-port=0"])
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the program can be started");
    let mut printed = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut lines = Vec::new();
    for _ in 0..5 {
        let line = timeout(PATIENCE, printed.next_line()).await.expect("it starts").expect("text");
        lines.push(line.expect("five lines"));
    }
    let begins: Vec<_> = lines.iter().map(|line| line.split(' ').next().unwrap_or_default()).collect();
    assert_eq!(begins, ["gateway", "Pravega", "data", "write", "read"]);
    for (line, shows) in [(&lines[3], r#"{"segment":"0.#epoch.0""#), (&lines[4], "hello, Pravega")] {
        let (_, command) = line.split_once("curl ").expect("a curl");
        let command = typed(command.to_owned());
        let mut bash = Command::new("bash");
        bash.args(["-c", &format!("curl --noproxy '*' -sS --max-time 90 {command}")]);
        let output = crate::support::process::run(&mut bash, "").await.success();
        let output = String::from_utf8(output).expect("text");
        assert!(output.contains(shows), "{line}: {output}");
    }
    let management = lines[0].rsplit(' ').next().expect("an address");
    assert!(curl(&[&format!("http://{management}/healthz")], "").await.status.success());
    child.kill().await.expect("it runs");
}

#[tokio::test]
async fn port_in_use_is_an_error_that_names_its_flag() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("bound").port().to_string();
    let flags = ["--segment-store-port", "--controller-port", "--rest-port"];
    for flag in flags {
        let mut arguments = vec!["embedded"];
        for other in flags {
            arguments.extend([other, if other == flag { &port } else { "0" }]);
        }
        let ended = gateway_cli(&arguments, "").await;
        assert_eq!(ended.status.code(), Some(1));
        assert!(ended.stderr.contains(&format!("{flag} {port}")), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn a_gateway_does_not_start_before_a_node_whose_files_it_cannot_use() {
    let tls = ["--set", "embedded.tls-certificate=/nowhere", "--set", "embedded.tls-key=/nowhere"];
    for (settings, said) in
        [(&["--users", "/nowhere"][..], "--users: user file /nowhere"), (&tls, "--tls-certificate /nowhere")]
    {
        let ended = gateway_cli(&[&["--embedded"], settings].concat(), "").await;
        assert_eq!(ended.status.code(), Some(1));
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
    }
}
