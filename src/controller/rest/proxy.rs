//! The proxy: a request goes to the interface's base, and its answer comes back.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use reqwest::Url;
use reqwest::redirect::Policy;

use super::discovery::Discovery;
use super::error::RestError;
use super::{headers, path};
use crate::controller::address::ControllerAddresses;
use crate::controller::grpc::SetupError;
use crate::upstream_tls::{UpstreamTls, config_without_trust};

/// Below the 30 s after which the controller's server closes idle connections, so that no request is sent
/// into one that is just being closed.
const IDLE_CONNECTION_KEPT: Duration = Duration::from_secs(15);

/// How to reach the controller's REST interface.
#[derive(Debug, Clone)]
pub struct RestSettings {
    /// Where it is, if that is known: `http` or `https`, a path before `/v1` included if there is one.
    pub base: Option<Url>,
    /// Where the controller is; without `base`, its hosts are searched.
    pub addresses: ControllerAddresses,
    /// TLS towards it; needed where it is `https`, else unused.
    pub tls: Option<UpstreamTls>,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
}

impl RestSettings {
    /// Searches the controller's hosts; 3 s to connect.
    #[must_use]
    pub fn new(addresses: ControllerAddresses) -> Self {
        Self { base: None, addresses, tls: None, connect_timeout: Duration::from_secs(3) }
    }
}

/// The way to the controller's REST interface.
pub struct RestProxy {
    client: reqwest::Client,
    discovery: Discovery,
}

impl fmt::Debug for RestProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestProxy").field("discovery", &self.discovery).finish_non_exhaustive()
    }
}

impl RestProxy {
    /// Prepares the way without connecting.
    ///
    /// # Errors
    /// When the base is `https` and there is no TLS in the settings, or the HTTP client cannot be built.
    pub fn new(settings: &RestSettings) -> Result<Self, SetupError> {
        if let (Some(url), None) = (settings.base.as_ref().filter(|base| base.scheme() == "https"), &settings.tls) {
            return Err(SetupError::RestCaMissing { url: url.clone() });
        }
        let tls = settings.tls.as_ref().map_or_else(config_without_trust, UpstreamTls::client_config);
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .http1_only()
            .no_proxy()
            .referer(false)
            .redirect(Policy::none())
            .tcp_nodelay(true)
            .connect_timeout(settings.connect_timeout)
            .pool_idle_timeout(IDLE_CONNECTION_KEPT)
            .build()?;
        let discovery = match &settings.base {
            Some(base) => Discovery::given(base),
            None => Discovery::search(&settings.addresses),
        };
        Ok(Self { client, discovery })
    }

    /// Sends the request to the controller and returns its answer: method, path, query and bodies as they
    /// are, headers without those of the connection, redirects not followed. Both bodies are streamed.
    ///
    /// A character of path or query that may not stand in a URL (a quote, a brace) is sent percent-encoded.
    /// There is no time limit on the answer: the caller sets one.
    ///
    /// # Errors
    /// [`RestError::PathInvalid`] unless the path is `/v1/scopes` or below it and means the same to everyone;
    /// the others when there is no answer; whether the
    /// controller may have acted all the same says [`RestError::may_have_happened`].
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection; the controller may have acted on the request.
    pub async fn forward<B>(
        &self,
        request: Request<B>,
    ) -> Result<Response<impl Body<Data = Bytes, Error = reqwest::Error> + Send + use<B>>, RestError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        path::check(parts.uri.path())?;
        let base = self.discovery.base(&self.client).await?;
        let url = path::below(&base, &parts.uri)?;
        let mut outbound = self.client.request(parts.method, url).headers(headers::outbound(parts.headers, &body));
        if !body.is_end_stream() {
            outbound = outbound.body(reqwest::Body::wrap_stream(body.into_data_stream()));
        }
        match outbound.send().await {
            Ok(answer) => Ok(headers::without_hop_by_hop(answer.into())),
            Err(error) => {
                if error.is_connect() {
                    self.discovery.forget(&base).await;
                }
                Err(RestError::from_send(&base, error))
            }
        }
    }
}

#[cfg(test)]
mod tests;
