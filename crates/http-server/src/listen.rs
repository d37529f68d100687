//! Sockets that callers connect to, TCP and unix.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use std::{fmt, io};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};

use crate::accept_loop::Accept;

/// Connections that the system accepts ahead of us.
const BACKLOG: u32 = 1024;

/// Silence after which the system asks whether a caller's host is still there, and how often it asks.
const KEEP_ALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(20));

/// Where to listen: `host:port`, or `unix:PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// A host, by name or address, and a port; port 0 takes a free one.
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

/// A bound address that callers connect to. A unix socket's file is removed with it.
#[derive(Debug)]
pub struct Listener(Socket);

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix { listener: UnixListener, path: PathBuf },
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct BindError {
    /// The address as it was configured.
    pub address: ListenAddress,
    /// What the system said.
    pub source: io::Error,
}

/// Who is at the other end of a connection. An extractor for handlers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A host, by its address and port.
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
    /// Binds the address. A host name takes the first of its addresses that can be bound.
    ///
    /// # Errors
    /// When it can't be resolved or bound; a unix path in use by another process counts as in use.
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

    /// The address as it was bound, with the port that was free if port 0 was asked for.
    ///
    /// # Errors
    /// When the system does not say.
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
            // someone else removed it: just as well
            let _ = std::fs::remove_file(path);
        }
    }
}

async fn bind_tcp(address: &str) -> io::Result<TcpListener> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
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
    // else a restart waits for the connections of the process before to be forgotten
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

/// A socket that a process left behind: it is there, but nobody listens.
fn is_stale(path: &Path) -> bool {
    let refused = std::os::unix::net::UnixStream::connect(path).err();
    refused.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stale_unix_socket_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("gateway.sock");
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
}
