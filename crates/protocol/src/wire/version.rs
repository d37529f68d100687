//! Versions of the wire protocol, exchanged in `Hello`.

/// Newest protocol version that this crate speaks. Source: WireCommands.java, `WIRE_VERSION` of 0.13.0.
pub const WIRE_VERSION: i32 = 16;

/// Oldest protocol version that this crate accepts. Source: WireCommands.java, `OLDEST_COMPATIBLE_VERSION`.
pub const OLDEST_COMPATIBLE_VERSION: i32 = 5;
