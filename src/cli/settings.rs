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
    /// Serves callers here: host:port or unix:PATH; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    listen: Vec<String>,
    /// Serves /healthz, /readyz and /metrics here
    #[arg(long, value_name = "ADDRESS")]
    management: Option<String>,
    /// Pravega's controller, as host:port, tcp://… or tls://…; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    controller: Vec<String>,
    /// The controller's REST API; looked for on the controller's host unless given
    #[arg(long, value_name = "URL")]
    controller_rest: Option<String>,
    /// Replaces a store's address as the controller says it: host:port=host:port, either may be *
    #[arg(long, value_name = "FROM=TO")]
    segment_store_rewrite: Vec<String>,
    /// Any other setting, such as limits.connections=1000; may be given several times
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = pair)]
    others: Vec<(String, String)>,
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

    fn flags(&self) -> Vec<(String, String)> {
        let many = [
            ("listen", &self.listen),
            ("controller.address", &self.controller),
            ("segment-store.rewrite", &self.segment_store_rewrite),
        ];
        let one = [("management", &self.management), ("controller.rest", &self.controller_rest)];
        let many = many.into_iter().flat_map(|(key, values)| values.iter().map(move |value| (key, value)));
        let one = one.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
        let named = many.chain(one).map(|(key, value)| (key.to_owned(), value.clone()));
        named.chain(self.others.iter().cloned()).collect()
    }
}
