//! Passwords as a user file holds them.

use std::fmt;
use std::num::NonZeroU32;

use ring::pbkdf2::{self, PBKDF2_HMAC_SHA256};
use ring::rand::{SecureRandom, SystemRandom};
use thiserror::Error;

/// Bytes of a derived key. Source: StrongPasswordProcessor.java, `keyLength`.
const KEY_BYTES: usize = 64;

/// Bytes of a new salt. Source: StrongPasswordProcessor.java, `saltLength`.
const SALT_BYTES: usize = 32;

/// More would take a core for seconds at each guess.
const MAX_ITERATIONS: u32 = 10_000_000;

/// What a password is checked against: a PBKDF2-HMAC-SHA256 key. Its `Debug` shows nothing.
///
/// ```text
/// hex of the ASCII text   ITERATIONS ":" hex of the salt ":" hex of the 64-byte key
/// ```
/// Source: StrongPasswordProcessor.java, `encryptPassword`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct PasswordHash {
    iterations: NonZeroU32,
    salt: Vec<u8>,
    key: [u8; KEY_BYTES],
}

/// Why a text is no hash of a password. Says nothing of what the text holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HashError {
    /// Digits or parts are missing.
    #[error("is not the hex of ITERATIONS:SALT:KEY")]
    Form,
    /// The number of iterations cannot be.
    #[error("has a number of iterations that is not between 1 and {MAX_ITERATIONS}")]
    Iterations,
    /// The key has another length.
    #[error("has a key that is not {KEY_BYTES} bytes long")]
    Key,
}

impl PasswordHash {
    /// Hashes a password with a salt of its own. Takes the time of `iterations`, about 1 µs each.
    pub(super) fn new(password: &str, iterations: NonZeroU32) -> Self {
        let mut salt = vec![0; SALT_BYTES];
        SystemRandom::new().fill(&mut salt).expect("the system has random bytes");
        let mut key = [0; KEY_BYTES];
        pbkdf2::derive(PBKDF2_HMAC_SHA256, iterations, &salt, password.as_bytes(), &mut key);
        Self { iterations, salt, key }
    }

    /// A hash that no password is known to have, as slow to check as one of `iterations`.
    pub(super) fn of_unknown(iterations: NonZeroU32) -> Self {
        Self { iterations, salt: vec![0; SALT_BYTES], key: [0; KEY_BYTES] }
    }

    pub(super) fn from_hex(text: &str) -> Result<Self, HashError> {
        let text = hex::decode(text).ok().and_then(|text| String::from_utf8(text).ok()).ok_or(HashError::Form)?;
        let mut parts = text.split(':');
        let [Some(iterations), Some(salt), Some(key), None] = [(); 4].map(|()| parts.next()) else {
            return Err(HashError::Form);
        };
        let iterations = iterations.parse::<NonZeroU32>().map_err(|_| HashError::Iterations)?;
        if iterations.get() > MAX_ITERATIONS {
            return Err(HashError::Iterations);
        }
        let bytes = |part| hex::decode(part).map_err(|_| HashError::Form);
        let (salt, key) = (bytes(salt)?, bytes(key)?);
        Ok(Self { iterations, salt, key: key.try_into().map_err(|_| HashError::Key)? })
    }

    pub(super) fn to_hex(&self) -> String {
        let (salt, key) = (hex::encode(&self.salt), hex::encode(self.key));
        hex::encode(format!("{}:{salt}:{key}", self.iterations))
    }

    pub(super) fn iterations(&self) -> NonZeroU32 {
        self.iterations
    }

    /// Whether it was made from `password`. Takes the same time either way, that of its iterations.
    pub(super) fn is_of(&self, password: &[u8]) -> bool {
        pbkdf2::verify(PBKDF2_HMAC_SHA256, self.iterations, &self.salt, password, &self.key).is_ok()
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEW: NonZeroU32 = NonZeroU32::new(3).expect("not 0");

    fn of_text(text: &str) -> Result<PasswordHash, HashError> {
        PasswordHash::from_hex(&hex::encode(text))
    }

    #[test]
    fn a_hash_survives_being_written_and_read() {
        let hash = PasswordHash::new("secret", FEW);
        assert_eq!(PasswordHash::from_hex(&hash.to_hex()), Ok(hash));
    }

    #[test]
    fn only_the_password_it_was_made_from_fits() {
        let hash = PasswordHash::new("secret", FEW);
        assert!(hash.is_of(b"secret"));
        for other in ["", "Secret", "secret ", "secre"] {
            assert!(!hash.is_of(other.as_bytes()), "{other:?}");
        }
    }

    #[test]
    fn two_hashes_of_a_password_differ() {
        assert_ne!(PasswordHash::new("secret", FEW), PasswordHash::new("secret", FEW));
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        let key = "ab".repeat(KEY_BYTES);
        assert!(of_text(&format!("1:00:{key}")).is_ok());
        assert_eq!(PasswordHash::from_hex("secret"), Err(HashError::Form));
        for (text, error) in [
            (String::new(), HashError::Form),
            ("1:00".to_owned(), HashError::Form),
            (format!("1:00:{key}:"), HashError::Form),
            (format!("1:0:{key}"), HashError::Form),
            (format!("0:00:{key}"), HashError::Iterations),
            (format!("-1:00:{key}"), HashError::Iterations),
            (format!("10000001:00:{key}"), HashError::Iterations),
            (format!("1:00:{}", &key[2..]), HashError::Key),
        ] {
            assert_eq!(of_text(&text), Err(error), "{text}");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", PasswordHash::new("secret", FEW)), "[redacted]");
    }
}
