//! Where the controller's REST interface is.

use std::time::Duration;

use futures::future::join_all;
use reqwest::{Client, StatusCode, Url};
use tokio::sync::Mutex;
use tracing::debug;

use super::error::RestError;
use crate::controller::address::ControllerAddresses;
use crate::controller::endpoint::Endpoint;
use crate::upstream_tls::HandshakeError;

/// The port of a standalone and of Pravega's defaults, then that of its Docker and Kubernetes set-ups.
const USUAL_PORTS: [u16; 2] = [9091, 10080];

/// How long a place may take to answer a ping.
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// Searches when first needed and after a loss; remembers what it found in between.
#[derive(Debug)]
pub(super) struct Discovery {
    /// One that the operator named is taken without a ping.
    given: bool,
    candidates: Vec<Url>,
    /// Held while searching, so that one search serves all callers that wait.
    found: Mutex<Option<Url>>,
}

impl Discovery {
    pub(super) fn given(base: &Url) -> Self {
        Self { given: true, candidates: vec![base.clone()], found: Mutex::new(Some(base.clone())) }
    }

    pub(super) fn search(addresses: &ControllerAddresses) -> Self {
        Self::among(candidates(addresses))
    }

    pub(super) fn among(candidates: Vec<Url>) -> Self {
        Self { given: false, candidates, found: Mutex::default() }
    }

    /// # Cancel safety
    /// When the future that searches is dropped, the next one in line searches.
    pub(super) async fn base(&self, client: &Client) -> Result<Url, RestError> {
        let mut found = self.found.lock().await;
        if let Some(base) = &*found {
            return Ok(base.clone());
        }
        // All at once, so that the search takes no longer than one ping; the first in order wins.
        let pings = self.candidates.iter().map(|base| ping(client, base));
        let answers = join_all(pings).await;
        let base = self.candidates.iter().zip(&answers).find_map(|(base, answer)| answer.is_ok().then_some(base));
        debug!(controller.rest = base.map(Url::as_str), "looked for the REST interface");
        *found = base.cloned();
        found.clone().ok_or_else(|| RestError::NotFoundAnywhere {
            tried: self.candidates.iter().map(ToString::to_string).collect(),
            tls_error: answers.into_iter().find_map(|answer| answer.err().flatten()),
        })
    }

    /// The base did not work: the next caller searches, unless someone already found another.
    pub(super) async fn forget(&self, lost: &Url) {
        let mut found = self.found.lock().await;
        if !self.given && found.as_ref() == Some(lost) {
            *found = None;
        }
    }
}

/// Whether the REST interface is there; if not, what was wrong with TLS, if anything was.
async fn ping(client: &Client, base: &Url) -> Result<(), Option<HandshakeError>> {
    let url = base.join("/ping").map_err(|_| None)?;
    match client.get(url).timeout(PING_TIMEOUT).send().await {
        Ok(answer) if answer.status() == StatusCode::OK => Ok(()),
        Ok(_) => Err(None),
        Err(error) => Err(HandshakeError::among_causes(&error)),
    }
}

fn candidates(addresses: &ControllerAddresses) -> Vec<Url> {
    let scheme = if addresses.tls() { "https" } else { "http" };
    let mut bases: Vec<Url> = Vec::new();
    for controller in addresses.endpoints() {
        let ports = [controller.port].into_iter().chain(USUAL_PORTS);
        for endpoint in ports.map(|port| Endpoint { port, ..controller.clone() }) {
            bases.extend(format!("{scheme}://{endpoint}").parse::<Url>().ok().filter(|base| !bases.contains(base)));
        }
    }
    bases
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(addresses: &str) -> Vec<String> {
        let addresses = addresses.parse().expect("addresses");
        candidates(&addresses).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_controllers_own_port_comes_first() {
        assert_eq!(places("ctl:9090"), ["http://ctl:9090/", "http://ctl:9091/", "http://ctl:10080/"]);
    }

    #[test]
    fn a_place_is_tried_once() {
        assert_eq!(places("ctl:9091,ctl:9091"), ["http://ctl:9091/", "http://ctl:10080/"]);
    }

    #[test]
    fn a_controller_with_tls_has_rest_with_tls() {
        assert_eq!(places("tls://[::1]:9090")[0], "https://[::1]:9090/");
    }
}
