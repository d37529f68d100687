//! The gateway's program: flags, and the only place that exits the process.

mod cli;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Lets anything that speaks HTTP write to and read from Pravega streams
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows the segment store's wire commands and turns frames into JSON and back
    #[command(subcommand)]
    Wire(cli::wire::WireCommand),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match &cli.command {
        Command::Wire(command) => cli::wire::run(command),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pravega-gateway: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The reader of our output left early, as `head` does.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
