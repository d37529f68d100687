//! Handshakes over a pipe, and files that cannot be used.

use std::fs;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::Instant;
use tokio_rustls::{TlsConnector, client};

use super::*;

const PIPE_BYTES: usize = 16 << 10;

/// A certificate for localhost and its key, as files.
struct Files {
    folder: TempDir,
    certificate: CertificateDer<'static>,
}

impl Files {
    fn make() -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let files = Self { folder: TempDir::new().expect("a folder"), certificate: cert.der().clone() };
        files.write("chain.pem", &cert.pem());
        files.write("key.pem", &signing_key.serialize_pem());
        files
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).expect("written");
    }

    fn chain(&self, name: &str) -> PemFile {
        PemFile::new("--tls-certificate", self.folder.path().join(name))
    }

    fn key(&self, name: &str) -> PemFile {
        PemFile::new("--tls-key", self.folder.path().join(name))
    }

    fn acceptor(&self, inside: Inside) -> Acceptor {
        let config = server_config(&self.chain("chain.pem"), &self.key("key.pem"), inside);
        Acceptor::tls(config.expect("a pair of files"))
    }

    /// The error about these two files.
    fn error(&self, chain: &str, key: &str) -> String {
        server_config(&self.chain(chain), &self.key(key), Inside::Wire).expect_err("refused").to_string()
    }

    fn client(&self, version: &'static SupportedProtocolVersion, alpn: &[&[u8]]) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("a certificate");
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[version])
            .expect("ring has suites for it")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        TlsConnector::from(Arc::new(config))
    }
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
    let error = files.error("none.pem", "key.pem");
    assert_eq!(error, format!("{} cannot be read", files.chain("none.pem")));
    assert!(error.starts_with("--tls-certificate /"), "{error}");
    assert_eq!(files.error("chain.pem", "none.pem"), format!("{} cannot be read", files.key("none.pem")));
}

#[test]
fn a_file_that_holds_something_else_is_named_with_its_flag() {
    let files = Files::make();
    assert_eq!(files.error("key.pem", "key.pem"), format!("{} holds no certificate", files.chain("key.pem")));
    let no_key = format!("{} holds no private key, or an encrypted one", files.key("chain.pem"));
    assert_eq!(files.error("chain.pem", "chain.pem"), no_key);
    files.write("cut.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n");
    assert_eq!(files.error("cut.pem", "key.pem"), format!("{} is not well-formed PEM", files.chain("cut.pem")));
    files.write("cut.pem", "-----BEGIN PRIVATE KEY-----\n????\n-----END PRIVATE KEY-----\n");
    assert_eq!(files.error("chain.pem", "cut.pem"), format!("{} is not well-formed PEM", files.key("cut.pem")));
}

#[test]
fn a_key_of_another_certificate_is_refused_naming_both_files() {
    let files = Files::make();
    let other = generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    files.write("other.pem", &other.signing_key.serialize_pem());
    let error = files.error("chain.pem", "other.pem");
    let both = format!("{} and {} cannot be used together", files.chain("chain.pem"), files.key("other.pem"));
    assert_eq!(error, both);
}
