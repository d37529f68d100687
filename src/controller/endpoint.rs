//! Hosts and ports, and how those the controller names become those the gateway dials.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

/// A host and a port, written `host:port`, an IPv6 address in brackets.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// A name or an address, without brackets.
    pub host: Arc<str>,
    /// The port.
    pub port: u16,
}

/// Why a text is not an endpoint or a rewrite rule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EndpointError {
    /// There is no port after a colon, or it is not a number from 1 to 65535.
    #[error("{text:?} is not of the form host:port (an IPv6 address in brackets)")]
    Form {
        /// The text as given.
        text: String,
    },
    /// A rewrite rule has no `=`.
    #[error("{text:?} is not of the form FROM=TO, each host:port, where host or port may be *")]
    Rule {
        /// The text as given.
        text: String,
    },
}

impl Endpoint {
    /// Puts host and port together; brackets around an IPv6 address are left out.
    #[must_use]
    pub fn new(host: &str, port: u16) -> Self {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        Self { host: bare.into(), port }
    }

    /// Whether the host says nothing about where it is: empty, `0.0.0.0`, `::`.
    #[must_use]
    pub fn is_unspecified(&self) -> bool {
        let unspecified = |ip: IpAddr| ip.to_canonical().is_unspecified();
        self.host.is_empty() || self.host.parse().is_ok_and(unspecified)
    }

    /// Where to dial what the controller called `self`: the first rule that fits is applied, then an
    /// unspecified host becomes the controller's own.
    #[must_use]
    pub fn resolved(self, rules: &[RewriteRule], controller_host: &Arc<str>) -> Self {
        let rewritten = rules.iter().find_map(|rule| rule.apply(&self)).unwrap_or(self);
        if rewritten.is_unspecified() {
            return Self { host: Arc::clone(controller_host), ..rewritten };
        }
        rewritten
    }
}

fn write_host(f: &mut fmt::Formatter<'_>, host: &str) -> fmt::Result {
    if host.contains(':') { write!(f, "[{host}]") } else { f.write_str(host) }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_host(f, &self.host)?;
        write!(f, ":{}", self.port)
    }
}

/// Splits `host:port` at the colon that is not part of an IPv6 address.
fn split(text: &str) -> Option<(&str, &str)> {
    let (host, port) = text.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let host = match bare {
        Some(address) => address,
        None if host.contains([':', '[', ']']) => return None,
        None => host,
    };
    let allowed = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '/' | '@' | '?' | '#' | '\\');
    (!host.is_empty() && host.chars().all(allowed)).then_some((host, port))
}

fn port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        split(text)
            .and_then(|(host, digits)| Some(Self::new(host, port(digits)?)))
            .ok_or_else(|| EndpointError::Form { text: text.to_owned() })
    }
}

/// One side of a rule; `None` is `*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Pattern {
    host: Option<Arc<str>>,
    port: Option<u16>,
}

impl FromStr for Pattern {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let form = || EndpointError::Form { text: text.to_owned() };
        let (host, digits) = split(text).ok_or_else(form)?;
        let port = match digits {
            "*" => None,
            digits => Some(port(digits).ok_or_else(form)?),
        };
        Ok(Self { host: (host != "*").then(|| host.into()), port })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_host(f, self.host.as_deref().unwrap_or("*"))?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => f.write_str(":*"),
        }
    }
}

/// Sends the gateway elsewhere than the controller says, for port forwards and address translation.
///
/// Written `FROM=TO`. `FROM` is the host and port as the controller names them, `TO` where to dial; either
/// part of either side may be `*`: any in `FROM`, unchanged in `TO`. Hosts are compared without regard to
/// case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RewriteRule {
    from: Pattern,
    to: Pattern,
}

impl RewriteRule {
    /// Where to dial, `None` if the rule is about another endpoint.
    #[must_use]
    pub fn apply(&self, said: &Endpoint) -> Option<Endpoint> {
        let host_fits = self.from.host.as_ref().is_none_or(|host| host.eq_ignore_ascii_case(&said.host));
        let port_fits = self.from.port.is_none_or(|port| port == said.port);
        (host_fits && port_fits).then(|| Endpoint {
            host: Arc::clone(self.to.host.as_ref().unwrap_or(&said.host)),
            port: self.to.port.unwrap_or(said.port),
        })
    }
}

impl FromStr for RewriteRule {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let (from, to) = text.split_once('=').ok_or_else(|| EndpointError::Rule { text: text.to_owned() })?;
        Ok(Self { from: from.parse()?, to: to.parse()? })
    }
}

impl fmt::Display for RewriteRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.from, self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(texts: &[&str]) -> Vec<RewriteRule> {
        texts.iter().map(|text| text.parse().expect("a rule")).collect()
    }

    fn resolved(host: &str, port: u16, texts: &[&str]) -> String {
        Endpoint::new(host, port).resolved(&rules(texts), &"ctl".into()).to_string()
    }

    #[test]
    fn endpoints_survive_their_text() {
        for text in ["localhost:9090", "10.0.0.1:1", "[::1]:65535"] {
            assert_eq!(text.parse::<Endpoint>().expect("an endpoint").to_string(), text);
        }
        assert_eq!("[::1]:1".parse::<Endpoint>().expect("an endpoint").host.as_ref(), "::1");
    }

    #[test]
    fn other_texts_are_no_endpoints() {
        for text in ["", "host", "host:", ":1", "host:0", "host:65536", "host:+1", "::1:9", "a b:1", "a/b:1", "[::1:1"]
        {
            assert!(text.parse::<Endpoint>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_unspecified_host_becomes_the_controllers() {
        for host in ["", "0.0.0.0", "::", "[::]", "::ffff:0.0.0.0"] {
            assert_eq!(resolved(host, 6000, &[]), "ctl:6000", "{host:?}");
        }
        assert_eq!(resolved("store-1", 6000, &[]), "store-1:6000");
    }

    #[test]
    fn a_star_matches_any_part_and_keeps_it() {
        assert_eq!(resolved("a", 6000, &["a:6000=b:7000"]), "b:7000");
        assert_eq!(resolved("a", 6000, &["*:*=b:*"]), "b:6000");
        assert_eq!(resolved("a", 6000, &["*:6000=*:7000"]), "a:7000");
        assert_eq!(resolved("A.Example", 6000, &["a.example:*=[::1]:*"]), "[::1]:6000");
        assert_eq!(resolved("a", 6000, &["a:6001=b:7000", "c:*=d:*"]), "a:6000");
    }

    #[test]
    fn the_first_rule_that_fits_is_the_only_one() {
        assert_eq!(resolved("a", 1, &["a:*=b:*", "b:*=c:*", "a:*=d:*"]), "b:1");
    }

    #[test]
    fn rules_see_an_unspecified_host_before_it_is_replaced() {
        assert_eq!(resolved("0.0.0.0", 6000, &["0.0.0.0:6000=forward:7000"]), "forward:7000");
        assert_eq!(resolved("0.0.0.0", 6000, &["*:6000=*:7000"]), "ctl:7000");
        assert_eq!(resolved("0.0.0.0", 6000, &["ctl:6000=elsewhere:7000"]), "ctl:6000");
    }

    #[test]
    fn a_rule_survives_its_text_and_names_what_is_wrong() {
        assert_eq!(rules(&["*:*=[::1]:*"])[0].to_string(), "*:*=[::1]:*");
        let error = "a:1".parse::<RewriteRule>().expect_err("no =");
        assert!(error.to_string().contains("FROM=TO"), "{error}");
        let error = "a:1=b".parse::<RewriteRule>().expect_err("no port");
        assert!(error.to_string().starts_with("\"b\""), "{error}");
    }
}
