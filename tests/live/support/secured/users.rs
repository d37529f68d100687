//! The users of a secured Pravega, and what must never be shown of them.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::RequestBuilder;
use ring::pbkdf2::{self, PBKDF2_HMAC_SHA256};

use crate::support::process::gateway_cli;

/// A user of the password file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: &'static str,
    pub(crate) password: &'static str,
    /// The first entry that matches a resource decides; nothing is granted without one.
    entries: &'static [&'static str],
}

/// May do everything.
pub(crate) const ADMIN: User = User { name: "admin", password: "hush-to-all-A5", entries: &["prn::*,READ_UPDATE"] };

/// May read `shop/orders` and `shop/ranges`, and nothing else.
pub(crate) const READER: User = User {
    name: "reader",
    password: "hush-read-R7",
    entries: &["prn::/scope:shop/stream:orders,READ", "prn::/scope:shop/stream:ranges,READ"],
};

/// May do anything to `shop/orders`, and nothing else.
pub(crate) const WRITER: User =
    User { name: "writer", password: "hush-write-W9", entries: &["prn::/scope:shop/stream:orders,READ_UPDATE"] };

/// May do anything in the scope `office`, and nothing else.
pub(crate) const OTHER: User = User {
    name: "other",
    password: "hush-other-O3",
    entries: &["prn::/scope:office,READ_UPDATE", "prn::/scope:office/*,READ_UPDATE"],
};

/// A user whose line is made by `embedded-user`, and who may do what [`READER`] may.
pub(crate) const GUEST: User = User { name: "guest", password: "hush-guest-G4", ..READER };

/// All users of the password file but the guest.
pub(crate) const USERS: [User; 4] = [ADMIN, READER, WRITER, OTHER];

/// How the claims of every delegation token begin, and its header: base64 of an object.
const TOKEN: &str = "eyJ";

/// A part of every password of the tests.
const PASSWORD: &str = "hush-";

impl User {
    /// The same user with another password than the file has.
    pub(crate) const fn mistyped(self) -> Self {
        Self { password: "hush-typo-T1", ..self }
    }

    /// The same user with the rights of another.
    pub(crate) const fn with_rights_of(self, other: Self) -> Self {
        Self { entries: other.entries, ..self }
    }

    /// `NAME:PASSWORD` in base64.
    pub(crate) fn credentials(self) -> String {
        BASE64.encode(format!("{}:{}", self.name, self.password))
    }

    /// The value of `Authorization`.
    pub(crate) fn authorization(self) -> String {
        format!("Basic {}", self.credentials())
    }

    /// Adds the credentials to a request.
    pub(crate) fn sends(self, request: RequestBuilder) -> RequestBuilder {
        request.header("Authorization", self.authorization())
    }

    /// The user's line of a password file, as the program makes it.
    async fn line(self) -> String {
        let arguments = [&["embedded-user", self.name], self.entries].concat();
        gateway_cli(&arguments, format!("{}\n", self.password)).await.lines().remove(0)
    }
}

/// The text of a password file with these users, and with [`GUEST`].
pub(crate) async fn password_file(users: &[User]) -> String {
    let quick = users.iter().map(|user| quick_line(user.name, user.password, &user.entries.join(";")));
    quick.chain([GUEST.line().await]).map(|line| line + "\n").collect()
}

/// A line whose key took a single iteration: with the usual 5,000 a real Pravega takes up to half a second for each
/// request, and thousands of lines take minutes to make.
pub(crate) fn quick_line(name: &str, password: &str, entries: &str) -> String {
    let (salt, mut key) = ([7; 32], [0; 64]);
    pbkdf2::derive(PBKDF2_HMAC_SHA256, NonZeroU32::MIN, &salt, password.as_bytes(), &mut key);
    let hash = hex::encode(format!("1:{}:{}", hex::encode(salt), hex::encode(key)));
    format!("{name}:{hash}:{entries};")
}

/// The first line of a text that shows a password, credentials or a delegation token.
pub(crate) fn revealing(text: &str) -> Option<&str> {
    let credentials = USERS.map(User::credentials);
    let shows = |line: &&str| {
        line.contains(PASSWORD) || line.contains(TOKEN) || credentials.iter().any(|secret| line.contains(&**secret))
    };
    text.lines().find(shows)
}

/// Fails if a text, such as a log, shows a secret.
#[track_caller]
pub(crate) fn assert_discreet(what: &str, text: &str) {
    if let Some(line) = revealing(text) {
        panic!("{what} shows a secret: {line}");
    }
}

#[test]
fn passwords_credentials_and_tokens_are_found_in_a_log() {
    for secret in [READER.password, &READER.credentials(), "eyJhbGciOiJIUzUxMiJ9.eyJzdWIi"] {
        let log = format!("first\nsecond {secret} third\nfourth");
        assert_eq!(revealing(&log), Some(&*format!("second {secret} third")));
    }
    assert_eq!(revealing("nothing here"), None);
}
