//! A Pravega that asks callers who they are: a real one, or the embedded one.
//!
//! All of them have the same users ([`users`]), and the streams `shop/orders` and `office/ledger`, of one segment each.

mod certificates;
mod session;
mod standalone;
pub(crate) mod users;

use std::path::PathBuf;
use std::time::Duration;

use pravega_protocol::controller::controller_service_client::ControllerServiceClient;
use pravega_protocol::controller::stream_info::AccessOperation;
use pravega_protocol::controller::{self as proto};
use pravega_protocol::wire::{DelegationToken, JavaStr};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard, OnceCell};
use tokio::time::{sleep, timeout};
use tonic::transport::{Certificate, Channel, ClientTlsConfig};
use tonic::{Code, Request};

use certificates::Certificates;
pub(crate) use session::StoreSession;
use standalone::Standalone;
#[cfg(feature = "embedded")]
use users::USERS;
use users::{ADMIN, User, password_file};

#[cfg(feature = "embedded")]
use super::Embedded;
use super::foreign::java_at;
use super::process::Finished;
use super::{Answer, Gateway, PATIENCE, Pravega, http};

/// Another process may take a port after it was chosen and before it is bound.
const ATTEMPTS: usize = 3;

/// A running one. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct SecuredPravega {
    // Ended before its files are removed.
    process: Process,
    /// Its addresses with schemes, `tls://` and `https://` if it speaks TLS.
    pub(crate) pravega: Pravega,
    certificates: Option<Certificates>,
    passwords: PathBuf,
    /// A standalone removes its own.
    _files: Option<TempDir>,
}

#[derive(Debug)]
enum Process {
    /// Somebody else's.
    Borrowed,
    Standalone(Standalone),
    #[cfg(feature = "embedded")]
    Embedded(Box<Embedded>),
}

/// What protects an embedded one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Protection {
    /// Whether callers must be users.
    pub(crate) users: bool,
    /// Whether its ports speak TLS.
    pub(crate) tls: bool,
}

impl Protection {
    /// Users and TLS.
    pub(crate) const FULL: Self = Self { users: true, tls: true };
    /// Users, but traffic that can be read.
    pub(crate) const USERS: Self = Self { users: true, tls: false };
}

impl SecuredPravega {
    /// The real one that all tests of this process share, one after another, as long as they hold the guard. Needs
    /// `scripts/test`.
    pub(crate) async fn real() -> (&'static Self, MutexGuard<'static, ()>) {
        static SHARED: OnceCell<SecuredPravega> = OnceCell::const_new();
        static TURN: Mutex<()> = Mutex::const_new(());
        let turn = TURN.lock().await;
        (SHARED.get_or_init(Self::start).await, turn)
    }

    /// Starts a real one, a standalone with passwords and TLS.
    async fn start() -> Self {
        for _ in 1..ATTEMPTS {
            match Self::try_start().await {
                Ok(started) => return started,
                Err(ended) => eprintln!("{ended}"),
            }
        }
        Self::try_start().await.unwrap_or_else(|ended| panic!("{ended}"))
    }

    async fn try_start() -> Result<Self, String> {
        let folder = TempDir::new().expect("a folder").keep();
        let certificates = Certificates::make(&folder);
        let standalone = Standalone::start(&folder, &certificates).await;
        let ports = standalone.ports;
        let pravega = Pravega {
            controller: format!("tls://127.0.0.1:{}", ports.controller),
            rest: format!("https://127.0.0.1:{}", ports.rest),
            store: format!("127.0.0.1:{}", ports.store),
        };
        let passwords = folder.join("passwords");
        let process = Process::Standalone(standalone);
        let this = Self { process, pravega, certificates: Some(certificates), passwords, _files: None };
        match timeout(PATIENCE, this.prepare()).await {
            Ok(()) => Ok(this),
            Err(_) => Err(format!("Pravega does not start:\n{}", this.log_tail())),
        }
    }

    /// The one of this run, which asks no one for anything, with the same streams.
    pub(crate) async fn unguarded() -> Self {
        let pravega = with_schemes(&Pravega::of_this_run(), false);
        let process = Process::Borrowed;
        let this = Self { process, pravega, certificates: None, passwords: PathBuf::new(), _files: None };
        timeout(PATIENCE, this.prepare()).await.expect("it is ready at once");
        this
    }

    /// Starts an embedded one, as a process of its own.
    #[cfg(feature = "embedded")]
    pub(crate) async fn embedded(protection: Protection, arguments: &[&str]) -> Self {
        Self::embedded_for(&password_file(&USERS).await, protection, arguments).await
    }

    /// Starts an embedded one with another password file; the admin must be in it.
    #[cfg(feature = "embedded")]
    pub(crate) async fn embedded_for(users: &str, protection: Protection, arguments: &[&str]) -> Self {
        let files = TempDir::new().expect("a folder");
        let passwords = files.path().join("passwords");
        std::fs::write(&passwords, users).expect("a file of ours");
        let certificates = protection.tls.then(|| Certificates::make(files.path()));
        let embedded = start_embedded(protection, &passwords, certificates.as_ref(), arguments).await;
        let pravega = with_schemes(&embedded.pravega, protection.tls);
        let process = Process::Embedded(Box::new(embedded));
        let this = Self { process, pravega, certificates, passwords, _files: Some(files) };
        timeout(PATIENCE, this.prepare()).await.expect("it is ready at once");
        this
    }

    /// Ends an embedded one; its log must not show what is secret.
    #[cfg(feature = "embedded")]
    pub(crate) async fn stop(self) {
        match self.process {
            Process::Standalone(_) | Process::Borrowed => {}
            Process::Embedded(embedded) => users::assert_discreet("the node's log", &embedded.stop().await),
        }
    }

    /// Waits until all three listeners answer, and makes the streams.
    async fn prepare(&self) {
        for (scope, stream) in [("shop", "orders"), ("office", "ledger")] {
            insist(|| async {
                let answer = self.try_control("/v1/scopes", &json!({ "scopeName": scope })).await?;
                matches!(answer.status.as_u16(), 201 | 409).then_some(())
            })
            .await;
            insist(|| async {
                let policy = json!({ "type": "FIXED_NUM_SEGMENTS", "minSegments": 1 });
                let body = json!({ "streamName": stream, "scalingPolicy": policy });
                let answer = self.try_control(&format!("/v1/scopes/{scope}/streams"), &body).await?;
                matches!(answer.status.as_u16(), 201 | 409).then_some(())
            })
            .await;
            insist(|| async { self.token(ADMIN, scope, stream, AccessOperation::ReadWrite).await.ok() }).await;
        }
        insist(|| async { StoreSession::open(&self.pravega.store, self.certificates.as_ref()).await.ok() }).await;
    }

    async fn try_control(&self, path: &str, body: &Value) -> Option<Answer> {
        let request = self.client().post(format!("{}{path}", self.pravega.rest));
        let request = request.header("Content-Type", "application/json").body(body.to_string());
        Some(Answer::from(ADMIN.sends(request).send().await.ok()?).await)
    }

    fn log_tail(&self) -> String {
        match &self.process {
            Process::Standalone(standalone) => standalone.log_tail(),
            _ => String::new(),
        }
    }

    /// A gateway in front of it, which logs more than usual.
    pub(crate) async fn gateway(&self, arguments: &[&str]) -> Gateway {
        self.gateway_before(&self.pravega, arguments).await
    }

    /// A gateway that finds it at other addresses.
    pub(crate) async fn gateway_before(&self, pravega: &Pravega, arguments: &[&str]) -> Gateway {
        let trusted = self.certificates.iter().flat_map(|made| ["--upstream-ca", made.authority()]);
        let usual: Vec<_> = ["--set", "log.level=debug"].into_iter().chain(trusted).collect();
        Gateway::start(pravega, &[&usual, arguments].concat()).await
    }

    /// A client of its REST that trusts its certificate.
    pub(crate) fn client(&self) -> Client {
        let builder = http::builder();
        let builder = match &self.certificates {
            None => builder,
            Some(made) => {
                let authority = reqwest::Certificate::from_pem(&made.authority_pem()).expect("a certificate");
                builder.tls_certs_only([authority])
            }
        };
        builder.build().expect("no setting is wrong")
    }

    /// A request to its own REST.
    pub(crate) fn rest(&self, method: ::http::Method, path: &str) -> RequestBuilder {
        self.client().request(method, format!("{}{path}", self.pravega.rest))
    }

    /// A session with its segment store.
    pub(crate) async fn session(&self) -> StoreSession {
        StoreSession::open(&self.pravega.store, self.certificates.as_ref()).await.expect("it listens")
    }

    /// Buys a token for a stream; an empty one if no user is asked for.
    ///
    /// # Errors
    /// The code of the controller's refusal.
    pub(crate) async fn token(
        &self,
        user: User,
        scope: &str,
        stream: &str,
        access: AccessOperation,
    ) -> Result<DelegationToken, Code> {
        let info =
            proto::StreamInfo { scope: scope.to_owned(), stream: stream.to_owned(), access_operation: access.into() };
        let mut request = Request::new(info);
        request.metadata_mut().insert("authorization", user.authorization().parse().expect("ASCII"));
        let mut controller = ControllerServiceClient::new(self.channel().await.ok_or(Code::Unavailable)?);
        let token = controller.get_delegation_token(request).await.map_err(|status| status.code())?;
        Ok(DelegationToken(JavaStr::new(token.into_inner().delegation_token).expect("a short text")))
    }

    async fn channel(&self) -> Option<Channel> {
        let scheme = if self.certificates.is_some() { "https" } else { "http" };
        let endpoint = Channel::from_shared(format!("{scheme}://{}", self.controller_address())).expect("a URL");
        let endpoint = match &self.certificates {
            None => endpoint,
            Some(made) => {
                let authority = Certificate::from_pem(made.authority_pem());
                let tls = ClientTlsConfig::new().ca_certificate(authority).domain_name("localhost");
                endpoint.tls_config(tls).expect("a certificate")
            }
        };
        endpoint.connect().await.ok()
    }

    /// Where its controller listens, `host:port`.
    pub(crate) fn controller_address(&self) -> &str {
        let (_, address) = self.pravega.controller.split_once("://").expect("with a scheme");
        address
    }

    /// Runs a command of the Java client as a user.
    pub(crate) async fn java(&self, user: User, words: &[&str], stdin: &str) -> Finished {
        let credentials = user.credentials();
        let mut variables = vec![("pravega_client_auth_method", "Basic"), ("pravega_client_auth_token", &*credentials)];
        variables.extend(self.certificates.iter().map(|made| ("FOREIGN_AUTHORITY", made.authority())));
        java_at(self.controller_address(), &variables, words, stdin).await
    }

    /// Replaces the users of an embedded one, which notices.
    pub(crate) async fn replace_users(&self, users: &[User]) {
        let new = self.passwords.with_extension("new");
        std::fs::write(&new, password_file(users).await).expect("a file of ours");
        std::fs::rename(new, &self.passwords).expect("a file of ours");
    }
}

/// Tries until it succeeds, or the caller's patience ends.
async fn insist<T, F: Future<Output = Option<T>>>(mut attempt: impl FnMut() -> F) -> T {
    loop {
        if let Some(done) = attempt().await {
            return done;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

#[cfg(feature = "embedded")]
async fn start_embedded(
    protection: Protection,
    passwords: &std::path::Path,
    certificates: Option<&Certificates>,
    more: &[&str],
) -> Embedded {
    let mut arguments = Vec::new();
    if protection.users {
        arguments.extend(["--users".to_owned(), passwords.display().to_string()]);
    }
    if let Some(made) = certificates {
        arguments.extend(["--tls-certificate".to_owned(), made.certificate.display().to_string()]);
        arguments.extend(["--tls-key".to_owned(), made.key.display().to_string()]);
    }
    let arguments: Vec<_> = arguments.iter().map(String::as_str).chain(more.iter().copied()).collect();
    Embedded::start(&arguments).await
}

fn with_schemes(pravega: &Pravega, tls: bool) -> Pravega {
    let (controller, rest) = if tls { ("tls", "https") } else { ("tcp", "http") };
    let (_, rest_address) = pravega.rest.split_once("://").expect("a URL");
    Pravega {
        controller: format!("{controller}://{}", pravega.controller),
        rest: format!("{rest}://{rest_address}"),
        store: pravega.store.clone(),
    }
}
