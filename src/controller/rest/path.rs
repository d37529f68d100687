//! Which paths are passed on, and that they arrive as they were received.

use http::Uri;
use percent_encoding::percent_decode_str;
use reqwest::Url;

use super::error::RestError;

/// The part of the controller's REST interface that is open to callers.
const ROOT: &str = "/v1/scopes";

fn invalid(path: &str, problem: &'static str) -> RestError {
    RestError::PathInvalid { path: path.to_owned(), problem }
}

/// Lets through only what stays below [`ROOT`] however the controller's server reads it.
pub(super) fn check(path: &str) -> Result<(), RestError> {
    match path.strip_prefix(ROOT) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {}
        _ => return Err(invalid(path, "is not /v1/scopes or below it")),
    }
    let decoded = percent_decode_str(path).collect::<Vec<u8>>();
    let mut segments = decoded.split(|byte| matches!(byte, b'/' | b'\\'));
    if segments.any(is_dot_segment) {
        return Err(invalid(path, "holds a . or .. segment, plain or encoded"));
    }
    Ok(())
}

/// Java servers read what follows a `;` as parameters of the segment.
fn is_dot_segment(segment: &[u8]) -> bool {
    let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
    matches!(name, b"." | b"..")
}

/// The URL of a path and query below `base`.
pub(super) fn below(base: &Url, uri: &Uri) -> Result<Url, RestError> {
    let mut text = base.as_str().trim_end_matches('/').to_owned();
    let prefix_length = base.path().trim_end_matches('/').len();
    text.push_str(uri.path());
    if let Some(query) = uri.query() {
        text.push('?');
        text.push_str(query);
    }
    let altered = || invalid(uri.path(), "cannot be sent as it is");
    let url = Url::parse(&text).map_err(|_| altered())?;
    let path_kept = same(&url.path()[prefix_length..], uri.path());
    let query_kept = same(url.query().unwrap_or_default(), uri.query().unwrap_or_default());
    (path_kept && query_kept).then_some(url).ok_or_else(altered)
}

/// Whether two texts differ at most in what is percent-encoded.
fn same(sent: &str, received: &str) -> bool {
    percent_decode_str(sent).eq(percent_decode_str(received))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(base: &str, path_and_query: &str) -> Result<String, RestError> {
        let uri: Uri = path_and_query.parse().expect("a path");
        check(uri.path())?;
        below(&base.parse().expect("a base"), &uri).map(Into::into)
    }

    #[test]
    fn paths_and_queries_arrive_as_they_were_received() {
        for path in [
            "/v1/scopes",
            "/v1/scopes/",
            "/v1/scopes/a%2Fb/streams/%7e%c3%A9",
            "/v1/scopes//streams",
            "/v1/scopes/...",
            "/v1/scopes/a;v=1/streams",
            "/v1/scopes/s/streams?filter_type=tag&filter_value=%41%2f+%20..%2F/../",
            "/v1/scopes?",
            "/v1/scopes??a=b=c",
        ] {
            assert_eq!(sent("http://ctl:9091", path), Ok(format!("http://ctl:9091{path}")));
            assert_eq!(sent("https://ctl/base/", path), Ok(format!("https://ctl/base{path}")));
        }
    }

    #[test]
    fn paths_that_leave_the_scopes_are_refused() {
        for path in [
            "/",
            "/ping",
            "/v1/health",
            "/v1/scopesX",
            "/v1/scopes;x=/ping",
            "/v1/scopes/../ping",
            "/v1/scopes/./a",
            "/v1/scopes/..",
            "/v1/scopes/%2e%2e/ping",
            "/v1/scopes/%2E./ping",
            "/v1/scopes/a%2f..%2f..%2fping",
            "/v1/scopes/a\\..\\ping",
            "/v1/scopes/a%5c..%5cping",
            "/v1/scopes/..;x/ping",
            "/v1/scopes/..%3bx/ping",
        ] {
            let refused = sent("http://ctl:9091", path);
            assert!(
                matches!(&refused, Err(RestError::PathInvalid { path: named, .. }) if named == path),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn a_path_that_the_url_would_restructure_is_refused() {
        assert!(matches!(sent("http://ctl:9091", "/v1/scopes/a\\b"), Err(RestError::PathInvalid { .. })));
    }

    #[test]
    fn characters_outside_urls_are_encoded_and_nothing_else() {
        let encoded = sent("http://ctl:9091", "/v1/scopes/{a}?b='c'");
        assert_eq!(encoded.as_deref(), Ok("http://ctl:9091/v1/scopes/%7Ba%7D?b=%27c%27"));
    }
}
