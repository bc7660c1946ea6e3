//! Locks: the kernel's, on a file of their own, so they end with their holder and are never stale.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::directory::{Directory, open_or_create};
use crate::error::{Error, ErrorKind, Result};
use crate::platform;

/// A lock on a file, held for as long as the value lives.
#[derive(Debug)]
pub(crate) struct FileLock {
    file: File,
    pid: u32,
}

/// The lock of the one who appends, on `writer.lock`.
#[derive(Debug)]
pub(crate) struct WriterLock {
    _lock: FileLock,
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Closing alone would leave the lock with a forked child, which has the same open file; and that child must not release it.
        if std::process::id() == self.pid {
            // The kernel releases at the last close what cannot be released here.
            let _ = self.file.unlock();
        }
    }
}

impl FileLock {
    /// Takes the lock, trying again for `wait` while another handle holds it; `None` when it still does then.
    pub(crate) fn acquire(path: &Path, mode: u32, wait: Duration) -> Result<Option<Self>> {
        let start = Instant::now();
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(lock) = Self::attempt(path, mode)? {
                return Ok(Some(lock));
            }
            let left = wait.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Ok(None);
            }
            std::thread::sleep(pause.min(left));
            pause = (pause * 2).min(Duration::from_millis(16));
        }
    }

    /// One try. `None` when another handle holds the lock.
    fn attempt(path: &Path, mode: u32) -> Result<Option<Self>> {
        loop {
            let file = open_or_create(path, mode)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(e)) => return Err(Error::io("lock the file", path, &e)),
            }
            let held = file.metadata().map_err(|e| Error::io("look at the lock file", path, &e))?;
            // A file that was replaced under the name after it was opened is no lock that anybody else would meet.
            match std::fs::symlink_metadata(path) {
                Ok(named) if platform::file_id(&named) == platform::file_id(&held) => {
                    return Ok(Some(Self { file, pid: std::process::id() }));
                }
                _ => {}
            }
        }
    }
}

impl WriterLock {
    /// Takes the lock, trying again for `wait` while another handle holds it. `holder` names that handle's process.
    pub(crate) fn acquire(
        directory: &Directory,
        mode: u32,
        wait: Duration,
        holder: impl Fn() -> Option<u32>,
    ) -> Result<Self> {
        match FileLock::acquire(&directory.lock(), mode, wait)? {
            Some(lock) => Ok(Self { _lock: lock }),
            None => Err(Self::refused(directory, holder())),
        }
    }

    fn refused(directory: &Directory, pid: Option<u32>) -> Error {
        let holder = pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
        let message = format!("{holder} has the chronicle open for writing");
        Error::new(ErrorKind::Locked, message).at_path(&directory.lock()).held_by(pid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_handle_is_refused_until_the_first_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let directory = Directory::new(dir.path());
        let first = WriterLock::acquire(&directory, 0o600, Duration::ZERO, || None).unwrap();
        let error = WriterLock::acquire(&directory, 0o600, Duration::from_millis(5), || Some(7)).unwrap_err();
        assert_eq!((error.kind(), error.pid()), (ErrorKind::Locked, Some(7)));
        drop(first);
        WriterLock::acquire(&directory, 0o600, Duration::ZERO, || None).unwrap();
    }

    #[test]
    fn a_replaced_lock_file_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let directory = Directory::new(dir.path());
        let _first = WriterLock::acquire(&directory, 0o600, Duration::ZERO, || None).unwrap();
        std::fs::remove_file(directory.lock()).unwrap();
        WriterLock::acquire(&directory, 0o600, Duration::ZERO, || None).unwrap();
    }
}
