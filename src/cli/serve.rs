//! `serve`: the gateway itself.

use std::process::ExitCode;

use anyhow::Context as _;
use pravega_gateway::config::Config;
use pravega_gateway::gateway::Gateway;
use pravega_gateway::telemetry::log;

pub(crate) fn run(config: Config) -> anyhow::Result<ExitCode> {
    log::install(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the runtime")?;
    let exit = runtime.block_on(async {
        let gateway = Gateway::bind(config).await?;
        for address in gateway.addresses()? {
            tracing::info!(%address, "serving");
        }
        tracing::info!(address = %gateway.management_address()?, "management");
        let exit = gateway.run().await?;
        Ok(ExitCode::from(exit.code()))
    });
    // What is to be awaited was; dropped, the runtime would also wait for whatever looks up a name.
    runtime.shutdown_background();
    exit
}
