//! The embedded Pravega: beside a real one what clients can see is the same, and what it keeps it keeps.

mod client;
mod controller_calls;
mod first_use;
mod full_disk;
mod guarded;
mod killed;
mod link;
mod memory;
mod online_readers;
mod operations;
mod restarted;
mod retention;
mod same;
mod tables;
mod wire;
