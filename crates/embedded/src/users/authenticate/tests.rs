//! Who is let in, and how often a password's key is derived.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::time::advance;

use super::*;
use crate::users::UserFile;

/// A file made by Pravega's own class; `tests/golden/capture/UserLines.java` made it.
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/users.txt");

fn golden() -> Users {
    users(std::fs::read(GOLDEN).expect("a file")).expect("Pravega's file")
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

/// The password that the golden file has for the user.
fn right(user: &str) -> String {
    basic(user, &format!("{user}-päss:wörd"))
}

async fn caller(users: &Users, user: &str) -> AuthenticatedUser {
    users.authenticate(Some(&right(user))).await.expect("the right password")
}

fn users(text: impl AsRef<[u8]>) -> Result<Users, LoadError> {
    Users::from_text(Path::new("users.txt"), text.as_ref())
}

/// Whether the next look at this user's password needs no key to be derived.
fn remembers(users: &Users, authorization: &str) -> bool {
    users.recall(&Credentials::from_authorization(authorization).expect("credentials")).is_some()
}

#[tokio::test]
async fn users_of_a_file_that_pravega_made_are_known_by_their_passwords() {
    let users = golden();
    for name in ["admin", "reader", "writer", "either", "dotted", "nobody"] {
        assert_eq!(caller(&users, name).await.name(), name);
    }
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_get_the_same_answer() {
    let users = golden();
    caller(&users, "admin").await;
    for value in [basic("admin", "admin-päss"), basic("admin", ""), basic("root", "admin-päss:wörd"), right("root")]
    {
        assert_eq!(users.authenticate(Some(&value)).await.err(), Some(AuthenticationError::Wrong), "{value}");
        assert!(!remembers(&users, &value));
    }
}

#[test]
fn an_unknown_user_costs_as_much_as_the_slowest_known_one() {
    let line = |name, iterations| format!("{name}:{}:\n", PasswordHash::of_unknown(iterations).to_hex());
    let [quick, slow] = [3, 5].map(|iterations| NonZeroU32::new(iterations).expect("not 0"));
    let users = users([line("a", quick), line("b", slow), line("c", quick)].concat());
    assert_eq!(users.expect("users").unknown.iterations(), slow);
}

#[tokio::test]
async fn without_credentials_of_the_method_basic_nobody_is_known() {
    let users = golden();
    assert_eq!(users.authenticate(None).await.err(), Some(AuthenticationError::Missing));
    for value in [right("admin").replace("Basic", "basic"), right("admin").replace("Basic", "Bearer"), String::new()] {
        assert_eq!(users.authenticate(Some(&value)).await.err(), Some(AuthenticationError::Malformed), "{value}");
    }
}

/// The answers of Pravega 0.13.0 with the same file.
#[tokio::test]
async fn callers_may_do_what_pravega_lets_them() {
    use Permission::{Read, ReadUpdate};
    let users = golden();
    for (user, resource, permission, may) in [
        ("admin", "prn::/", ReadUpdate, true),
        ("admin", "prn::/scope:sales/stream:audit", ReadUpdate, true),
        ("reader", "prn::/scope:sales", Read, true),
        ("reader", "prn::/scope:north", Read, false),
        ("reader", "prn::/scope:sales/stream:audit", Read, true),
        ("reader", "prn::/scope:sales/stream:audit", ReadUpdate, false),
        ("writer", "prn::/scope:sales", Read, true),
        ("writer", "prn::/scope:sales/stream:audit", Read, false),
        ("writer", "prn::/scope:sales/stream:a", ReadUpdate, true),
        ("either", "prn::/scope:north", Read, true),
        ("either", "prn::/scope:south", Read, true),
        ("either", "prn::/scope:sales", Read, false),
        ("dotted", "prn::/scope:north", Read, true),
        ("dotted", "prn::/scope:south", Read, false),
        ("nobody", "prn::/", Read, false),
    ] {
        assert_eq!(caller(&users, user).await.may(resource, permission), may, "{user} {resource} {permission}");
    }
}

#[tokio::test]
async fn everybody_may_do_nothing() {
    assert!(caller(&golden(), "nobody").await.may("prn::/", Permission::None));
}

#[tokio::test(start_paused = true)]
async fn a_right_password_is_remembered_for_a_while_only() {
    let users = golden();
    let value = right("admin");
    assert!(!remembers(&users, &value));
    caller(&users, "admin").await;
    assert!(remembers(&users, &value));
    assert!(!remembers(&users, &basic("admin", "another")));
    advance(REMEMBERED_FOR).await;
    assert!(!remembers(&users, &value));
    caller(&users, "admin").await;
    assert!(remembers(&users, &value));
}

#[tokio::test]
async fn a_remembered_password_needs_no_turn() {
    let users = golden();
    caller(&users, "admin").await;
    let _all = Arc::clone(&users.turns).acquire_many_owned(DERIVED_AT_ONCE as u32).await.expect("never closed");
    caller(&users, "admin").await;
}

#[tokio::test]
async fn callers_at_once_have_one_key_derived() {
    let users = golden();
    let turns = Arc::clone(&users.turns).acquire_many_owned(DERIVED_AT_ONCE as u32).await.expect("never closed");
    let value = right("admin");
    let mut second = tokio_test::task::spawn(users.authenticate(Some(&value)));
    tokio_test::assert_pending!(second.poll());
    let credentials = Credentials::from_authorization(&value).expect("credentials");
    users.verify(credentials, turns).await.expect("the right password");
    // Ready at once: it found what the first one left, and no thread was asked.
    let answer = tokio_test::assert_ready!(second.poll());
    assert_eq!(answer.expect("the right password").name(), "admin");
}

#[test]
fn an_error_names_the_file_and_the_line() {
    let error = users("# users\nadmin:secret:prn::*,READ;\n").expect_err("no hash").to_string();
    assert!(error.starts_with("user file users.txt, line 2: the hash ") && !error.contains("secret"), "{error}");
    let error = UserFile::load(Path::new("/nonexistent/users")).expect_err("no file").to_string();
    assert!(error.contains("/nonexistent/users"), "{error}");
}

#[test]
fn a_file_that_names_no_user_is_refused() {
    assert!(matches!(users("# no users\n\n"), Err(LoadError::Empty { .. })));
}

#[tokio::test]
async fn nothing_told_for_debugging_shows_a_password_or_a_hash() {
    let users = golden();
    let caller = caller(&users, "admin").await;
    let remembered = users.users["admin"].remembered.lock().as_ref().expect("remembered").tag;
    let message = format!("{users:?} {caller:?}");
    let text = std::fs::read_to_string(GOLDEN).expect("text");
    let hashes = text.lines().filter_map(|line| line.split(':').nth(1)).filter(|hash| hash.len() > 64);
    assert_eq!(hashes.clone().count(), 6);
    let tag = hex::encode(remembered);
    for secret in hashes.map(|hash| &hash[..64]).chain(["päss", &tag]) {
        assert!(!message.contains(secret), "{message}");
    }
}
