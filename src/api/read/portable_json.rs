//! JSON that any parser takes. Source: RFC 8259, sections 6, 8.2 and 9, which leave these limits to each parser.

/// Levels of arrays and objects that common parsers take.
const MOST_LEVELS: usize = 128;

/// Whether a valid JSON text is at most [`MOST_LEVELS`] deep, each number has a finite value as a 64-bit float, and
/// each escaped surrogate is part of a pair.
pub(super) fn is_portable(json: &str) -> bool {
    let mut rest = json.as_bytes();
    let mut level = 0_usize;
    while let Some(first) = rest.first() {
        let len = match first {
            b'"' => match string_len(rest) {
                Some(len) => len,
                None => return false,
            },
            b'-' | b'0'..=b'9' => match finite_number_len(rest) {
                Some(len) => len,
                None => return false,
            },
            b'[' | b'{' => {
                level += 1;
                if level > MOST_LEVELS {
                    return false;
                }
                1
            }
            b']' | b'}' => {
                level = level.saturating_sub(1);
                1
            }
            _ => 1,
        };
        rest = &rest[len..];
    }
    true
}

/// Bytes of the number at the beginning of the text; `None` if it is too large for a 64-bit float.
fn finite_number_len(text: &[u8]) -> Option<usize> {
    let is_of_number = |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
    let len = text.iter().take_while(|byte| is_of_number(byte)).count();
    let number: f64 = std::str::from_utf8(&text[..len]).ok()?.parse().ok()?;
    number.is_finite().then_some(len)
}

/// Bytes of the string at the beginning of the text, with its quotes; `None` if it has half of a surrogate pair.
fn string_len(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += escape_len(&text[at..])?,
            _ => at += 1,
        }
    }
}

/// Bytes of the escape at the beginning of the text, of two if they are a surrogate pair.
fn escape_len(text: &[u8]) -> Option<usize> {
    match escaped_unit(text) {
        None => Some(2),
        Some(0xD800..=0xDBFF) => matches!(escaped_unit(&text[6..]), Some(0xDC00..=0xDFFF)).then_some(12),
        Some(0xDC00..=0xDFFF) => None,
        Some(_) => Some(6),
    }
}

/// The value of `\uXXXX` at the beginning of the text.
fn escaped_unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_json_is_portable() {
        for json in [
            r#"{"a":[1,-2.5e3,true,null,"x\\\"]","\u00e9\n","\ud83d\ude00"]}"#,
            "1.7976931348623157e308",
            "1e-400",
            "\"\"",
        ] {
            assert!(is_portable(json), "{json}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |levels| "[".repeat(levels) + &"]".repeat(levels);
        assert!(is_portable(&nested(MOST_LEVELS)));
        assert!(!is_portable(&nested(MOST_LEVELS + 1)));
        assert!(is_portable(&format!("[{}]", vec!["[]"; 1000].join(","))), "neighbours are no levels");
    }

    #[test]
    fn numbers_beyond_a_float_and_halves_of_pairs_are_not() {
        for json in [
            "1e309",
            "[-1E400]",
            r#""\ud800""#,
            r#""\udc00\ud800""#,
            r#""\ud800\n""#,
            r#""\ud800\u0041""#,
            r#"{"\udfff":1}"#,
        ] {
            serde_json::from_str::<&serde_json::value::RawValue>(json).expect("its syntax is valid");
            assert!(!is_portable(json), "{json}");
        }
        assert!(!is_portable(&"9".repeat(400)));
    }
}
