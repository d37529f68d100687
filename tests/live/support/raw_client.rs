//! A client that sends exactly the bytes that the test chooses, and hangs up when the test decides.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Answer, Gateway, PATIENCE};

/// One HTTP/1.1 request on its own connection. Dropping it hangs up.
#[derive(Debug)]
pub(crate) struct RawClient {
    socket: TcpStream,
}

impl RawClient {
    /// Connects and sends the head with Host and these header lines.
    pub(crate) async fn begin(gateway: &Gateway, method: &str, path: &str, headers: &[&str]) -> Self {
        let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n{headers}\r\n");
        Self::send_head(gateway, &head).await
    }

    /// Connects and sends exactly this head.
    pub(crate) async fn send_head(gateway: &Gateway, head: &str) -> Self {
        let url = gateway.url("");
        let address = url.strip_prefix("http://").expect("it serves plain HTTP");
        let socket = TcpStream::connect(address).await.expect("the gateway listens");
        let mut client = Self { socket };
        client.send(head).await;
        client
    }

    /// Ends the sending side; the answer can still come.
    pub(crate) async fn end_sending(&mut self) {
        self.socket.shutdown().await.expect("the gateway is still there");
    }

    /// Sends bytes, which the gateway must read.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = timeout(PATIENCE, self.socket.write_all(bytes.as_ref())).await;
        sent.expect("the gateway reads").expect("the gateway has not closed");
    }

    /// The status line of the response.
    pub(crate) async fn first_line(&mut self) -> String {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let byte = timeout(PATIENCE, self.socket.read_u8()).await.expect("the gateway answers");
            line.push(byte.expect("the gateway has not closed"));
        }
        String::from_utf8(line).expect("a status line is ASCII").trim_end().to_owned()
    }

    /// The complete response, once the gateway has closed the connection.
    pub(crate) async fn answer(mut self) -> Answer {
        let mut text = Vec::new();
        let read = timeout(PATIENCE, self.socket.read_to_end(&mut text)).await;
        read.expect("the gateway answers and closes").expect("it closes in order");
        parse(&text)
    }
}

/// A response with a Content-Length.
fn parse(text: &[u8]) -> Answer {
    let shown = || String::from_utf8_lossy(text).into_owned();
    let end = text.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or_else(|| panic!("{}", shown()));
    let head = std::str::from_utf8(&text[..end]).expect("heads are ASCII");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status line");
    let headers: HeaderMap = lines.map(header).collect();
    let body = Bytes::copy_from_slice(&text[end + 4..]);
    assert_eq!(headers["content-length"], body.len().to_string(), "{}", shown());
    Answer { status: StatusCode::from_bytes(status.as_bytes()).expect("a status"), headers, body }
}

fn header(line: &str) -> (HeaderName, HeaderValue) {
    let (name, value) = line.split_once(':').expect("a header line");
    (name.parse().expect("a name"), value.trim().parse().expect("a value"))
}
