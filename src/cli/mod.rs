//! The command line: what each subcommand does with its flags.

pub(crate) mod wire;
