//! A port that refuses connections until the test opens it.

use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;

/// A reserved port that nothing listens on.
#[derive(Debug)]
pub(crate) struct ClosedPort {
    socket: TcpSocket,
    address: String,
}

/// A port that forwards connections. Once dropped, it accepts no more.
#[derive(Debug)]
pub(crate) struct OpenPort {
    accepting: JoinHandle<()>,
}

impl ClosedPort {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        let address = socket.local_addr().expect("it is bound").to_string();
        Self { socket, address }
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The rewrite rule that sends a gateway here, whichever store the controller names.
    pub(crate) fn rule(&self) -> String {
        format!("*:*={}", self.address)
    }

    /// Starts listening and forwards everything to `target`.
    pub(crate) fn open(self, target: &str) -> OpenPort {
        let listener = self.socket.listen(128).expect("the port is ours");
        let target = target.to_owned();
        let accepting = tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let target = target.clone();
                tokio::spawn(async move {
                    let mut there = TcpStream::connect(&target).await.expect("the target listens");
                    // Either side may close it.
                    let _ = tokio::io::copy_bidirectional(&mut socket, &mut there).await;
                });
            }
        });
        OpenPort { accepting }
    }
}

impl Drop for OpenPort {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
