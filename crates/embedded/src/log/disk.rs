//! The disk, as the log uses it; tests put a failing one in its place.

use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

/// What the log asks of the disk when it writes; tests put one here that fails, or forgets what was not synced.
pub(super) trait Disk: Debug + Send + Sync {
    /// Takes the blocks of the file's first `bytes` bytes, if the file system can do that without writing.
    fn allocate(&self, file: &File, bytes: u64) -> io::Result<()>;

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes what was written to a file durable, where it was filled with zeros before.
    fn sync_data(&self, file: &File) -> io::Result<()>;

    /// Makes a new file or a changed directory durable.
    fn sync_all(&self, file: &File) -> io::Result<()>;
}

/// The disk itself.
#[derive(Debug)]
pub(super) struct Direct;

impl Disk for Direct {
    fn allocate(&self, file: &File, bytes: u64) -> io::Result<()> {
        match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, bytes) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(()),
            done => Ok(done?),
        }
    }

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    fn sync_data(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn sync_all(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }
}

/// Writes this many zeros.
pub(super) fn write_zeros(disk: &dyn Disk, file: &File, mut offset: u64, mut bytes: u64) -> io::Result<()> {
    let zeros = vec![0; bytes.min(ZEROS_BYTES) as usize];
    while bytes > 0 {
        let now = bytes.min(ZEROS_BYTES);
        disk.write_at(file, &zeros[..now as usize], offset)?;
        offset += now;
        bytes -= now;
    }
    Ok(())
}

const ZEROS_BYTES: u64 = 256 * 1024;
