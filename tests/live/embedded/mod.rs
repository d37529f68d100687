//! The embedded Pravega beside a real one: what clients can see is the same.

mod controller_calls;
mod first_use;
mod guarded;
mod link;
mod operations;
mod same;
mod tables;
mod wire;
