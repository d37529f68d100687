//! What the program does without a Pravega: run as its users run it.

mod config_check;
mod fuzz_corpus;
mod grafana;
mod help;
mod readme;
mod route_keys;
mod start;
mod support;
mod wire_decode;
mod wire_encode;
mod wire_list;
