//! Requests and responses.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use reqwest::{Client, ClientBuilder, RequestBuilder, Response};
use serde_json::Value;

use super::PATIENCE;

/// A client that keeps connections and uses no proxy.
pub(crate) fn client() -> Client {
    builder().build().expect("no setting is wrong")
}

/// A builder of such clients, for more settings.
pub(crate) fn builder() -> ClientBuilder {
    // Fails only if another test has installed the provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().timeout(PATIENCE)
}

/// Text encoded for a query.
pub(crate) fn escape(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// A complete response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// Sends a request and reads the complete response.
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        Self::from(request.send().await.expect("the gateway answers")).await
    }

    /// Reads a response to its end.
    pub(crate) async fn from(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.expect("the answer comes whole");
        Self { status, headers, body }
    }

    /// Returns itself if it has this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{:?} {}", self.headers, self.text());
        self
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// A header that must be there.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("header {name} is missing: {self:?}"));
        value.to_str().expect("headers are ASCII")
    }
}
