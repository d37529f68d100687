//! The parts of a request: parameters, what they name, headers that choose a form, and the body.

pub(crate) mod accept_header;
pub(crate) mod body;
pub(crate) mod body_permit;
pub(crate) mod content_encoding;
pub(crate) mod content_type;
pub(crate) mod params;
pub(crate) mod prefer;
pub(crate) mod target;
