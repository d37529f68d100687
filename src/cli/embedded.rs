//! `embedded`: the embedded Pravega without a gateway before it.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use http_server::shutdown;
use pravega_gateway::config::{Config, Embedded as Settings, LogFormat};
use pravega_gateway::embedded::{Addresses, Embedded, user_line};
use pravega_gateway::telemetry::log;

/// A user of the embedded Pravega.
#[derive(Debug, Args)]
pub(crate) struct UserArgs {
    /// The user's name
    name: String,
    /// What the user may do, such as 'prn::*,READ_UPDATE' or 'prn::/scope:shop/stream:orders,READ'
    #[arg(required = true, value_name = "RESOURCE,PERMISSION")]
    entries: Vec<String>,
}

/// `embedded-user`: prints the user's line.
pub(crate) fn print_user(user: &UserArgs) -> anyhow::Result<()> {
    let mut password = String::new();
    std::io::stdin().read_line(&mut password).context("the password on standard input")?;
    let password = password.trim_end_matches(['\r', '\n']);
    anyhow::ensure!(!password.is_empty(), "the password on standard input is empty");
    let entries: Vec<&str> = user.entries.iter().map(String::as_str).collect();
    print(&[user_line(&user.name, password, &entries)?])
}

pub(crate) fn run(config: &Config) -> anyhow::Result<ExitCode> {
    log::install(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the runtime")?;
    let exit = runtime.block_on(async {
        // before the addresses are announced, so that no signal is missed
        let signals = shutdown::signals()?;
        let node = Embedded::bind(config).await?;
        match config.log.format {
            LogFormat::Text => print(&places(&config.embedded, &node.addresses()))?,
            LogFormat::Json => self::log(&node.addresses()),
        }
        anyhow::Ok(ExitCode::from(node.serve(&config.shutdown, signals).await.code()))
    });
    runtime.shutdown_background();
    exit
}

/// Lines that say what runs where.
pub(crate) fn places(settings: &Settings, addresses: &Addresses) -> [String; 2] {
    let Addresses { segment_store, controller, rest } = addresses;
    let data = match &settings.data {
        Some(data) => format!("everything is kept in {}", data.display()),
        None => format!("up to {} in memory, gone when this process ends", settings.max_bytes),
    };
    let (grpc, http) = if settings.tls_certificate.is_some() { ("tls", "https") } else { ("tcp", "http") };
    [
        format!("Pravega  controller {grpc}://{controller}, REST also {http}://{rest}, segment store {segment_store}"),
        format!("data     {data}"),
    ]
}

/// Prints lines for people.
pub(crate) fn print(lines: &[String]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", lines.join("\n"))?;
    Ok(out.flush()?)
}

/// Logs where the node listens.
pub(crate) fn log(addresses: &Addresses) {
    let Addresses { segment_store, controller, rest } = addresses;
    tracing::info!(%controller, %rest, %segment_store, "the embedded Pravega serves");
}
