//! The Pravega in this process, in a build with the feature `embedded`.

#[cfg(feature = "embedded")]
mod with;
#[cfg(not(feature = "embedded"))]
mod without;

#[cfg(feature = "embedded")]
pub use with::{Addresses, Embedded, StartError, UserLineError, check, user_line};
#[cfg(not(feature = "embedded"))]
pub use without::{Addresses, Embedded, StartError, UserLineError, check, user_line};
