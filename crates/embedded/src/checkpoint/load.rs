use std::path::PathBuf;

use bytes::Bytes;
use redb::Range;

use super::error::CheckpointError;

/// All keys and values in the order of keys, read one by one, as they were when it was made.
pub(crate) struct Entries {
    pub(super) file: PathBuf,
    pub(super) range: Range<'static, &'static [u8], &'static [u8]>,
}

impl std::fmt::Debug for Entries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entries").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Iterator for Entries {
    type Item = Result<(Bytes, Bytes), CheckpointError>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self
            .range
            .next()?
            .map(|(key, value)| (Bytes::copy_from_slice(key.value()), Bytes::copy_from_slice(value.value())));
        Some(entry.map_err(|error| CheckpointError::Database {
            action: "load",
            file: self.file.clone(),
            source: Box::new(error.into()),
        }))
    }
}
