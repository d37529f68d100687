//! Merges the file, the variables and the flags into one [`Config`].

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::Config;
use super::error::{ConfigError, Origin};
use super::table::{Entry, RawValue, Section, SetError};

/// What a variable of ours begins with. One underscore less is somebody else's: Kubernetes injects
/// `PRAVEGA_GATEWAY_PORT` for a Service of that name.
const VARIABLE_PREFIX: &str = "PRAVEGA_GATEWAY__";

/// The variables of this process. One that is not UTF-8 is taken with replacement characters, so that it is
/// refused by name if it is ours, instead of ending the program.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
}

impl Config {
    /// Merges the defaults, the file, the variables and the flags, the later ones winning.
    ///
    /// `flags` are dotted keys with their text; one that stands several times adds up if it is a list, else the
    /// last wins.
    ///
    /// # Errors
    /// The first key that is unknown or whose value is refused, with where it stands; nothing is half applied.
    pub fn load(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
        flags: &[(String, String)],
    ) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        if let Some(path) = file {
            config.apply_file(path)?;
        }
        for (name, value) in variables {
            if let Some(key) = variable_key(&name) {
                config.apply(&key, &RawValue::Text(&value), Origin::Variable(name))?;
            }
        }
        for (key, value) in config.merged_flags(flags) {
            config.apply(&key, &RawValue::Text(&value), Origin::Flag)?;
        }
        config.check_together()?;
        Ok(config)
    }

    /// Every key with its value as TOML text, in the order of `config/gateway.toml`.
    pub fn entries(&self) -> Vec<(String, String)> {
        let entries = self.listed().into_iter();
        entries.map(|entry| (entry.key, entry.value.to_string())).collect()
    }

    fn listed(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        self.list("", &mut entries);
        entries
    }

    fn apply_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        let table: Table = text.parse().map_err(|source| ConfigError::Syntax { path: path.to_owned(), source })?;
        self.apply_table("", &table, path)
    }

    fn apply_table(&mut self, prefix: &str, table: &Table, path: &Path) -> Result<(), ConfigError> {
        for (name, value) in table {
            let key = format!("{prefix}{name}");
            match value {
                Value::Table(inner) if self.is_section(&key) => {
                    self.apply_table(&format!("{key}."), inner, path)?;
                }
                value => self.apply(&key, &RawValue::Toml(value), Origin::File(path.to_owned()))?,
            }
        }
        Ok(())
    }

    fn is_section(&self, key: &str) -> bool {
        let begins = |entry: &Entry| entry.key.strip_prefix(key).is_some_and(|rest| rest.starts_with('.'));
        self.listed().iter().any(begins)
    }

    fn merged_flags(&self, flags: &[(String, String)]) -> BTreeMap<String, String> {
        let entries = self.listed();
        let is_list = |key: &str| entries.iter().any(|entry| entry.is_list && entry.key == key);
        let mut merged = BTreeMap::<String, String>::new();
        for (key, value) in flags {
            match merged.get_mut(key) {
                Some(earlier) if is_list(key) => *earlier = format!("{earlier},{value}"),
                _ => {
                    merged.insert(key.clone(), value.clone());
                }
            }
        }
        merged
    }

    fn apply(&mut self, key: &str, raw: &RawValue<'_>, origin: Origin) -> Result<(), ConfigError> {
        match self.set(key, raw) {
            Ok(()) => Ok(()),
            Err(SetError::UnknownKey) => {
                Err(ConfigError::UnknownKey { key: key.to_owned(), origin, nearest: self.nearest_key(key) })
            }
            Err(SetError::Invalid(reason)) => {
                Err(ConfigError::Invalid { key: key.to_owned(), value: raw.to_string(), origin, reason })
            }
        }
    }

    /// Compares whole keys, and last parts with each other for a key whose section is missing.
    fn nearest_key(&self, key: &str) -> String {
        let last = |key: &str| key.rsplit('.').next().map(str::to_owned).unwrap_or_default();
        let likeness = |entry: &Entry| {
            let whole = strsim::jaro_winkler(key, &entry.key);
            whole.max(0.95 * strsim::jaro_winkler(&last(key), &last(&entry.key)))
        };
        let entries = self.listed();
        let nearest = entries.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        nearest.expect("the configuration has keys").key.clone()
    }

    fn check_together(&self) -> Result<(), ConfigError> {
        let store = &self.segment_store;
        if store.dead_after <= store.keep_alive {
            return Err(contradiction(
                "segment-store.dead-after",
                humantime::format_duration(store.dead_after),
                format!(
                    "must be longer than segment-store.keep-alive, {}",
                    humantime::format_duration(store.keep_alive)
                ),
            ));
        }
        let (tls, node) = (&self.tls, &self.embedded);
        needs(("tls.cert", &tls.cert), ("tls.key (--tls-key)", &tls.key))?;
        needs(("tls.key", &tls.key), ("tls.cert (--tls-cert)", &tls.cert))?;
        needs(("tls.client-ca", &tls.client_ca), ("tls.cert (--tls-cert)", &tls.cert))?;
        needs(("embedded.tls-certificate", &node.tls_certificate), ("embedded.tls-key", &node.tls_key))?;
        needs(("embedded.tls-key", &node.tls_key), ("embedded.tls-certificate", &node.tls_certificate))
    }
}

/// A file that is of no use without another.
fn needs(file: (&str, &Option<PathBuf>), other: (&str, &Option<PathBuf>)) -> Result<(), ConfigError> {
    match (file.1, other.1) {
        (Some(path), None) => Err(contradiction(file.0, path.display(), format!("{} is missing", other.0))),
        _ => Ok(()),
    }
}

fn contradiction(key: &str, value: impl Display, reason: impl Into<String>) -> ConfigError {
    let (key, value) = (key.to_owned(), value.to_string());
    ConfigError::Invalid { key, value, origin: Origin::Together, reason: reason.into() }
}

impl Display for RawValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Toml(Value::String(text)) => f.write_str(text),
            Self::Toml(value) => write!(f, "{value}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

fn variable_key(name: &str) -> Option<String> {
    let key = name.strip_prefix(VARIABLE_PREFIX)?;
    Some(key.to_ascii_lowercase().replace("__", ".").replace('_', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Size;
    use http_server::ListenAddress;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), text).expect("the file is ours");
        file
    }

    fn load_file(text: &str) -> Result<Config, ConfigError> {
        Config::load(Some(file(text).path()), [], &[])
    }

    fn load_variable(name: &str, value: &str) -> Result<Config, ConfigError> {
        Config::load(None, [(name.to_owned(), value.to_owned())], &[])
    }

    fn refusal(result: Result<Config, ConfigError>) -> String {
        result.expect_err("the configuration is refused").to_string()
    }

    fn flag(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn the_example_file_holds_every_key_with_its_default() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/gateway.toml");
        assert_eq!(Config::load(Some(&path), [], &[]).expect("the example is valid"), Config::default());
        let table: Table =
            std::fs::read_to_string(&path).expect("the example is there").parse().expect("the example is TOML");
        for (key, value) in Config::default().entries() {
            let found = key.split('.').try_fold(&table, |table, part| match table.get(part) {
                Some(Value::Table(inner)) => Ok(inner),
                other => Err(other),
            });
            let written = found.expect_err("a key is not a table");
            assert!(written.is_some(), "{key} = {value} is missing from config/gateway.toml");
        }
    }

    #[test]
    fn flags_win_over_variables_and_variables_over_the_file() {
        let file = file("listen = \"a:1\"\n[limits]\nconnections = 1\nbudget-wait = \"1ms\"\n");
        let variables = [
            flag("PRAVEGA_GATEWAY__LIMITS__CONNECTIONS", "2"),
            flag("PRAVEGA_GATEWAY__LIMITS__BYTES_IN_FLIGHT", "2MiB"),
        ];
        let config = Config::load(Some(file.path()), variables, &[flag("limits.bytes-in-flight", "3MiB")])
            .expect("all is valid");
        assert_eq!(config.listen, [ListenAddress::Tcp("a:1".to_owned())]);
        assert_eq!(config.limits.connections, 2);
        assert_eq!(config.limits.bytes_in_flight, Size::mib(3));
        assert_eq!(config.limits.budget_wait, std::time::Duration::from_millis(1));
    }

    #[test]
    fn lists_from_variables_are_comma_separated_and_flags_add_up() {
        let config = load_variable("PRAVEGA_GATEWAY__SEGMENT_STORE__REWRITE", "a:1=b:2, *:6000=c:3").expect("valid");
        let rewrite: Vec<_> = config.segment_store.rewrite.iter().map(ToString::to_string).collect();
        assert_eq!(rewrite, ["a:1=b:2", "*:6000=c:3"]);
        let flags = [flag("listen", "a:1"), flag("listen", "unix:/run/g")];
        let config = Config::load(None, [], &flags).expect("valid");
        assert_eq!(config.listen.len(), 2);
    }

    #[test]
    fn variables_that_kubernetes_injects_are_left_alone() {
        for name in ["PRAVEGA_GATEWAY_PORT", "PRAVEGA_GATEWAY_SERVICE_HOST", "PATH"] {
            assert_eq!(load_variable(name, "tcp://10.0.0.1:80").expect("ignored"), Config::default());
        }
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_known_one() {
        let message = refusal(load_file("[limits]\nconections = 3\n"));
        assert!(message.contains("\"limits.conections\"") && message.contains("\"limits.connections\""), "{message}");
        let message = refusal(load_variable("PRAVEGA_GATEWAY__LIMITS__CONECTIONS", "3"));
        assert!(message.contains("variable PRAVEGA_GATEWAY__LIMITS__CONECTIONS"), "{message}");
        assert!(message.contains("did you mean \"limits.connections\""), "{message}");
        let message = refusal(load_file("max-in-flight-blocks = 3\n"));
        assert!(message.contains("did you mean \"append.max-in-flight-blocks\""), "{message}");
        let message = refusal(load_file("[limit]\n"));
        assert!(message.contains("unknown key \"limit\""), "{message}");
    }

    #[test]
    fn a_refused_value_is_named_with_its_key_and_range() {
        let message = refusal(load_file("[append]\nmax-event = \"9MiB\"\n"));
        for part in ["append.max-event", "9MiB", "between \"1\" and \"8MiB\""] {
            assert!(message.contains(part), "{message}");
        }
        let message = refusal(load_file("[controller]\nmissing-ttl = \"2s\"\n"));
        assert!(message.contains("controller.missing-ttl = \"2s\"") && message.contains("\"1s\""), "{message}");
        let message = refusal(load_file("[request]\ntimeout = 30\n"));
        assert!(message.contains("such as 500ms"), "{message}");
        assert!(refusal(load_file("listen = []\n")).contains("at least one"));
        assert!(refusal(load_file("[log]\nlevel = \"info,h2=loud\"\n")).contains("log.level"));
        assert!(refusal(load_file("[controller]\nrest = \"localhost\"\n")).contains("http://"));
        assert!(refusal(load_file("[segment-store]\nrewrite = [\"a:1\"]\n")).contains("FROM=TO"));
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        let message = refusal(load_file("[segment-store]\nkeep-alive = \"2m\"\n"));
        assert!(message.contains("segment-store.dead-after") && message.contains("2m"), "{message}");
        for (present, missing) in [("tls-certificate", "tls-key"), ("tls-key", "tls-certificate")] {
            let message = refusal(load_file(&format!("[embedded]\n{present} = \"/run/a.pem\"\n")));
            let expected = format!(
                "embedded.{present} = \"/run/a.pem\" together with other settings: embedded.{missing} is missing"
            );
            assert_eq!(message, expected);
        }
        for (present, missing) in
            [("cert", "tls.key (--tls-key)"), ("key", "tls.cert (--tls-cert)"), ("client-ca", "tls.cert (--tls-cert)")]
        {
            let message = refusal(load_file(&format!("[tls]\n{present} = \"/run/a.pem\"\n")));
            let expected = format!("tls.{present} = \"/run/a.pem\" together with other settings: {missing} is missing");
            assert_eq!(message, expected);
        }
    }

    #[test]
    fn names_and_addresses_are_checked_when_they_are_loaded() {
        let message = refusal(load_file("default-scope = \"a/b\"\n"));
        assert!(message.contains("default-scope = \"a/b\"") && message.contains("letters, digits"), "{message}");
        let message = refusal(Config::load(None, [], &[flag("controller.address", "http://a:1")]));
        assert!(message.starts_with("controller.address = \"http://a:1\" from the command line: http://"), "{message}");
        let message = refusal(Config::load(None, [], &[flag("webhooks", "[\"ci=scope=a\"]")]));
        assert!(message.contains("webhooks = ") && message.contains("comma separated"), "{message}");
    }

    #[test]
    fn a_missing_or_broken_file_is_named() {
        assert!(refusal(Config::load(Some(Path::new("/nowhere/g.toml")), [], &[])).contains("/nowhere/g.toml"));
        assert!(matches!(load_file("listen = "), Err(ConfigError::Syntax { .. })));
    }
}
