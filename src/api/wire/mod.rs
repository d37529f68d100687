//! Wire commands from callers: whole, by `PUT /v1/events`, or field by field, by `POST /v1/wire/{Command}`.

pub(crate) mod by_fields;
mod by_fields_append;
mod exchange;
mod field_values;
pub(crate) mod passthrough;
mod reply_fields;
pub(crate) mod reply_status;
mod rights;
mod route;
