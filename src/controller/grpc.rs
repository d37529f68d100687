//! [`ControllerClient`] by gRPC, over one or more addresses.

use std::error::Error as StdError;
use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use pravega_protocol::controller as proto;
use pravega_protocol::controller::controller_service_client::ControllerServiceClient;
use pravega_protocol::controller::stream_info::AccessOperation;
use pravega_protocol::stream::{Scope, ScopedStream, SegmentId, SegmentName, StreamSegments, Successor};
use thiserror::Error as ThisError;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint as Target};
use tonic::{Code, Request, Response, Status};

use super::address::ControllerAddresses;
use super::client::{Access, ControllerClient, Placement, SegmentLocation};
use super::connector::{TCP_KEEP_ALIVE, tls_connector};
use super::convert;
use super::credentials::Credentials;
use super::endpoint::Endpoint;
use super::error::Error;
use crate::upstream_tls::{HandshakeError, UpstreamTls};

/// Largest answer taken. A stream's whole history comes in one, about 40 bytes per segment.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// As Pravega's Java client. A gRPC server in Java closes connections that are pinged more often than every
/// 5 minutes, or while idle.
const PING_EVERY: Duration = Duration::from_secs(360);

/// How to reach the controller's gRPC interface.
#[derive(Debug, Clone)]
pub struct GrpcSettings {
    /// Where it is.
    pub addresses: ControllerAddresses,
    /// TLS towards it; needed for `tls://`, else unused.
    pub tls: Option<UpstreamTls>,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long one address may take to answer one call, connecting included; then the next one is asked.
    pub call_timeout: Duration,
}

impl GrpcSettings {
    /// The default time-outs: 3 s to connect, 5 s to answer.
    #[must_use]
    pub fn new(addresses: ControllerAddresses) -> Self {
        Self { addresses, tls: None, connect_timeout: Duration::from_secs(3), call_timeout: Duration::from_secs(5) }
    }
}

/// Why a client cannot be built.
#[derive(Debug, ThisError)]
pub enum SetupError {
    /// `tls://` without certificate authorities.
    #[error(
        "controller {address}: tls:// needs upstream.ca (--upstream-ca), the file of the authorities that vouch for it"
    )]
    CaMissing {
        /// The first address with TLS.
        address: Endpoint,
    },
    /// `https://` without certificate authorities.
    #[error(
        "controller.rest {url}: https:// needs upstream.ca (--upstream-ca), the file of the authorities that vouch for it"
    )]
    RestCaMissing {
        /// The URL of the REST API.
        url: reqwest::Url,
    },
    /// An address that the transport does not take.
    #[error("controller {address} cannot be used")]
    Target {
        /// The address.
        address: Endpoint,
        /// Why.
        source: tonic::transport::Error,
    },
    /// The HTTP client does not take the TLS settings.
    #[error("the client for the controller's REST interface cannot be built")]
    Rest(#[from] reqwest::Error),
}

/// Asks the address that answered last; when it cannot be reached or stays silent, the others in turn.
///
/// Connects when first asked and after every loss, so it can be built while the controller is away.
#[derive(Debug)]
pub struct GrpcClient {
    hosts: Box<[Host]>,
    preferred: AtomicUsize,
    call_timeout: Duration,
}

#[derive(Debug)]
struct Host {
    address: Endpoint,
    target: Target,
    tls: Option<UpstreamTls>,
    channel: Mutex<Channel>,
}

type Client = ControllerServiceClient<Channel>;

impl GrpcClient {
    /// Prepares the client without connecting.
    ///
    /// # Errors
    /// When the controller is `tls://` and there is no TLS in the settings, or an address is not a host name.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn new(settings: &GrpcSettings) -> Result<Self, SetupError> {
        let host = |address: &Endpoint| Host::new(address.clone(), settings);
        let hosts = settings.addresses.endpoints().iter().map(host).collect::<Result<_, _>>()?;
        Ok(Self { hosts, preferred: AtomicUsize::new(0), call_timeout: settings.call_timeout })
    }

    /// One round over the addresses, until one of them answers.
    async fn call<R, T, F>(
        &self,
        call: &'static str,
        caller: &Credentials,
        message: R,
        send: impl Fn(Client, Request<R>) -> F,
    ) -> Result<(T, &Endpoint), Error>
    where
        R: Clone,
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let first = self.preferred.load(Ordering::Relaxed);
        let mut turn = 0;
        loop {
            let index = (first + turn) % self.hosts.len();
            let host = &self.hosts[index];
            let send = |client| send(client, with_credentials(message.clone(), caller));
            let outcome = host.ask(call, self.call_timeout, send).await;
            let is_of_use = outcome.as_ref().err().is_none_or(|error| !error.is_retryable());
            // After a transient error the repetition begins with another controller.
            self.preferred.store(index + usize::from(!is_of_use), Ordering::Relaxed);
            turn += 1;
            match outcome {
                Err(error) if !error.is_answer() && turn < self.hosts.len() => {
                    tracing::debug!(controller.call = call, controller.error = %error, "trying the next address");
                }
                outcome => return outcome.map(|answer| (answer, &host.address)),
            }
        }
    }
}

impl Host {
    fn new(address: Endpoint, settings: &GrpcSettings) -> Result<Self, SetupError> {
        let unusable = |source| SetupError::Target { address: address.clone(), source };
        let missing = || SetupError::CaMissing { address: address.clone() };
        let tls = settings.addresses.tls().then(|| settings.tls.clone().ok_or_else(missing)).transpose()?;
        // With TLS, too: what connects speaks it, and tonic does not know.
        let mut target = Target::from_shared(format!("http://{address}"))
            .map_err(unusable)?
            .connect_timeout(settings.connect_timeout)
            .tcp_nodelay(true)
            .tcp_keepalive(Some(TCP_KEEP_ALIVE))
            .http2_keep_alive_interval(PING_EVERY)
            .keep_alive_while_idle(false);
        if tls.is_some() {
            target = target.origin(format!("https://{address}").parse().expect("a URI with http is one with https"));
        }
        let channel = Mutex::new(channel(&target, &address, tls.as_ref()));
        Ok(Self { address, target, tls, channel })
    }

    async fn ask<T, F>(&self, call: &'static str, limit: Duration, send: impl FnOnce(Client) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let channel = self.channel.lock().clone();
        let client = Client::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES);
        match timeout(limit, send(client)).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(self.failure(call, &status)),
            Err(_) => {
                self.reconnect();
                Err(Error::Timeout { address: self.name(), call })
            }
        }
    }

    /// A connection whose peer vanished looks alive for minutes, so one that let a call wait is not used again.
    fn reconnect(&self) {
        *self.channel.lock() = channel(&self.target, &self.address, self.tls.as_ref());
    }

    fn name(&self) -> Arc<str> {
        self.address.to_string().into()
    }

    fn failure(&self, call: &'static str, status: &Status) -> Error {
        // Only a status that was made on this side has a cause.
        if let Some(cause) = status.source() {
            let refused = is_refused(cause);
            return Error::Unavailable { address: self.name(), refused, cause: reason(cause).into() };
        }
        match status.code() {
            Code::Unauthenticated => Error::Unauthenticated { call },
            Code::PermissionDenied => Error::Forbidden { call },
            code => Error::Rejected { call, code, message: status.message().into() },
        }
    }
}

fn with_credentials<R>(message: R, caller: &Credentials) -> Request<R> {
    let mut request = Request::new(message);
    if let Some(authorization) = caller.authorization() {
        request.metadata_mut().insert("authorization", authorization.clone());
    }
    request
}

/// Connects when it is first used.
fn channel(target: &Target, address: &Endpoint, tls: Option<&UpstreamTls>) -> Channel {
    match tls {
        Some(tls) => target.connect_with_connector_lazy(tls_connector(address.clone(), tls.clone())),
        None => target.connect_lazy(),
    }
}

/// What is wrong with TLS, if anything is; else all causes.
pub(super) fn reason(error: &(dyn StdError + 'static)) -> String {
    HandshakeError::among_causes(error).map_or_else(|| chain(error), |of_tls| of_tls.to_string())
}

fn causes<'a>(first: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(first), |error| (*error).source())
}

pub(super) fn is_refused(error: &(dyn StdError + 'static)) -> bool {
    let refuses = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    causes(error).any(|cause| cause.downcast_ref().is_some_and(refuses))
}

/// The causes from the outermost on, without repetitions.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    for cause in causes(error).skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// Says which stream `NOT_FOUND` is about.
fn about(stream: &ScopedStream) -> impl FnOnce(Error) -> Error + '_ {
    |error| match error {
        Error::Rejected { code: Code::NotFound, .. } => Error::StreamNotFound(stream.clone()),
        error => error,
    }
}

impl ControllerClient for GrpcClient {
    fn current_segments<'a>(
        &'a self,
        caller: &'a Credentials,
        stream: &'a ScopedStream,
    ) -> BoxFuture<'a, Result<StreamSegments, Error>> {
        const CALL: &str = "getCurrentSegments";
        async move {
            // NONE: no token is wanted, so READ suffices.
            let request = convert::stream_info(stream, AccessOperation::None);
            let send = |mut client: Client, request| async move { client.get_current_segments(request).await };
            let (ranges, _) = self.call(CALL, caller, request, send).await.map_err(about(stream))?;
            convert::stream_segments(CALL, ranges)
        }
        .boxed()
    }

    fn epoch_segments<'a>(
        &'a self,
        caller: &'a Credentials,
        stream: &'a ScopedStream,
        epoch: u32,
    ) -> BoxFuture<'a, Result<StreamSegments, Error>> {
        const CALL: &str = "getEpochSegments";
        async move {
            let stream_info = Some(convert::stream_info(stream, AccessOperation::None));
            let epoch = i32::try_from(epoch).map_err(|_| Error::StreamNotFound(stream.clone()))?;
            let request = proto::GetEpochSegmentsRequest { stream_info, epoch };
            let send = |mut client: Client, request| async move { client.get_epoch_segments(request).await };
            let (ranges, _) = self.call(CALL, caller, request, send).await.map_err(about(stream))?;
            convert::stream_segments(CALL, ranges)
        }
        .boxed()
    }

    fn head_segments<'a>(
        &'a self,
        caller: &'a Credentials,
        stream: &'a ScopedStream,
    ) -> BoxFuture<'a, Result<Vec<SegmentLocation>, Error>> {
        const CALL: &str = "getSegments";
        async move {
            let stream_info = Some(convert::stream_info(stream, AccessOperation::None));
            let request = proto::GetSegmentsRequest { stream_info, timestamp: 0 };
            let send = |mut client: Client, request| async move { client.get_segments(request).await };
            let (head, _) = self.call(CALL, caller, request, send).await.map_err(about(stream))?;
            convert::locations(CALL, head)
        }
        .boxed()
    }

    fn segments_between<'a>(
        &'a self,
        caller: &'a Credentials,
        stream: &'a ScopedStream,
        from: &'a [SegmentLocation],
        to: &'a [SegmentLocation],
    ) -> BoxFuture<'a, Result<Vec<SegmentId>, Error>> {
        async move {
            let request = proto::StreamCutRange {
                stream_info: Some(convert::stream_info(stream, AccessOperation::None)),
                from: convert::cut(from),
                to: convert::cut(to),
            };
            let send = |mut client: Client, request| async move { client.get_segments_between(request).await };
            let (answer, _) = self.call("getSegmentsBetween", caller, request, send).await.map_err(about(stream))?;
            Ok(answer.segments.iter().map(|id| SegmentId::from_i64(id.segment_id)).collect())
        }
        .boxed()
    }

    fn segments_following<'a>(
        &'a self,
        caller: &'a Credentials,
        segment: &'a SegmentName,
    ) -> BoxFuture<'a, Result<Vec<Successor>, Error>> {
        const CALL: &str = "getSegmentsImmediatelyFollowing";
        async move {
            let request = convert::segment_id(segment);
            let send =
                |mut client: Client, request| async move { client.get_segments_immediately_following(request).await };
            let (answer, _) = self.call(CALL, caller, request, send).await.map_err(about(&segment.stream))?;
            convert::successors(CALL, answer)
        }
        .boxed()
    }

    fn get_uri<'a>(
        &'a self,
        caller: &'a Credentials,
        segment: &'a SegmentName,
    ) -> BoxFuture<'a, Result<Placement, Error>> {
        const CALL: &str = "getURI";
        async move {
            let request = convert::segment_id(segment);
            let send = |mut client: Client, request| async move { client.get_uri(request).await };
            let (node, controller) = self.call(CALL, caller, request, send).await.map_err(about(&segment.stream))?;
            convert::placement(CALL, &node, &controller.host)
        }
        .boxed()
    }

    fn scope_exists<'a>(&'a self, caller: &'a Credentials, scope: &'a Scope) -> BoxFuture<'a, Result<bool, Error>> {
        async move {
            let request = convert::scope_info(scope);
            let send = |mut client: Client, request| async move { client.check_scope_exists(request).await };
            let (answer, _) = self.call("checkScopeExists", caller, request, send).await?;
            Ok(answer.exists)
        }
        .boxed()
    }

    fn create_scope<'a>(&'a self, caller: &'a Credentials, scope: &'a Scope) -> BoxFuture<'a, Result<(), Error>> {
        const CALL: &str = "createScope";
        async move {
            let request = convert::scope_info(scope);
            let send = |mut client: Client, request| async move { client.create_scope(request).await };
            let (answer, _) = self.call(CALL, caller, request, send).await?;
            convert::created(CALL, answer.status().as_str_name(), "SCOPE_EXISTS")
        }
        .boxed()
    }

    fn create_stream<'a>(
        &'a self,
        caller: &'a Credentials,
        stream: &'a ScopedStream,
        segments: NonZeroU32,
    ) -> BoxFuture<'a, Result<(), Error>> {
        const CALL: &str = "createStream";
        async move {
            let request = convert::fixed_stream(stream, segments);
            let send = |mut client: Client, request| async move { client.create_stream(request).await };
            let (answer, _) = self.call(CALL, caller, request, send).await?;
            convert::created(CALL, answer.status().as_str_name(), "STREAM_EXISTS")
        }
        .boxed()
    }

    fn stream_exists<'a>(
        &'a self,
        caller: &'a Credentials,
        stream: &'a ScopedStream,
    ) -> BoxFuture<'a, Result<bool, Error>> {
        async move {
            let request = convert::stream_info(stream, AccessOperation::Unspecified);
            let send = |mut client: Client, request| async move { client.check_stream_exists(request).await };
            let (answer, _) = self.call("checkStreamExists", caller, request, send).await?;
            Ok(answer.exists)
        }
        .boxed()
    }

    fn delegation_token<'a>(
        &'a self,
        caller: &'a Credentials,
        stream: &'a ScopedStream,
        access: Access,
    ) -> BoxFuture<'a, Result<String, Error>> {
        async move {
            let request = convert::stream_info(stream, convert::access_operation(access));
            let send = |mut client: Client, request| async move { client.get_delegation_token(request).await };
            let (token, _) = self.call("getDelegationToken", caller, request, send).await.map_err(about(stream))?;
            Ok(token.delegation_token)
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests;
