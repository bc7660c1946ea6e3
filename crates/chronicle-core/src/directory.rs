//! Every file name of a chronicle, and how its files are opened: close-on-exec, never through a symlink, regular files only.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::disk;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::layout::MAX_SEQ;
use crate::name::check_name;
use crate::platform::{self, OpenDir};

const CONTROL: &str = "control";
const LOCK: &str = "writer.lock";
const PRUNE_LOCK: &str = "prune.lock";
const SEGMENT: &str = "seg";
const INDEX: &str = "idx";
const TEMPORARY: &str = "tmp";
const QUARANTINE: &str = "quarantine";
const READERS: &str = "readers";

/// The directory of one chronicle.
#[derive(Debug, Clone)]
pub(crate) struct Directory {
    path: PathBuf,
}

impl Directory {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn control(&self) -> PathBuf {
        self.path.join(CONTROL)
    }

    pub(crate) fn control_temporary(&self) -> PathBuf {
        self.path.join(format!("{CONTROL}.{TEMPORARY}"))
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.path.join(LOCK)
    }

    /// Locked by the one who removes segments.
    pub(crate) fn prune_lock(&self) -> PathBuf {
        self.path.join(PRUNE_LOCK)
    }

    /// The segment whose first message is `base_seq`: 20 digits hold every `u64`, so names sort as numbers do.
    pub(crate) fn segment(&self, base_seq: u64) -> PathBuf {
        self.path.join(format!("{base_seq:020}.{SEGMENT}"))
    }

    pub(crate) fn segment_temporary(&self) -> PathBuf {
        self.path.join(format!("next.{SEGMENT}.{TEMPORARY}"))
    }

    pub(crate) fn index(&self, base_seq: u64) -> PathBuf {
        self.path.join(format!("{base_seq:020}.{INDEX}"))
    }

    pub(crate) fn index_temporary(&self) -> PathBuf {
        self.path.join(format!("next.{INDEX}.{TEMPORARY}"))
    }

    pub(crate) fn quarantine(&self) -> PathBuf {
        self.path.join(QUARANTINE)
    }

    pub(crate) fn readers(&self) -> PathBuf {
        self.path.join(READERS)
    }

    /// The position file of a named reader, whose name has been checked.
    pub(crate) fn reader(&self, name: &str) -> PathBuf {
        self.readers().join(name)
    }

    /// Where a new position is written; no reader's name starts with a dot.
    pub(crate) fn reader_temporary(&self, unused: &str) -> PathBuf {
        self.readers().join(format!(".{unused}.{TEMPORARY}"))
    }

    /// The names of all named readers, in order.
    pub(crate) fn reader_names(&self) -> Result<Vec<String>> {
        let readers = Self::new(&self.readers());
        let mut names = Vec::new();
        match readers.each_name(|name| names.push(name.to_owned())) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(names),
            other => other?,
        }
        // A file that no reader can have made is none of ours.
        names.retain(|name| check_name(name).is_ok());
        names.sort_unstable();
        Ok(names)
    }

    /// The first seqs of all segments, ascending.
    pub(crate) fn segments(&self) -> Result<Vec<u64>> {
        let mut bases = Vec::new();
        self.each_name(|name| bases.extend(segment_base(name)))?;
        bases.sort_unstable();
        Ok(bases)
    }

    /// The first seqs of the segments that have an index, and of those that had one.
    pub(crate) fn indexes(&self) -> Result<Vec<u64>> {
        let mut bases = Vec::new();
        self.each_name(|name| bases.extend(index_base(name)))?;
        Ok(bases)
    }

    /// The segments among `bases` that have no index.
    pub(crate) fn unindexed(&self, bases: &[u64]) -> Result<Vec<u64>> {
        let indexed: HashSet<u64> = self.indexes()?.into_iter().collect();
        Ok(bases.iter().copied().filter(|base| !indexed.contains(base)).collect())
    }

    /// A name that no chronicle has, if there is one.
    pub(crate) fn foreign(&self) -> Result<Option<String>> {
        let mut foreign = None;
        self.each_name(|name| {
            if !is_ours(name) {
                foreign = Some(name.to_owned());
            }
        })?;
        Ok(foreign)
    }

    /// Removes files under temporary names: an interrupted roll or creation left them, and nothing refers to them.
    pub(crate) fn remove_temporaries(&self) -> Result<()> {
        let mut names = Vec::new();
        self.each_name(|name| {
            if is_temporary(name) {
                names.push(name.to_owned());
            }
        })?;
        let mut paths: Vec<PathBuf> = names.into_iter().map(|name| self.path.join(name)).collect();
        let readers = Self::new(&self.readers());
        let listed = readers.each_name(|name| {
            if name.starts_with('.') && name.strip_suffix(TEMPORARY).is_some_and(|rest| rest.ends_with('.')) {
                paths.push(readers.path.join(name));
            }
        });
        match listed {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        for path in paths {
            remove_if_there(&path)?;
        }
        Ok(())
    }

    /// Makes created, renamed and removed names survive a power cut.
    pub(crate) fn sync(&self) -> Result<()> {
        if fault::planted("names.unsynced") {
            return Ok(());
        }
        disk::sync_dir(&self.path).map_err(|e| Error::io("sync the directory", &self.path, &e))
    }

    /// The same by a descriptor that is there already.
    pub(crate) fn sync_open(&self, open: &OpenDir) -> Result<()> {
        if fault::planted("names.unsynced") {
            return Ok(());
        }
        disk::sync_open_dir(&self.path, open).map_err(|e| Error::io("sync the directory", &self.path, &e))
    }

    /// Opens the directory for [`sync_open`](Self::sync_open).
    pub(crate) fn open(&self) -> Result<OpenDir> {
        disk::open_dir(&self.path).map_err(|e| Error::io("open the directory", &self.path, &e))
    }

    fn each_name(&self, mut visit: impl FnMut(&str)) -> Result<()> {
        let fail = |e: &io::Error| Error::opening("list the directory", &self.path, e);
        for entry in std::fs::read_dir(&self.path).map_err(|e| fail(&e))? {
            let name = entry.map_err(|e| fail(&e))?.file_name();
            visit(&name.to_string_lossy());
        }
        Ok(())
    }
}

fn segment_base(name: &str) -> Option<u64> {
    name.strip_suffix(SEGMENT)?.strip_suffix('.').and_then(numbered)
}

fn index_base(name: &str) -> Option<u64> {
    name.strip_suffix(INDEX)?.strip_suffix('.').and_then(numbered)
}

fn numbered(digits: &str) -> Option<u64> {
    let all_digits = digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit());
    all_digits.then(|| digits.parse().ok()).flatten().filter(|&seq| seq <= MAX_SEQ + 1)
}

fn is_temporary(name: &str) -> bool {
    [CONTROL.to_owned(), format!("next.{SEGMENT}"), format!("next.{INDEX}")].iter().any(|stem| {
        name.strip_prefix(stem.as_str()).and_then(|rest| rest.strip_prefix('.')) == Some(TEMPORARY)
    })
}

fn is_ours(name: &str) -> bool {
    [CONTROL, LOCK, PRUNE_LOCK, QUARANTINE, READERS].contains(&name)
        || is_temporary(name)
        || segment_base(name).is_some()
        || index_base(name).is_some()
}

/// Gives a file the name by which it is found; what had that name is gone.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<()> {
    disk::rename(from, to).map_err(|e| Error::io("rename the file", to, &e))
}

/// Gives a segment the name by which it is found, which no file has.
pub(crate) fn name_segment(from: &Path, to: &Path) -> Result<()> {
    disk::rename_new(from, to).map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => {
            Error::new(ErrorKind::Corrupt, "the next segment exists already").at_path(to)
        }
        _ => Error::io("rename the file", to, &e),
    })
}

/// Removes a file or a link that may not be there. A directory is not ours.
pub(crate) fn remove_if_there(path: &Path) -> Result<()> {
    disk::remove_if_there(path).map_err(|e| match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => not_a_file(path),
        _ => Error::io("remove the file", path, &e),
    })
}

/// Opens an existing regular file for reading, or for reading and writing.
pub(crate) fn open_regular(path: &Path, write: bool) -> Result<File> {
    open_measured(path, write).map(|(file, _)| file)
}

/// The same, with the file's length.
pub(crate) fn open_measured(path: &Path, write: bool) -> Result<(File, u64)> {
    let mut options = OpenOptions::new();
    options.read(true).write(write);
    platform::never_follow(&mut options);
    let file = options.open(path).map_err(|e| refuse(path, &e))?;
    let metadata = file.metadata().map_err(|e| Error::io("look at the file", path, &e))?;
    if metadata.is_file() { Ok((file, metadata.len())) } else { Err(not_a_file(path)) }
}

/// Creates a file that does not exist yet, with exactly `mode`.
pub(crate) fn create_new(path: &Path, mode: u32) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    platform::never_follow(&mut options);
    platform::create_mode(&mut options, mode);
    let file = disk::create_new(path, &mut options).map_err(|e| {
        if e.kind() == io::ErrorKind::AlreadyExists {
            return Error::invalid("the file exists").at_path(path);
        }
        Error::io("create the file", path, &e)
    })?;
    platform::set_mode(&file, mode).map_err(|e| Error::io("set the mode of the file", path, &e))?;
    Ok(file)
}

/// Opens a regular file for reading and writing and creates it when it is missing.
pub(crate) fn open_or_create(path: &Path, mode: u32) -> Result<File> {
    loop {
        match create_new(path, mode) {
            Err(e) if e.kind() == ErrorKind::InvalidArgument => {}
            other => return other,
        }
        match open_regular(path, true) {
            // Removed in between: create it again.
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            other => return other,
        }
    }
}

fn refuse(path: &Path, error: &io::Error) -> Error {
    // A directory opened for writing, a socket or a fifo without a reader fail in a way that names no type.
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.is_file() => not_a_file(path),
        _ => Error::opening("open the file", path, error),
    }
}

fn not_a_file(path: &Path) -> Error {
    Error::new(
        ErrorKind::NotAFile,
        "not a regular file: symlinks, directories, fifos and devices are refused",
    )
    .at_path(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_takes_no_name_that_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let (temporary, taken) = (dir.path().join("temporary"), dir.path().join("taken"));
        std::fs::write(&temporary, b"new").unwrap();
        std::fs::write(&taken, b"old").unwrap();
        assert_eq!(name_segment(&temporary, &taken).unwrap_err().kind(), ErrorKind::Corrupt);
        // As where the system cannot rename and look in one step.
        let refused = platform::rename_if_free(&temporary, &taken).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&taken).unwrap(), b"old");
        let (first, second) = (dir.path().join("first"), dir.path().join("second"));
        name_segment(&temporary, &first).unwrap();
        platform::rename_if_free(&first, &second).unwrap();
        assert!(!temporary.exists() && !first.exists());
        assert_eq!(std::fs::read(&second).unwrap(), b"new");
    }

    #[test]
    fn names_sort_as_numbers_do() {
        let dir = tempfile::tempdir().unwrap();
        let directory = Directory::new(dir.path());
        for seq in [MAX_SEQ, 7, 100] {
            std::fs::write(directory.segment(seq), b"").unwrap();
        }
        for other in
            ["1.seg", "00000000000000000001.idx", "+0000000000000000001.seg", "99999999999999999999.seg"]
        {
            std::fs::write(dir.path().join(other), b"").unwrap();
        }
        assert_eq!(directory.segments().unwrap(), [7, 100, MAX_SEQ]);
        assert!(directory.foreign().unwrap().is_some());
    }

    #[test]
    fn a_chronicle_has_no_foreign_names() {
        let dir = tempfile::tempdir().unwrap();
        let directory = Directory::new(dir.path());
        let ours = [
            directory.control(),
            directory.lock(),
            directory.segment(0),
            directory.index(0),
            directory.segment_temporary(),
        ];
        for path in ours {
            std::fs::write(path, b"").unwrap();
        }
        assert_eq!(directory.foreign().unwrap(), None);
        directory.remove_temporaries().unwrap();
        assert!(!directory.segment_temporary().exists() && directory.segment(0).exists());
    }

    #[cfg(unix)]
    #[test]
    fn symlinks_and_directories_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        std::fs::write(dir.path().join("target"), b"x").unwrap();
        std::os::unix::fs::symlink(dir.path().join("target"), &link).unwrap();
        for write in [false, true] {
            assert_eq!(open_regular(&link, write).unwrap_err().kind(), ErrorKind::NotAFile);
            assert_eq!(open_regular(dir.path(), write).unwrap_err().kind(), ErrorKind::NotAFile);
        }
        assert_eq!(create_new(&link, 0o600).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
}
