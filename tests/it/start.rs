//! `serve` with addresses that it cannot bind.

use std::net::{SocketAddr, TcpListener};

use crate::support::{Finished, run};

/// A port that is in use as long as the listener lives.
fn taken() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

fn serve(listen: &str, management: &str) -> Finished {
    run(&["serve", "--listen", listen, "--management", management])
}

#[test]
fn port_in_use_is_named_and_ends_the_program() {
    let (_listener, address) = taken();
    let address = address.to_string();
    serve(&address, "127.0.0.1:0").assert_refused(&["cannot listen on", &address, "in use"]);
    serve("127.0.0.1:0", &address).assert_refused(&["cannot listen on", &address, "in use"]);
}

#[test]
fn tls_towards_pravega_needs_a_file_of_authorities() {
    let tls = ["--controller", "tls://pravega.example:9090"];
    run(&tls).assert_refused(&["pravega.example:9090", "--upstream-ca"]);
    run(&["--controller-rest", "https://pravega.example:9091"])
        .assert_refused(&["pravega.example:9091", "--upstream-ca"]);
    let missing = ["--upstream-ca", "/nowhere/ca.pem"];
    run(&[&tls[..], &missing].concat()).assert_refused(&["--upstream-ca", "/nowhere/ca.pem", "No such file"]);
    let no_pem = ["--upstream-ca", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")];
    run(&[&tls[..], &no_pem].concat()).assert_refused(&["--upstream-ca", "Cargo.toml", "holds no certificate"]);
}

#[test]
fn second_address_that_is_in_use_is_named_too() {
    let (_listener, address) = taken();
    let address = address.to_string();
    let finished = run(&["--listen", "127.0.0.1:0", "--listen", &address, "--management", "127.0.0.1:0"]);
    finished.assert_refused(&["cannot listen on", &address]);
}

#[test]
fn address_that_is_not_this_machines_is_named() {
    // an address of TEST-NET-1, which is reserved for documentation
    serve("192.0.2.1:8080", "127.0.0.1:0").assert_refused(&["cannot listen on 192.0.2.1:8080"]);
}

#[test]
fn socket_path_in_a_folder_that_is_not_there_is_named() {
    serve("unix:/nowhere/gateway.sock", "127.0.0.1:0").assert_refused(&["/nowhere/gateway.sock"]);
}
