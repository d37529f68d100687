//! What the program does without a Pravega: run as its users run it.

mod config_check;
mod docs;
mod fuzz_corpus;
mod grafana;
mod help;
mod route_keys;
mod start;
mod support;
mod wire_decode;
mod wire_encode;
mod wire_list;
