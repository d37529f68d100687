//! Whose request it is: for the caller's share of the bytes in flight, and for what is shown to the controller.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http_server::{Arrival, Peer};

use crate::api::error::{ApiError, ErrorCode};
use crate::app::App;
use crate::controller::Credentials;

/// What distinguishes callers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum CallerIdentity {
    /// By what it shows.
    Shows(Credentials),
    /// By its address.
    At(IpAddr),
    /// On this machine, behind a unix socket.
    Local,
}

impl CallerIdentity {
    fn of(parts: &Parts, credentials: &Credentials) -> Self {
        let peer = parts.extensions.get::<Arrival>().map(|arrival| arrival.peer);
        match peer {
            _ if !credentials.is_none() => Self::Shows(credentials.clone()),
            Some(Peer::Tcp(address)) => Self::At(address.ip().to_canonical()),
            Some(Peer::Unix) | None => Self::Local,
        }
    }
}

/// The state of the public router. A handler cannot take the [`App`] out of it other than by the extractor below, so
/// none can forget the caller's share: `State<App>` does not compile.
#[derive(Debug, Clone)]
pub(crate) struct SharedApp(App);

impl SharedApp {
    pub(crate) fn new(app: App) -> Self {
        Self(app)
    }
}

/// The gateway as the caller of this request may use it: its budget is the caller's share, and the controller is asked
/// with the caller's credentials.
impl FromRequestParts<SharedApp> for App {
    type Rejection = ApiError;

    /// # Errors
    /// `400` if there are two different `Authorization` headers.
    async fn from_request_parts(parts: &mut Parts, SharedApp(app): &SharedApp) -> Result<Self, ApiError> {
        let credentials = credentials(parts)?;
        Ok(app.of_caller(CallerIdentity::of(parts, &credentials), credentials))
    }
}

fn credentials(parts: &Parts) -> Result<Credentials, ApiError> {
    let mut shown = parts.headers.get_all(AUTHORIZATION).iter();
    let Some(first) = shown.next() else { return Ok(Credentials::none()) };
    if shown.any(|other| other != first) {
        let detail = "header Authorization is given more than once, with different values";
        return Err(ApiError::new(ErrorCode::HeaderInvalid, detail));
    }
    Ok(Credentials::of(first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn request(peer: Peer, authorization: Option<&str>) -> Parts {
        let mut request = Request::builder().extension(Arrival::uncounted(peer));
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    fn identity(request: &Parts) -> CallerIdentity {
        CallerIdentity::of(request, &credentials(request).expect("one header at most"))
    }

    fn tcp(address: &str) -> Peer {
        Peer::Tcp(address.parse().expect("an address"))
    }

    #[test]
    fn caller_is_what_it_shows_wherever_it_is() {
        let (here, there) = (request(tcp("10.0.0.1:1"), Some("Basic YTo=")), request(Peer::Unix, Some("Basic YTo=")));
        assert_eq!(identity(&here), identity(&there));
        assert_ne!(identity(&here), identity(&request(tcp("10.0.0.1:1"), Some("Basic Yjo="))));
    }

    #[test]
    fn caller_that_shows_nothing_is_its_address_whatever_the_port() {
        let (one, other) = (request(tcp("10.0.0.1:1"), None), request(tcp("[::ffff:10.0.0.1]:2"), None));
        assert_eq!(identity(&one), identity(&other));
        assert_ne!(identity(&one), identity(&request(tcp("10.0.0.2:1"), None)));
    }

    #[test]
    fn callers_on_a_unix_socket_are_one() {
        assert_eq!(identity(&request(Peer::Unix, None)), CallerIdentity::Local);
    }

    #[test]
    fn header_that_is_given_twice_says_the_same() {
        let request = |second: &str| {
            let request = Request::builder().header(AUTHORIZATION, "Basic YTo=").header(AUTHORIZATION, second);
            request.body(()).expect("a request").into_parts().0
        };
        assert!(credentials(&request("Basic YTo=")).is_ok());
        let refused = credentials(&request("Basic Yjo=")).expect_err("which one?");
        assert_eq!(refused.code(), ErrorCode::HeaderInvalid);
        assert!(!format!("{refused:?}").contains("Yjo="));
    }
}
