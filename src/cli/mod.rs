//! The command line: what each subcommand does with its flags.

pub(crate) mod config;
pub(crate) mod embedded;
pub(crate) mod route;
pub(crate) mod serve;
pub(crate) mod settings;
pub(crate) mod wire;
