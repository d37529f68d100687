//! Tests of the durable format: bytes pinned in `tests/golden/format`, one line for each kind.

use std::cell::Cell;
use std::path::Path;

use serde::de::value::Error;
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};

/// Compares `name value` lines with those of a file, which has no others. The message of a failure shows all lines.
#[track_caller]
pub(crate) fn check(file: &str, lines: &[(String, String)]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/format").join(file);
    let pinned = std::fs::read_to_string(&path).expect("the golden file");
    let pinned: Vec<&str> = pinned.lines().filter(|line| !line.starts_with('#')).collect();
    let found: Vec<String> = lines.iter().map(|(name, value)| format!("{name} {value}")).collect();
    assert!(
        pinned == found,
        "the durable format is no longer that of {}: directories in use would be misread. Found:\n{}",
        path.display(),
        found.join("\n")
    );
}

/// The variants of an enum in their order, which is how postcard numbers them.
pub(crate) fn variants<T: DeserializeOwned>() -> &'static [&'static str] {
    let names = Cell::new(&[][..]);
    assert!(T::deserialize(Probe(&names)).is_err(), "the probe holds no value");
    assert!(!names.get().is_empty(), "this type is not an enum");
    names.get()
}

/// Notes the variants of the enum that is read from it.
struct Probe<'a>(&'a Cell<&'static [&'static str]>);

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("not an enum"))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        self.0.set(variants);
        Err(Error::custom("no value"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}
