//! `route`: where routing keys go.

use anyhow::Context as _;
use clap::Args;
use pravega_gateway::config::Config;
use pravega_gateway::gateway;
use pravega_gateway::telemetry::metrics::Metrics;
use pravega_protocol::stream::{KeyPosition, Scope, ScopedStream, StreamName, StreamSegments};
use serde_json::{Value, json};

use super::settings::SettingsArgs;
use super::wire::each_line;

/// Which keys, and of which stream.
#[derive(Debug, Args)]
pub(crate) struct RouteArgs {
    /// Routing keys
    #[arg(required_unless_present = "stdin")]
    keys: Vec<String>,
    /// Reads keys from stdin, one JSON string per line, and prints one JSON object per line
    #[arg(long, conflicts_with = "keys")]
    stdin: bool,
    /// Also prints the segment, in a stream of this scope
    #[arg(long, requires = "stream")]
    scope: Option<String>,
    /// Also prints the segment, in this stream
    #[arg(long, requires = "scope")]
    stream: Option<String>,
    #[command(flatten)]
    settings: SettingsArgs,
}

pub(crate) fn run(args: &RouteArgs) -> anyhow::Result<()> {
    let segments = match (&args.scope, &args.stream) {
        (Some(scope), Some(stream)) => Some(ask(&args.settings.load()?, scope, stream)?),
        _ => None,
    };
    if args.stdin {
        return each_line(|line| {
            let key: String = serde_json::from_str(line).context("field key is not a JSON string")?;
            Ok(object(&key, segments.as_ref()).to_string())
        });
    }
    for key in &args.keys {
        println!("{}", line(key, segments.as_ref()));
    }
    Ok(())
}

fn ask(config: &Config, scope: &str, stream: &str) -> anyhow::Result<StreamSegments> {
    let stream = ScopedStream::new(Scope::new(scope)?, StreamName::new(stream)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("the runtime")?;
    runtime.block_on(async {
        let controller = gateway::controller(config, &Metrics::default())?;
        let asked = tokio::time::timeout(config.request.timeout, controller.current_segments(&stream)).await;
        let segments = asked.with_context(|| format!("no answer within {:?}", config.request.timeout))??;
        Ok(StreamSegments::clone(&segments))
    })
}

fn line(key: &str, segments: Option<&StreamSegments>) -> String {
    let position = KeyPosition::of_key(key);
    match segments {
        None => position.as_f64().to_string(),
        Some(segments) => format!("{} {}", position.as_f64(), segment_of(position, segments)),
    }
}

fn object(key: &str, segments: Option<&StreamSegments>) -> Value {
    let position = KeyPosition::of_key(key);
    let mut object = json!({ "key": key, "position": position.as_f64() });
    if let Some(segments) = segments {
        object["segment"] = segment_of(position, segments).into();
    }
    object
}

fn segment_of(position: KeyPosition, segments: &StreamSegments) -> String {
    segments.segment_for(position).map_or_else(|| "sealed".to_owned(), |segment| segment.to_string())
}
