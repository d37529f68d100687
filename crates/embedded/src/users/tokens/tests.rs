//! Which tokens grant what, among them tokens of a real controller.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::json;

use super::Permission::{Read, ReadUpdate};
use super::*;

/// The lifetime of tokens of a Pravega whose settings say nothing else.
const LIFE: Duration = Duration::from_secs(600);

const SEGMENT: &str = "golden/tokens/0.#epoch.0";

/// Tokens of a Pravega 0.13.0, its key being "secret"; `tests/golden/capture/DelegationTokens.java` made them.
fn golden() -> BTreeMap<(String, String), String> {
    let lines = include_str!("../../../tests/golden/delegation-tokens.jsonl").lines();
    let text = |line: &Value, field: &str| line[field].as_str().expect("text").to_owned();
    let lines = lines.map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    lines.map(|line| ((text(&line, "what"), text(&line, "resource")), text(&line, "token"))).collect()
}

/// The one token of its kind.
fn golden_token(what: &str) -> String {
    let tokens = golden();
    let mut found = tokens.iter().filter(|((kind, _), _)| kind == what);
    let (_, token) = found.next().expect("recorded");
    token.clone()
}

fn tokens() -> Tokens {
    Tokens::new("secret", Some(LIFE)).expect("a key")
}

fn claims(token: &str) -> Value {
    let claims = token.split('.').nth(1).expect("three parts");
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).expect("base64")).expect("JSON")
}

fn seconds(claim: &Value) -> u64 {
    claim.as_u64().expect("a number")
}

/// A token with one claim beside the standard ones, which never expires.
fn granting(resource: &str, permission: &str) -> String {
    jwt::sign(&jwt::key("secret"), json!({ "sub": "x", resource: permission }).to_string().as_bytes())
}

fn check(token: &str, segment: &str, needed: Permission) -> Result<(), TokenError> {
    tokens().check(token, segment, needed).map(|_| ())
}

#[test]
fn a_token_is_that_of_pravegas_controller_to_the_byte() {
    let of_controller = golden().into_iter().filter(|((what, _), _)| what.starts_with("controller"));
    let mut seen = 0;
    for ((what, resource), token) in of_controller {
        let permission = if what.ends_with("READ") { Read } else { ReadUpdate };
        let issued = seconds(&claims(&token)["iat"]);
        assert_eq!(tokens().mint_at(issued, &resource, permission), token, "{what} {resource}");
        seen += 1;
    }
    assert_eq!(seen, 4);
}

#[test]
fn a_token_without_a_life_is_that_of_pravega_to_the_byte() {
    let token = golden_token("never expires");
    let issued = seconds(&claims(&token)["iat"]);
    let for_ever = Tokens::new("secret", None).expect("a key");
    assert_eq!(for_ever.mint_at(issued, "*", ReadUpdate), token);
}

#[tokio::test(start_paused = true)]
async fn tokens_of_pravegas_controller_hold_until_their_end() {
    let golden = golden();
    let resource = "prn::/scope:golden/stream:tokens".to_owned();
    let read = &golden[&("controller READ".to_owned(), resource.clone())];
    let write = &golden[&("controller READ_WRITE".to_owned(), resource)];
    let issued = Duration::from_secs(seconds(&claims(read)["iat"]));
    let at = |after, token: &str, needed| tokens().check_at(issued + after, token, SEGMENT, needed);
    let whole = Ok(Expiry(Some(Instant::now() + LIFE)));
    assert_eq!(at(Duration::ZERO, read, Read), whole);
    assert_eq!(at(Duration::ZERO, read, ReadUpdate), Err(TokenError::Refused));
    assert_eq!(at(Duration::ZERO, write, ReadUpdate), whole);
    assert!(at(LIFE - Duration::from_millis(1), read, Read).is_ok());
    assert_eq!(at(LIFE, read, Read), Err(TokenError::Expired));
}

#[test]
fn tokens_of_pravegas_own_class_are_judged_as_it_does() {
    let judged = |what| tokens().check(&golden_token(what), SEGMENT, ReadUpdate);
    assert_eq!(judged("never expires"), Ok(Expiry(None)));
    assert_eq!(judged("expired"), Err(TokenError::Expired));
    assert_eq!(judged("another key"), Err(TokenError::Refused));
    assert_eq!(judged("a scope and a stream"), Err(TokenError::Refused));
    let two = golden_token("a scope and a stream");
    assert_eq!(check(&two, "abc/d/0.#epoch.0", ReadUpdate), Ok(()));
    assert_eq!(check(&two, "abc/e/0.#epoch.0", Read), Ok(()));
    assert_eq!(check(&two, "abc/e/0.#epoch.0", ReadUpdate), Err(TokenError::Refused));
}

#[test]
fn what_is_minted_now_is_good_now() {
    let token = tokens().mint("prn::/scope:golden/stream:tokens", ReadUpdate);
    assert_eq!(check(&token, SEGMENT, ReadUpdate), Ok(()));
    assert_eq!(check(&token, "golden/other/0.#epoch.0", Read), Err(TokenError::Refused));
}

#[test]
fn a_claim_covers_the_segments_of_its_stream_or_scope_and_no_others() {
    for (claim, segment, covered) in [
        ("prn::/scope:s/stream:t", "s/t/0.#epoch.0", true),
        ("prn::/scope:s/stream:t", "s/t", true),
        ("prn::/scope:s/stream:t", "s/t2/0.#epoch.0", false),
        ("prn::/scope:s/stream:t", "s/t_kvtable/0.#epoch.0", false),
        ("prn::/scope:s/stream:t/", "s/t/0.#epoch.0", true),
        ("prn::/scope:s", "s/t/0.#epoch.0", true),
        ("prn::/scope:s", "s2/t/0.#epoch.0", false),
        ("prn::/scope:s/", "s/t/0.#epoch.0", true),
        ("prn::*", "s/t/0.#epoch.0", true),
        ("*", "s/t/0.#epoch.0", true),
        ("prn::/scope:s/*", "s/t/0.#epoch.0", false),
        ("prn::/scope:s/reader-group:t", "s/t/0.#epoch.0", false),
        ("prn::/", "s/t/0.#epoch.0", false),
        ("", "s/t/0.#epoch.0", false),
    ] {
        let expected = if covered { Ok(()) } else { Err(TokenError::Refused) };
        assert_eq!(check(&granting(claim, "READ"), segment, Read), expected, "{claim} {segment}");
    }
}

#[test]
fn a_permission_that_is_none_grants_nothing() {
    for permission in ["NONE", "", "ALL", "read"] {
        assert_eq!(check(&granting("*", permission), SEGMENT, Read), Err(TokenError::Refused), "{permission}");
    }
}

#[test]
fn what_is_no_token_is_refused() {
    let no_object = jwt::sign(&jwt::key("secret"), b"[]");
    let no_number = jwt::sign(&jwt::key("secret"), br#"{"*":"READ","exp":"soon"}"#);
    for token in ["", ".", "..", "a.b.c", &no_object, &no_number] {
        assert_eq!(check(token, SEGMENT, Read), Err(TokenError::Refused), "{token}");
    }
}

#[test]
fn an_end_beyond_the_clock_never_comes() {
    let token = jwt::sign(&jwt::key("secret"), br#"{"*":"READ","exp":1e300}"#);
    assert_eq!(tokens().check(&token, SEGMENT, Read), Ok(Expiry(None)));
}

#[tokio::test(start_paused = true)]
async fn an_expiry_is_as_far_away_as_the_tokens_life() {
    let begin = Instant::now();
    let token = tokens().mint_at(1_000, "*", Read);
    let expiry = tokens().check_at(Duration::from_secs(1_000), &token, SEGMENT, Read).expect("granted");
    assert_eq!(expiry.at().map(|at| (at - begin).as_secs()), Some(LIFE.as_secs()));
}

#[test]
fn refusals_have_the_wires_codes() {
    assert_eq!(AuthErrorCode::from(TokenError::Refused), AuthErrorCode(0));
    assert_eq!(AuthErrorCode::from(TokenError::Expired), AuthErrorCode(1));
}

#[test]
fn debug_does_not_show_the_key() {
    let message = format!("{:?}", Tokens::new("hidden", None).expect("a key"));
    assert!(message.contains("[redacted]") && !message.contains("hidden"), "{message}");
}

#[test]
fn a_key_that_anybody_has_is_refused() {
    assert_eq!(Tokens::new("", None).err(), Some(EmptyKey));
}

proptest! {
    #[test]
    fn no_text_is_a_token_nor_makes_it_panic(token in "[a-zA-Z0-9._=-]{0,40}|.{0,20}") {
        prop_assert_eq!(check(&token, SEGMENT, Read), Err(TokenError::Refused));
    }

    #[test]
    fn no_claims_make_it_panic(claims in r#"\{("(exp|\*|sub)":("READ"|null|-?[0-9]{1,25}(e[0-9]{1,3})?|\[\]),?){0,3}\}"#) {
        let _ = check(&jwt::sign(&jwt::key("secret"), claims.as_bytes()), SEGMENT, Read);
    }
}
