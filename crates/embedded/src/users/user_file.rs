//! The users of a file that may change while the node runs.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::time::sleep;

use super::authenticate::{LoadError, Users};

/// Pause between two looks at the file.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A user file and what it held when it was last valid.
#[derive(Debug)]
pub(crate) struct UserFile {
    path: PathBuf,
    users: RwLock<Arc<Users>>,
    /// What was read last, valid or not.
    seen: Mutex<Content>,
}

/// The bytes of the file, or that it cannot be read. Not in `Debug`, since they hold hashes.
#[derive(PartialEq, Eq)]
struct Content(Option<Vec<u8>>);

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

impl UserFile {
    /// Reads a user file.
    ///
    /// # Errors
    /// As [`Users::from_text`], and when it cannot be read.
    pub(crate) fn load(path: &Path) -> Result<Self, LoadError> {
        let text = std::fs::read(path).map_err(unreadable(path))?;
        let users = Users::from_text(path, &text)?;
        Ok(Self { path: path.to_owned(), users: RwLock::new(Arc::new(users)), seen: Mutex::new(Content(Some(text))) })
    }

    /// The users of the file when it was last valid.
    pub(crate) fn users(&self) -> Arc<Users> {
        Arc::clone(&self.users.read())
    }

    /// Reads the file every second and takes its users when it has changed. An invalid file is logged once and changes
    /// nothing. Never ends.
    ///
    /// # Cancel safety
    /// Awaits time and the file; dropped, the users stay as they are.
    pub(crate) async fn watch(&self) -> Infallible {
        loop {
            sleep(LOOK_EVERY).await;
            let read = tokio::fs::read(&self.path).await;
            if !self.has_changed(&read) {
                continue;
            }
            match self.take(read) {
                Ok(()) => tracing::info!(path = %self.path.display(), "the user file has changed"),
                Err(error) => tracing::warn!(%error, "the user file is invalid now, its last valid users stay"),
            }
        }
    }

    fn has_changed(&self, read: &std::io::Result<Vec<u8>>) -> bool {
        self.seen.lock().0.as_ref() != read.as_ref().ok()
    }

    fn take(&self, read: std::io::Result<Vec<u8>>) -> Result<(), LoadError> {
        *self.seen.lock() = Content(read.as_ref().ok().cloned());
        let text = read.map_err(unreadable(&self.path))?;
        *self.users.write() = Arc::new(Users::from_text(&self.path, &text)?);
        Ok(())
    }
}

fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> LoadError {
    |source| LoadError::Read { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use tempfile::NamedTempFile;
    use tokio::time::timeout;

    use super::super::password::PasswordHash;
    use super::*;
    use crate::users::user_line;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn line(user: &str) -> String {
        user_line(user, "secret", &["prn::*,READ"]).expect("a line") + "\n"
    }

    fn file(text: &str) -> (NamedTempFile, Arc<UserFile>) {
        let file = NamedTempFile::new().expect("a file");
        write(&file, text);
        let users = UserFile::load(file.path()).expect("users");
        (file, Arc::new(users))
    }

    fn write(file: &NamedTempFile, text: &str) {
        std::fs::write(file.path(), text).expect("room");
    }

    async fn is_user(file: &UserFile, user: &str) -> bool {
        let value = format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:secret")));
        file.users().authenticate(Some(&value)).await.is_ok()
    }

    #[tokio::test]
    async fn a_user_who_is_removed_from_the_file_is_unknown_soon() {
        let (file, users) = file(&(line("ada") + &line("bob")));
        assert!(is_user(&users, "ada").await && is_user(&users, "bob").await);
        let watched = Arc::clone(&users);
        let watching = tokio::spawn(async move { watched.watch().await });
        write(&file, &line("bob"));
        let removed = async {
            while is_user(&users, "ada").await {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, removed).await.expect("the file is read again");
        assert!(is_user(&users, "bob").await);
        watching.abort();
    }

    #[tokio::test]
    async fn an_invalid_file_changes_nothing_and_is_reported_once_with_its_line() {
        let (file, users) = file(&line("ada"));
        write(&file, &(line("bob") + "nonsense\n"));
        let read = || std::fs::read(file.path());
        assert!(users.has_changed(&read()));
        let error = users.take(read()).expect_err("a line without a hash").to_string();
        assert!(error.contains("line 2"), "{error}");
        assert!(!users.has_changed(&read()), "it is not reported again");
        assert!(is_user(&users, "ada").await && !is_user(&users, "bob").await);
    }

    #[tokio::test]
    async fn a_file_that_is_missing_for_a_while_changes_nothing() {
        let (file, users) = file(&line("ada"));
        let missing = || std::fs::read("/nonexistent/users");
        assert!(users.has_changed(&missing()) && users.take(missing()).is_err());
        assert!(!users.has_changed(&missing()) && is_user(&users, "ada").await);
        assert!(users.has_changed(&std::fs::read(file.path())), "it is back");
    }

    #[test]
    fn nothing_told_for_debugging_shows_a_hash() {
        let (_file, users) = file(&format!("ada:{}:\n", PasswordHash::of_unknown(NonZeroU32::MIN).to_hex()));
        let hash = PasswordHash::of_unknown(NonZeroU32::MIN).to_hex();
        assert!(!format!("{users:?}").contains(&hash[..16]));
    }
}
