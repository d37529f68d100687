//! How gRPC connects through TLS.

use std::time::Duration;

use hyper_util::rt::TokioIo;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tonic::transport::Uri;
use tower::{BoxError, Service, service_fn};

use super::endpoint::Endpoint;
use crate::upstream_tls::UpstreamTls;

/// How long a connection may be silent before the operating system asks whether the peer is still there.
pub(super) const TCP_KEEP_ALIVE: Duration = Duration::from_secs(60);

type Stream = TokioIo<TlsStream<TcpStream>>;

/// Connects to one address, whatever the URI: it goes by the certificates that are trusted at that moment, as tonic's own
/// TLS does not.
pub(super) fn tls_connector(
    address: Endpoint,
    tls: UpstreamTls,
) -> impl Service<Uri, Response = Stream, Error = BoxError, Future: Send> + Send + use<> {
    service_fn(move |_: Uri| {
        let (address, tls) = (address.clone(), tls.clone());
        async move { connect(&address, &tls).await }
    })
}

async fn connect(address: &Endpoint, tls: &UpstreamTls) -> Result<Stream, BoxError> {
    let socket = TcpStream::connect((&*address.host, address.port)).await?;
    socket.set_nodelay(true)?;
    SockRef::from(&socket).set_tcp_keepalive(&TcpKeepalive::new().with_time(TCP_KEEP_ALIVE))?;
    Ok(TokioIo::new(tls.connect_http2(&address.host, socket).await?))
}
