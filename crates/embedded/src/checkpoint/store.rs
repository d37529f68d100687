//! The database of a checkpoint: opening, loading and saving it.

use std::fs::File;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use parking_lot::Mutex;
use redb::{Builder, Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use super::error::CheckpointError;
use super::load::Entries;
use crate::log::UnsupportedVersion;

const FILE: &str = "checkpoint.redb";

const ENTRIES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("entries");

const STATE: TableDefinition<'_, &str, u64> = TableDefinition::new("state");

/// Position of the log up to which the entries hold its effects.
const APPLIED: &str = "applied";

const VERSION: &str = "version";

/// Version of the layout of both tables, and of what the entries hold.
const KNOWN_VERSION: u64 = 1;

/// A change of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EntryChange {
    /// It has this value from now on.
    Put {
        /// Its key.
        key: Bytes,
        /// Its value.
        value: Bytes,
    },
    /// It is gone, if it was there.
    Remove {
        /// Its key.
        key: Bytes,
    },
}

/// What was saved last.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// Where the log is to be replayed from; 0 if nothing was saved yet.
    pub(crate) applied: u64,
    /// All entries.
    pub(crate) entries: Entries,
}

/// Keys and values that belong to one position of the log.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    file: PathBuf,
    cache_bytes: usize,
    /// `None` after an error: a database that failed once takes no more before it is opened again.
    database: Mutex<Option<Database>>,
}

impl Checkpoint {
    /// Opens the checkpoint in a directory, which the log's lock keeps for this process; `cache_bytes` of it are kept in
    /// memory.
    ///
    /// # Errors
    /// [`CheckpointError`]: of another version, damaged, or not to be read or written.
    pub(crate) fn open(dir: &Path, cache_bytes: usize) -> Result<Self, CheckpointError> {
        let checkpoint = Self { file: dir.join(FILE), cache_bytes, database: Mutex::default() };
        let version = checkpoint.with("open", |database| {
            let version = begin(database)?;
            // Else a crash may take the file's name back, after the log has lost what the file makes up for.
            File::open(dir).and_then(|dir| dir.sync_all()).map_err(redb::Error::Io)?;
            Ok(version)
        })?;
        if version != KNOWN_VERSION {
            let file = checkpoint.file;
            return Err(UnsupportedVersion { path: file, found: version, newest: KNOWN_VERSION }.into());
        }
        Ok(checkpoint)
    }

    /// What was saved last, read as it is iterated.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn load(&self) -> Result<Loaded, CheckpointError> {
        let (applied, range) = self.with("load", |database| {
            let read = database.begin_read()?;
            let applied = read.open_table(STATE)?.get(APPLIED)?.map_or(0, |applied| applied.value());
            Ok((applied, read.open_table(ENTRIES)?.range::<&[u8]>(..)?))
        })?;
        Ok(Loaded { applied, entries: Entries { file: self.file.clone(), range } })
    }

    /// Saves changes, and that the log is applied up to there, as one; durable when it returns. Later changes of the same
    /// key count.
    ///
    /// # Errors
    /// When it cannot be written; then nothing of it is saved, and it may be tried again.
    pub(crate) fn save(
        &self,
        changes: impl IntoIterator<Item = EntryChange>,
        applied: u64,
    ) -> Result<(), CheckpointError> {
        self.with("save", |database| {
            let write = database.begin_write()?;
            write.open_table(STATE)?.insert(APPLIED, applied)?;
            let mut entries = write.open_table(ENTRIES)?;
            for change in changes {
                match change {
                    EntryChange::Put { key, value } => drop(entries.insert(&key[..], &value[..])?),
                    EntryChange::Remove { key } => drop(entries.remove(&key[..])?),
                }
            }
            drop(entries);
            Ok(write.commit()?)
        })
    }

    /// Opens the database if it is not.
    fn with<T>(
        &self,
        action: &'static str,
        act: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, CheckpointError> {
        // a panic in `act` leaves it empty, so that the next call opens the file again
        let mut open = self.database.lock();
        let done = match open.take() {
            Some(database) => Ok(database),
            None => self.open_database(),
        }
        .and_then(|database| {
            let done = act(&database)?;
            *open = Some(database);
            Ok(done)
        });
        done.map_err(|source| CheckpointError::Database { action, file: self.file.clone(), source: Box::new(source) })
    }

    fn open_database(&self) -> Result<Database, redb::Error> {
        let mut builder = Builder::new();
        Ok(builder.set_cache_size(self.cache_bytes).create(&self.file)?)
    }
}

/// Makes missing tables, and returns their version.
fn begin(database: &Database) -> Result<u64, redb::Error> {
    let write = database.begin_write()?;
    let mut state = write.open_table(STATE)?;
    let found = state.get(VERSION)?.map(|version| version.value());
    if found.is_none() {
        state.insert(VERSION, KNOWN_VERSION)?;
    }
    drop(state);
    write.open_table(ENTRIES)?;
    match found {
        Some(found) => write.abort().map(|()| found).map_err(redb::Error::from),
        None => write.commit().map(|()| KNOWN_VERSION).map_err(redb::Error::from),
    }
}
