//! The directory of a log: its lock, its format, its files' names.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::error::{DiskError, OpenError, UnsupportedVersion};
use super::layout::LogId;

const LOCK: &str = "LOCK";
const FORMAT: &str = "FORMAT";
const NEW_FORMAT: &str = "FORMAT.new";
const SPARE: &str = "spare.";

/// First line of FORMAT, before the version.
const FORMAT_LINE: &str = "pravega-gateway embedded node, version ";

/// Version of all that lies in the directory: files of the log, what their records hold, and the checkpoint. It rises with
/// every change that an older program would misread; `tests/golden/format` pins it.
const VERSION: u64 = 1;

/// What may lie in a directory that is begun: what a first start leaves that was killed, and what a new file system has.
const HARMLESS: [&str; 3] = [LOCK, NEW_FORMAT, "lost+found"];

/// A directory that this process alone uses, as long as the value lives.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) path: PathBuf,
    pub(super) id: LogId,
    lock: File,
}

impl Directory {
    /// Makes the directory if it is not there, locks it, and looks whether it may be used.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        make(path)?;
        let lock = lock(path)?;
        let id = match read_format(path)? {
            Some(id) => id,
            None => begin(path)?,
        };
        Ok(Self { path: path.to_owned(), id, lock })
    }

    /// The log's files by their first positions, in order.
    pub(super) fn log_files(&self) -> Result<Vec<u64>, DiskError> {
        let mut firsts: Vec<u64> = names(&self.path)?.iter().filter_map(|name| first_position(name)).collect();
        firsts.sort_unstable();
        Ok(firsts)
    }

    /// Removes files that were made ready and never used.
    pub(super) fn remove_spares(&self) -> Result<(), DiskError> {
        let spares = names(&self.path)?.into_iter().filter(|name| name.starts_with(SPARE));
        spares
            .map(|name| self.path.join(name))
            .try_for_each(|path| fs::remove_file(&path).map_err(DiskError::to("remove", &path)))
    }
}

/// Unlocked by name, since a process that is being started holds all files open for a moment.
impl Drop for Directory {
    fn drop(&mut self) {
        let _ = self.lock.unlock();
    }
}

/// The file whose first record is at this position.
pub(super) fn log_file(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.log"))
}

/// The `number`th file that is made ready to be the next.
pub(super) fn spare_file(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{SPARE}{number}"))
}

fn first_position(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log")?;
    (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

fn make(path: &Path) -> Result<(), DiskError> {
    let missing: Vec<_> = path.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists()).collect();
    fs::create_dir_all(path).map_err(DiskError::to("make directory", path))?;
    missing.iter().map(|dir| parent(dir)).try_for_each(sync_directory)
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join(LOCK);
    let options = OpenOptions::new().write(true).create(true).truncate(false).clone();
    let file = options.open(&path).map_err(DiskError::to("write", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(DiskError::to("lock", &path)(source).into()),
    }
}

/// The log's id, if the directory was begun.
fn read_format(dir: &Path) -> Result<Option<LogId>, OpenError> {
    let path = dir.join(FORMAT);
    if !path.try_exists().map_err(DiskError::to("read", &path))? {
        return Ok(None);
    }
    let text = fs::read(&path).map_err(DiskError::to("read", &path))?;
    let text = String::from_utf8_lossy(&text);
    let (line, id) = text.split_once('\n').unwrap_or((&text, ""));
    let version = line.strip_prefix(FORMAT_LINE).and_then(|version| version.parse().ok());
    match (version, Uuid::try_parse(id.trim_end())) {
        (Some(VERSION), Ok(id)) => Ok(Some(LogId(id))),
        (Some(found), _) if found != VERSION => {
            Err(UnsupportedVersion { path: dir.to_owned(), found, newest: VERSION }.into())
        }
        _ => Err(OpenError::UnknownFormat { file: path, found: line.to_owned() }),
    }
}

fn begin(dir: &Path) -> Result<LogId, OpenError> {
    if let Some(found) = names(dir)?.into_iter().find(|name| !HARMLESS.contains(&name.as_str())) {
        return Err(OpenError::Foreign { dir: dir.to_owned(), found });
    }
    let id = LogId(Uuid::new_v4());
    write_format(dir, id)?;
    Ok(id)
}

/// Under another name first, so that FORMAT is whole or absent.
fn write_format(dir: &Path, id: LogId) -> Result<(), DiskError> {
    let new = dir.join(NEW_FORMAT);
    let mut file = File::create(&new).map_err(DiskError::to("make", &new))?;
    let written = writeln!(file, "{FORMAT_LINE}{VERSION}\n{}", id.0).and_then(|()| file.sync_all());
    written.map_err(DiskError::to("write", &new))?;
    fs::rename(&new, dir.join(FORMAT)).map_err(DiskError::to("rename", &new))?;
    sync_directory(dir)
}

fn names(dir: &Path) -> Result<Vec<String>, DiskError> {
    let entries = fs::read_dir(dir).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.map_err(DiskError::to("list", dir))?;
    Ok(entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
}

fn sync_directory(dir: &Path) -> Result<(), DiskError> {
    File::open(dir).and_then(|file| file.sync_all()).map_err(DiskError::to("sync directory", dir))
}
