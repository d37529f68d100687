//! A gateway in front of a Pravega that speaks TLS on all ports.

use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;

use crate::support::certificates::{Authority, write};
use crate::support::problem::Problem;
use crate::support::stream::payloads;
use crate::support::{Answer, Embedded, Gateway, Pravega, Stream, http, wire};

/// Files of an authority, and of a certificate that it signed.
struct Files(TempDir);

impl Files {
    fn make(name: &str) -> Self {
        let authority = Authority::make("the authority of the tests");
        let issued = authority.issue_for("server", &[name]);
        let files = Self(TempDir::new().expect("a folder"));
        for (name, pem) in
            [("ca.pem", &authority.pem()), ("certificate.pem", &issued.certificate), ("key.pem", &issued.key)]
        {
            write(&files.0.path().join(name), pem);
        }
        files
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("ASCII").to_owned()
    }

    /// A node with this certificate.
    async fn node(&self) -> (Embedded, Pravega) {
        let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| self.path(name));
        let node = Embedded::start(&["--tls-certificate", &certificate, "--tls-key", &key]).await;
        let Pravega { controller, rest, store } = node.pravega.clone();
        let (controller, rest) = (format!("tls://{controller}"), rest.replace("http://", "https://"));
        (node, Pravega { controller, rest, store })
    }
}

/// Every way to Pravega: control, append, read, raw message.
async fn check(gateway: &Gateway) {
    let stream = Stream::create(gateway, 1).await;
    stream.append(gateway, None, "hello").await;
    stream.append(gateway, None, vec![7; 3 << 20]).await;
    assert_eq!(payloads(&stream.read_all(gateway).await), [&b"hello"[..], &vec![7; 3 << 20]]);
    let fields = json!({ "requestId": 7, "segmentName": stream.segment(0), "delegationToken": "" });
    let (status, reply) = wire::put(gateway, "GetStreamSegmentInfo", &fields).await;
    assert_eq!((status, &reply["fields"]["writeOffset"]), (200, &json!(13 + 8 + (3 << 20))));
    let scopes = Answer::of(gateway.get("/v1/scopes")).await.expect(200);
    assert!(scopes.text().contains(&stream.scope), "{}", scopes.text());
}

#[tokio::test]
async fn everything_works_through_tls() {
    let files = Files::make("127.0.0.1");
    let (node, pravega) = files.node().await;
    let gateway = Gateway::start(&pravega, &["--upstream-ca", &files.path("ca.pem")]).await;
    gateway.await_ready().await;
    check(&gateway).await;
    node.stop().await;
}

#[tokio::test]
async fn rest_is_found_through_tls() {
    let files = Files::make("127.0.0.1");
    let (node, pravega) = files.node().await;
    let arguments = ["--upstream-ca", &files.path("ca.pem"), "--set", "controller.rest="];
    let gateway = Gateway::start(&pravega, &arguments).await;
    gateway.await_ready().await;
    check(&gateway).await;
    node.stop().await;
}

#[tokio::test]
async fn a_certificate_that_is_not_believed_is_the_reason_of_every_503() {
    let (files, other) = (Files::make("127.0.0.1"), Files::make("127.0.0.1"));
    let (node, pravega) = files.node().await;
    let elsewhere = Files::make("pravega.example");
    let (node_elsewhere, pravega_elsewhere) = elsewhere.node().await;
    for (pravega, ca, reason) in [
        (pravega, other.path("ca.pem"), "the certificate is not from an authority in upstream.ca"),
        (pravega_elsewhere, elsewhere.path("ca.pem"), "is only valid for"),
    ] {
        let gateway = Gateway::start(&pravega, &["--upstream-ca", &ca]).await;
        for (method, path) in [
            (Method::POST, "/v1/events?scope=s&stream=t"),
            (Method::GET, "/v1/events?scope=s&stream=t"),
            (Method::GET, "/v1/segments/s/t"),
            (Method::POST, "/v1/wire/GetStreamSegmentInfo?scope=s&stream=t&segment=0"),
            (Method::GET, "/v1/scopes"),
        ] {
            let body = if path.starts_with("/v1/events") { "hello" } else { "" };
            let answer = Answer::of(http::client().request(method, gateway.url(path)).body(body)).await;
            Problem::of(answer, 503, "controller_unavailable").says(reason).changed_nothing();
        }
        let readiness = Answer::of(http::client().get(gateway.management_url("/readyz"))).await.expect(503);
        assert!(readiness.text().contains(reason), "{}", readiness.text());
    }
    node.stop().await;
    node_elsewhere.stop().await;
}

#[tokio::test]
async fn a_gateway_trusts_the_certificate_of_its_own_node_whatever_its_name() {
    let files = Files::make("pravega.example");
    let settings = [
        format!("embedded.tls-certificate={}", files.path("certificate.pem")),
        format!("embedded.tls-key={}", files.path("key.pem")),
    ];
    let gateway = Gateway::embedded(&["--set", &settings[0], "--set", &settings[1]]).await;
    check(&gateway).await;
    let node = gateway.logged("the embedded Pravega serves").await;
    let plain = format!("http://{}/ping", node["controller"].as_str().expect("an address"));
    assert!(http::client().get(plain).send().await.is_err(), "plain HTTP is not answered");
}
