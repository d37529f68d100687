//! Sockets that callers connect to, TCP and unix.

use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use std::{fmt, io};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};

use crate::accept_loop::Accept;

/// Connections that the system accepts ahead of the server.
const BACKLOG: u32 = 1024;

/// Silence after which the system probes whether a caller's host is still there, and how often it probes.
const KEEP_ALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(20));

/// Where to listen: `host:port`, or `unix:PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// A host, by name or address, and a port; port 0 means any free one.
    Tcp(String),
    /// A unix socket; a stale one at that path is replaced.
    Unix(PathBuf),
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Ok(Self::Unix(path.into()));
        }
        match text.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(Self::Tcp(text.to_owned())),
            _ => Err(ListenAddressError),
        }
    }
}

/// Text that is not an address to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected host:port or unix:PATH")]
pub struct ListenAddressError;

/// A bound address that callers connect to. Dropping it removes the file of a unix socket.
#[derive(Debug)]
pub struct Listener(Socket);

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix { listener: UnixListener, path: PathBuf },
}

/// An address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct BindError {
    /// The address, as given.
    pub address: ListenAddress,
    /// The system's reason.
    pub source: io::Error,
}

/// The other end of a connection. An extractor for handlers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A host, by address and port.
    Tcp(SocketAddr),
    /// A process on this machine, through a unix socket.
    Unix,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// A connection that was just accepted.
pub enum Accepted {
    /// From a host.
    Tcp(TcpStream, Peer),
    /// From a process on this machine.
    Unix(UnixStream),
}

impl Listener {
    /// Binds the address; of a host name, the first address that can be bound.
    ///
    /// # Errors
    /// If it cannot be resolved or bound. A unix path is in use if a process listens on it.
    ///
    /// # Cancel safety
    /// Awaits name resolution; nothing is bound before.
    pub async fn bind(address: &ListenAddress) -> Result<Self, BindError> {
        let bound = match address {
            ListenAddress::Tcp(address) => bind_tcp(address).await.map(Socket::Tcp),
            ListenAddress::Unix(path) => bind_unix(path),
        };
        bound.map(Self).map_err(|source| BindError { address: address.clone(), source })
    }

    /// The bound address, with the port that the system chose for port 0.
    ///
    /// # Errors
    /// If the system does not report it.
    pub fn local_address(&self) -> io::Result<ListenAddress> {
        match &self.0 {
            Socket::Tcp(listener) => Ok(ListenAddress::Tcp(listener.local_addr()?.to_string())),
            Socket::Unix { path, .. } => Ok(ListenAddress::Unix(path.clone())),
        }
    }
}

impl Accept for Listener {
    type Connection = Accepted;

    async fn accept(&self) -> io::Result<Accepted> {
        match &self.0 {
            Socket::Tcp(listener) => {
                let (stream, peer) = Accept::accept(listener).await?;
                Ok(Accepted::Tcp(stream, Peer::Tcp(peer)))
            }
            Socket::Unix { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                Ok(Accepted::Unix(stream))
            }
        }
    }
}

impl Accept for TcpListener {
    type Connection = (TcpStream, SocketAddr);

    async fn accept(&self) -> io::Result<Self::Connection> {
        let (stream, peer) = TcpListener::accept(self).await?;
        stream.set_nodelay(true)?;
        SockRef::from(&stream).set_tcp_keepalive(&KEEP_ALIVE)?;
        Ok((stream, peer))
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self(Socket::Tcp(listener))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Self::Unix { path, .. } = self {
            // it may have been removed already
            let _ = std::fs::remove_file(path);
        }
    }
}

async fn bind_tcp(address: &str) -> io::Result<TcpListener> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
    for address in tokio::net::lookup_host(address).await? {
        match listen_tcp(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn listen_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // otherwise a restart has to wait until the system forgets connections of the previous process
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn bind_unix(path: &Path) -> io::Result<Socket> {
    if is_stale(path) {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    Ok(Socket::Unix { listener, path: path.to_owned() })
}

/// A socket that a process left behind: the file exists, but no process listens. The system refuses connections to
/// files of other types, too, which are not ours to remove.
fn is_stale(path: &Path) -> bool {
    if !std::fs::metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        return false;
    }
    let refused = std::os::unix::net::UnixStream::connect(path).err();
    refused.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stale_unix_socket_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("server.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("a free path"));
        assert!(path.exists(), "a socket is left behind");
        let address = ListenAddress::Unix(path.clone());
        let listener = Listener::bind(&address).await.expect("the stale socket is replaced");
        let refused = Listener::bind(&address).await.expect_err("a live one is not");
        assert_eq!(refused.source.kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        assert!(!path.exists(), "the socket is removed with its listener");
    }

    #[tokio::test]
    async fn an_address_in_use_is_named() {
        let address = ListenAddress::Tcp("127.0.0.1:0".to_owned());
        let listener = Listener::bind(&address).await.expect("some port is free");
        let taken = listener.local_address().expect("it is bound");
        let refused = Listener::bind(&taken).await.expect_err("it is in use");
        assert_eq!(refused.to_string(), format!("cannot listen on {taken}"));
    }

    #[test]
    fn addresses_are_host_and_port_or_a_unix_path() {
        for text in ["localhost:80", "[::1]:0", "0.0.0.0:65535", "unix:/run/server.sock"] {
            assert_eq!(text.parse::<ListenAddress>().expect("valid").to_string(), text);
        }
        for text in ["", "localhost", ":80", "localhost:", "localhost:65536", "localhost:-1", "unix:"] {
            assert!(text.parse::<ListenAddress>().is_err(), "{text:?}");
        }
    }

    #[tokio::test]
    async fn file_that_is_not_a_socket_is_left_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("notes.txt");
        std::fs::write(&path, "keep").expect("written");
        Listener::bind(&ListenAddress::Unix(path.clone())).await.expect_err("the path is taken");
        assert_eq!(std::fs::read_to_string(&path).expect("still there"), "keep");
    }

    #[tokio::test]
    async fn peers_are_named_by_address_or_as_unix() {
        let listener = Listener::bind(&ListenAddress::Tcp("127.0.0.1:0".to_owned())).await.expect("some port is free");
        let address = listener.local_address().expect("it is bound").to_string();
        let (caller, accepted) = tokio::join!(TcpStream::connect(address), Accept::accept(&listener));
        let (caller, accepted) = (caller.expect("connected"), accepted.expect("accepted"));
        let Accepted::Tcp(_, peer) = accepted else { panic!("a TCP connection") };
        assert_eq!(peer.to_string(), caller.local_addr().expect("connected").to_string());
        assert_eq!(Peer::Unix.to_string(), "unix");
    }
}
