//! `POST /v1/webhooks/{name}`: an append whose parameters stand in the settings, for senders that cannot be told any.
//!
//! Kubernetes' API server is one: it drops the query of a webhook's URL and puts a `timeout` of its own there.
//! Source: client-go, `clientcmd.DirectClientConfig.ClientConfig`, `rest.NewRESTClient`, `rest.Request.URL`.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request};
use axum::response::Response;
use http::Uri;

use crate::api::append::post as append;
use crate::api::edge::deadline::Deadline;
use crate::api::error::{ApiError, ErrorCode};
use crate::api::request::params::Params;
use crate::app::App;

/// Appends the body as `POST /v1/events` with the webhook's own query would; the caller's query is not looked at.
pub(crate) async fn post(
    app: App,
    name: Result<Path<String>, PathRejection>,
    deadline: Deadline,
    mut request: Request,
) -> Result<Response, ApiError> {
    let Path(name) = name.map_err(|error| ApiError::new(ErrorCode::PathUnknown, error.to_string()))?;
    *request.uri_mut() = target(&app.config().webhooks, &name)?;
    append::post(app, deadline, request).await
}

fn target(webhooks: &[String], name: &str) -> Result<Uri, ApiError> {
    let mut pairs = webhooks.iter().filter_map(|webhook| webhook.split_once('='));
    let Some((_, query)) = pairs.find(|(known, _)| *known == name) else {
        return Err(ApiError::new(ErrorCode::PathUnknown, format!("the setting webhooks has none called {name:?}")));
    };
    format!("/v1/events?{query}").parse().map_err(|error| {
        let detail = format!("the setting webhooks has a query for {name:?} that is none: {error}");
        ApiError::new(ErrorCode::ParameterInvalid, detail)
    })
}

/// Checks what can be checked of the setting before a webhook is called.
///
/// # Errors
/// What a caller would be told of the first webhook whose query is not one of `POST /v1/events`.
pub fn check(webhooks: &[String]) -> Result<(), ApiError> {
    for (name, _) in webhooks.iter().filter_map(|webhook| webhook.split_once('=')) {
        let target = target(webhooks, name)?;
        let mut params = Params::parse(target.query())?;
        append::PARAMETERS.iter().for_each(|known| drop(params.take(known)));
        params.finish(append::PARAMETERS)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhooks() -> Vec<String> {
        vec!["audit=scope=a&stream=b&key-from=/auditID".to_owned(), "other=stream=c".to_owned()]
    }

    #[test]
    fn query_is_that_of_the_setting() {
        let target = target(&webhooks(), "audit").expect("it is there");
        assert_eq!(target.query(), Some("scope=a&stream=b&key-from=/auditID"));
    }

    #[test]
    fn unknown_webhook_is_an_unknown_path() {
        let refused = target(&webhooks(), "audi").expect_err("no such name");
        assert_eq!(refused.code(), ErrorCode::PathUnknown);
    }

    #[test]
    fn setting_is_checked_at_the_start() {
        assert!(check(&webhooks()).is_ok());
        let misspelt = check(&["audit=stream=b&keyfrom=/auditID".to_owned()]).expect_err("no such parameter");
        assert_eq!(misspelt.code(), ErrorCode::ParameterUnknown);
        let twice = check(&["audit=stream=b&stream=c".to_owned()]).expect_err("given twice");
        assert_eq!(twice.code(), ErrorCode::ParameterRepeated);
        assert!(check(&["audit=stream=a b".to_owned()]).is_err());
    }
}
