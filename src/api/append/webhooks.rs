//! `POST /v1/webhooks/{name}`: an append whose parameters are in the settings, for senders that cannot give any.
//!
//! Kubernetes' API server is one: it drops the query of a webhook's URL and puts a `timeout` of its own there.
//! Source: client-go, `clientcmd.DirectClientConfig.ClientConfig`, `rest.NewRESTClient`, `rest.Request.URL`.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request};
use axum::response::Response;

use crate::api::append::post as append;
use crate::api::edge::deadline::Deadline;
use crate::api::error::{ApiError, ErrorCode};
use crate::api::request::params::Params;
use crate::app::App;
use crate::config::Webhook;

/// Appends the body as `POST /v1/events` with the webhook's own query would; the caller's query is not looked at.
/// Senders of webhooks take any 2xx for success, so a batch that fails in part has the status of its failure.
pub(crate) async fn post(
    app: App,
    name: Result<Path<String>, PathRejection>,
    deadline: Deadline,
    mut request: Request,
) -> Result<Response, ApiError> {
    let Path(name) = name.map_err(|error| ApiError::new(ErrorCode::PathUnknown, error.to_string()))?;
    *request.uri_mut() = find(&app.config().webhooks, &name)?.uri();
    append::append(app, deadline, request, true).await
}

fn find<'a>(webhooks: &'a [Webhook], name: &str) -> Result<&'a Webhook, ApiError> {
    let missing = || ApiError::new(ErrorCode::PathUnknown, format!("the setting webhooks has no entry named {name:?}"));
    webhooks.iter().find(|webhook| webhook.name == name).ok_or_else(missing)
}

/// Checks the names of a webhook's parameters before it is called.
///
/// # Errors
/// That of `POST /v1/events` for a query with an unknown or repeated parameter.
pub fn check(webhook: &Webhook) -> Result<(), ApiError> {
    let mut params = Params::parse(Some(webhook.query()))?;
    append::PARAMETERS.iter().for_each(|known| drop(params.take(known)));
    params.finish(append::PARAMETERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook(text: &str) -> Webhook {
        text.parse().expect("a webhook")
    }

    fn webhooks() -> Vec<Webhook> {
        vec![webhook("audit=scope=a&stream=b&key-from=/auditID"), webhook("other=stream=c")]
    }

    #[test]
    fn query_is_that_of_the_setting() {
        let webhooks = webhooks();
        let found = find(&webhooks, "audit").expect("it is there");
        assert_eq!(found.uri().query(), Some("scope=a&stream=b&key-from=/auditID"));
    }

    #[test]
    fn unknown_webhook_is_an_unknown_path() {
        let refused = find(&webhooks(), "audi").map(Webhook::query).expect_err("no such name");
        assert_eq!(refused.code(), ErrorCode::PathUnknown);
    }

    #[test]
    fn setting_is_checked_at_the_start() {
        assert!(webhooks().iter().all(|webhook| check(webhook).is_ok()));
        let misspelt = check(&webhook("audit=stream=b&keyfrom=/auditID")).expect_err("no such parameter");
        assert_eq!(misspelt.code(), ErrorCode::ParameterUnknown);
        let twice = check(&webhook("audit=stream=b&stream=c")).expect_err("given twice");
        assert_eq!(twice.code(), ErrorCode::ParameterRepeated);
    }
}
