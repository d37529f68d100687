//! `config check`: the settings as they are in effect.

use std::io::{self, Write as _};

use anyhow::Context as _;
use pravega_gateway::config::Config;
use pravega_gateway::gateway;

/// Prints every setting, once all of them are found to be such that `serve` takes them.
pub(crate) fn check(config: &Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("the runtime")?;
    runtime.block_on(async { gateway::check(config) })?;
    let mut out = io::stdout().lock();
    for (key, value) in config.entries() {
        writeln!(out, "{key} = {value}")?;
    }
    Ok(())
}
