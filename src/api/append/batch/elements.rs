//! Takes the elements of a JSON array one by one, as source text, whatever their number.

use serde_json::value::RawValue;

/// What is left of an array that is known to be JSON.
#[derive(Debug, Clone, Copy)]
pub(super) struct Elements {
    /// Where the text of the next element, or the array's end, is looked for.
    at: usize,
}

impl Elements {
    /// The elements of an array whose text begins at `begin`; `None` where the text there is no array.
    pub(super) fn of(text: &[u8], begin: usize) -> Option<Self> {
        (text.get(begin) == Some(&b'[')).then_some(Self { at: begin + 1 })
    }

    /// The next element's source text; `None` after the last. `text` is the one that the array was found in.
    pub(super) fn next<'t>(&mut self, text: &'t [u8]) -> Option<&'t str> {
        let begin = self.at + text[self.at..].iter().position(|byte| !is_between(*byte))?;
        if text[begin] == b']' {
            self.at = begin;
            return None;
        }
        let mut values = serde_json::Deserializer::from_slice(&text[begin..]).into_iter::<&RawValue>();
        let element = values.next()?.ok()?;
        self.at = begin + values.byte_offset();
        Some(element.get())
    }
}

/// Spaces of JSON, and what stands between elements.
fn is_between(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<&str> {
        serde_json::from_str::<serde::de::IgnoredAny>(text).expect("JSON");
        let mut elements = Elements::of(text.as_bytes(), 0).expect("an array");
        let taken = std::iter::from_fn(|| elements.next(text.as_bytes())).collect();
        assert_eq!(elements.next(text.as_bytes()), None, "and none after the end");
        taken
    }

    #[test]
    fn elements_come_as_their_source_text() {
        let expected = ["1", "-2.50e1", "\"a,]\\\"\"", "{ \"b\" : [1, 2] }", "[ ]", "null", "true"];
        assert_eq!(all("[1,-2.50e1 , \"a,]\\\"\",{ \"b\" : [1, 2] },\n[ ],null\t,true\r\n]"), expected);
        assert!(all("[]").is_empty());
        assert!(all("[ \n ]").is_empty());
    }

    #[test]
    fn only_arrays_have_elements() {
        assert!(Elements::of(b"{}", 0).is_none());
        assert!(Elements::of(b"", 0).is_none());
    }
}
