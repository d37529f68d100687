//! How a value is read from the file, from a variable or a flag, and how it is written.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use http_server::ListenAddress;
use pravega_protocol::stream::{Scope, StreamName};
use reqwest::Url;
use toml::Value;

use super::value::{AuthMode, LogFormat, Percent, Size, UNITS, Webhook};
use crate::controller::{ControllerAddresses, RewriteRule};

/// A type that a key may have. Reasons say what is expected, not what was found.
pub(super) trait Setting: Sized {
    /// Several flags of one key add up.
    const IS_LIST: bool = false;

    /// From a variable or a flag, or a string in the file.
    fn from_text(text: &str) -> Result<Self, String>;

    /// From the file.
    fn from_toml(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(text) => Self::from_text(text),
            Value::Integer(number) => Self::from_text(&number.to_string()),
            other => Err(format!("expected text or a number, not {}", other.type_str())),
        }
    }

    /// As the file would have it.
    fn to_toml(&self) -> Value;
}

impl Setting for bool {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "expected true or false".to_owned())
    }

    fn from_toml(value: &Value) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| "expected true or false, without quotes".to_owned())
    }

    fn to_toml(&self) -> Value {
        Value::Boolean(*self)
    }
}

macro_rules! whole_numbers {
    ($( $type:ty: $expected:literal, $number:expr; )*) => {$(
        impl Setting for $type {
            fn from_text(text: &str) -> Result<Self, String> {
                text.parse().map_err(|_| $expected.to_owned())
            }

            fn to_toml(&self) -> Value {
                let number: fn($type) -> i64 = $number;
                Value::Integer(number(*self))
            }
        }
    )*};
}

whole_numbers! {
    usize: "expected a whole number", |number| i64::try_from(number).unwrap_or(i64::MAX);
    u32: "expected a whole number", i64::from;
    u16: "must be between 0 and 65535", i64::from;
    NonZeroU32: "expected a whole number, 1 or more", |number| number.get().into();
}

impl Setting for Size {
    fn from_text(text: &str) -> Result<Self, String> {
        let expected = || "expected a number of bytes, such as 65536, 64KiB, 8MiB or 1GiB".to_owned();
        let text = text.trim();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| expected())?;
        let factor = match unit.trim_start() {
            "" => 1,
            unit => UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(expected)?.1,
        };
        number.checked_mul(factor).map(Self::bytes).ok_or_else(expected)
    }

    fn to_toml(&self) -> Value {
        Value::String(self.to_string())
    }
}

impl Setting for Duration {
    fn from_text(text: &str) -> Result<Self, String> {
        humantime::parse_duration(text).map_err(|_| "expected a duration, such as 500ms, 30s or 5m".to_owned())
    }

    fn to_toml(&self) -> Value {
        Value::String(humantime::format_duration(*self).to_string())
    }
}

impl Setting for PathBuf {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.into())
    }

    fn to_toml(&self) -> Value {
        Value::String(self.display().to_string())
    }
}

impl Setting for Url {
    fn from_text(text: &str) -> Result<Self, String> {
        let is_http = ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme));
        if !is_http {
            return Err("must be a URL that begins with http:// or https://".to_owned());
        }
        Self::parse(text).map_err(|error| format!("is not a URL: {error}"))
    }

    fn to_toml(&self) -> Value {
        Value::String(self.to_string())
    }
}

/// Types that have one text, and whose errors say what is wrong with it.
macro_rules! parsed {
    ($( $type:ty, )*) => {$(
        impl Setting for $type {
            fn from_text(text: &str) -> Result<Self, String> {
                text.parse().map_err(|error: <$type as FromStr>::Err| error.to_string())
            }

            fn to_toml(&self) -> Value {
                Value::String(self.to_string())
            }
        }
    )*};
}

parsed! {
    String,
    Scope,
    StreamName,
    ListenAddress,
    RewriteRule,
    Webhook,
}

/// Empty text is `None`, because TOML has no word for it.
impl<T: Setting> Setting for Option<T> {
    fn from_text(text: &str) -> Result<Self, String> {
        if text.is_empty() { Ok(None) } else { T::from_text(text).map(Some) }
    }

    fn from_toml(value: &Value) -> Result<Self, String> {
        if value.as_str() == Some("") { Ok(None) } else { T::from_toml(value).map(Some) }
    }

    fn to_toml(&self) -> Value {
        self.as_ref().map_or_else(|| Value::String(String::new()), T::to_toml)
    }
}

impl<T: Setting> Setting for Vec<T> {
    const IS_LIST: bool = true;

    fn from_text(text: &str) -> Result<Self, String> {
        list_items(text)?.into_iter().map(T::from_text).collect()
    }

    fn from_toml(value: &Value) -> Result<Self, String> {
        match value {
            Value::Array(items) => items.iter().map(T::from_toml).collect(),
            one => T::from_toml(one).map(|item| vec![item]),
        }
    }

    fn to_toml(&self) -> Value {
        Value::Array(self.iter().map(T::to_toml).collect())
    }
}

/// Written as a list, but one value: an address without a scheme has that of the one before it.
impl Setting for ControllerAddresses {
    const IS_LIST: bool = true;

    fn from_text(text: &str) -> Result<Self, String> {
        addresses(list_items(text)?)
    }

    fn from_toml(value: &Value) -> Result<Self, String> {
        let texts = Vec::<String>::from_toml(value)?;
        addresses(texts.iter().flat_map(|text| text.split(',')).map(str::trim))
    }

    fn to_toml(&self) -> Value {
        let scheme = if self.tls() { "tls://" } else { "" };
        Value::Array(self.endpoints().iter().map(|endpoint| Value::String(format!("{scheme}{endpoint}"))).collect())
    }
}

fn addresses<'a>(items: impl IntoIterator<Item = &'a str>) -> Result<ControllerAddresses, String> {
    ControllerAddresses::parse_all(items).map_err(|error| error.to_string())
}

/// The items of a list in a variable or a flag.
fn list_items(text: &str) -> Result<Vec<&str>, String> {
    let text = text.trim();
    // One bracket alone may begin an IPv6 address.
    if ["[\"", "['", "[]"].iter().any(|begin| text.starts_with(begin)) {
        return Err("a list in a flag or variable is comma separated, without brackets and quotes".to_owned());
    }
    Ok(text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect())
}

impl Setting for Percent {
    fn from_text(text: &str) -> Result<Self, String> {
        let number = text.trim().strip_suffix('%').unwrap_or(text).trim();
        let percent = number.parse().ok().and_then(Self::new);
        percent.ok_or_else(|| "expected a percentage from 1% to 100%, such as 50%".to_owned())
    }

    fn to_toml(&self) -> Value {
        Value::String(self.to_string())
    }
}

impl Setting for AuthMode {
    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "passthrough" => Ok(Self::Passthrough),
            "service" => Err("service is not supported by this version".to_owned()),
            _ => Err("expected passthrough".to_owned()),
        }
    }

    fn to_toml(&self) -> Value {
        match self {
            Self::Passthrough => "passthrough".into(),
        }
    }
}

impl Setting for LogFormat {
    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("expected text or json".to_owned()),
        }
    }

    fn to_toml(&self) -> Value {
        let name = match self {
            Self::Text => "text",
            Self::Json => "json",
        };
        Value::String(name.to_owned())
    }
}

/// A check that holds for values in `range`.
pub(super) fn within<T: Setting + PartialOrd>(range: RangeInclusive<T>) -> impl Fn(&T) -> Result<(), String> {
    move |value| {
        if range.contains(value) {
            return Ok(());
        }
        let (low, high) = (range.start().to_toml(), range.end().to_toml());
        Err(format!("must be between {low} and {high}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_binary_units_only() {
        assert_eq!(Size::from_text("8MiB"), Ok(Size::bytes(8_388_608)));
        assert_eq!(Size::from_text("64 KiB"), Ok(Size::kib(64)));
        assert_eq!(Size::from_text("17"), Ok(Size::bytes(17)));
        for refused in ["8MB", "8M", "", "-1", "MiB", "99999999999999999999", "18446744073709551615GiB"] {
            assert!(Size::from_text(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_size_is_written_so_that_it_reads_back_exactly() {
        for bytes in [0, 1, 1023, 1024, 16_777_207, 8_388_608, 3 << 30] {
            let size = Size::bytes(bytes);
            assert_eq!(Size::from_text(&size.to_string()), Ok(size));
        }
        assert_eq!(Size::mib(8).to_string(), "8MiB");
        assert_eq!(Size::bytes(16_777_207).to_string(), "16777207");
    }

    #[test]
    fn listen_addresses_are_host_and_port_or_a_unix_path() {
        let tcp = |text: &str| Ok(ListenAddress::Tcp(text.to_owned()));
        assert_eq!(ListenAddress::from_text("localhost:80"), tcp("localhost:80"));
        assert_eq!(ListenAddress::from_text("[::1]:0"), tcp("[::1]:0"));
        assert_eq!(ListenAddress::from_text("unix:/run/g.sock"), Ok(ListenAddress::Unix("/run/g.sock".into())));
        for refused in ["8080", ":8080", "host:", "host:99999", "unix:", ""] {
            assert!(ListenAddress::from_text(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_toml_list_is_refused_where_lists_are_comma_separated() {
        for text in [r#"["a=stream=s"]"#, "['a=stream=s']", "[]"] {
            let refused = Vec::<Webhook>::from_text(text).expect_err("a list in TOML");
            assert!(refused.contains("comma separated"), "{refused}");
            assert_eq!(ControllerAddresses::from_text(text), Err(refused));
        }
        assert!(ControllerAddresses::from_text("[::1]:9090").is_ok());
    }

    #[test]
    fn controller_addresses_share_a_scheme_across_the_list() {
        let list: Value = Value::Array(vec!["tls://a:1".into(), "b:2".into()]);
        let addresses = ControllerAddresses::from_toml(&list).expect("addresses");
        assert_eq!(Ok(&addresses), ControllerAddresses::from_text("tls://a:1, b:2").as_ref());
        assert_eq!(addresses.to_toml(), Value::Array(vec!["tls://a:1".into(), "tls://b:2".into()]));
        for none in [Value::Array(vec![]), "".into()] {
            assert!(ControllerAddresses::from_toml(&none).expect_err("no address").contains("at least one"), "{none}");
        }
    }

    #[test]
    fn urls_are_http_ones() {
        assert_eq!(
            Url::from_text("https://ctl:9091/base").map(|url| url.to_string()).as_deref(),
            Ok("https://ctl:9091/base")
        );
        for refused in ["localhost:9091", "ftp://a", "http:/a", "http://", "http://a:port"] {
            assert!(Url::from_text(refused).is_err(), "{refused}");
        }
    }
}
