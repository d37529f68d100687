use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderValue, Version};

use crate::api::error::{ApiError, ErrorCode};

/// Checks that a request says once to whom it is. Source: RFC 9112, section 3.2; RFC 9113, section 8.3.1.
///
/// # Errors
/// `400 header_invalid` for HTTP/1.1 without `Host`, and for any request with two of them, with an invalid one, or with
/// one that contradicts `:authority`.
pub(super) fn check_host(parts: &Parts) -> Result<(), ApiError> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if parts.version == Version::HTTP_11 => Err(invalid("is missing")),
        (None, _) => Ok(()),
        (Some(_), Some(_)) => Err(invalid("is given more than once")),
        (Some(host), None) if !is_valid(host) => Err(invalid("is not a host and port")),
        (Some(host), None) if contradicts(parts, host) => Err(invalid("is not the request's authority")),
        (Some(_), None) => Ok(()),
    }
}

/// A request to no authority in particular has an empty one.
fn is_valid(host: &HeaderValue) -> bool {
    let bytes = host.as_bytes();
    is_plain(bytes) || (!bytes.contains(&b'@') && Authority::try_from(bytes).is_ok_and(|host| has_valid_port(&host)))
}

/// A name or IPv4 address and perhaps a port, as most are; or nothing.
fn is_plain(host: &[u8]) -> bool {
    let name = host.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-')).count();
    match &host[name..] {
        [] => true,
        [b':', port @ ..] => name > 0 && is_port(port),
        _ => false,
    }
}

fn is_port(digits: &[u8]) -> bool {
    let value = digits
        .iter()
        .fold(0, |value: u32, digit| value.saturating_mul(10).saturating_add(u32::from(digit.wrapping_sub(b'0'))));
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) && value <= u32::from(u16::MAX)
}

fn has_valid_port(authority: &Authority) -> bool {
    authority.as_str() == authority.host() || authority.port_u16().is_some()
}

fn contradicts(parts: &Parts, host: &HeaderValue) -> bool {
    let authority = parts.uri.authority().filter(|_| parts.version == Version::HTTP_2);
    authority.is_some_and(|authority| !authority.as_str().as_bytes().eq_ignore_ascii_case(host.as_bytes()))
}

fn invalid(what: &str) -> ApiError {
    ApiError::new(ErrorCode::HeaderInvalid, format!("header Host {what}"))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn check(version: Version, uri: &str, hosts: &[&str]) -> bool {
        let mut request = Request::builder().version(version).uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        check_host(&request.body(()).expect("a request").into_parts().0).is_ok()
    }

    #[test]
    fn request_says_once_to_whom_it_is() {
        for host in ["gateway", "gateway:65535", "127.0.0.1:8080", "[::1]:8080", ""] {
            assert!(check(Version::HTTP_11, "/", &[host]), "{host}");
        }
        assert!(!check(Version::HTTP_11, "/", &[]));
        assert!(!check(Version::HTTP_11, "/", &["a", "a"]));
        for bad in ["a:65536", "a b", "user@a", "a:b", "a/b", "http://a"] {
            assert!(!check(Version::HTTP_11, "/", &[bad]), "{bad}");
        }
    }

    #[test]
    fn older_and_newer_versions_may_leave_it_out() {
        assert!(check(Version::HTTP_10, "/", &[]));
        assert!(check(Version::HTTP_2, "http://gateway:8080/", &[]));
        assert!(check(Version::HTTP_2, "http://gateway:8080/", &["Gateway:8080"]));
        assert!(!check(Version::HTTP_2, "http://gateway:8080/", &["other"]));
    }
}
