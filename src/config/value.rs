use std::fmt;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use http_server::{ListenAddress, ListenAddressError};
use toml::Value;

const KIB: u64 = 1024;
const UNITS: [(&str, u64); 4] = [("GiB", KIB * KIB * KIB), ("MiB", KIB * KIB), ("KiB", KIB), ("B", 1)];

/// A number of bytes, written as such or with a binary unit: `8388608`, `8MiB`, `64 KiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

impl Size {
    /// This many bytes.
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// This many times 1024 bytes.
    pub const fn kib(kib: u64) -> Self {
        Self(kib * KIB)
    }

    /// This many times 1,048,576 bytes.
    pub const fn mib(mib: u64) -> Self {
        Self(mib * KIB * KIB)
    }

    /// The number of bytes.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The number of bytes; the largest `usize` where it doesn't fit.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// Exact, in the largest unit that divides the number.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |&&(_, factor): &&(&str, u64)| factor > 1 && self.0 > 0 && self.0.is_multiple_of(factor);
        match UNITS.iter().find(fits) {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}", self.0),
        }
    }
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

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
    NonZeroU32: "expected a whole number, at least 1", |number| number.get().into();
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
        number.checked_mul(factor).map(Self).ok_or_else(expected)
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

impl Setting for String {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn to_toml(&self) -> Value {
        Value::String(self.clone())
    }
}

/// Empty text is none, because TOML has no word for it.
impl Setting for Option<String> {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    fn to_toml(&self) -> Value {
        Value::String(self.clone().unwrap_or_default())
    }
}

/// As [`Option<String>`]: empty text is none.
impl Setting for Option<PathBuf> {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok((!text.is_empty()).then(|| text.into()))
    }

    fn to_toml(&self) -> Value {
        Value::String(self.as_ref().map(|path| path.display().to_string()).unwrap_or_default())
    }
}

/// As [`Option<String>`]: empty text is none.
impl Setting for Option<bool> {
    fn from_text(text: &str) -> Result<Self, String> {
        if text.is_empty() { Ok(None) } else { bool::from_text(text).map(Some) }
    }

    fn from_toml(value: &Value) -> Result<Self, String> {
        if value.as_str() == Some("") { Ok(None) } else { bool::from_toml(value).map(Some) }
    }

    fn to_toml(&self) -> Value {
        self.map_or_else(|| Value::String(String::new()), Value::Boolean)
    }
}

impl<T: Setting> Setting for Vec<T> {
    const IS_LIST: bool = true;

    fn from_text(text: &str) -> Result<Self, String> {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        items.map(T::from_text).collect()
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

impl Setting for ListenAddress {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: ListenAddressError| error.to_string())
    }

    fn to_toml(&self) -> Value {
        Value::String(self.to_string())
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
}
