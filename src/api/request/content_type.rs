//! What a request's body says it is. Source: RFC 9110, section 8.3.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

use crate::api::error::{ApiError, ErrorCode};

/// What may stand at the beginning of UTF-8 and is no part of the text. Source: RFC 3629, section 6.
pub(crate) const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// A media type and how its text is encoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ContentType {
    media_type: String,
    charset: Option<String>,
}

impl ContentType {
    /// What the header says; equal lines of it count as one.
    ///
    /// # Errors
    /// `400 header_invalid` for a malformed value, and for two that differ.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let mut values = headers.get_all(CONTENT_TYPE).iter();
        let Some(first) = values.next() else {
            return Ok(Self::default());
        };
        if values.any(|other| other != first) {
            return Err(invalid("header Content-Type is given twice, with different values"));
        }
        let text = first.to_str().map(str::trim).map_err(|_| invalid("header Content-Type is not ASCII"))?;
        if text.is_empty() {
            return Ok(Self::default());
        }
        Self::parse(text)
            .ok_or_else(|| invalid("header Content-Type is malformed; expected one type such as text/plain"))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = Parts(Some(text));
        let media_type = parts.next()?.to_ascii_lowercase();
        let (kind, subtype) = media_type.split_once('/')?;
        if !is_token(kind) || !is_token(subtype) {
            return None;
        }
        let mut charset = None;
        for parameter in parts.filter(|part| !part.is_empty()) {
            let (name, value) = parameter.split_once('=')?;
            let value = parameter_value(value)?;
            if !is_token(name) {
                return None;
            }
            if name.eq_ignore_ascii_case("charset") {
                charset = charset.or(Some(value));
            }
        }
        Some(Self { media_type, charset })
    }

    /// The type in lower case, without its parameters; empty where there is none.
    pub(crate) fn media_type(&self) -> &str {
        &self.media_type
    }

    /// Checks the encoding of a body that is cut or parsed.
    ///
    /// # Errors
    /// `415 unsupported_encoding` for a charset other than UTF-8 and its part US-ASCII.
    pub(crate) fn check_is_utf_8(&self) -> Result<(), ApiError> {
        match self.charset.as_deref() {
            Some(charset) if !["utf-8", "utf8", "us-ascii"].iter().any(|known| charset.eq_ignore_ascii_case(known)) => {
                let detail = format!("header Content-Type: charset {charset:?}; this body must be UTF-8");
                Err(ApiError::new(ErrorCode::UnsupportedEncoding, detail))
            }
            _ => Ok(()),
        }
    }
}

/// The type and its parameters, which semicolons outside quotes separate.
struct Parts<'t>(Option<&'t str>);

impl<'t> Iterator for Parts<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let text = self.0?;
        let (mut is_quoted, mut is_escaped) = (false, false);
        let end = text.bytes().position(|byte| {
            let ends = byte == b';' && !is_quoted;
            is_quoted ^= byte == b'"' && !is_escaped;
            is_escaped = is_quoted && byte == b'\\' && !is_escaped;
            ends
        });
        let (part, rest) = end.map_or((text, None), |end| (&text[..end], Some(&text[end + 1..])));
        self.0 = rest;
        Some(part.trim_matches([' ', '\t']))
    }
}

/// A token as it is, or what a quoted string means.
fn parameter_value(text: &str) -> Option<String> {
    if is_token(text) {
        return Some(text.to_owned());
    }
    let quoted = text.strip_prefix('"')?.strip_suffix('"')?;
    let mut value = String::with_capacity(quoted.len());
    let mut chars = quoted.chars();
    while let Some(next) = chars.next() {
        match next {
            '\\' => value.push(chars.next()?),
            '"' => return None,
            other => value.push(other),
        }
    }
    Some(value)
}

/// Source: RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn invalid(detail: &'static str) -> ApiError {
    ApiError::new(ErrorCode::HeaderInvalid, detail)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(values: &[&'static str]) -> Result<ContentType, ErrorCode> {
        let headers = values.iter().map(|value| (CONTENT_TYPE, HeaderValue::from_static(value))).collect();
        ContentType::of(&headers).map_err(|error| error.code())
    }

    fn media_type(values: &[&'static str]) -> Result<String, ErrorCode> {
        of(values).map(|found| found.media_type().to_owned())
    }

    #[test]
    fn type_is_taken_without_its_parameters_whatever_the_case() {
        assert_eq!(media_type(&[]).as_deref(), Ok(""));
        assert_eq!(media_type(&[""]).as_deref(), Ok(""));
        assert_eq!(media_type(&["Application/JSON ; Charset=\"utf-8\"; x=y;"]).as_deref(), Ok("application/json"));
        assert_eq!(media_type(&["text/plain", "text/plain"]).as_deref(), Ok("text/plain"));
        assert_eq!(media_type(&[r#"a/b; x="1;2\";3", "#]), Err(ErrorCode::HeaderInvalid));
        assert_eq!(media_type(&[r#"a/b; x="1;2\";3""#]).as_deref(), Ok("a/b"));
    }

    #[test]
    fn malformed_types_and_two_that_differ_are_refused() {
        for bad in ["text", "/plain", "text/", "text/plain, text/html", "te xt/plain", "text/plain; charset", "a/b;=c"]
        {
            assert_eq!(of(&[bad]), Err(ErrorCode::HeaderInvalid), "{bad}");
        }
        assert_eq!(of(&["text/plain", "text/html"]), Err(ErrorCode::HeaderInvalid));
        assert_eq!(of(&["a/b; x=\"c"]), Err(ErrorCode::HeaderInvalid));
    }

    #[test]
    fn text_must_be_utf_8() {
        let check = |value| of(&[value]).expect("well formed").check_is_utf_8().map_err(|error| error.code());
        for good in ["a/b", "a/b; charset=UTF-8", "a/b; charset=\"utf-8\"", "a/b;charset=us-ascii", "a/b; charset=utf8"]
        {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["a/b; charset=iso-8859-1", "a/b; Charset=\"UTF-16\"", "a/b; charset=\"\""] {
            assert_eq!(check(bad), Err(ErrorCode::UnsupportedEncoding), "{bad}");
        }
    }
}
