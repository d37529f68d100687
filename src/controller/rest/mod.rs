//! Passes control requests on to the controller's REST interface, untouched.

mod discovery;
mod error;
mod headers;
mod path;
mod proxy;
mod scaling_events;

pub use self::error::RestError;
pub use self::proxy::{RestProxy, RestSettings};
