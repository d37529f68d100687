//! The thread that fills the next file with zeros before it is needed.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::directory::{Directory, log_file, spare_file};
use super::disk::{Disk, write_zeros};
use super::error::DiskError;
use super::layout::FILE_HEADER;
use super::shared::Shared;
use super::write_buffer::SpareFile;

/// Zeros that are written between two looks at whether the file is still wanted.
const STEP_BYTES: u64 = 4 * 1024 * 1024;

/// The thread that makes spare files.
pub(super) fn make_spares(shared: &Arc<Shared>) {
    let is_wanted = || !shared.buffer().is_ending();
    while shared.await_want() {
        shared.spare_is_made(shared.make_spare(shared.sizes.room, shared.sizes.beside, is_wanted));
    }
}

impl Shared {
    /// Makes a file with room for this many bytes of records, unless it ceases to be wanted or leaves less than `beside`
    /// bytes of the disk.
    pub(super) fn make_spare(
        &self,
        room: u64,
        beside: u64,
        is_wanted: impl Fn() -> bool,
    ) -> Result<SpareFile, DiskError> {
        let number = self.spares.fetch_add(1, Ordering::Relaxed);
        make_file(&*self.disk, spare_file(&self.directory.path, number), room, beside, is_wanted)
    }
}

/// Makes a file with room for this many bytes of records. It is full of zeros rather than only allocated, because
/// blocks that were never written cost a sync of the file system's journal when they are.
pub(super) fn make_file(
    disk: &dyn Disk,
    path: PathBuf,
    room: u64,
    beside: u64,
    is_wanted: impl Fn() -> bool,
) -> Result<SpareFile, DiskError> {
    let options = OpenOptions::new().read(true).write(true).create(true).truncate(true).clone();
    let file = options.open(&path).map_err(DiskError::to("make", &path))?;
    match fill(disk, &file, FILE_HEADER + room, beside, is_wanted) {
        Ok(()) => Ok(SpareFile { path, file, room }),
        Err(error) => {
            let _ = fs::remove_file(&path);
            Err(DiskError::to("fill", &path)(error))
        }
    }
}

fn fill(disk: &dyn Disk, file: &File, bytes: u64, beside: u64, is_wanted: impl Fn() -> bool) -> io::Result<()> {
    disk.allocate(file, bytes + beside)?;
    file.set_len(bytes)?;
    for offset in (0..bytes).step_by(STEP_BYTES as usize) {
        if !is_wanted() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        write_zeros(disk, file, offset, STEP_BYTES.min(bytes - offset))?;
    }
    disk.sync_all(file)
}

/// Makes a file the one whose first record is at `first`. A file of that name always has a whole header.
pub(super) fn install(directory: &Directory, disk: &dyn Disk, spare: SpareFile, first: u64) -> Result<File, DiskError> {
    let SpareFile { path, file, .. } = spare;
    let written = disk.write_at(&file, &directory.id.file_header(first), 0).and_then(|()| disk.sync_data(&file));
    written.map_err(DiskError::to("write", &path))?;
    fs::rename(&path, log_file(&directory.path, first)).map_err(DiskError::to("rename", &path))?;
    sync_directory(disk, &directory.path)?;
    Ok(file)
}

fn sync_directory(disk: &dyn Disk, dir: &Path) -> Result<(), DiskError> {
    File::open(dir).and_then(|file| disk.sync_all(&file)).map_err(DiskError::to("sync directory", dir))
}
