//! What differs between operating systems, and nothing else.
//!
//! `linux.rs` uses what only Linux has. `portable.rs` does the same with the standard library, on every other system, and on
//! Linux too when built with `--cfg chronicle_portable`, so that its behaviour is tested wherever the tests run.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

use crate::region::Region;

#[cfg(all(target_os = "linux", not(any(chronicle_portable, loom, shuttle))))]
mod linux;
#[cfg(all(target_os = "linux", not(any(chronicle_portable, loom, shuttle))))]
pub(crate) use linux::*;

#[cfg(any(not(target_os = "linux"), chronicle_portable, loom, shuttle))]
mod portable;
#[cfg(any(not(target_os = "linux"), chronicle_portable, loom, shuttle))]
pub(crate) use portable::*;

#[cfg(all(unix, not(loom)))]
pub(crate) mod guard;
#[cfg(not(all(unix, not(loom))))]
pub(crate) mod unguarded;
#[cfg(not(all(unix, not(loom))))]
pub(crate) use unguarded as guard;

/// In which pages the kernel brings in what is not in memory yet, and nothing beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pages {
    /// Of 2 MiB: one is made and mapped in a fraction of the time that all the small ones in its place take.
    Large,
    /// The smallest: a store to any byte of a large one makes the next flush write all of it.
    Small,
}

/// Renames a file where no file has the name. Only the holder of the writer lock names segments.
pub(crate) fn rename_if_free(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(to) {
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => std::fs::rename(from, to),
        Err(e) => Err(e),
    }
}

/// Sixteen bytes that differ from boot to boot; all zero where the boot is not known.
pub(crate) type BootId = [u8; 16];

/// Makes `options` open a file itself and never what a symlink points to, and never wait for a fifo's other end.
#[cfg(unix)]
pub(crate) fn never_follow(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    options.custom_flags(flags.bits().cast_signed());
}

#[cfg(windows)]
pub(crate) fn never_follow(options: &mut OpenOptions) {
    use std::os::windows::fs::OpenOptionsExt;
    // FILE_FLAG_OPEN_REPARSE_POINT: the link itself is opened, and refused because it is no regular file.
    options.custom_flags(0x0020_0000);
}

/// Sets the permission bits that a created file gets, exactly: the umask is not asked.
#[cfg(unix)]
pub(crate) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(mode))
}

#[cfg(windows)]
pub(crate) fn set_mode(_file: &File, _mode: u32) -> io::Result<()> {
    Ok(())
}

/// Makes `options` create files with `mode`.
#[cfg(unix)]
pub(crate) fn create_mode(options: &mut OpenOptions, mode: u32) {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(mode);
}

#[cfg(windows)]
pub(crate) fn create_mode(_options: &mut OpenOptions, _mode: u32) {}

/// Creates `dir` and its parents; `dir` gets `mode` with search permission wherever `mode` lets read.
#[cfg(unix)]
pub(crate) fn create_dir(dir: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(mode | ((mode & 0o444) >> 2)).create(dir)
}

#[cfg(windows)]
pub(crate) fn create_dir(dir: &Path, _mode: u32) -> io::Result<()> {
    std::fs::create_dir_all(dir)
}

/// A directory that is held open, so that its names can be made durable when no descriptor is left.
#[derive(Debug)]
pub(crate) struct OpenDir(#[cfg(unix)] File);

#[cfg(unix)]
impl OpenDir {
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        Ok(Self(File::open(dir)?))
    }

    /// Makes its entries survive a power cut.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.0.sync_all()
    }
}

/// Windows has no call for this; NTFS journals its directories.
#[cfg(windows)]
impl OpenDir {
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere a file is opened")]
    pub(crate) fn open(_dir: &Path) -> io::Result<Self> {
        Ok(Self())
    }

    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "elsewhere a file is flushed")]
    pub(crate) fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether the process or the system has as many files open as it may.
#[cfg(unix)]
pub(crate) fn no_descriptor(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

#[cfg(windows)]
pub(crate) fn no_descriptor(error: &io::Error) -> bool {
    const TOO_MANY_OPEN_FILES: i32 = 4;
    error.raw_os_error() == Some(TOO_MANY_OPEN_FILES)
}

/// Device and file number: what tells whether two descriptors are one file.
#[cfg(unix)]
pub(crate) fn file_id(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

/// An open file cannot be replaced under its name on Windows, so there is nothing to compare.
#[cfg(windows)]
pub(crate) fn file_id(_metadata: &Metadata) -> (u64, u64) {
    (0, 0)
}

/// The bytes that a file takes on the disk.
#[cfg(unix)]
pub(crate) fn disk_bytes(metadata: &Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;
    metadata.blocks() * 512
}

#[cfg(windows)]
pub(crate) fn disk_bytes(metadata: &Metadata) -> u64 {
    metadata.len()
}

/// Whether a process of this number runs: it may be another one than was meant, as numbers are used again.
#[cfg(unix)]
pub(crate) fn process_runs(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    // A process of another user answers with a refusal, and runs.
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

/// Not known without a call of the system's own.
#[cfg(windows)]
pub(crate) fn process_runs(_pid: u32) -> bool {
    true
}

/// Waits until the bytes `offset..offset + len` of a mapped file are on the disk.
pub(crate) fn flush(region: &Region, file: &File, offset: usize, len: usize) -> io::Result<()> {
    region.flush(offset, len)?;
    // On Linux, msync of a range is an fdatasync of that range.
    if !cfg!(target_os = "linux") {
        crate::disk::sync(file)?;
    }
    region.check_flushed(file)
}

/// Writes zeros over `offset..offset + len`, which allocates the blocks on every file system that does not copy on write.
pub(crate) fn write_zeros(file: &File, mut offset: u64, mut len: u64) -> io::Result<()> {
    const CHUNK: usize = 1 << 20;
    // Allocated: a constant of this size would be a megabyte of zeros in every binary.
    let zeros = vec![0; usize::try_from(len).unwrap_or(usize::MAX).min(CHUNK)];
    while len > 0 {
        let step = usize::try_from(len).unwrap_or(usize::MAX).min(zeros.len());
        write_at(file, &zeros[..step], offset)?;
        offset += step as u64;
        len -= step as u64;
    }
    Ok(())
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(windows)]
fn write_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, offset)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[written..];
        offset += written as u64;
    }
    Ok(())
}
