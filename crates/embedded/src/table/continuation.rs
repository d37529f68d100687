//! Tokens that say where an iteration goes on, laid out as the store's own: a header of Pravega's versioned
//! serializer, a length, then what was visited last.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::TableRejection;
use super::key_hash::KeyHash;
use super::keys::KeyOrder;

/// Format 0, version 0, one revision, revision 0. Source: `VersionedSerializer.java`.
const HEADER: [u8; 4] = [0, 0, 1, 0];

/// Bytes of a hash table's token.
pub(super) const HASH_TOKEN_BYTES: usize = HEADER.len() + 4 + KeyHash::BYTES;

/// Writes the token that goes on after `last`.
pub(super) fn token_after(last: &KeyOrder) -> Bytes {
    let mut payload = BytesMut::new();
    match last {
        KeyOrder::Hash(hash) => payload.put_slice(&hash.to_bytes()),
        KeyOrder::Key(key) => put_key(key, &mut payload),
    }
    let mut token = BytesMut::from(&HEADER[..]);
    token.put_u32(payload.len() as u32);
    token.unsplit(payload);
    token.freeze()
}

/// A key behind its length, which takes two bytes from 128 on. Source: `RevisionDataOutput.writeCompactInt`.
fn put_key(key: &[u8], out: &mut BytesMut) {
    match u8::try_from(key.len()) {
        Ok(length @ ..0x80) => out.put_u8(length),
        _ => out.put_u16(0x8000 | key.len() as u16),
    }
    out.put_slice(key);
}

/// Reads the hash that a hash table's iteration goes on after.
pub(super) fn hash_of(token: &[u8]) -> Result<KeyHash, TableRejection> {
    let hash = parse(token).ok_or(TableRejection::ClosesConnection("the continuation token is invalid"))?;
    if hash.is_valid() { Ok(hash) } else { Err(TableRejection::illegal(INVALID_HASH)) }
}

const INVALID_HASH: &str = "keyHash must be at least IteratorState.MIN_HASH and at most IteratorState.MAX_HASH.";

/// Bytes after the hash are those of a newer store, and skipped.
fn parse(token: &[u8]) -> Option<KeyHash> {
    let mut rest = token.strip_prefix(&HEADER)?;
    let length = rest.try_get_u32().ok()? as usize;
    let payload = rest.get(..length)?;
    payload.first_chunk().map(|hash| KeyHash::from_bytes(*hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_token(length: usize) -> String {
        hex::encode(&token_after(&KeyOrder::Key(vec![b'k'; length].into()))[..12])
    }

    #[test]
    fn tokens_are_laid_out_as_those_of_the_store() {
        let token = token_after(&KeyOrder::Hash(KeyHash::of(b"bb")));
        assert_eq!(hex::encode(&token), "00000100000000103b64db95cb55c763391c707108489ae1");
        assert_eq!(token.len(), HASH_TOKEN_BYTES);
        assert_eq!(key_token(127), "00000100000000807f6b6b6b");
        assert_eq!(key_token(128), "000001000000008280806b6b");
        assert_eq!(key_token(256), "000001000000010281006b6b");
    }

    #[test]
    fn a_token_is_read_back_with_whatever_follows() {
        let hash = KeyHash::of(b"key");
        let mut token = token_after(&KeyOrder::Hash(hash)).to_vec();
        assert_eq!(hash_of(&token), Ok(hash));
        token.extend(b"zz");
        assert_eq!(hash_of(&token), Ok(hash));
        token[7] = 17;
        assert_eq!(hash_of(&token), Ok(hash));
    }

    #[test]
    fn bytes_that_are_no_token_close_the_connection() {
        let token = token_after(&KeyOrder::Hash(KeyHash::of(b"key")));
        for wrong in [&b"xyz"[..], &[0xff; 24], &[0], &token[..23]] {
            assert!(matches!(hash_of(wrong), Err(TableRejection::ClosesConnection(_))), "{wrong:?}");
        }
    }

    #[test]
    fn a_hash_that_no_key_has_is_an_illegal_argument() {
        for high in [i64::MIN, i64::MAX] {
            let token = [&HEADER[..], &[0, 0, 0, 16], &high.to_be_bytes(), &[0; 8]].concat();
            assert_eq!(hash_of(&token), Err(TableRejection::illegal(INVALID_HASH)));
        }
    }
}
