//! The settings: read once, and validated before any port is bound.
//!
//! Every key is declared in one place, `sections.rs`, with its type, default and range; the structs, the known
//! keys and the errors come from that table. `config/gateway.toml` lists them all.
//!
//! A value comes from the file, else from a variable, else from a flag, the later ones winning. A variable is
//! `PRAVEGA_GATEWAY__` and the key, a dot as `__` and a dash as `_`
//! (`PRAVEGA_GATEWAY__SEGMENT_STORE__REWRITE`). Lists in variables and flags are comma separated.
//!
//! The values are merged here and not by a crate, so that each keeps its origin until it is checked: an error
//! can then name the variable, flag or file that holds the bad value.

mod error;
mod load;
mod sections;
mod setting;
mod table;
mod value;

pub use error::{ConfigError, Origin};
pub use load::environment;
pub use sections::{
    Append, Config, Controller, Embedded, Limits, Log, Read, Request, SegmentStore, Shutdown, Telemetry, Tls,
};
pub use value::{AuthMode, LogFormat, Percent, Size, Webhook, WebhookError};
