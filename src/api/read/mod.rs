//! `GET /v1/events`.

pub(crate) mod get;
mod page_body;
mod portable_json;
