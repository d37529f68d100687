//! TLS towards callers, and certificates that are renewed while the gateway runs.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::tls::TlsInfo;
use reqwest::{Certificate, ClientBuilder, Identity, Version};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::support::certificates::{Authority, Issued, write};
use crate::support::ledger::{Ledger, Outcome, path};
use crate::support::process::curl;
use crate::support::stream::payloads;
use crate::support::upload::upload;
use crate::support::{Gateway, PATIENCE, Stream, http};

/// The files of a gateway, and the authority behind its certificate.
struct Files {
    folder: TempDir,
    servers: Authority,
    clients: Authority,
    first: Issued,
    flags: Vec<String>,
}

impl Files {
    fn make() -> Self {
        let folder = TempDir::new().expect("a folder");
        let (servers, clients) = (Authority::make("servers"), Authority::make("clients"));
        let first = servers.issue("gateway");
        let [cert, key] = first.write(folder.path(), "gateway");
        write(&folder.path().join("ca.crt"), &servers.pem());
        write(&folder.path().join("client-ca.crt"), &clients.pem());
        let flags = ["--tls-cert".to_owned(), cert, "--tls-key".to_owned(), key].to_vec();
        Self { folder, servers, clients, first, flags }
    }

    /// The same, where callers need certificates.
    fn with_client_ca() -> Self {
        let mut files = Self::make();
        files.flags.extend(["--tls-client-ca".to_owned(), files.path("client-ca.crt")]);
        files
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn path(&self, name: &str) -> String {
        self.at(name).to_str().expect("ASCII").to_owned()
    }

    async fn gateway(&self, client: ClientBuilder, arguments: &[&str]) -> Gateway {
        let flags: Vec<_> = self.flags.iter().map(String::as_str).chain(arguments.iter().copied()).collect();
        Gateway::ready(&flags).await.called_by(client.build().expect("no setting is wrong"))
    }

    /// A client that trusts the authority and no other.
    fn client(&self) -> ClientBuilder {
        let authority = Certificate::from_pem(self.servers.pem().as_bytes()).expect("a certificate");
        http::builder().tls_certs_only([authority])
    }
}

fn identity(issued: &Issued) -> Identity {
    Identity::from_pem(format!("{}{}", issued.certificate, issued.key).as_bytes()).expect("a pair")
}

#[tokio::test]
async fn events_are_appended_and_read_over_tls_on_both_versions_of_http() {
    let files = Files::make();
    let client = files.client().build().expect("no setting is wrong");
    let old = files.client().http1_only().build().expect("no setting is wrong");
    let gateway = files.gateway(files.client(), &[]).await;
    assert!(gateway.url("/").starts_with("https://127.0.0.1:"), "{}", gateway.url("/"));
    let stream = Stream::create(&gateway, 1).await;
    let url = gateway.url(&stream.events());
    for (client, version) in [(client, Version::HTTP_2), (old, Version::HTTP_11)] {
        let response = client.post(&url).body(format!("{version:?}")).send().await.expect("an answer");
        assert_eq!((response.status().as_u16(), response.version()), (201, version));
    }
    assert_eq!(payloads(&stream.read_all(&gateway).await), [&b"HTTP/2.0"[..], b"HTTP/1.1"]);
    let plain = gateway.url("/healthz").replace("https://", "http://");
    http::client().get(plain).send().await.expect_err("plain HTTP is not answered");
    assert!(gateway.stop().await.success());
}

#[tokio::test]
async fn callers_need_a_certificate_of_the_client_ca() {
    let files = Files::with_client_ca();
    let own = identity(&files.clients.issue("sensor"));
    let gateway = files.gateway(files.client().identity(own), &[]).await;
    let stream = Stream::create(&gateway, 1).await;
    stream.append(&gateway, None, "signed").await;
    let of_others = identity(&Authority::make("others").issue("sensor"));
    for client in [files.client(), files.client().identity(of_others)] {
        let client = client.build().expect("no setting is wrong");
        client.get(gateway.url(&stream.events())).send().await.expect_err("it is refused");
    }
    assert_eq!(payloads(&stream.read_all(&gateway).await), [b"signed"]);
}

/// The certificate that a new connection gets to see.
async fn shown(files: &Files, gateway: &Gateway) -> Vec<u8> {
    let client = files.client().tls_info(true).build().expect("no setting is wrong");
    let response = client.get(gateway.url("/")).send().await.expect("an answer");
    let info: &TlsInfo = response.extensions().get().expect("TLS");
    info.peer_certificate().expect("one is shown").to_vec()
}

#[tokio::test]
async fn renewed_certificate_is_shown_to_new_callers_and_no_upload_notices() {
    let files = Files::make();
    let gateway = files.gateway(files.client(), &[]).await;
    let stream = Stream::create(&gateway, 1).await;
    let (stop, stopped) = watch::channel(false);
    let old = files.client().http1_only().build().expect("no setting is wrong");
    let first = upload(gateway.post(&path(&stream, "first")), "first", stopped.clone());
    let second = upload(old.post(gateway.url(&path(&stream, "second"))), "second", stopped);
    assert_eq!(shown(&files, &gateway).await, files.first.der);

    let renewed = files.servers.issue("gateway");
    let renewing = async {
        write(&files.at("gateway.crt"), &renewed.certificate);
        let refused = "TLS files have changed and cannot be used; the previous ones stay in use";
        let line = gateway.logged(refused).await;
        let reason = line["reason"].as_str().expect("a reason");
        assert!(reason.contains(&files.path("gateway.crt")) && reason.contains("--tls-key"), "{reason}");
        assert_eq!(shown(&files, &gateway).await, files.first.der);
        write(&files.at("gateway.key"), &renewed.key);
        while shown(&files, &gateway).await != renewed.der {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        stop.send_replace(true);
    };
    let all = async { tokio::join!(first, second, renewing) };
    let (first, second, ()) = timeout(PATIENCE, all).await.expect("it is renewed");
    assert!(first.iter().chain(&second).all(|outcome| *outcome == Outcome::Stored), "both connections went on");
    let mut ledger = Ledger::default();
    ledger.record("first", first);
    ledger.record("second", second);
    ledger.check(stream.read_all(&gateway).await.iter().map(|event| &event.payload));
    assert!(gateway.stop().await.success());
}

#[tokio::test]
#[ignore = "needs ./scripts/test"]
async fn curl_posts_and_reads_over_tls_and_shows_its_certificate() {
    let files = Files::with_client_ca();
    let own = files.clients.issue("sensor");
    let [cert, key] = own.write(files.folder.path(), "sensor");
    let socket = files.path("gateway.sock");
    let client = files.client().identity(identity(&own));
    let gateway = files.gateway(client, &["--listen", &format!("unix:{socket}")]).await;
    let stream = Stream::create(&gateway, 1).await;
    let (url, authority) = (gateway.url(&stream.events()), files.path("ca.crt"));
    let (trusting, showing) = (["--cacert", &authority], ["--cert", &cert, "--key", &key]);
    for (flag, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let write_out = ["-o", "/dev/null", "-w", "%{http_code} %{http_version}", "-d", version, flag, &url];
        let posted = curl(&[&trusting[..], &showing, &write_out].concat(), "").await.lines();
        assert_eq!(posted, [format!("201 {version}")]);
        let read = curl(&[&trusting[..], &showing, &[flag, &url]].concat(), "").await.success();
        assert!(String::from_utf8_lossy(&read).contains(&format!(r#""text":"{version}""#)), "{read:?}");
    }
    for arguments in [&trusting[..], &showing] {
        let refused = curl(&[arguments, &[&url]].concat(), "").await;
        assert!(!refused.status.success(), "{refused:?}");
    }
    let plain = format!("http://gateway{}", stream.events());
    let read = curl(&["--unix-socket", &socket, &plain], "").await.success();
    assert!(String::from_utf8_lossy(&read).contains(r#""text":"1.1""#), "{read:?}");
}
