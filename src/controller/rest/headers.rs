//! Which header fields belong to one connection and are not passed on (RFC 9110, section 7.6.1).

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderValue, Response};
use http_body::Body;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const PROXY_AUTHENTICATION_INFO: HeaderName = HeaderName::from_static("proxy-authentication-info");

const HOP_BY_HOP: [HeaderName; 10] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_AUTHENTICATE,
    PROXY_AUTHENTICATION_INFO,
    PROXY_AUTHORIZATION,
    PROXY_CONNECTION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

fn drop_hop_by_hop(headers: &mut HeaderMap) {
    for name in named_by_connection(headers) {
        headers.remove(name);
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok()).collect()
}

/// The caller's headers as the controller gets them. `Host` names the gateway and `Expect` was answered by
/// it, so both stay here; the length is given where it is known.
pub(super) fn outbound(mut headers: HeaderMap, body: &impl Body) -> HeaderMap {
    drop_hop_by_hop(&mut headers);
    headers.remove(HOST);
    headers.remove(EXPECT);
    if let Some(length) = body.size_hint().exact().filter(|length| *length > 0) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    headers
}

pub(super) fn without_hop_by_hop<B>(mut answer: Response<B>) -> Response<B> {
    drop_hop_by_hop(answer.headers_mut());
    answer
}

#[cfg(test)]
mod tests {
    use http_body_util::{Empty, Full};

    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        fields.iter().map(field).collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn fields_of_the_connection_stay_behind() {
        let mut given = headers(&[
            ("accept", "*/*"),
            ("authorization", "Basic eDp5"),
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("x-own", "1"),
            ("host", "gateway"),
            ("expect", "100-continue"),
        ]);
        for name in &HOP_BY_HOP[1..] {
            given.insert(name, HeaderValue::from_static("1"));
        }
        let sent = outbound(given, &Empty::<bytes::Bytes>::new());
        assert_eq!(names(&sent), ["accept", "authorization", "x-own"]);
    }

    #[test]
    fn several_connection_fields_all_count() {
        let mut given = HeaderMap::new();
        given.append(CONNECTION, HeaderValue::from_static("a"));
        given.append(CONNECTION, HeaderValue::from_static("keep-alive , b"));
        given.extend(headers(&[("a", "1"), ("b", "1"), ("c", "1")]));
        let mut answer = Response::new(());
        *answer.headers_mut() = given;
        assert_eq!(names(without_hop_by_hop(answer).headers()), ["c"]);
    }

    #[test]
    fn a_known_length_is_sent() {
        let sent = outbound(HeaderMap::new(), &Full::new(bytes::Bytes::from_static(b"12345")));
        assert_eq!(sent[CONTENT_LENGTH], "5");
    }
}
