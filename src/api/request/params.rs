//! Query parameters, strictly: each once, none unknown.

use std::fmt::Display;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use crate::api::error::{ApiError, ErrorCode};

/// The query parameters of a request. Handlers take those they know; what is left over is refused.
#[derive(Debug, Default)]
pub(crate) struct Params {
    pairs: Vec<(String, String)>,
}

impl Params {
    /// Decodes a query: percent-escapes, and `+` for a space as forms write it.
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            if pairs.iter().any(|(earlier, _)| *earlier == name) {
                let detail = format!("parameter {name} is given more than once");
                return Err(ApiError::new(ErrorCode::ParameterRepeated, detail).member("parameter", name));
            }
            pairs.push((name, value));
        }
        Ok(Self { pairs })
    }

    /// Takes a parameter; `None` where it is not given.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let index = self.pairs.iter().position(|(given, _)| given == name)?;
        Some(self.pairs.swap_remove(index).1)
    }

    /// Whether a parameter is given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|(given, _)| given == name)
    }

    /// Takes and parses a parameter; `expected` describes valid values.
    pub(crate) fn take_parsed<T: FromStr>(&mut self, name: &str, expected: &str) -> Result<Option<T>, ApiError> {
        let Some(text) = self.take(name) else {
            return Ok(None);
        };
        // Rust's numbers may have a plus, ours not.
        match text.parse() {
            Ok(value) if !text.starts_with('+') => Ok(Some(value)),
            _ => Err(invalid(name, &text, format_args!("expected {expected}"))),
        }
    }

    /// Everything that was not taken.
    pub(crate) fn into_rest(self) -> Vec<(String, String)> {
        self.pairs
    }

    /// Refuses what was not taken, naming what there is.
    pub(crate) fn finish(self, known: &[&str]) -> Result<(), ApiError> {
        match self.pairs.first() {
            None => Ok(()),
            Some((name, _)) => {
                let detail = format!("parameter {name} is unknown; this call takes {}", known.join(", "));
                Err(ApiError::new(ErrorCode::ParameterUnknown, detail).member("parameter", name.as_str()))
            }
        }
    }
}

fn decode(text: &str) -> Result<String, ApiError> {
    let spaced = text.replace('+', " ");
    match percent_decode_str(&spaced).decode_utf8() {
        Ok(decoded) => Ok(decoded.into_owned()),
        Err(_) => Err(ApiError::new(ErrorCode::ParameterInvalid, format!("query {text:?} does not decode to UTF-8"))),
    }
}

pub(crate) fn missing(name: &str) -> ApiError {
    ApiError::new(ErrorCode::ParameterMissing, format!("parameter {name} is missing")).member("parameter", name)
}

pub(crate) fn invalid(name: &str, value: &str, why: impl Display) -> ApiError {
    const SHOWN_CHARS: usize = 100;
    let shown: String = value.chars().take(SHOWN_CHARS).collect();
    ApiError::new(ErrorCode::ParameterInvalid, format!("parameter {name} is {shown:?}: {why}"))
        .member("parameter", name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(result: Result<impl Sized, ApiError>) -> Option<ErrorCode> {
        result.err().map(|error| error.code())
    }

    #[test]
    fn escapes_are_undone() {
        let mut params = Params::parse(Some("segment=7.%23epoch.3&routing-key=a+b%2Bc")).expect("well formed");
        assert_eq!(params.take("segment").as_deref(), Some("7.#epoch.3"));
        assert_eq!(params.take("routing-key").as_deref(), Some("a b+c"));
        assert!(params.finish(&[]).is_ok());
    }

    #[test]
    fn repeated_unknown_and_malformed_parameters_are_told_apart() {
        assert_eq!(code(Params::parse(Some("a=1&a=1"))), Some(ErrorCode::ParameterRepeated));
        let params = Params::parse(Some("offest=1")).expect("well formed");
        assert_eq!(code(params.finish(&["offset"])), Some(ErrorCode::ParameterUnknown));
        assert_eq!(code(Params::parse(Some("a=%ff"))), Some(ErrorCode::ParameterInvalid));
    }
}
