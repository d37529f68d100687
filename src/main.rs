//! The gateway's program: flags, and the only place that exits the process.

mod cli;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use cli::settings::SettingsArgs;

/// Lets anything that speaks HTTP write to and read from Pravega streams
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves requests; the default without a command
    Serve(SettingsArgs),
    /// Runs the embedded Pravega alone, for anything that speaks to Pravega
    Embedded(cli::settings::EmbeddedArgs),
    /// Prints a line for the user file of `embedded --users`; reads the password from standard input
    EmbeddedUser(cli::embedded::UserArgs),
    /// Lists the segment store's wire commands and converts frames to JSON and back
    #[command(subcommand)]
    Wire(cli::wire::WireArgs),
    /// Prints the position of routing keys in the key space, and the segment they go to
    Route(cli::route::RouteArgs),
    /// Checks settings without serving
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Prints every setting with its effective value, or the first error
    Check(SettingsArgs),
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pravega-gateway: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        None => return cli::serve::run(cli.settings.load()?),
        Some(Command::Serve(settings)) => return cli::serve::run(settings.load()?),
        Some(Command::Embedded(settings)) => return cli::embedded::run(&settings.load()?),
        Some(Command::EmbeddedUser(user)) => cli::embedded::print_user(&user)?,
        Some(Command::Wire(command)) => cli::wire::run(&command)?,
        Some(Command::Route(args)) => cli::route::run(&args)?,
        Some(Command::Config(ConfigCommand::Check(settings))) => cli::config::check(&settings.load()?)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The reader of our output left early, as `head` does.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
