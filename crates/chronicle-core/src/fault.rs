//! What tests inject: stops as a crash would make them, failures of the disk, faults that a test has to find. Without the feature
//! `fault` there is none of it.

use std::fs::File;
use std::path::Path;

#[cfg(feature = "fault")]
mod injected;
#[cfg(feature = "fault")]
pub use injected::*;

/// One call that changes or flushes files, on its way through the seam.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(feature = "fault"), allow(dead_code, reason = "nobody is told"))]
#[allow(missing_docs, reason = "the fields are the arguments of the call")]
pub enum Call<'a> {
    /// A new file, empty.
    Create { path: &'a Path },
    /// A directory, if it is not there.
    CreateDir { path: &'a Path },
    /// Another name, in the place of the file that had it.
    Rename { from: &'a Path, to: &'a Path },
    /// A further name.
    Link { from: &'a Path, to: &'a Path },
    /// A name goes.
    Remove { path: &'a Path },
    /// The names of a directory become durable.
    SyncDir { path: &'a Path },
    /// All of a file becomes durable.
    Sync { file: FileId },
    /// A range of a mapped file becomes durable, with its length and blocks.
    Flush { file: FileId, offset: usize, len: usize },
    /// Bytes are written behind those that were written.
    Write { file: FileId },
    /// The same, of another file, whose blocks the system may share instead.
    Copy { file: FileId },
    /// Blocks are allocated, and the file gets its length.
    Allocate { file: FileId, len: u64 },
    /// A range becomes zeros.
    Zero { file: FileId, offset: u64, len: u64 },
    /// Blocks are allocated where there are none.
    FillHoles { file: FileId, offset: u64, len: u64 },
    /// Blocks are given back; the range becomes zeros.
    Punch { file: FileId, offset: u64, len: u64 },
}

/// Which file a descriptor or a mapping is of: its number in the file system. Nothing without the feature `fault`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileId(#[cfg(feature = "fault")] pub u64);

impl FileId {
    /// The id of an open file.
    #[cfg(feature = "fault")]
    pub(crate) fn of(file: &File) -> Self {
        Self(file.metadata().map_or(0, |metadata| crate::platform::file_id(&metadata).1))
    }

    /// Nothing.
    #[cfg(not(feature = "fault"))]
    #[inline]
    pub(crate) fn of(_file: &File) -> Self {
        Self()
    }
}

/// Does nothing: the feature `fault` is off.
#[cfg(not(feature = "fault"))]
#[inline]
pub(crate) fn point(_name: &str) {}

/// No fault is planted: the feature `fault` is off.
#[cfg(not(feature = "fault"))]
#[inline]
pub(crate) const fn planted(_name: &str) -> bool {
    false
}
