//! What a caller may do with a stream, as far as the controller sold it.

use std::sync::Arc;

use parking_lot::Mutex;
use pravega_protocol::stream::ScopedStream;

use super::cache::Controller;
use super::client::Access;
use super::credentials::Credentials;
use super::error::Error;
use super::token::Token;

/// The proof that the controller sold its caller a token of some level for some stream, and the means to renew it. Where
/// authentication is on, only [`Controller::grant`] makes one.
///
/// Holds the caller's credentials while it lives. Clones share them.
#[derive(Debug, Clone)]
pub struct Grant(Option<Arc<Sold>>);

#[derive(Debug)]
struct Sold {
    /// Asks with the caller's credentials.
    controller: Controller,
    stream: ScopedStream,
    access: Access,
    /// The one that was bought last, unless a store refused it.
    token: Mutex<Option<Token>>,
}

impl Grant {
    /// What every caller has where authentication is off. Shows nothing to anyone.
    #[must_use]
    pub fn open() -> Self {
        Self(None)
    }

    pub(super) fn sold(controller: Controller, stream: ScopedStream, access: Access, token: Token) -> Self {
        Self(Some(Arc::new(Sold { controller, stream, access, token: Mutex::new(Some(token)) })))
    }

    /// The caller's token: the one that was bought before, or in its last third another one.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] and [`Error::Forbidden`] for a caller who has lost the right, others as the controller
    /// gives them.
    ///
    /// # Cancel safety
    /// A purchase goes on without its caller.
    pub async fn token(&self) -> Result<Token, Error> {
        match &self.0 {
            None => Ok(Token::empty()),
            Some(sold) => sold.token().await,
        }
    }

    /// What was bought last, good or not.
    #[must_use]
    pub fn last_token(&self) -> Option<Token> {
        self.0.as_ref()?.token.lock().clone()
    }

    /// A store did not take the token: the next one is bought.
    pub fn doubt_token(&self) {
        if let Some(sold) = &self.0 {
            *sold.token.lock() = None;
            sold.controller.forget_token(&sold.stream, sold.access);
        }
    }

    /// The caller's credentials.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        self.0.as_ref().map(|sold| sold.controller.credentials().clone()).unwrap_or_default()
    }

    /// Whether authentication is off.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.is_none()
    }
}

impl Sold {
    async fn token(&self) -> Result<Token, Error> {
        if let Some(token) = self.token.lock().as_ref().filter(|token| token.is_good()) {
            return Ok(token.clone());
        }
        let token = self.controller.token(&self.stream, self.access).await?;
        *self.token.lock() = Some(token.clone());
        Ok(token)
    }
}
