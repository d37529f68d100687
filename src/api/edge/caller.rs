//! Whose request it is, as far as a caller's share of the bytes in flight is concerned.

use std::convert::Infallible;
use std::net::IpAddr;

use axum::extract::FromRequestParts;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http_server::{Arrival, Peer};

use crate::app::App;

/// What distinguishes callers. Only a keyed hash of it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum CallerIdentity<'a> {
    /// By the value of its `Authorization`.
    Shows(&'a [u8]),
    /// By its address.
    At(IpAddr),
    /// On this machine, behind a unix socket.
    Local,
}

impl<'a> CallerIdentity<'a> {
    fn of(parts: &'a Parts) -> Self {
        let peer = parts.extensions.get::<Arrival>().map(|arrival| arrival.peer);
        match (parts.headers.get(AUTHORIZATION), peer) {
            (Some(shown), _) => Self::Shows(shown.as_bytes()),
            (None, Some(Peer::Tcp(address))) => Self::At(address.ip().to_canonical()),
            (None, Some(Peer::Unix) | None) => Self::Local,
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

/// The gateway as the caller of this request may use it: its budget is the caller's share.
impl FromRequestParts<SharedApp> for App {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, SharedApp(app): &SharedApp) -> Result<Self, Infallible> {
        Ok(app.of_caller(CallerIdentity::of(parts)))
    }
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

    fn tcp(address: &str) -> Peer {
        Peer::Tcp(address.parse().expect("an address"))
    }

    #[test]
    fn caller_is_what_it_shows_wherever_it_is() {
        let (here, there) = (request(tcp("10.0.0.1:1"), Some("Basic YQ==")), request(Peer::Unix, Some("Basic YQ==")));
        assert_eq!(CallerIdentity::of(&here), CallerIdentity::of(&there));
        assert_ne!(CallerIdentity::of(&here), CallerIdentity::of(&request(tcp("10.0.0.1:1"), Some("Basic Yg=="))));
    }

    #[test]
    fn caller_that_shows_nothing_is_its_address_whatever_the_port() {
        let (one, other) = (request(tcp("10.0.0.1:1"), None), request(tcp("[::ffff:10.0.0.1]:2"), None));
        assert_eq!(CallerIdentity::of(&one), CallerIdentity::of(&other));
        assert_ne!(CallerIdentity::of(&one), CallerIdentity::of(&request(tcp("10.0.0.2:1"), None)));
    }

    #[test]
    fn callers_on_a_unix_socket_are_one() {
        assert_eq!(CallerIdentity::of(&request(Peer::Unix, None)), CallerIdentity::Local);
    }
}
