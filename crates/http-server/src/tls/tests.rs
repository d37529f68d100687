//! Handshakes over a pipe, and files that cannot be used.

use std::error::Error as _;
use std::io;

use rcgen::generate_simple_self_signed;
use rustls::ProtocolVersion;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::{Instant, sleep};
use tokio_rustls::{TlsConnector, client};

use super::test_files::{Authority, Files};
use super::*;
use crate::captured_log::CapturedLog;
use crate::send_timeout::SendTimeout;

const PIPE_BYTES: usize = 16 << 10;

/// The error about these two files.
fn error(files: &Files, chain: &str, key: &str) -> String {
    let server = ServerFiles { certificates: files.chain(chain), key: files.key(key), client_ca: None };
    server.server_config(Inside::Wire).expect_err("refused").to_string()
}

type Ends = (io::Result<client::TlsStream<DuplexStream>>, Option<MaybeTlsStream<DuplexStream>>);

async fn shake_hands(acceptor: &Acceptor, connector: &TlsConnector) -> Ends {
    let (near, far) = duplex(PIPE_BYTES);
    let name = ServerName::try_from("localhost").expect("a name");
    tokio::join!(connector.connect(name, near), acceptor.accept(far, "a test"))
}

async fn alpn_chosen(files: &Files, inside: Inside, offered: &[&[u8]]) -> Option<Vec<u8>> {
    let (client, _server) = shake_hands(&files.acceptor(inside), &files.client(&TLS13, offered)).await;
    client.expect("a handshake").get_ref().1.alpn_protocol().map(<[u8]>::to_vec)
}

#[tokio::test]
async fn both_versions_of_tls_carry_bytes_both_ways() {
    let files = Files::make();
    for (version, named) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let (client, server) = shake_hands(&files.acceptor(Inside::Wire), &files.client(version, &[])).await;
        let (mut client, mut server) = (client.expect("a handshake"), server.expect("a handshake"));
        assert_eq!(client.get_ref().1.protocol_version(), Some(named));
        let mut heard = [0; 4];
        client.write_all(b"ping").await.expect("open");
        client.flush().await.expect("open");
        server.read_exact(&mut heard).await.expect("open");
        assert_eq!(&heard, b"ping");
        server.write_all(b"pong").await.expect("open");
        server.flush().await.expect("open");
        client.read_exact(&mut heard).await.expect("open");
        assert_eq!(&heard, b"pong");
    }
}

#[tokio::test]
async fn http_2_is_chosen_if_the_client_offers_it() {
    let files = Files::make();
    assert_eq!(alpn_chosen(&files, Inside::Http, &[b"http/1.1", b"h2"]).await, Some(b"h2".to_vec()));
    assert_eq!(alpn_chosen(&files, Inside::Http, &[b"http/1.1"]).await, Some(b"http/1.1".to_vec()));
    assert_eq!(alpn_chosen(&files, Inside::Http, &[]).await, None);
}

#[tokio::test]
async fn other_protocols_take_no_part_in_alpn() {
    assert_eq!(alpn_chosen(&Files::make(), Inside::Wire, &[b"h2"]).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stays_silent_is_dropped_after_its_time() {
    let acceptor = Files::make().acceptor(Inside::Wire);
    let (mut near, far) = duplex(PIPE_BYTES);
    let begin = Instant::now();
    assert!(acceptor.accept(far, "a test").await.is_none());
    assert_eq!(begin.elapsed().as_secs(), HANDSHAKE_TIME.as_secs());
    assert_eq!(near.read_u8().await.expect_err("closed").kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_client_that_does_not_speak_tls_is_dropped_at_once() {
    let acceptor = Files::make().acceptor(Inside::Http);
    let (mut near, far) = duplex(PIPE_BYTES);
    near.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("room");
    assert!(acceptor.accept(far, "a test").await.is_none());
}

#[tokio::test]
async fn a_client_that_distrusts_the_certificate_is_dropped() {
    let (files, others) = (Files::make(), Files::make());
    let (client, server) = shake_hands(&files.acceptor(Inside::Wire), &others.client(&TLS13, &[])).await;
    assert!(client.is_err() && server.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stops_reading_is_seen_although_tls_has_room_for_what_it_should_read() {
    const ALLOWANCE: Duration = Duration::from_secs(30);
    let files = Files::make();
    let (near, far) = duplex(1024);
    let name = ServerName::try_from("localhost").expect("a name");
    let (connector, acceptor) = (files.client(&TLS13, &[]), files.acceptor(Inside::Http));
    let far = SendTimeout::new(far, ALLOWANCE);
    let (client, server) = tokio::join!(connector.connect(name, near), acceptor.accept(far, "a test"));
    let (_client, mut server) = (client.expect("a handshake"), server.expect("a handshake"));
    let begin = Instant::now();
    server.write_all(&[0; 4096]).await.expect("there is room");
    assert_eq!(begin.elapsed(), Duration::ZERO);
    let error = server.flush().await.expect_err("nothing is read");
    assert_eq!((error.kind(), begin.elapsed()), (io::ErrorKind::TimedOut, ALLOWANCE));
}

#[tokio::test]
async fn without_tls_a_connection_is_accepted_as_it_is() {
    let (mut near, far) = duplex(PIPE_BYTES);
    let mut taken = Acceptor::plain().accept(far, "a test").await.expect("taken");
    near.write_all(b"x").await.expect("room");
    assert_eq!(taken.read_u8().await.expect("open"), b'x');
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_its_flag() {
    let files = Files::make();
    let said = error(&files, "none.pem", "key.pem");
    assert_eq!(said, format!("{} cannot be read", files.chain("none.pem")));
    assert!(said.starts_with("--tls-certificate /"), "{said}");
    assert_eq!(error(&files, "chain.pem", "none.pem"), format!("{} cannot be read", files.key("none.pem")));
}

#[test]
fn a_file_that_holds_something_else_is_named_with_its_flag() {
    let files = Files::make();
    assert_eq!(error(&files, "key.pem", "key.pem"), format!("{} holds no certificate", files.chain("key.pem")));
    let no_key = format!("{} holds no private key, or an encrypted one", files.key("chain.pem"));
    assert_eq!(error(&files, "chain.pem", "chain.pem"), no_key);
    files.write("cut.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n");
    assert_eq!(error(&files, "cut.pem", "key.pem"), format!("{} is not well-formed PEM", files.chain("cut.pem")));
    files.write("cut.pem", "-----BEGIN PRIVATE KEY-----\n????\n-----END PRIVATE KEY-----\n");
    assert_eq!(error(&files, "chain.pem", "cut.pem"), format!("{} is not well-formed PEM", files.key("cut.pem")));
}

#[test]
fn a_key_of_another_certificate_is_refused_naming_both_files() {
    let files = Files::make();
    let other = generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    files.write("other.pem", &other.signing_key.serialize_pem());
    let said = error(&files, "chain.pem", "other.pem");
    let both = format!("{} and {} cannot be used together", files.chain("chain.pem"), files.key("other.pem"));
    assert_eq!(said, both);
}

#[test]
fn a_client_ca_that_cannot_be_used_is_named_with_its_flag() {
    let files = Files::make();
    let server = files.server_for_clients_of(&Authority::make("clients"));
    server.server_config(Inside::Http).expect("good files");
    for (text, what) in [
        ("", "holds no certificate"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n", "is not well-formed PEM"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "holds a certificate that cannot be one of an authority",
        ),
    ] {
        files.write("client-ca.pem", text);
        let refused = server.server_config(Inside::Http).expect_err("refused");
        assert_eq!(refused.to_string(), format!("{} {what}", files.client_ca()));
    }
    std::fs::remove_file(files.client_ca().path).expect("it is there");
    let refused = server.server_config(Inside::Http).expect_err("refused");
    assert_eq!(refused.to_string(), format!("{} cannot be read", files.client_ca()));
    assert!(refused.source().is_some(), "the system says why");
}

/// Whether the server accepts the client, which in TLS 1.3 learns of a refusal only after its handshake.
async fn is_accepted(acceptor: &Acceptor, connector: &TlsConnector) -> bool {
    let (client, server) = shake_hands(acceptor, connector).await;
    let Ok(mut client) = client else {
        assert!(server.is_none(), "both know");
        return false;
    };
    let is_accepted = server.is_some();
    drop(server);
    let end = client.read_u8().await.expect_err("nothing is sent");
    assert!(is_accepted || end.kind() == io::ErrorKind::InvalidData, "an alert: {end:?}");
    is_accepted
}

#[tokio::test]
async fn clients_need_a_certificate_of_the_client_ca() {
    let (files, clients, others) = (Files::make(), Authority::make("clients"), Authority::make("others"));
    let server = files.server_for_clients_of(&clients);
    let acceptor = Acceptor::tls(server.server_config(Inside::Http).expect("good files"));
    // signed by another authority of the same name
    let forged = Authority::make("clients").identity("sensor");
    for version in [&TLS12, &TLS13] {
        for (own, expected) in [
            (Some(clients.identity("sensor")), true),
            (None, false),
            (Some(others.identity("sensor")), false),
            (Some((forged.0.clone(), forged.1.clone_key())), false),
        ] {
            let connector = files.client_with(version, &[b"http/1.1"], own);
            assert_eq!(is_accepted(&acceptor, &connector).await, expected, "{version:?}");
        }
    }
}

#[tokio::test]
async fn the_certificate_that_a_client_has_shown_is_known() {
    let (files, clients) = (Files::make(), Authority::make("clients"));
    let server = files.server_for_clients_of(&clients);
    let acceptor = Acceptor::tls(server.server_config(Inside::Http).expect("good files"));
    let own = clients.identity("sensor");
    let shown = own.0.clone();
    let (_client, server) = shake_hands(&acceptor, &files.client_with(&TLS13, &[], Some(own))).await;
    let Some(Either::Right(stream)) = server else { panic!("a handshake") };
    assert_eq!(stream.get_ref().1.peer_certificates(), Some(&[shown][..]));
}

const EVERY: Duration = Duration::from_secs(5);

/// Waits until the files were looked at this many times. Never ends while they are looked at: what a test writes then
/// could be read half.
async fn looks(times: u32) {
    sleep(EVERY * times + Duration::from_millis(1)).await;
}

/// The certificate that a new client gets to see.
async fn shown(acceptor: &Acceptor, files: &Files) -> CertificateDer<'static> {
    let (client, _server) = shake_hands(acceptor, &files.client(&TLS13, &[])).await;
    let client = client.expect("a handshake");
    client.get_ref().1.peer_certificates().expect("one is shown")[0].clone()
}

fn reloading(files: &Files) -> Acceptor {
    Acceptor::reloading(files.server(), Inside::Http, EVERY).expect("good files")
}

#[tokio::test(start_paused = true)]
async fn renewed_certificate_is_shown_to_new_connections_while_open_ones_go_on() {
    let mut files = Files::make();
    let acceptor = reloading(&files);
    let (client, server) = shake_hands(&acceptor, &files.client(&TLS13, &[])).await;
    let (mut client, mut server) = (client.expect("a handshake"), server.expect("a handshake"));
    let old = shown(&acceptor, &files).await;
    files.renew();
    looks(2).await;
    let new = shown(&acceptor, &files).await;
    assert!(new == files.certificate && new != old);
    client.write_all(b"x").await.expect("open");
    client.flush().await.expect("open");
    assert_eq!(server.read_u8().await.expect("open"), b'x');
}

/// As Kubernetes mounts secrets: the files are links into a folder that is a link, too, and only that is replaced.
#[tokio::test(start_paused = true)]
async fn files_behind_an_exchanged_link_are_seen() {
    let (files, renewed) = (Files::make(), Files::make());
    let mounted = tempfile::tempdir().expect("a folder");
    let at = |name: &str| mounted.path().join(name);
    let link = |to: &std::path::Path, from: &str| std::os::unix::fs::symlink(to, at(from)).expect("a link");
    link(files.folder.path(), "..data");
    link("..data/chain.pem".as_ref(), "tls.crt");
    link("..data/key.pem".as_ref(), "tls.key");
    let server = ServerFiles {
        certificates: PemFile::new("--tls-cert", at("tls.crt")),
        key: PemFile::new("--tls-key", at("tls.key")),
        client_ca: None,
    };
    let acceptor = Acceptor::reloading(server, Inside::Http, EVERY).expect("good files");
    assert_eq!(shown(&acceptor, &files).await, files.certificate);
    link(renewed.folder.path(), "..new");
    std::fs::rename(at("..new"), at("..data")).expect("exchanged");
    looks(2).await;
    assert_eq!(shown(&acceptor, &renewed).await, renewed.certificate);
}

#[tokio::test(start_paused = true)]
async fn unusable_files_are_logged_once_and_the_old_ones_stay_until_good_ones_come() {
    let (log, _guard) = CapturedLog::install();
    let (mut files, other) = (Files::make(), Files::make());
    let acceptor = reloading(&files);
    let old = files.certificate.clone();
    let [new_chain, new_key] =
        ["chain.pem", "key.pem"].map(|name| std::fs::read_to_string(other.folder.path().join(name)).expect("text"));
    let chain = files.chain("chain.pem");
    let broken = [
        (&new_chain[..], format!("{chain} and {} cannot be used together: ", files.key("key.pem"))),
        (&new_chain[..new_chain.len() / 2], format!("{chain} is not well-formed PEM")),
        ("", format!("{chain} holds no certificate")),
    ];
    for (text, reason) in broken {
        files.write("chain.pem", text);
        looks(4).await;
        assert_eq!(log.text().matches(&reason).count(), 1, "{}", log.text());
        assert_eq!(shown(&acceptor, &files).await, old);
    }
    std::fs::remove_file(&chain.path).expect("it is there");
    looks(4).await;
    assert_eq!(log.text().matches(&format!("{chain} cannot be read: No such file")).count(), 1, "{}", log.text());
    assert_eq!(shown(&acceptor, &files).await, old);
    assert!(!log.text().contains("new connections use them"), "{}", log.text());

    files.write("key.pem", &new_key);
    files.write("chain.pem", &new_chain);
    looks(2).await;
    files.certificate = other.certificate.clone();
    assert_eq!(shown(&acceptor, &files).await, other.certificate);
    assert_eq!(log.text().matches("new connections use them").count(), 1, "{}", log.text());
    assert!(!log.text().contains("PRIVATE KEY"), "{}", log.text());
}

#[tokio::test(start_paused = true)]
async fn another_client_ca_ends_the_trust_in_sessions_of_the_one_before() {
    let (files, clients, others) = (Files::make(), Authority::make("clients"), Authority::make("others"));
    let server = files.server_for_clients_of(&clients);
    let acceptor = Acceptor::reloading(server, Inside::Http, EVERY).expect("good files");
    for version in [&TLS12, &TLS13] {
        files.server_for_clients_of(&clients);
        looks(2).await;
        // one connector, so that it would resume its session
        let connector = files.client_with(version, &[], Some(clients.identity("sensor")));
        assert!(is_accepted(&acceptor, &connector).await, "{version:?}");
        assert!(is_accepted(&acceptor, &connector).await, "{version:?}");
        files.server_for_clients_of(&others);
        looks(2).await;
        assert!(!is_accepted(&acceptor, &connector).await, "{version:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn files_are_watched_as_long_as_an_acceptor_uses_them() {
    let acceptor = reloading(&Files::make());
    let config = acceptor.0.as_ref().expect("TLS").config.clone();
    let clone = acceptor.clone();
    drop(acceptor);
    looks(1).await;
    assert!(config.has_changed().is_ok(), "it is watched for the clone");
    drop(clone);
    looks(1).await;
    assert!(config.has_changed().is_err(), "the task has ended");
}
