//! `serve`: the gateway itself.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use http_server::ListenAddress;
use pravega_gateway::config::{self, Config, LogFormat};
use pravega_gateway::embedded::Addresses;
use pravega_gateway::gateway::Gateway;
use pravega_gateway::telemetry::log;

use super::embedded;

pub(crate) fn run(config: Config) -> anyhow::Result<ExitCode> {
    log::install(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the runtime")?;
    let exit = runtime.block_on(async {
        let settings = config.clone();
        let gateway = Gateway::bind(config).await?;
        announce(&gateway, &settings)?;
        let exit = gateway.run().await?;
        Ok(ExitCode::from(exit.code()))
    });
    // Everything that matters was awaited; dropping the runtime would also wait for blocking name lookups.
    runtime.shutdown_background();
    exit
}

/// Announces the addresses, and to people who try the embedded Pravega, commands to begin with.
fn announce(gateway: &Gateway, settings: &Config) -> anyhow::Result<()> {
    let (public, management) = (gateway.addresses()?, gateway.management_address()?);
    if let Some(node) = gateway.embedded_addresses() {
        if settings.log.format == LogFormat::Text {
            return embedded::print(&welcome(&public, &management, settings, &node));
        }
        embedded::log(&node);
    }
    for address in public {
        tracing::info!(address = shown(&address, &settings.tls), "serving");
    }
    tracing::info!(address = %management, "management");
    Ok(())
}

/// What runs where, and what to try first.
fn welcome(public: &[ListenAddress], management: &ListenAddress, settings: &Config, node: &Addresses) -> Vec<String> {
    let [pravega, data] = embedded::places(&settings.embedded, node);
    let gateway = public.iter().map(|address| shown(address, &settings.tls)).collect::<Vec<_>>().join(", ");
    let curl = match public.first() {
        Some(ListenAddress::Unix(path)) => format!("curl --unix-socket {} 'http://gateway", path.display()),
        Some(ListenAddress::Tcp(address)) => curl(address, &settings.tls),
        None => return Vec::new(),
    };
    let user =
        settings.embedded.users.as_deref().and_then(first_user).map(|user| format!(" -u {user}")).unwrap_or_default();
    let events = format!("{curl}/v1/events?scope=demo&stream=hello'{user}");
    vec![
        format!("gateway  {gateway}, health and metrics {management}"),
        pravega,
        data,
        format!("write    {events} -d 'hello, Pravega'"),
        format!("read     {events}"),
    ]
}

/// The name of the first user in a file: curl asks for the password.
fn first_user(users: &Path) -> Option<String> {
    let users = std::fs::read_to_string(users).ok()?;
    users.lines().find_map(|line| Some(line.split_once(':')?.0.trim().to_owned()))
}

/// An address as callers would write it: a URL where it needs another scheme than usual.
fn shown(address: &ListenAddress, tls: &config::Tls) -> String {
    match address {
        ListenAddress::Tcp(address) if tls.cert.is_some() => format!("https://{address}"),
        ListenAddress::Tcp(_) | ListenAddress::Unix(_) => address.to_string(),
    }
}

/// The beginning of a call, up to the path. curl trusts a certificate that it is shown itself, whoever has signed it.
fn curl(address: &str, tls: &config::Tls) -> String {
    let Some(cert) = &tls.cert else { return format!("curl 'http://{address}") };
    let own = if tls.client_ca.is_some() { " --cert client.pem --key client-key.pem" } else { "" };
    format!("curl --cacert '{}'{own} 'https://{address}", cert.display())
}
