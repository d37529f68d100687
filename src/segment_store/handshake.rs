//! Opening a connection: TCP, TLS where the controller has it, then Hello in both directions.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use pravega_protocol::wire::{FrameCodec, Hello, OLDEST_COMPATIBLE_VERSION, WIRE_VERSION, WireCommand};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_util::codec::Framed;
use tokio_util::either::Either;

use super::error::{ConnectError, ConnectProblem};
use crate::controller::Endpoint;
use crate::upstream_tls::UpstreamTls;

/// How long bytes may stay unacknowledged by the other machine before the connection fails: a network that swallows them
/// is found sooner than by the silence of the store.
const UNACKNOWLEDGED_FOR: Duration = Duration::from_secs(20);

/// A socket, with TLS or without.
pub(super) type Socket = Either<TcpStream, TlsStream<TcpStream>>;

/// A socket after Hello.
pub(super) type Connection = Framed<Socket, FrameCodec>;

/// Connects and exchanges Hello, all within the limit. With `tls`, the store's certificate must be for the host that is
/// dialled.
///
/// # Cancel safety
/// The connection is dropped.
pub(super) async fn connect(
    endpoint: &Endpoint,
    tls: Option<&UpstreamTls>,
    limit: Duration,
) -> Result<Connection, Arc<ConnectError>> {
    let opened = tokio::time::timeout(limit, open(endpoint, tls)).await;
    opened
        .unwrap_or(Err(ConnectProblem::TimedOut(limit)))
        .map_err(|problem| Arc::new(ConnectError { endpoint: endpoint.clone(), problem }))
}

async fn open(endpoint: &Endpoint, tls: Option<&UpstreamTls>) -> Result<Connection, ConnectProblem> {
    let socket = TcpStream::connect((&*endpoint.host, endpoint.port)).await?;
    socket.set_nodelay(true)?;
    SockRef::from(&socket).set_tcp_user_timeout(Some(UNACKNOWLEDGED_FOR))?;
    let socket = match tls {
        Some(tls) => Either::Right(tls.connect(&endpoint.host, socket).await?),
        None => Either::Left(socket),
    };
    let mut connection = Framed::new(socket, FrameCodec::client());
    let hello = Hello { high_version: WIRE_VERSION, low_version: OLDEST_COMPATIBLE_VERSION };
    connection.send(WireCommand::from(hello).frame()).await?;
    let frame = connection.next().await.ok_or(ConnectProblem::NoHello)??;
    match frame.to_command() {
        Ok((WireCommand::Hello(theirs), _)) => check_versions(&theirs).map(|()| connection),
        _ => Err(ConnectProblem::NoHello),
    }
}

/// Whether a server ended TLS without saying so. Frames show where they end, so nothing can be cut off unnoticed.
pub(super) fn is_unannounced_end(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof
}

/// The ranges of versions must meet; the store makes the mirrored check. Source: ServerConnectionInboundHandler.java.
fn check_versions(theirs: &Hello) -> Result<(), ConnectProblem> {
    if theirs.low_version > WIRE_VERSION || theirs.high_version < OLDEST_COMPATIBLE_VERSION {
        let Hello { high_version: high, low_version: low } = *theirs;
        return Err(ConnectProblem::Incompatible { high, low, ours: WIRE_VERSION });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_ranges_must_meet() {
        let hello = |high_version, low_version| Hello { high_version, low_version };
        assert!(check_versions(&hello(16, 5)).is_ok());
        assert!(check_versions(&hello(99, 16)).is_ok());
        assert!(check_versions(&hello(99, 17)).is_err());
        assert!(check_versions(&hello(4, 0)).is_err());
    }
}
