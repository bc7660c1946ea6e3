//! The one seam for everything that changes or flushes files. Without the feature `fault` each function is the plain call; with
//! it a test in the same process is told of each call before and after, and may make it fail.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

#[cfg(feature = "fault")]
use crate::fault::through;
use crate::fault::{self, Call, FileId};
use crate::platform::{self, OpenDir};

/// Does the call: there is nobody to tell.
#[cfg(not(feature = "fault"))]
#[inline(always)]
#[expect(clippy::inline_always, reason = "the seam must cost nothing in a release")]
fn through<'a, T>(_call: impl FnOnce() -> Call<'a>, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    act()
}

/// Creates a file that does not exist yet.
#[inline]
pub(crate) fn create_new(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    through(|| Call::Create { path }, || options.create_new(true).open(path))
}

/// See [`platform::create_dir`].
#[inline]
pub(crate) fn create_dir(path: &Path, mode: u32) -> io::Result<()> {
    through(|| Call::CreateDir { path }, || platform::create_dir(path, mode))
}

#[inline]
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    through(|| Call::Rename { from, to }, || fs::rename(from, to))
}

/// See [`platform::rename_new`].
#[inline]
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    through(|| Call::Rename { from, to }, || platform::rename_new(from, to))
}

#[inline]
pub(crate) fn link(from: &Path, to: &Path) -> io::Result<()> {
    through(|| Call::Link { from, to }, || fs::hard_link(from, to))
}

#[inline]
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    through(|| Call::Remove { path }, || fs::remove_file(path))
}

/// Removes a file that may not be there.
#[inline]
pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    match remove(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Removes a directory that this process has made, with all that is in it.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    through(|| Call::Remove { path }, || fs::remove_dir_all(path))
}

/// Makes the entries of a directory survive a power cut.
#[inline]
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    through(|| Call::SyncDir { path }, || OpenDir::open(path)?.sync())
}

/// The same for one that is held open, and is at `path`.
#[inline]
pub(crate) fn sync_open_dir(path: &Path, open: &OpenDir) -> io::Result<()> {
    through(|| Call::SyncDir { path }, || open.sync())
}

/// Opens a directory for [`sync_open_dir`].
#[inline]
pub(crate) fn open_dir(path: &Path) -> io::Result<OpenDir> {
    OpenDir::open(path)
}

/// Waits until the file's bytes, length and blocks are on the disk.
#[inline]
pub(crate) fn sync(file: &File) -> io::Result<()> {
    through(|| Call::Sync { file: FileId::of(file) }, || file.sync_data())
}

/// Waits, by `flush`, until the pages of `offset..offset + len` of a mapping are on the disk, and the file's length and blocks.
#[inline]
pub(crate) fn flush(
    file: FileId,
    offset: usize,
    len: usize,
    flush: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    let flushed = through(|| Call::Flush { file, offset, len }, flush);
    if fault::planted("flush.ignored") { Ok(()) } else { flushed }
}

/// Writes behind what was written to `file` before.
#[inline]
pub(crate) fn write(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    through(|| Call::Write { file: FileId::of(file) }, || file.write_all(bytes))
}

/// Writes all that is left of `from` behind what was written to `to` before. The system may share the blocks of a file.
#[inline]
pub(crate) fn copy(from: &mut impl Read, mut to: &File) -> io::Result<()> {
    through(|| Call::Copy { file: FileId::of(to) }, || io::copy(from, &mut to).map(|_| ()))
}

/// The same through memory: what is copied is what reading gives, and not what the disk has.
pub(crate) fn copy_read(from: &mut impl Read, mut to: &File) -> io::Result<()> {
    // As a trait object it is no file to the standard library.
    let from: &mut dyn Read = from;
    through(|| Call::Write { file: FileId::of(to) }, || io::copy(from, &mut to).map(|_| ()))
}

/// See [`platform::allocate`].
#[inline]
pub(crate) fn allocate(file: &File, len: u64) -> io::Result<()> {
    let call = || Call::Allocate { file: FileId::of(file), len };
    if fault::planted("space.unreserved") {
        return through(call, || file.set_len(len));
    }
    through(call, || platform::allocate(file, len))
}

/// See [`platform::zero`].
#[inline]
pub(crate) fn zero(file: &File, offset: u64, len: u64) -> io::Result<bool> {
    through(|| Call::Zero { file: FileId::of(file), offset, len }, || platform::zero(file, offset, len))
}

/// See [`platform::fill_holes`].
#[inline]
pub(crate) fn fill_holes(file: &File, offset: u64, len: u64) -> io::Result<()> {
    let call = || Call::FillHoles { file: FileId::of(file), offset, len };
    through(call, || platform::fill_holes(file, offset, len))
}

/// See [`platform::punch`].
#[inline]
pub(crate) fn punch(file: &File, offset: u64, len: u64) -> io::Result<()> {
    through(|| Call::Punch { file: FileId::of(file), offset, len }, || platform::punch(file, offset, len))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    /// What only this file and the platforms may call.
    const CALLS: &[&str] = &[
        "fs::rename",
        "fs::remove_",
        "fs::hard_link",
        "fs::write",
        "fs::copy",
        "fs::create_dir",
        "io::copy",
        ".sync_data()",
        ".sync_all()",
        ".set_len(",
        ".write_all(",
        ".flush_range(",
        "platform::allocate",
        "platform::zero",
        "platform::punch",
        "platform::fill_holes",
        "platform::create_dir",
        "platform::rename_new",
        "OpenDir::open",
    ];

    #[test]
    fn every_change_of_a_file_goes_through_the_seam() {
        let sources = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut files = 0;
        for entry in std::fs::read_dir(sources).unwrap() {
            let path = entry.unwrap().path();
            if !path.is_file() || path.ends_with("disk.rs") {
                continue;
            }
            files += 1;
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            let lines = code.lines().map(str::trim).filter(|line| !line.starts_with("//"));
            for line in lines.filter(|line| !line.contains("disk::flush(")) {
                let found = CALLS.iter().find(|call| line.contains(**call));
                assert_eq!(found, None, "{}: {line}", path.display());
            }
        }
        assert!(files > 30);
    }
}
