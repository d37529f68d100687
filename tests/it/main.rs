//! Runs the program as its users do, where it needs no Pravega.

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
