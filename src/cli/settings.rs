//! Flags that stand for settings, shared by the subcommands that read them.

use std::path::PathBuf;

use clap::Args;
use pravega_gateway::config::{self, Config, ConfigError};

/// Where settings come from: a file, then variables, then these flags.
#[derive(Debug, Args)]
pub(crate) struct SettingsArgs {
    /// Reads settings from this TOML file; config/gateway.toml lists them all
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Listens here for callers: host:port or unix:PATH; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    listen: Vec<String>,
    /// Listens here for /healthz, /readyz and /metrics
    #[arg(long, value_name = "ADDRESS")]
    management: Option<String>,
    /// Serves callers over TLS with the certificates in this PEM file, the leaf first; read again when it changes
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<String>,
    /// The certificate's key, as PEM
    #[arg(long, value_name = "FILE")]
    tls_key: Option<String>,
    /// Serves only callers with a certificate that an authority in this PEM file has signed
    #[arg(long, value_name = "FILE")]
    tls_client_ca: Option<String>,
    /// Pravega's controller, as host:port, tcp://… or tls://…; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    controller: Vec<String>,
    /// Who decides what callers may do: passthrough, Pravega by the credentials that each of them shows
    #[arg(long, value_name = "MODE")]
    auth_mode: Option<String>,
    /// The controller's REST API; by default it is searched for on the controller's host
    #[arg(long, value_name = "URL")]
    controller_rest: Option<String>,
    /// Believes controllers and stores that the authorities in this PEM file vouch for; needed for tls:// and https://
    #[arg(long, value_name = "FILE")]
    upstream_ca: Option<String>,
    /// Replaces the address of a store that the controller names: host:port=host:port, where host or port may be *
    #[arg(long, value_name = "FROM=TO")]
    segment_store_rewrite: Vec<String>,
    /// Runs an embedded Pravega in this process: in memory, or in DIR
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true, default_missing_value = "", conflicts_with_all = ["controller", "controller_rest"])]
    embedded: Option<String>,
    #[command(flatten)]
    node: NodeArgs,
    /// Any other setting, such as limits.connections=1000; may be given several times
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = pair)]
    others: Vec<(String, String)>,
}

/// Flags of the embedded Pravega, with and without a gateway before it.
#[derive(Debug, Args)]
pub(crate) struct NodeArgs {
    /// Most bytes of events and table entries that the embedded Pravega holds in memory
    #[arg(long, value_name = "SIZE")]
    embedded_max_bytes: Option<String>,
    /// Port of the embedded segment store; 0 picks a free one
    #[arg(long, value_name = "PORT")]
    segment_store_port: Option<String>,
    /// Port of the embedded controller, gRPC and REST; 0 picks a free one
    #[arg(long, value_name = "PORT")]
    controller_port: Option<String>,
    /// Another port of the embedded controller, where clients look for REST; 0 picks a free one
    #[arg(long, value_name = "PORT")]
    rest_port: Option<String>,
    /// The embedded Pravega admits only the users in this file: lines of user:HASH:resource,PERMISSION;… in Pravega's format
    #[arg(long, value_name = "FILE")]
    users: Option<String>,
    /// Lifetime of a delegation token, with --users; 0s for unlimited
    #[arg(long, value_name = "DURATION")]
    token_life: Option<String>,
}

impl NodeArgs {
    fn flags(&self) -> impl Iterator<Item = (&'static str, &String)> {
        let flags = [
            ("embedded.max-bytes", &self.embedded_max_bytes),
            ("embedded.segment-store-port", &self.segment_store_port),
            ("embedded.controller-port", &self.controller_port),
            ("embedded.rest-port", &self.rest_port),
            ("embedded.users", &self.users),
            ("embedded.token-life", &self.token_life),
        ];
        flags.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?)))
    }
}

/// Settings of `embedded`: the same as those of `serve`, of which it uses those of the node and of the log.
#[derive(Debug, Args)]
pub(crate) struct EmbeddedArgs {
    /// Reads settings from this TOML file; config/gateway.toml lists them all
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Keeps everything in DIR; by default in memory
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Speaks TLS with the certificates in this PEM file, the leaf first
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<String>,
    /// The certificate's key, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<String>,
    #[command(flatten)]
    node: NodeArgs,
    /// Any other setting, such as log.level=debug; may be given several times
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = pair)]
    others: Vec<(String, String)>,
}

impl EmbeddedArgs {
    /// Reads and checks all settings.
    pub(crate) fn load(&self) -> Result<Config, ConfigError> {
        let own = [
            ("embedded.data", &self.data),
            ("embedded.tls-certificate", &self.tls_certificate),
            ("embedded.tls-key", &self.tls_key),
        ];
        let own = own.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
        let named = own.chain(self.node.flags()).map(|(key, value)| (key.to_owned(), value.clone()));
        let flags: Vec<_> = named.chain(self.others.iter().cloned()).collect();
        Config::load(self.config.as_deref(), config::environment(), &flags)
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

impl SettingsArgs {
    /// Reads and checks all settings.
    pub(crate) fn load(&self) -> Result<Config, ConfigError> {
        Config::load(self.config.as_deref(), config::environment(), &self.flags())
    }

    fn embedded_flags(&self) -> impl Iterator<Item = (String, String)> {
        let enabled = self.embedded.iter().map(|_| ("embedded.enabled", "true"));
        let data = self.embedded.iter().filter(|data| !data.is_empty()).map(|data| ("embedded.data", data.as_str()));
        enabled.chain(data).map(|(key, value)| (key.to_owned(), value.to_owned()))
    }

    fn flags(&self) -> Vec<(String, String)> {
        let many = [
            ("listen", &self.listen),
            ("controller.address", &self.controller),
            ("segment-store.rewrite", &self.segment_store_rewrite),
        ];
        let one = [
            ("management", &self.management),
            ("auth.mode", &self.auth_mode),
            ("tls.cert", &self.tls_cert),
            ("tls.key", &self.tls_key),
            ("tls.client-ca", &self.tls_client_ca),
            ("controller.rest", &self.controller_rest),
            ("upstream.ca", &self.upstream_ca),
        ];
        let many = many.into_iter().flat_map(|(key, values)| values.iter().map(move |value| (key, value)));
        let one = one.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
        let named = many.chain(one).chain(self.node.flags()).map(|(key, value)| (key.to_owned(), value.clone()));
        named.chain(self.embedded_flags()).chain(self.others.iter().cloned()).collect()
    }
}
