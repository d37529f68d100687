//! The macro that declares settings, and what it needs.

use toml::Value;

/// A value before its key is known to exist.
pub(super) enum RawValue<'a> {
    /// From the file.
    Toml(&'a Value),
    /// From a variable or a flag.
    Text(&'a str),
}

/// Why a key could not be set.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SetError {
    UnknownKey,
    Invalid(String),
}

/// One key as it stands.
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) value: Value,
    pub(super) is_list: bool,
}

/// A struct made by [`settings!`].
pub(super) trait Section {
    /// Sets the key, dotted below this section.
    fn set(&mut self, key: &str, raw: &RawValue<'_>) -> Result<(), SetError>;

    /// Puts every key, with `prefix` before it, into `entries`.
    fn list(&self, prefix: &str, entries: &mut Vec<Entry>);
}

/// Declares the settings of one concern: the struct, its defaults, its keys and their ranges.
///
/// `field: Type = default, check;` is the key `field` with dashes. What stands in
/// `sections` is a table of its own.
macro_rules! settings {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[$doc:meta])* $field:ident: $type:ty = $default:expr, $check:expr; )*
        }
        $( sections { $( $(#[$section_doc:meta])* $section:ident: $section_type:ty; )* } )?
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $( $(#[$doc])* pub $field: $type, )*
            $($( $(#[$section_doc])* pub $section: $section_type, )*)?
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $( $field: $default, )*
                    $($( $section: Default::default(), )*)?
                }
            }
        }

        impl $crate::config::table::Section for $name {
            fn set(
                &mut self,
                key: &str,
                raw: &$crate::config::table::RawValue<'_>,
            ) -> Result<(), $crate::config::table::SetError> {
                use $crate::config::table::{SetError, kebab, parse};
                $(
                    if kebab(stringify!($field)) == key {
                        self.$field = parse(raw, $check).map_err(SetError::Invalid)?;
                        return Ok(());
                    }
                )*
                $($(
                    let table = kebab(stringify!($section));
                    if let Some(rest) = key.strip_prefix(table.as_str()).and_then(|rest| rest.strip_prefix('.')) {
                        return self.$section.set(rest, raw);
                    }
                )*)?
                Err(SetError::UnknownKey)
            }

            fn list(&self, prefix: &str, entries: &mut Vec<$crate::config::table::Entry>) {
                use $crate::config::table::entry;
                $( entries.push(entry(prefix, stringify!($field), &self.$field)); )*
                $($( self.$section.list(&format!("{prefix}{}.", $crate::config::table::kebab(stringify!($section))), entries); )*)?
            }
        }
    };
}
pub(super) use settings;

/// A field's name as its key.
pub(super) fn kebab(field: &str) -> String {
    field.replace('_', "-")
}

/// The value, if it is of this type and passes the check.
pub(super) fn parse<T: super::setting::Setting>(
    raw: &RawValue<'_>,
    check: impl Fn(&T) -> Result<(), String>,
) -> Result<T, String> {
    let value = match raw {
        RawValue::Toml(value) => T::from_toml(value)?,
        RawValue::Text(text) => T::from_text(text)?,
    };
    check(&value)?;
    Ok(value)
}

/// The entry of one field.
pub(super) fn entry<T: super::setting::Setting>(prefix: &str, field: &str, value: &T) -> Entry {
    Entry { key: format!("{prefix}{}", kebab(field)), value: value.to_toml(), is_list: T::IS_LIST }
}
