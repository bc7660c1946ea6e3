//! The durable position of a named reader: one small file, four checksummed slots, locked while in use.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;

use crate::checksum::crc32;
use crate::directory::{Directory, create_new, open_measured, open_regular};
use crate::disk;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::header::u32_at;
use crate::name::check_name;
use crate::platform;
use crate::preamble::{self, ChronicleId, PREAMBLE_LEN};
use crate::region::Region;
use crate::sync::Ordering;

mod slot;
#[cfg(test)]
mod tests;
pub(crate) mod words;

use slot::{SLOTS, newest, slot_bytes};
use words::Words;

pub(crate) const MAGIC: [u8; 8] = *b"CHRONPOS";

/// Bytes of a position file.
const POSITION_LEN: usize = 4096;
const IDENTITY_CHECKSUM: usize = PREAMBLE_LEN + 20;
const IDENTITY_LEN: usize = IDENTITY_CHECKSUM + 4;
/// The process that holds the position, while the file is locked.
const HOLDER_PID: usize = 64;
const _: () = assert!(IDENTITY_LEN == 64);

/// What a position file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored {
    /// The seq that the reader has still to read.
    pub(crate) next_seq: u64,
    /// The process that used the position last.
    pub(crate) pid: Option<u32>,
}

/// A position that this handle uses alone.
#[derive(Debug)]
pub(crate) struct Position {
    file: File,
    pid: u32,
    region: Region,
    path: PathBuf,
    generation: u64,
    next_seq: u64,
    /// The slot that says so.
    newest: usize,
    /// The slot that survives a power cut.
    durable: AtomicUsize,
}

impl Position {
    /// Opens the position of `name` for this handle alone. A name that is new starts at what `start` returns.
    pub(crate) fn open(
        directory: &Directory,
        name: &str,
        id: &ChronicleId,
        mode: u32,
        start: impl Fn() -> Result<u64>,
    ) -> Result<Self> {
        check_name(name)?;
        let path = directory.reader(name);
        loop {
            let file = match open_regular(&path, true) {
                Err(e) if e.kind() == ErrorKind::NotFound => {
                    Self::create(directory, &path, id, mode, start()?)?;
                    continue;
                }
                other => other?,
            };
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(held(name, &path)),
                Err(TryLockError::Error(e)) => return Err(Error::io("lock the reader position", &path, &e)),
            }
            if is_named(&file, &path)? {
                return Self::map(file, path, id);
            }
        }
    }

    /// Makes a position, unless there is one of this name.
    pub(crate) fn create(
        directory: &Directory,
        path: &Path,
        id: &ChronicleId,
        mode: u32,
        next_seq: u64,
    ) -> Result<()> {
        let readers = directory.readers();
        disk::create_dir(&readers, mode).map_err(|e| Error::io("create the directory", &readers, &e))?;
        let mut bytes = [0; POSITION_LEN];
        preamble::write(&mut bytes, MAGIC, id);
        let checksum = crc32(&bytes[..IDENTITY_CHECKSUM]);
        bytes[IDENTITY_CHECKSUM..IDENTITY_LEN].copy_from_slice(&checksum.to_le_bytes());
        bytes[SLOTS[0]..][..slot::LEN].copy_from_slice(&slot_bytes(1, next_seq));
        // Written under another name first, so that a position is there whole or not at all.
        let temporary = directory.reader_temporary(&unused_name()?);
        let file = create_new(&temporary, mode)?;
        if let Err(e) = disk::write(&file, &bytes).and_then(|()| disk::sync(&file)) {
            // The first error says more than this one, and the next opening for writing removes what stays.
            let _ = disk::remove(&temporary);
            return Err(Error::io("write the reader position", &temporary, &e));
        }
        fault::point("position.written");
        // A link does not replace a position that another process has created meanwhile, as a rename would.
        let linked = disk::link(&temporary, path);
        disk::remove_if_there(&temporary).map_err(|e| Error::io("remove the file", &temporary, &e))?;
        match linked {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            // An opening for writing has tidied up meanwhile: the caller looks again, and comes back.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(Error::io("name the reader position", path, &e)),
        }
        disk::sync_dir(&readers).map_err(|e| Error::io("sync the directory", &readers, &e))?;
        directory.sync()
    }

    fn map(file: File, path: PathBuf, id: &ChronicleId) -> Result<Self> {
        check_len(&file, &path)?;
        let region = Region::map_mut(&file, POSITION_LEN)
            .map_err(|e| Error::io("map the reader position", &path, &e))?;
        check_mapped(&region, &path, id, true)?;
        let (generation, next_seq, newest) = newest(&region, &path)?;
        // Which slots an earlier handle has flushed is not known.
        platform::flush(&region, &file, 0, POSITION_LEN)
            .map_err(|e| Error::io("flush the reader position", &path, &e))?;
        // Left by a holder that was killed.
        Words::of(&region).leave();
        region.word32(HOLDER_PID).store(std::process::id(), Ordering::Release);
        let (pid, durable) = (std::process::id(), newest.into());
        Ok(Self { file, pid, region, path, generation, next_seq, newest, durable })
    }

    /// The seq that the reader has still to read.
    pub(crate) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Stores a position. It outlives this process from here on, and a power cut from [`flush`](Self::flush) on.
    pub(crate) fn store(&mut self, next_seq: u64) -> Result<()> {
        self.generation += 1;
        let words = Words::of(&self.region);
        if !fault::planted("position.overwritten") {
            let durable = self.durable.get_mut();
            // What a prune has flushed stands in for what this handle has: the slot of that may be stored to from now on.
            (self.newest, *durable) = words.take(self.newest, *durable);
        }
        words.store(self.newest, self.generation, next_seq);
        words.leave();
        self.region.intact(&self.path).map(|()| self.next_seq = next_seq)
    }

    /// Waits until the position is on the disk.
    pub(crate) fn flush(&self) -> Result<()> {
        if fault::planted("position.unflushed") {
            return Ok(());
        }
        let flushed = platform::flush(&self.region, &self.file, 0, POSITION_LEN);
        flushed.map_err(|e| Error::io("flush the reader position", &self.path, &e))?;
        self.durable.store(self.newest, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for Position {
    fn drop(&mut self) {
        // A forked child has the same open file, and must not release the parent's lock.
        if std::process::id() == self.pid {
            self.region.word32(HOLDER_PID).store(0, Ordering::Release);
            // Closing alone would leave the lock with such a child. The kernel releases at the last close what cannot be here.
            let _ = self.file.unlock();
        }
    }
}

/// Reads a position without using it and without mapping it, which takes several times as long. A copy that is not whole and right
/// in all says nothing, and neither does a file system that may hold back what others have stored: [`read`] is asked then.
pub(crate) fn glance(directory: &Directory, name: &str, id: &ChronicleId) -> Option<Stored> {
    let path = directory.reader(name);
    let (file, len) = open_measured(&path, false).ok()?;
    let mut copy = [0; SLOTS[SLOTS.len() - 1] + slot::LEN];
    if len < POSITION_LEN as u64 || !platform::read_mapped(&file, &mut copy).ok()? {
        return None;
    }
    check_identity(&copy[..IDENTITY_LEN], &path, id, false).ok()?;
    let pid = u32_at(&copy, HOLDER_PID);
    slot::newest_seq(&copy).map(|next_seq| Stored { next_seq, pid: (pid != 0).then_some(pid) })
}

/// Reads a position without using it.
pub(crate) fn read(directory: &Directory, name: &str, id: &ChronicleId) -> Result<Stored> {
    let path = directory.reader(name);
    let file = open_regular(&path, false)?;
    check_len(&file, &path)?;
    let region =
        Region::map(&file, POSITION_LEN).map_err(|e| Error::io("map the reader position", &path, &e))?;
    check_mapped(&region, &path, id, false)?;
    let (_, next_seq, _) = newest(&region, &path)?;
    let pid = region.word32(HOLDER_PID).load(Ordering::Acquire);
    Ok(Stored { next_seq, pid: (pid != 0).then_some(pid) })
}

/// Makes the position that is stored now survive a power cut, whoever uses it and whatever is stored then. Returns its seq.
pub(crate) fn sync(directory: &Directory, name: &str, id: &ChronicleId) -> Result<u64> {
    let path = directory.reader(name);
    let file = open_regular(&path, true)?;
    check_len(&file, &path)?;
    let region =
        Region::map_mut(&file, POSITION_LEN).map_err(|e| Error::io("map the reader position", &path, &e))?;
    check_mapped(&region, &path, id, true)?;
    let (generation, next_seq, _) = slot::spare(&region, &path)?;
    let synced = disk::sync(&file).and_then(|()| region.check_flushed(&file));
    synced.map_err(|e| Error::io("sync the reader position", &path, &e))?;
    Words::of(&region).synced(generation);
    Ok(next_seq)
}

/// Whether the file has the name still. Removed or replaced between opening and locking, nobody else would meet its lock.
fn is_named(file: &File, path: &Path) -> Result<bool> {
    let held = file.metadata().map_err(|e| Error::io("look at the reader position", path, &e))?;
    let named = fs::symlink_metadata(path);
    Ok(named.is_ok_and(|named| platform::file_id(&named) == platform::file_id(&held)))
}

/// Removes a position that nobody uses.
pub(crate) fn remove(directory: &Directory, name: &str) -> Result<()> {
    check_name(name)?;
    let path = directory.reader(name);
    let _file = loop {
        let file = open_regular(&path, true)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(name, &path)),
            Err(TryLockError::Error(e)) => return Err(Error::io("lock the reader position", &path, &e)),
        }
        if is_named(&file, &path)? {
            break file;
        }
    };
    disk::remove(&path).map_err(|e| Error::io("remove the reader position", &path, &e))?;
    let readers = directory.readers();
    disk::sync_dir(&readers).map_err(|e| Error::io("sync the directory", &readers, &e))
}

/// Sixteen random digits: many threads may create positions at once, and a crash may have left such a file.
fn unused_name() -> Result<String> {
    let random = getrandom::u64().map(|random| format!("{random:016x}"));
    random.map_err(|e| Error::new(ErrorKind::Io, format!("cannot get random bytes: {e}")))
}

fn held(name: &str, path: &Path) -> Error {
    let pid = holder(path);
    let holder = pid.map_or_else(|| "another handle".to_owned(), |pid| format!("process {pid}"));
    Error::new(ErrorKind::Locked, format!("{holder} uses the reader {name:?}")).at_path(path).held_by(pid)
}

fn holder(path: &Path) -> Option<u32> {
    let file = open_regular(path, false).ok()?;
    check_len(&file, path).ok()?;
    let region = Region::map(&file, POSITION_LEN).ok()?;
    Some(region.word32(HOLDER_PID).load(Ordering::Acquire)).filter(|&pid| pid != 0)
}

fn check_len(file: &File, path: &Path) -> Result<()> {
    let len = file.metadata().map_err(|e| Error::io("look at the reader position", path, &e))?.len();
    let kind = match len {
        0 => ErrorKind::EmptyFile,
        _ if len < POSITION_LEN as u64 => ErrorKind::Truncated,
        _ => return Ok(()),
    };
    let message = format!("the reader position has {len} bytes instead of {POSITION_LEN}");
    Err(Error::new(kind, message).at_path(path).at_offset(len))
}

fn check_mapped(region: &Region, path: &Path, id: &ChronicleId, write: bool) -> Result<()> {
    let mut bytes = [0; IDENTITY_LEN];
    region.copy_out(0, &mut bytes);
    check_identity(&bytes, path, id, write)
}

fn check_identity(bytes: &[u8], path: &Path, id: &ChronicleId, write: bool) -> Result<()> {
    preamble::check_kind(bytes, MAGIC, path)?;
    if u32_at(bytes, IDENTITY_CHECKSUM) != crc32(&bytes[..IDENTITY_CHECKSUM]) {
        let message = "the header of the reader position has a wrong checksum";
        return Err(Error::new(ErrorKind::Corrupt, message).at_path(path).at_offset(0));
    }
    preamble::check_features(bytes, write, path)?;
    if preamble::id(bytes) != *id {
        let message = "the reader position belongs to another chronicle";
        return Err(Error::new(ErrorKind::Corrupt, message).at_path(path).at_offset(0));
    }
    Ok(())
}
