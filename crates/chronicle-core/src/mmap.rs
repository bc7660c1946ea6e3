//! A memory-mapped file as plain bytes, for callers that own the file.
#![expect(unsafe_code, reason = "a mapping is made and borrowed as a slice")]

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use memmap2::{MmapMut, MmapOptions};

use crate::directory::{create_new, open_regular};
use crate::disk;
use crate::error::{Error, ErrorKind, Result};
use crate::fault::FileId;
use crate::platform::guard::{Guard, hit};
use crate::region;

/// A file of fixed length, mapped for reading and writing, that this handle owns alone.
///
/// The kernel's exclusive lock is held for the life of the handle, so two handles never share a file, in whatever
/// process they are. The length never changes. Where a program ignores the lock and truncates the file under the mapping, or the disk
/// fails, zeros stand in the place of the lost pages, and [`intact`](Self::intact) and the calls that can fail say so.
///
/// ```
/// use chronicle_core::MmapFile;
///
/// let dir = tempfile::tempdir()?;
/// let mut file = MmapFile::create(&dir.path().join("data"), 4096)?;
/// file.range_mut(8, 5)?.copy_from_slice(b"hello");
/// file.flush_range(8, 5)?;
/// assert_eq!(&file.as_slice()[8..13], b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct MmapFile {
    // Dropped before the range is unmapped.
    guard: Guard,
    // Unmapped before the lock goes with the file.
    map: MmapMut,
    file: File,
    len: usize,
    path: PathBuf,
}

impl MmapFile {
    /// Creates a file of `len` zero bytes, really allocated, with mode 0600, and maps it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] when `len` is 0 or more than the address space takes, or when the file exists;
    /// [`ErrorKind::NoSpace`], [`ErrorKind::Permission`] or [`ErrorKind::Io`] as the system says.
    pub fn create(path: &Path, len: u64) -> Result<Self> {
        if len == 0 || len > isize::MAX as u64 {
            return Err(
                Error::invalid(format!("length must be 1 to {}, got {len}", isize::MAX)).at_path(path)
            );
        }
        let file = create_new(path, 0o600)?;
        let mapped = disk::allocate(&file, len)
            .map_err(|e| Error::io("allocate the file", path, &e))
            .and_then(|()| Self::map(file, path));
        if mapped.is_err() {
            // A half-made file would stand in the way of the next attempt; the first error says more than this one.
            let _ = disk::remove(path);
        }
        mapped
    }

    /// Opens and maps a whole existing file.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::NotAFile`] for a symlink, directory, fifo or device, [`ErrorKind::EmptyFile`],
    /// [`ErrorKind::Locked`] when another handle owns the file, [`ErrorKind::Permission`] or [`ErrorKind::Io`].
    pub fn open(path: &Path) -> Result<Self> {
        Self::map(open_regular(path, true)?, path)
    }

    fn map(file: File, path: &Path) -> Result<Self> {
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::new(ErrorKind::Locked, "another handle has the file mapped").at_path(path));
            }
            Err(TryLockError::Error(e)) => return Err(Error::io("lock the file", path, &e)),
        }
        let bytes = file.metadata().map_err(|e| Error::io("look at the file", path, &e))?.len();
        if bytes == 0 {
            return Err(Error::new(ErrorKind::EmptyFile, "an empty file cannot be mapped").at_path(path));
        }
        let len = usize::try_from(bytes).map_err(|_| {
            Error::new(ErrorKind::TooLarge, "the file exceeds the address space").at_path(path)
        })?;
        // SAFETY: the file is locked for this handle alone, and its length was read under the lock.
        let map = unsafe { MmapOptions::new().len(len).map_mut(&file) };
        let map = map.map_err(|e| Error::io("map the file", path, &e))?;
        let guard = Guard::new(map.as_ptr(), len, true);
        let guard = guard.map_err(|e| Error::io("guard the mapping", path, &e))?;
        Ok(Self { guard, map, file, len, path: path.to_owned() })
    }

    /// The bytes of the file.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Always false: an empty file cannot be mapped.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The path that the file was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The whole file.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.map
    }

    /// The whole file, to write to.
    #[must_use]
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.map
    }

    /// Refuses what was read from the file or written to it before, if it was not the file's. To be asked behind the access.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`] when the file is shorter than the mapping, [`ErrorKind::Io`] when a page was lost in another way.
    pub fn intact(&self) -> Result<()> {
        let file = self.file.metadata().map_err(|e| Error::io("look at the file", &self.path, &e))?;
        if file.len() < self.len as u64 || self.broken() {
            return Err(region::lost(&self.path, self.len));
        }
        Ok(())
    }

    fn broken(&self) -> bool {
        hit() && self.guard.broken()
    }

    /// `len` bytes at `offset`.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfBounds`] when they are not all inside, overflow included; those of [`intact`](Self::intact) once a page was lost.
    pub fn range(&self, offset: usize, len: usize) -> Result<&[u8]> {
        self.check(offset, len)?;
        Ok(&self.map[offset..offset + len])
    }

    /// `len` bytes at `offset`, to write to.
    ///
    /// # Errors
    /// As [`range`](Self::range).
    pub fn range_mut(&mut self, offset: usize, len: usize) -> Result<&mut [u8]> {
        self.check(offset, len)?;
        Ok(&mut self.map[offset..offset + len])
    }

    /// Waits until the whole file is on the disk.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when the disk fails; those of [`intact`](Self::intact).
    pub fn flush(&self) -> Result<()> {
        disk::flush(FileId::of(&self.file), 0, self.len, || self.map.flush())
            .map_err(|e| Error::io("flush the file", &self.path, &e))?;
        self.intact()
    }

    /// Waits until the pages that hold `len` bytes at `offset` are on the disk.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfBounds`] when they are not all inside, [`ErrorKind::Io`] when the disk fails; those of [`intact`](Self::intact).
    pub fn flush_range(&self, offset: usize, len: usize) -> Result<()> {
        self.check(offset, len)?;
        disk::flush(FileId::of(&self.file), offset, len, || self.map.flush_range(offset, len))
            .map_err(|e| Error::io("flush the file", &self.path, &e))?;
        self.intact()
    }

    fn check(&self, offset: usize, len: usize) -> Result<()> {
        if self.broken() {
            return Err(region::lost(&self.path, self.len));
        }
        if offset.checked_add(len).is_some_and(|end| end <= self.len) {
            return Ok(());
        }
        let message = format!("{len} bytes at {offset} are not inside of {} bytes", self.len);
        Err(Error::new(ErrorKind::OutOfBounds, message).at_path(&self.path).at_offset(offset as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::crc32;
    use crate::header::{MessageHeader, VALID};
    use crate::layout::HEADER_LEN;

    #[test]
    fn append_read_round_trip() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("records");
        let payload = b"hello";
        {
            let mut file = MmapFile::create(&path, 4096).unwrap();
            let header = MessageHeader::new(5, 0, 1, 7, crc32(payload));
            file.range_mut(HEADER_LEN, payload.len()).unwrap().copy_from_slice(payload);
            file.range_mut(0, HEADER_LEN).unwrap().copy_from_slice(&header.to_bytes());
            file.as_mut_slice()[26] |= VALID;
            file.flush().unwrap();
        }
        let file = MmapFile::open(&path).unwrap();
        let mut bytes = [0; HEADER_LEN];
        bytes.copy_from_slice(file.range(0, HEADER_LEN).unwrap());
        let header = MessageHeader::from_bytes(&bytes).unwrap();
        assert!(header.is_valid());
        assert_eq!((header.length, header.type_id), (5, 7));
        let read = file.range(HEADER_LEN, header.length as usize).unwrap();
        header.validate_payload(read).unwrap();
        assert_eq!(read, payload);
    }

    #[test]
    fn ranges_are_checked_and_do_not_overflow() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = MmapFile::create(&dir.path().join("f"), 4096).unwrap();
        assert_eq!(file.range_mut(4096, 0).unwrap().len(), 0);
        for (offset, len) in [(4096, 1), (0, 4097), (usize::MAX, 1), (1, usize::MAX), (5000, 0)] {
            assert_eq!(file.range_mut(offset, len).unwrap_err().kind(), ErrorKind::OutOfBounds);
            assert_eq!(file.flush_range(offset, len).unwrap_err().kind(), ErrorKind::OutOfBounds);
        }
    }

    #[test]
    fn a_mapped_file_has_one_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let first = MmapFile::create(&path, 4096).unwrap();
        assert_eq!(MmapFile::open(&path).unwrap_err().kind(), ErrorKind::Locked);
        assert_eq!(MmapFile::create(&path, 4096).unwrap_err().kind(), ErrorKind::InvalidArgument);
        drop(first);
        assert_eq!(MmapFile::open(&path).unwrap().len(), 4096);
    }

    #[test]
    fn what_is_no_plain_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let empty = dir.path().join("empty");
        std::fs::write(&empty, b"").unwrap();
        assert_eq!(MmapFile::open(&empty).unwrap_err().kind(), ErrorKind::EmptyFile);
        assert_eq!(MmapFile::open(dir.path()).unwrap_err().kind(), ErrorKind::NotAFile);
        assert_eq!(MmapFile::create(&empty, 0).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
}
