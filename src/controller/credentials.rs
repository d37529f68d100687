//! What a caller shows to the controller.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderValue;
use ring::hmac;
use ring::rand::SystemRandom;
use tonic::metadata::{Ascii, MetadataValue};

/// Distinguishes credentials without revealing them: a keyed hash, whose key no other process knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Fingerprint([u8; 32]);

/// The key of all fingerprints of this process.
static KEY: LazyLock<hmac::Key> = LazyLock::new(|| {
    hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).expect("the system gives random bytes")
});

/// A caller's `Authorization`, or nothing. Clones share the value, which is shown to the controller and nowhere else: it
/// is never printed.
#[derive(Clone, Default)]
pub struct Credentials(Option<Arc<Shown>>);

struct Shown {
    header: HeaderValue,
    authorization: MetadataValue<Ascii>,
    fingerprint: Fingerprint,
}

impl Credentials {
    /// Those of a caller who shows nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Those in the value of an `Authorization` header. A value that is not of the form `METHOD CREDENTIALS`, or is `Basic`
    /// without a name and a password, is none: Pravega takes it for a fault of its own.
    #[must_use]
    pub fn of(authorization: &HeaderValue) -> Self {
        Self(authorization.to_str().ok().and_then(Shown::of).map(Arc::new))
    }

    /// Whether nothing is shown.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// What the controller's REST interface is shown, marked as sensitive.
    pub(super) fn header(&self) -> Option<&HeaderValue> {
        self.0.as_ref().map(|shown| &shown.header)
    }

    /// What the controller is shown, marked as sensitive.
    pub(super) fn authorization(&self) -> Option<&MetadataValue<Ascii>> {
        self.0.as_ref().map(|shown| &shown.authorization)
    }

    /// Equal for equal credentials only; `None` for a caller who shows nothing.
    pub(super) fn fingerprint(&self) -> Option<Fingerprint> {
        self.0.as_ref().map(|shown| shown.fingerprint)
    }
}

impl Shown {
    /// The one way of writing these credentials, so that no one is several callers. Source: AuthInterceptor.java,
    /// PasswordAuthHandler.java.
    fn of(authorization: &str) -> Option<Self> {
        let (method, credentials) = authorization.split_once(' ')?;
        let credentials = match (method, credentials.trim()) {
            ("Basic", encoded) => {
                let decoded = BASE64.decode(encoded).ok().filter(|decoded| decoded.contains(&b':'))?;
                BASE64.encode(decoded)
            }
            (_, "") => return None,
            (_, credentials) => credentials.to_owned(),
        };
        let authorization = format!("{method} {credentials}");
        let mut header = HeaderValue::from_str(&authorization).ok()?;
        header.set_sensitive(true);
        let mut shown: MetadataValue<Ascii> = authorization.parse().ok()?;
        shown.set_sensitive(true);
        Some(Self { header, authorization: shown, fingerprint: Fingerprint::of(authorization.as_bytes()) })
    }
}

/// Padded or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Fingerprint {
    fn of(secret: &[u8]) -> Self {
        let tag = hmac::sign(&KEY, secret);
        Self(tag.as_ref().try_into().expect("HMAC-SHA256 has 32 bytes"))
    }
}

impl PartialEq for Credentials {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint() == other.fingerprint()
    }
}

impl Eq for Credentials {}

impl Hash for Credentials {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fingerprint().hash(state);
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "[redacted]" } else { "none" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &'static str) -> Credentials {
        Credentials::of(&HeaderValue::from_static(text))
    }

    #[test]
    fn equal_values_are_the_same_caller() {
        assert_eq!(shown("Basic YTpi"), shown("Basic YTpi"));
        assert_ne!(shown("Basic YTpi"), shown("Basic YTpj"));
        assert_ne!(shown("Basic YTpi"), Credentials::none());
        assert_eq!(shown("Basic   YTpi "), shown("Basic YTpi"));
        assert_eq!(shown("Basic YTo"), shown("Basic YTo="));
        assert_eq!(shown("Basic YTo").header(), Some(&HeaderValue::from_static("Basic YTo=")));
    }

    #[test]
    fn value_that_pravega_could_not_read_is_none() {
        let malformed = ["Basic", "Basic ", "Basic YQ==", "Basic not base64", "Bearer", "Bearer  ", "YTpi", ""];
        for text in malformed {
            assert_eq!(shown(text), Credentials::none(), "{text:?}");
        }
        let bytes = HeaderValue::from_bytes(b"Bearer \xff").expect("opaque bytes");
        assert_eq!(Credentials::of(&bytes), Credentials::none());
        for text in ["Basic YTpi", "Basic YTo=", "Basic YTo", "Bearer x.y.z", "basic YQ==", "Custom a b"] {
            assert_ne!(shown(text), Credentials::none(), "{text:?}");
        }
    }

    #[test]
    fn nothing_of_a_secret_is_printed() {
        let credentials = shown("Basic c2VjcmV0OnNlY3JldA==");
        assert_eq!(format!("{credentials:?}"), "[redacted]");
        let metadata = format!("{:?}", credentials.authorization());
        assert!(!metadata.contains("c2Vj"), "{metadata}");
    }
}
