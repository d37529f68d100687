//! User and password out of an `Authorization` value.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// The only method. Source: AuthConstants.java, `BASIC`; compared by its case, unlike in RFC 9110.
const METHOD: &str = "Basic";

/// As lenient as Java's decoder is: padding may be left out, spare bits may be set.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A user name and its password, as a caller sent them. `Debug` does not show the password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) user: String,
    pub(super) password: String,
}

impl Credentials {
    /// Reads `Basic BASE64`, the base64 text holding `USER:PASSWORD`; `None` if it is anything else.
    pub(super) fn from_authorization(value: &str) -> Option<Self> {
        let (method, encoded) = value.split_once(|c: char| c.is_ascii_whitespace())?;
        if method != METHOD {
            return None;
        }
        let decoded = BASE64.decode(encoded.trim_ascii_start()).ok()?;
        let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
        Some(Self { user: user.to_owned(), password: password.to_owned() })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).field("password", &"[redacted]").finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<(String, String)> {
        Credentials::from_authorization(value).map(|credentials| (credentials.user, credentials.password))
    }

    #[test]
    fn user_and_password_are_split_at_the_first_colon() {
        // "admin:a:b"
        assert_eq!(read("Basic YWRtaW46YTpi"), Some(("admin".to_owned(), "a:b".to_owned())));
    }

    #[test]
    fn padding_and_the_width_of_the_space_do_not_matter() {
        // "ab:c"
        for value in ["Basic YWI6Yw==", "Basic YWI6Yw", "Basic   YWI6Yw==", "Basic\tYWI6Yw=="] {
            assert_eq!(read(value), Some(("ab".to_owned(), "c".to_owned())), "{value:?}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let no_colon = "Basic YWI=";
        let not_text = "Basic /////w==";
        for value in ["", "Basic", "basic YWI6Yw==", "BASIC YWI6Yw==", " Basic YWI6Yw==", "Bearer YWI6Yw==", "Basic ?"]
        {
            assert_eq!(read(value), None, "{value:?}");
        }
        assert_eq!((read(no_colon), read(not_text)), (None, None));
    }

    #[test]
    fn debug_does_not_show_the_password() {
        let credentials = Credentials { user: "admin".to_owned(), password: "hidden".to_owned() };
        assert!(!format!("{credentials:?}").contains("hidden"));
    }
}
