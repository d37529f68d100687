//! Handshakes with servers that are to be believed, and with others.

use std::path::Path;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, interval};

use super::authority::{Authority, CaFile, Identity};
use super::*;

/// Shakes hands as `host` with a server of this identity.
async fn shake_hands(tls: &UpstreamTls, host: &str, server: &Identity) -> Result<(), HandshakeError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let serving = async {
        let (socket, _) = listener.accept().await.expect("a connection");
        // Fails if the client does not believe it.
        let _ = server.accept(socket).await;
    };
    let connecting = async {
        let socket = TcpStream::connect(address).await.expect("it listens");
        tls.connect(host, socket).await.map(drop)
    };
    let ((), connected) = tokio::join!(serving, connecting);
    connected
}

#[tokio::test]
async fn a_server_is_believed_whose_authority_is_in_the_file() {
    let (ours, other) = (Authority::new(), Authority::new());
    let file = CaFile::of(&other);
    file.write(&(other.pem() + &ours.pem()));
    let server = ours.vouch_for(&["localhost", "127.0.0.1", "::1"]);
    for host in ["localhost", "127.0.0.1", "::1"] {
        assert_eq!(shake_hands(&file.tls(), host, &server).await, Ok(()), "{host}");
    }
    let tls = CaFile::of(&other).tls();
    assert_eq!(shake_hands(&tls, "localhost", &server).await, Err(HandshakeError::Issuer));
}

#[tokio::test]
async fn a_certificate_for_another_name_or_time_is_refused_with_the_reason() {
    let ours = Authority::new();
    let tls = CaFile::of(&ours).tls();
    let error = async |server| shake_hands(&tls, "localhost", &server).await.expect_err("refused").to_string();
    let elsewhere = error(ours.vouch_for(&["store.example"])).await;
    assert!(elsewhere.contains("localhost") && elsewhere.contains("store.example"), "{elsewhere}");
    let expired = error(ours.vouch_for_expired(&["localhost"])).await;
    assert!(expired.contains("certificate expired"), "{expired}");
}

#[tokio::test]
async fn a_self_signed_certificate_vouches_for_itself_alone() {
    let server = Identity::self_signed(&["localhost"]);
    let file = CaFile::of(&Authority::new());
    file.write(&server.certificate_pem);
    let tls = file.tls();
    assert_eq!(shake_hands(&tls, "localhost", &server).await, Ok(()));
    let elsewhere = shake_hands(&tls, "127.0.0.1", &server).await;
    assert!(matches!(elsewhere, Err(HandshakeError::Certificate(_))), "{elsewhere:?}");
    let other = Identity::self_signed(&["localhost"]);
    assert!(shake_hands(&tls, "localhost", &other).await.is_err());
}

#[tokio::test]
async fn the_embedded_node_is_known_by_its_certificate_whatever_its_names() {
    let ours = Authority::new();
    let (server, other) = (ours.vouch_for(&["node.example"]), ours.vouch_for(&["127.0.0.1"]));
    let file = CaFile::of(&ours);
    file.write(&(server.certificate_pem.clone() + &ours.pem()));
    let tls = UpstreamTls::trusting_embedded_node(file.path()).expect("a certificate");
    assert_eq!(shake_hands(&tls, "127.0.0.1", &server).await, Ok(()));
    assert_eq!(shake_hands(&tls, "127.0.0.1", &other).await, Err(HandshakeError::Issuer));
    file.write(&other.certificate_pem);
    tls.look().await;
    assert_eq!(shake_hands(&tls, "127.0.0.1", &other).await, Ok(()));
    assert_eq!(shake_hands(&tls, "127.0.0.1", &server).await, Ok(()), "the node has not read the file yet");
}

#[tokio::test]
async fn a_changed_file_counts_for_new_connections() {
    let (before, after) = (Authority::new(), Authority::new());
    let (old, new) = (before.vouch_for(&["localhost"]), after.vouch_for(&["localhost"]));
    let file = CaFile::of(&before);
    let tls = file.tls();
    assert_eq!(shake_hands(&tls, "localhost", &old).await, Ok(()));
    file.write(&after.pem());
    tls.look().await;
    assert_eq!(shake_hands(&tls, "localhost", &new).await, Ok(()));
    assert_eq!(shake_hands(&tls, "localhost", &old).await, Err(HandshakeError::Issuer));
}

#[tokio::test(start_paused = true)]
async fn a_change_is_noticed_within_seconds() {
    let (before, after) = (Authority::new(), Authority::new());
    let file = CaFile::of(&before);
    let tls = file.tls();
    file.write(&after.pem());
    let server = after.vouch_for(&["localhost"]);
    let (written, mut pause) = (Instant::now(), interval(Duration::from_secs(1)));
    while shake_hands(&tls, "localhost", &server).await.is_err() {
        pause.tick().await;
    }
    assert!(written.elapsed() <= Duration::from_secs(10), "{:?}", written.elapsed());
}

#[tokio::test]
async fn a_broken_file_changes_nothing() {
    let ours = Authority::new();
    let server = ours.vouch_for(&["localhost"]);
    let file = CaFile::of(&ours);
    let tls = file.tls();
    for broken in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        file.write(broken);
        tls.look().await;
        assert_eq!(shake_hands(&tls, "localhost", &server).await, Ok(()), "{broken:?}");
    }
}

#[tokio::test]
async fn a_file_without_a_certificate_is_refused_with_its_setting() {
    let file = CaFile::of(&Authority::new());
    for pem in ["", "nothing", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        file.write(pem);
        let error = UpstreamTls::trusting_authorities(file.path()).expect_err("no certificate").to_string();
        assert!(error.starts_with("upstream.ca (--upstream-ca) /"), "{error}");
    }
    let error = UpstreamTls::trusting_authorities(Path::new("/nonexistent/ca.pem")).expect_err("no file").to_string();
    assert!(error.contains("/nonexistent/ca.pem cannot be read"), "{error}");
}

#[tokio::test]
async fn a_host_that_is_no_name_is_an_error() {
    let tls = CaFile::of(&Authority::new()).tls();
    let error = shake_hands(&tls, "fe80::1%eth0", &Identity::self_signed(&["localhost"])).await;
    assert!(matches!(error, Err(HandshakeError::Name { .. })), "{error:?}");
}
