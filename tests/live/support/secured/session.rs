//! A client of the segment store that knows nothing but the protocol.

use std::pin::Pin;
use std::sync::Arc;

use futures::{SinkExt as _, StreamExt as _};
use pravega_protocol::wire::{FrameCodec, Hello, OLDEST_COMPATIBLE_VERSION, WIRE_VERSION, WireCommand};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::codec::Framed;

use super::certificates::Certificates;
use crate::support::PATIENCE;

trait Socket: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Socket for T {}

/// One connection.
pub(crate) struct StoreSession {
    frames: Framed<Pin<Box<dyn Socket>>, FrameCodec>,
}

impl StoreSession {
    /// Connects and exchanges versions.
    ///
    /// # Errors
    /// What prevented it, such as a store of somebody else.
    pub(super) async fn open(address: &str, certificates: Option<&Certificates>) -> Result<Self, String> {
        let opening = async {
            let socket = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
            let socket: Pin<Box<dyn Socket>> = match certificates {
                None => Box::pin(socket),
                Some(certificates) => Box::pin(wrap(socket, certificates).await.map_err(|error| error.to_string())?),
            };
            let mut session = Self { frames: Framed::new(socket, FrameCodec::client()) };
            let hello = Hello { high_version: WIRE_VERSION, low_version: OLDEST_COMPATIBLE_VERSION };
            match session.try_ask(hello.into()).await {
                Some(WireCommand::Hello(_)) => Ok(session),
                other => Err(format!("{other:?} instead of Hello")),
            }
        };
        timeout(PATIENCE, opening).await.expect("it answers or closes")
    }

    /// Sends a command and returns the reply.
    pub(crate) async fn ask(&mut self, command: impl Into<WireCommand>) -> WireCommand {
        let command = command.into();
        let name = command.command_type().info().name;
        let reply = timeout(PATIENCE, self.try_ask(command)).await.expect("it answers or closes");
        reply.unwrap_or_else(|| panic!("the store closed at {name}"))
    }

    async fn try_ask(&mut self, command: WireCommand) -> Option<WireCommand> {
        self.frames.send(command.frame()).await.ok()?;
        let frame = self.frames.next().await?.ok()?;
        Some(frame.to_command().expect("stores answer as the table says").0)
    }
}

async fn wrap(socket: TcpStream, certificates: &Certificates) -> std::io::Result<impl Socket + use<>> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(&certificates.authority_pem()).expect("a certificate");
    roots.add(authority).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("the usual ones").with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, socket).await
}
