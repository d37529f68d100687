//! Log lines on standard error, as text or JSON.

use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::config::{self, LogFormat};

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `log.level` is not a filter.
    #[error("log.level = {level:?} is not a level or target=level, comma separated")]
    Level {
        /// The setting.
        level: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Something in this process logs already.
    #[error("logging is already set up")]
    AlreadyInstalled(#[from] tracing::subscriber::SetGlobalDefaultError),
}

/// Sends all log lines of this process to standard error.
///
/// # Errors
/// When the level cannot be understood, or when it was called before.
pub fn install(settings: &config::Log) -> Result<(), LogError> {
    Ok(tracing::subscriber::set_global_default(subscriber(settings, std::io::stderr)?)?)
}

fn subscriber<W>(settings: &config::Log, writer: W) -> Result<impl Subscriber + Send + Sync, LogError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder().parse(&settings.level);
    let filter = filter.map_err(|source| LogError::Level { level: settings.level.clone(), source })?;
    let lines = fmt::layer().with_writer(writer).with_ansi(false);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match settings.format {
        LogFormat::Text => lines.with_filter(filter).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_filter(filter).boxed(),
    };
    Ok(Registry::default().with(lines))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Once};

    use parking_lot::Mutex;

    /// Log lines kept in memory.
    #[derive(Clone, Default)]
    pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Captured {
        /// Captures the lines of this thread at level `debug` until the guard is dropped.
        pub(crate) fn install(format: LogFormat, level: &str) -> (Self, tracing::subscriber::DefaultGuard) {
            // Threads that capture nothing must not settle, for all, that no one is interested in a line.
            static ALWAYS_INTERESTED: Once = Once::new();
            ALWAYS_INTERESTED.call_once(|| {
                tracing::subscriber::set_global_default(Registry::default()).expect("no test sets another");
            });
            let captured = Self::default();
            let settings = config::Log { format, level: level.to_owned(), access: true };
            let writer = captured.clone();
            let subscriber = subscriber(&settings, move || writer.clone()).expect("the level is valid");
            (captured, tracing::subscriber::set_default(subscriber))
        }

        pub(crate) fn text(&self) -> String {
            let bytes = self.0.lock().clone();
            String::from_utf8(bytes).expect("log lines are text")
        }
    }

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn json_lines_carry_fields_and_those_of_their_span() {
        let (captured, _guard) = Captured::install(LogFormat::Json, "info");
        let _span = tracing::info_span!("request", request.id = "r1").entered();
        tracing::info!(http.status = 201, "answered");
        let line: serde_json::Value = serde_json::from_str(&captured.text()).expect("one line of JSON");
        assert_eq!(line["http.status"], 201);
        assert_eq!(line["span"]["request.id"], "r1");
        assert_eq!(line["message"], "answered");
    }

    #[test]
    fn the_level_holds_per_target() {
        let (captured, _guard) = Captured::install(LogFormat::Text, "warn,access=info");
        tracing::info!("not this");
        tracing::info!(target: "access", "but this");
        let text = captured.text();
        assert!(text.contains("but this") && !text.contains("not this"), "{text}");
    }

    #[test]
    fn a_level_that_is_none_is_refused() {
        let settings = config::Log { level: "info,h2=loud".to_owned(), ..config::Log::default() };
        assert!(matches!(subscriber(&settings, std::io::sink), Err(LogError::Level { .. })));
    }
}
