//! The embedded Pravega: clients see the same as with a real one, and what it stores survives crashes.

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
