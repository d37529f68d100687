//! `wire list | decode | encode`: the table of commands, and frames as JSON lines.

use std::io::{self, BufRead, Write};

use anyhow::{Context as _, bail};
use bytes::BytesMut;
use clap::Subcommand;
use pravega_protocol::wire::{self, CommandInfo, CommandType, FrameCodec};
use tokio_util::codec::Decoder;

/// What to do with wire commands.
#[derive(Debug, Subcommand)]
pub(crate) enum WireArgs {
    /// Lists every command with its code, direction, level and fields
    List {
        /// Prints the table in docs/wire.md
        #[arg(long)]
        markdown: bool,
    },
    /// Converts frames in hex, one per line on stdin, to JSON, one per line
    Decode,
    /// Converts JSON, one command per line on stdin, to frames in hex, one per line
    Encode,
}

pub(crate) fn run(command: &WireArgs) -> anyhow::Result<()> {
    match command {
        WireArgs::List { markdown: true } => Ok(io::stdout().write_all(wire::markdown().as_bytes())?),
        WireArgs::List { markdown: false } => list(&mut io::stdout().lock()),
        WireArgs::Decode => each_line(decode),
        WireArgs::Encode => each_line(encode),
    }
}

fn list(out: &mut impl Write) -> anyhow::Result<()> {
    for info in CommandType::ALL.iter().map(|command| command.info()) {
        let CommandInfo { code, name, direction, level, .. } = info;
        let fields: Vec<_> = info.fields.iter().map(|field| format!("{} {}", field.name, field.kind)).collect();
        let (direction, level) = (direction.to_string(), level.to_string());
        writeln!(out, "{code:>4} {name:<24} {direction:<8}{level:<6} {}", fields.join(", "))?;
    }
    Ok(())
}

/// Runs over the lines of stdin, flushing each answer, so that the program can serve as a coprocess.
pub(crate) fn each_line(answer: impl Fn(&str) -> anyhow::Result<String>) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for (index, line) in io::stdin().lock().lines().enumerate() {
        let line = line.with_context(|| format!("line {}", index + 1))?;
        let line = line.trim();
        if !line.is_empty() {
            let answer = answer(line).with_context(|| format!("line {}", index + 1))?;
            writeln!(out, "{answer}")?;
            out.flush()?;
        }
    }
    Ok(())
}

fn decode(line: &str) -> anyhow::Result<String> {
    let bytes = hex::decode(line).context("field frame is not hex")?;
    let mut bytes = BytesMut::from(bytes.as_slice());
    let frame = FrameCodec::store().decode_eof(&mut bytes).context("field frame")?.context("field frame is empty")?;
    if !bytes.is_empty() {
        bail!("field frame has {} bytes after its end", bytes.len());
    }
    let (command, _skipped) = frame.to_command().context("field frame")?;
    Ok(wire::command_to_json(&command).to_string())
}

fn encode(line: &str) -> anyhow::Result<String> {
    let document = serde_json::from_str(line).context("the line is not JSON")?;
    let frame = wire::command_from_json(&document)?.frame();
    let limit = wire::MAX_PAYLOAD_TO_STORE;
    if frame.payload.len() > limit {
        bail!("the command in field fields has {} bytes; the limit for a frame is {limit}", frame.payload.len());
    }
    let mut out = BytesMut::new();
    frame.encode(&mut out);
    Ok(hex::encode(out))
}
