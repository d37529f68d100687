//! JSON Web Tokens, as far as Pravega uses them: HS512 and nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::hmac;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The header of every token that Pravega makes, byte for byte.
const HEADER: &str = r#"{"alg":"HS512"}"#;

/// Besides the algorithm, the parameters that would change how a token is read; they are refused, others ignored.
#[derive(Deserialize)]
struct Header {
    alg: String,
    crit: Option<IgnoredAny>,
    zip: Option<IgnoredAny>,
}

/// A key of the text's raw bytes.
pub(super) fn key(text: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA512, text.as_bytes())
}

/// Makes a token of a claims object.
pub(super) fn sign(key: &hmac::Key, claims: &[u8]) -> String {
    let mut token = format!("{}.{}", BASE64.encode(HEADER), BASE64.encode(claims));
    let signature = hmac::sign(key, token.as_bytes());
    token.push('.');
    BASE64.encode_string(signature, &mut token);
    token
}

/// The claims object of a token that was signed with this key; `None` for anything else. Nothing of a token is read
/// before its signature was found right.
pub(super) fn open(key: &hmac::Key, token: &str) -> Option<Vec<u8>> {
    let (signed, signature) = token.rsplit_once('.')?;
    hmac::verify(key, signed.as_bytes(), &BASE64.decode(signature).ok()?).ok()?;
    let (header, claims) = signed.split_once('.')?;
    let header: Header = serde_json::from_slice(&BASE64.decode(header).ok()?).ok()?;
    let plain = header.alg == "HS512" && header.crit.is_none() && header.zip.is_none();
    plain.then(|| BASE64.decode(claims).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
        let signature = BASE64.encode(hmac::sign(&key("secret"), signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    #[test]
    fn a_token_is_opened_with_its_key_only() {
        let token = sign(&key("secret"), b"{}");
        assert_eq!(open(&key("secret"), &token), Some(b"{}".to_vec()));
        assert_eq!(open(&key("Secret"), &token), None);
    }

    #[test]
    fn a_token_changed_anywhere_is_refused() {
        let token = sign(&key("secret"), br#"{"a":1}"#);
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert_eq!(open(&key("secret"), &changed), None, "{changed}");
            assert_eq!(open(&key("secret"), &token[..at]), None);
        }
    }

    #[test]
    fn only_plain_hs512_is_taken_however_it_is_signed() {
        assert!(open(&key("secret"), &signed(r#"{"typ":"JWT","alg":"HS512"}"#, "{}")).is_some());
        for header in [r#"{"alg":"none"}"#, r#"{"alg":"HS256"}"#, r#"{"alg":"HS512","zip":"DEF"}"#, "{}", ""] {
            assert_eq!(open(&key("secret"), &signed(header, "{}")), None, "{header}");
        }
    }
}
