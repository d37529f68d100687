//! The embedded Pravega beside a real one: what clients of the wire can see is the same.

mod link;
mod operations;
mod same;
mod tables;
mod wire;
