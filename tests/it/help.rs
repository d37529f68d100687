//! `--help` and `--version`.

use crate::support::run;

#[test]
fn help_tells_the_commands_and_the_flags() {
    let finished = run(&["--help"]);
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    for part in ["serve", "wire", "route", "config", "--listen", "--management", "--controller", "--set"] {
        assert!(finished.stdout.contains(part), "{part} is missing from\n{}", finished.stdout);
    }
}

#[test]
fn every_command_has_help_of_its_own() {
    let commands: &[&[&str]] = &[
        &["serve"],
        &["wire"],
        &["wire", "list"],
        &["wire", "decode"],
        &["wire", "encode"],
        &["route"],
        &["config"],
        &["config", "check"],
    ];
    for command in commands {
        let finished = run(&[command, &["--help"][..]].concat());
        assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{command:?}");
        assert!(finished.stdout.contains(&format!("pravega-gateway {}", command.join(" "))), "{}", finished.stdout);
    }
}

#[test]
fn version_is_that_of_the_package() {
    assert_eq!(run(&["--version"]).lines_of_success(), [concat!("pravega-gateway ", env!("CARGO_PKG_VERSION"))]);
}

#[test]
fn unknown_command_and_unknown_flag_exit_with_2() {
    assert_eq!(run(&["sevre"]).code, Some(2));
    assert_eq!(run(&["serve", "--lisen", "x"]).code, Some(2));
}
