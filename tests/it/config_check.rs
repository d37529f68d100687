//! `config check`, and how `serve` reports invalid settings before it binds a port.

use std::io::Write as _;

use tempfile::NamedTempFile;

use crate::support::{Finished, finish, gateway, run};

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("the file is ours");
    file
}

/// Runs `config check` with settings from a file, variables and flags.
fn check(file: &NamedTempFile, variables: &[(&str, &str)], flags: &[&str]) -> Finished {
    let path = file.path().to_str().expect("a temporary path is text");
    let mut command = gateway(&["config", "check", "--config", path]);
    command.envs(variables.iter().copied()).args(flags);
    finish(command)
}

#[track_caller]
fn assert_set(finished: &Finished, line: &str) {
    assert!(finished.lines_of_success().contains(&line), "{line} is not among\n{}", finished.stdout);
}

#[test]
fn defaults_are_printed_as_the_example_file_has_them() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/config/gateway.toml");
    let (defaults, from_example) = (run(&["config", "check"]), run(&["config", "check", "--config", example]));
    assert_eq!(defaults.lines_of_success(), from_example.lines_of_success());
    assert_set(&defaults, "listen = [\"127.0.0.1:8080\"]");
    assert_set(&defaults, "limits.bytes-in-flight = \"64MiB\"");
}

#[test]
fn variables_win_over_the_file_and_flags_over_both() {
    let file = file("[limits]\nconnections = 1\nhttp2-streams = 2\nheaders = \"3KiB\"\n");
    let variables = [("PRAVEGA_GATEWAY__LIMITS__CONNECTIONS", "11"), ("PRAVEGA_GATEWAY__LIMITS__HTTP2_STREAMS", "12")];
    let finished = check(&file, &variables, &["--set", "limits.connections=21", "--listen", "127.0.0.1:1"]);
    assert_set(&finished, "limits.connections = 21");
    assert_set(&finished, "limits.http2-streams = 12");
    assert_set(&finished, "limits.headers = \"3KiB\"");
    assert_set(&finished, "listen = [\"127.0.0.1:1\"]");
}

#[test]
fn flags_of_a_list_add_up() {
    let flags = ["--segment-store-rewrite", "a:1=b:2", "--segment-store-rewrite", "*:*=c:3"];
    assert_set(&check(&file(""), &[], &flags), "segment-store.rewrite = [\"a:1=b:2\", \"*:*=c:3\"]");
}

#[test]
fn variables_that_kubernetes_injects_for_a_service_of_that_name_are_left_alone() {
    let injected = [
        ("PRAVEGA_GATEWAY_PORT", "tcp://10.0.0.1:80"),
        ("PRAVEGA_GATEWAY_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("PRAVEGA_GATEWAY_SERVICE_HOST", "10.0.0.1"),
    ];
    let finished = check(&file(""), &injected, &[]);
    assert_eq!(finished.lines_of_success(), run(&["config", "check"]).lines_of_success());
}

#[test]
fn unknown_key_is_refused_with_the_nearest_one_wherever_it_stands() {
    let nearest = "did you mean \"limits.connections\"";
    let in_file = file("[limits]\nconections = 1\n");
    let path = in_file.path().to_str().expect("a temporary path is text");
    check(&in_file, &[], &[]).assert_refused(&["limits.conections", path, nearest]);
    let variable = ("PRAVEGA_GATEWAY__LIMITS__CONECTIONS", "1");
    check(&file(""), &[variable], &[]).assert_refused(&[variable.0, nearest]);
    check(&file(""), &[], &["--set", "limits.conections=1"]).assert_refused(&["limits.conections", nearest]);
}

#[test]
fn file_that_is_not_there_or_no_toml_is_named() {
    run(&["config", "check", "--config", "/nowhere/g.toml"]).assert_refused(&["/nowhere/g.toml"]);
    let broken = file("listen = ");
    let finished = check(&broken, &[], &[]);
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains(broken.path().to_str().expect("text")), "{finished:?}");
}

/// Invalid settings, and the key that the error must name.
const REFUSED: &[(&[&str], &str)] = &[
    (&["--listen", "somewhere"], "listen"),
    (&["--management", "127.0.0.1"], "management"),
    (&["--controller", "http://127.0.0.1:9090"], "controller.address"),
    (&["--controller", "127.0.0.1"], "controller.address"),
    (&["--controller-rest", "localhost:9091"], "controller.rest"),
    (&["--segment-store-rewrite", "a:1"], "segment-store.rewrite"),
    (&["--segment-store-rewrite", "*:*=127.0.0.1:x"], "segment-store.rewrite"),
    (&["--set", "request.timeout=soon"], "request.timeout"),
    (&["--set", "limits.connections=0"], "limits.connections"),
    (&["--set", "append.max-event=9MiB"], "append.max-event"),
    (&["--set", "log.format=xml"], "log.format"),
    (&["--set", "segment-store.keep-alive=2m"], "segment-store.dead-after"),
    (&["--set", "default-scope=a/b"], "default-scope"),
    (&["--set", "default-stream=a b"], "default-stream"),
    (&["--set", "telemetry.otlp-endpoint=collector"], "telemetry.otlp-endpoint"),
    (&["--tls-cert", "/run/cert.pem"], "tls.key (--tls-key) is missing"),
    (&["--tls-key", "/run/key.pem"], "tls.cert (--tls-cert) is missing"),
    (&["--tls-client-ca", "/run/ca.pem"], "tls.cert (--tls-cert) is missing"),
    (
        &["--tls-cert", "/nowhere/cert.pem", "--tls-key", "/nowhere/key.pem"],
        "--tls-cert /nowhere/cert.pem cannot be read",
    ),
    (&["--set", "embedded.tls-key=/run/key.pem"], "embedded.tls-certificate is missing"),
];

#[test]
fn bad_value_is_refused_by_the_name_of_its_key() {
    for (flags, key) in REFUSED {
        let finished = check(&file(""), &[], flags);
        finished.assert_refused(&[key]);
        assert_eq!(finished.stdout, "", "{flags:?}");
    }
}

#[test]
fn serve_refuses_a_bad_value_before_it_binds_a_port() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = taken.local_addr().expect("it is bound").to_string();
    for (flags, key) in REFUSED.iter().filter(|(flags, _)| flags[0] != "--listen") {
        // binding this address would fail with another error
        let mut arguments = vec!["serve", "--listen", &taken];
        arguments.extend_from_slice(flags);
        let finished = run(&arguments);
        finished.assert_refused(&[key]);
        assert!(!finished.stderr.contains(&taken), "{finished:?}");
    }
}

#[test]
fn webhook_whose_query_is_none_of_an_append_is_refused() {
    for (webhook, why) in [
        ("audit", "NAME=QUERY"),
        ("audit=stream=s&strem=t", "strem"),
        ("audit=stream=s,audit=stream=t", "more than once"),
        ("[\"audit=stream=s\"]", "comma separated"),
    ] {
        run(&["config", "check", "--set", &format!("webhooks={webhook}")]).assert_refused(&["webhooks", why]);
    }
    let good = run(&["config", "check", "--set", "webhooks=audit=scope=s&stream=t&key-from=/auditID"]);
    assert!(good.stdout.contains("webhooks = [\"audit=scope=s&stream=t&key-from=/auditID\"]"), "{good:?}");
}
