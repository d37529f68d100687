//! Puts the parts together and runs them until a signal.

use std::io;
use std::sync::Arc;

use futures::future::OptionFuture;
use futures::stream::BoxStream;
use http_server::shutdown::{self, Exit, Phases, ShutdownSettings, Signal};
use http_server::tls::{Acceptor, Inside, LOOK_AT_FILES_EVERY, PemFile, ServerFiles, TlsError};
use http_server::{BindError, ListenAddress, Listener, ServeSettings, allowed_connections, serve};
use tokio_util::sync::CancellationToken;

use crate::api::edge::{EdgeContext, edge_layers};
use crate::api::management::{self, Management};
use crate::api::server_settings;
use crate::app::App;
use crate::budget::Budget;
use crate::config::{self, Config};
use crate::controller::{
    CacheSettings, Controller, GrpcClient, GrpcSettings, MeteredClient, RestProxy, RestSettings, SetupError,
};
use crate::embedded::{self, Addresses, Embedded};
use crate::segment_store::{Pool, SegmentStore};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces::{Traces, TracesError};
use crate::upstream_tls::{CaFileError, UpstreamTls};
use crate::{api, readiness};

/// Why the gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A webhook has parameters that `POST /v1/events` does not take.
    #[error("webhooks: {webhook:?}: {reason}")]
    Webhook {
        /// The webhook as given.
        webhook: String,
        /// What is wrong with its query.
        reason: String,
    },
    /// The files of [`config::Tls`] cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The embedded Pravega cannot start.
    #[error("the embedded Pravega cannot start")]
    Embedded(#[from] embedded::StartError),
    /// The file of the authorities that vouch for Pravega cannot be used.
    #[error(transparent)]
    UpstreamCa(#[from] CaFileError),
    /// Traces cannot be sent.
    #[error(transparent)]
    Traces(#[from] TracesError),
    /// The clients cannot be made.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// A listener cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The system does not deliver signals, or does not return an address.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A gateway that is bound and about to serve.
pub struct Gateway {
    config: Config,
    app: App,
    embedded: Option<Embedded>,
    public: Vec<Listener>,
    acceptor: Acceptor,
    management: Listener,
    metrics: Metrics,
    traces: Traces,
    phases: Phases,
    signals: BoxStream<'static, Signal>,
}

impl Gateway {
    /// Checks what the settings say about TLS and Pravega, then binds the listeners. Neither Pravega nor a collector of
    /// traces need be there.
    ///
    /// # Errors
    /// [`StartError`] naming the setting.
    pub async fn bind(mut config: Config) -> Result<Self, StartError> {
        let acceptor = acceptor(&config.tls)?;
        let embedded = bind_embedded(&config).await?;
        if let Some(node) = &embedded {
            use_embedded(&mut config, &node.addresses());
        }
        // before the addresses are announced, so that no signal is missed
        let signals = shutdown::signals()?;
        let traces = Traces::from_settings(&config.telemetry)?;
        let metrics = Metrics::default();
        let phases = Phases::default();
        let app = build_app(&config, metrics.clone(), phases.clone())?;
        let mut public = Vec::with_capacity(config.listen.len());
        for address in &config.listen {
            public.push(Listener::bind(address).await?);
        }
        let management = Listener::bind(&config.management).await?;
        Ok(Self { config, app, embedded, public, acceptor, management, metrics, traces, phases, signals })
    }

    /// Where callers are served.
    ///
    /// # Errors
    /// What the system says.
    pub fn addresses(&self) -> io::Result<Vec<ListenAddress>> {
        self.public.iter().map(Listener::local_address).collect()
    }

    /// Where the management listener is.
    ///
    /// # Errors
    /// What the system says.
    pub fn management_address(&self) -> io::Result<ListenAddress> {
        self.management.local_address()
    }

    /// Where the embedded Pravega is, if there is one.
    pub fn embedded_addresses(&self) -> Option<Addresses> {
        self.embedded.as_ref().map(Embedded::addresses)
    }

    /// Serves until a signal comes and what was in flight is finished, or the grace is over.
    ///
    /// # Errors
    /// If signals cannot be listened to.
    pub async fn run(self) -> Result<Exit, StartError> {
        let Self { config, app, embedded, public, acceptor, management, metrics, traces, phases, signals } = self;
        let connections = allowed_connections(config.limits.connections);
        let router = edge_layers(api::router(app.clone()), EdgeContext::new(&config, metrics.clone(), traces.clone()));
        let management_router = management::router(Management {
            probe: readiness::watch(app.store().clone()),
            metrics: metrics.clone(),
            budget: app.budget().clone(),
            draining: phases.draining.clone(),
        });
        let management_stop = CancellationToken::new();
        let managing = tokio::spawn(serve(
            vec![management],
            management_router,
            server_settings::private(&config.limits),
            management_stop.clone(),
            phases.cut.clone(),
        ));
        let embedded_stop = CancellationToken::new();
        let node = embedded.map(|node| {
            let running = node.run(embedded_stop.clone(), phases.cut.clone());
            tokio::spawn(running)
        });
        let settings = ServeSettings { acceptor, ..server_settings::public(&config.limits, connections, &metrics) };
        let (stop, cut) = (phases.stop.clone(), phases.cut.clone());
        let work = async move {
            serve(public, router, settings, stop, cut).await;
            management_stop.cancel();
            if let Err(error) = managing.await {
                tracing::warn!(%error, "the management listener failed");
            }
            // last, since all that was in flight needs it
            embedded_stop.cancel();
            if let Some(Err(error)) = OptionFuture::from(node).await {
                tracing::warn!(%error, "the embedded Pravega failed");
            }
        };
        let ending = ShutdownSettings { delay: config.shutdown.delay, grace: config.shutdown.grace };
        let in_flight = || usize::try_from(metrics.http_requests_in_flight.get()).unwrap_or(0);
        let exit = shutdown::run(signals, &ending, &phases, work, in_flight).await;
        traces.finish().await;
        Ok(exit)
    }
}

/// Checks what the settings say about Pravega and TLS, as [`Gateway::bind`] does first, without connecting or binding.
/// Must be called inside a runtime.
///
/// # Errors
/// [`StartError`] naming the setting.
pub fn check(config: &Config) -> Result<(), StartError> {
    if config.embedded.enabled {
        embedded::check()?;
    }
    Traces::from_settings(&config.telemetry)?;
    if let Some(files) = tls_files(&config.tls) {
        files.server_config(Inside::Http)?;
    }
    build_app(config, Metrics::default(), Phases::default()).map(drop)
}

/// The settings have been checked to name both files or neither.
fn tls_files(tls: &config::Tls) -> Option<ServerFiles> {
    let (cert, key) = tls.cert.as_ref().zip(tls.key.as_ref())?;
    Some(ServerFiles {
        certificates: PemFile::new("--tls-cert", cert),
        key: PemFile::new("--tls-key", key),
        client_ca: tls.client_ca.as_ref().map(|file| PemFile::new("--tls-client-ca", file)),
    })
}

fn acceptor(tls: &config::Tls) -> Result<Acceptor, TlsError> {
    match tls_files(tls) {
        Some(files) => Acceptor::reloading(files, Inside::Http, LOOK_AT_FILES_EVERY),
        None => Ok(Acceptor::plain()),
    }
}

async fn bind_embedded(config: &Config) -> Result<Option<Embedded>, StartError> {
    let settings = &config.embedded;
    if !settings.enabled {
        return Ok(None);
    }
    Ok(Some(Embedded::bind(config).await?))
}

/// The gateway reaches the embedded Pravega as any other, by its ports.
fn use_embedded(config: &mut Config, addresses: &Addresses) {
    let (grpc, rest) = if config.embedded.tls_certificate.is_some() { ("tls", "https") } else { ("tcp", "http") };
    config.controller.address = format!("{grpc}://{}", addresses.controller).parse().expect("an address");
    config.controller.rest = Some(format!("{rest}://{}", addresses.rest).parse().expect("a valid URL"));
    config.auto_create = config.auto_create.or(Some(true));
}

fn build_app(config: &Config, metrics: Metrics, phases: Phases) -> Result<App, StartError> {
    for webhook in &config.webhooks {
        api::check_webhook(webhook)
            .map_err(|error| StartError::Webhook { webhook: webhook.to_string(), reason: error.detail().to_owned() })?;
    }
    let tls = upstream_tls(config)?;
    let controller = controller_through(tls.clone(), config, &metrics)?;
    let tls_of_stores = tls.clone().filter(|_| config.controller.address.tls());
    let pool = Arc::new(Pool::new(config.segment_store.clone(), tls_of_stores, metrics.clone()));
    let store = SegmentStore::new(controller, pool, metrics.clone());
    let rest = rest_proxy(tls, &config.controller)?;
    let budget = Budget::from_settings(&config.limits, metrics.clone());
    Ok(App::new(config.clone(), store, rest, budget, metrics, phases))
}

/// What the settings say about the controller. Must be called inside a runtime.
///
/// # Errors
/// [`StartError`] naming the setting.
pub fn controller(config: &Config, metrics: &Metrics) -> Result<Controller, StartError> {
    controller_through(upstream_tls(config)?, config, metrics)
}

/// Whom to believe that it is Pravega: the embedded one by its own certificate, any other by the authorities that the
/// settings name.
fn upstream_tls(config: &Config) -> Result<Option<UpstreamTls>, CaFileError> {
    let (embedded, ca) = (&config.embedded, &config.upstream.ca);
    match embedded.tls_certificate.as_ref().filter(|_| embedded.enabled) {
        Some(own) => UpstreamTls::trusting_embedded_node(own).map(Some),
        None => ca.as_ref().map(|ca| UpstreamTls::trusting_authorities(ca)).transpose(),
    }
}

fn controller_through(tls: Option<UpstreamTls>, config: &Config, metrics: &Metrics) -> Result<Controller, StartError> {
    let settings = &config.controller;
    let (addresses, connect_timeout) = (settings.address.clone(), settings.connect_timeout);
    let client = GrpcClient::new(&GrpcSettings { tls, connect_timeout, ..GrpcSettings::new(addresses) })?;
    let cache = CacheSettings {
        current_segments_for: settings.segments_ttl,
        endpoint_for: settings.endpoint_ttl,
        missing_for: settings.missing_ttl,
        rewrite: config.segment_store.rewrite.clone(),
        create_missing: config.auto_create.unwrap_or(false).then_some(config.auto_create_segments),
        ..CacheSettings::default()
    };
    let client = MeteredClient::new(client, metrics.clone());
    Ok(Controller::new(Arc::new(client), cache))
}

fn rest_proxy(tls: Option<UpstreamTls>, settings: &config::Controller) -> Result<RestProxy, SetupError> {
    let (base, connect_timeout) = (settings.rest.clone(), settings.connect_timeout);
    RestProxy::new(&RestSettings { base, tls, connect_timeout, ..RestSettings::new(settings.address.clone()) })
}
