//! Where the controller is, as the operator writes it.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::endpoint::{Endpoint, EndpointError};

/// One or more addresses of one controller service, all with TLS or all without.
///
/// Written `host:port`, `tcp://host:port` or `tls://host:port`, several with commas between them; an address
/// without a scheme takes that of the one before it, at first `tcp`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControllerAddresses {
    tls: bool,
    endpoints: Vec<Endpoint>,
}

/// Why a text does not say where the controller is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AddressError {
    /// A scheme other than `tcp` and `tls`.
    #[error("{scheme}:// is not a scheme of a controller address; use tcp:// or tls://")]
    Scheme {
        /// The scheme as given.
        scheme: String,
    },
    /// An address is not `host:port`.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// Some addresses have `tls://` and others have not.
    #[error("{address:?} mixes tls:// and tcp:// addresses")]
    Mixed {
        /// The first address whose scheme is not that of those before it.
        address: String,
    },
    /// There is no address at all.
    #[error("needs at least one address")]
    Missing,
}

impl ControllerAddresses {
    /// Whether the controller is spoken to through TLS.
    #[must_use]
    pub fn tls(&self) -> bool {
        self.tls
    }

    /// The addresses, at least one, in the order in which they are tried.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }
}

impl ControllerAddresses {
    /// Parses a list of addresses, each without the commas.
    ///
    /// # Errors
    /// [`AddressError`] for the first address that is invalid or has another scheme than those before it.
    pub fn parse_all<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, AddressError> {
        let mut tls = None;
        let mut endpoints = Vec::new();
        for part in texts.into_iter().filter(|part| !part.is_empty()) {
            let (scheme, address) = part.split_once("://").map_or((None, part), |(s, rest)| (Some(s), rest));
            let this = match scheme {
                None => tls.unwrap_or(false),
                Some("tcp") => false,
                Some("tls") => true,
                Some(other) => return Err(AddressError::Scheme { scheme: other.to_owned() }),
            };
            if tls.replace(this).is_some_and(|before| before != this) {
                return Err(AddressError::Mixed { address: part.to_owned() });
            }
            endpoints.push(address.parse()?);
        }
        let tls = tls.ok_or(AddressError::Missing)?;
        Ok(Self { tls, endpoints })
    }
}

/// A single address without TLS.
impl From<Endpoint> for ControllerAddresses {
    fn from(endpoint: Endpoint) -> Self {
        Self { tls: false, endpoints: vec![endpoint] }
    }
}

impl FromStr for ControllerAddresses {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse_all(text.split(',').map(str::trim))
    }
}

impl fmt::Display for ControllerAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.tls { "tls://" } else { "tcp://" })?;
        for (index, endpoint) in self.endpoints.iter().enumerate() {
            write!(f, "{}{endpoint}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        text.parse::<ControllerAddresses>().expect("addresses").to_string()
    }

    #[test]
    fn the_scheme_may_be_left_out() {
        assert_eq!(parsed("127.0.0.1:9090"), "tcp://127.0.0.1:9090");
        assert_eq!(parsed("tcp://a:9090"), "tcp://a:9090");
        assert_eq!(parsed("tls://[::1]:9090"), "tls://[::1]:9090");
    }

    #[test]
    fn several_addresses_share_the_scheme_of_the_first() {
        assert_eq!(parsed("tls://a:1, b:2,tls://c:3"), "tls://a:1,b:2,c:3");
        assert_eq!(parsed("a:1,tcp://b:2"), "tcp://a:1,b:2");
    }

    #[test]
    fn an_error_names_the_part() {
        let error = |text: &str| text.parse::<ControllerAddresses>().expect_err("not addresses").to_string();
        assert!(error("http://a:1").starts_with("http:// is not a scheme"));
        assert!(error("a:1,b").starts_with("\"b\" is not of the form host:port"));
        assert!(error("tls://a:1,tcp://b:2").starts_with("\"tcp://b:2\" mixes tls:// and tcp://"));
        assert_eq!(error(""), "needs at least one address");
    }
}
