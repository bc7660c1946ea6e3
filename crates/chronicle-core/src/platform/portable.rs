//! The same without Linux: zeros written by hand, polling instead of futexes, no boot id.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use memmap2::MmapRaw;

use super::{BootId, Pages, write_zeros};
use crate::sync::{AtomicU32, Ordering};

/// Whether a sleeping reader is woken by the writer, instead of looking again by itself.
pub(crate) const HAS_WAKE: bool = false;

/// Writes `len` zeros, so that a later store to a mapping of them cannot meet a full disk.
pub(crate) fn allocate(file: &File, len: u64) -> io::Result<()> {
    write_zeros(file, 0, len)
}

/// There is no call for it: the caller stores zeros where there are none yet.
#[expect(clippy::unnecessary_wraps, reason = "the Linux twin can fail")]
pub(crate) fn zero(_file: &File, _offset: u64, _len: u64) -> io::Result<bool> {
    Ok(false)
}

/// There are no holes: [`punch`] makes none.
#[expect(clippy::unnecessary_wraps, reason = "the Linux twin can fail")]
pub(crate) fn fill_holes(_file: &File, _offset: u64, _len: u64) -> io::Result<()> {
    Ok(())
}

/// Keeps the blocks: the standard library has no call that gives a part of a file back.
#[expect(clippy::unnecessary_wraps, reason = "the Linux twin can fail")]
pub(crate) fn punch(_file: &File, _offset: u64, _len: u64) -> io::Result<()> {
    Ok(())
}

/// Not every system lets a read see what was stored to a mapping.
#[expect(clippy::unnecessary_wraps, reason = "the Linux twin can fail")]
pub(crate) fn read_mapped(_file: &File, _bytes: &mut [u8]) -> io::Result<bool> {
    Ok(false)
}

/// The standard library cannot look and rename in one step.
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    super::rename_if_free(from, to)
}

/// Unknown: recovery then trusts the durable point alone, as after a power cut.
pub(crate) fn boot_id() -> BootId {
    [0; 16]
}

/// Not known here: the standard library does not name file systems.
#[expect(clippy::unnecessary_wraps, reason = "the Linux twin can fail")]
pub(crate) fn network_fs(_path: &Path) -> io::Result<Option<&'static str>> {
    Ok(None)
}

/// Not known here: the standard library does not name file systems.
#[expect(clippy::unnecessary_wraps, reason = "the Linux twin can fail")]
pub(crate) fn copy_on_write_fs(_path: &Path) -> io::Result<Option<&'static str>> {
    Ok(None)
}

/// Polls until `word` differs from `value` or `timeout` is over, from every 50 µs up to every 5 ms.
pub(crate) fn wait_on(word: &AtomicU32, value: u32, timeout: Duration) {
    let start = Instant::now();
    let mut pause = Duration::from_micros(50);
    while word.load(Ordering::Acquire) == value {
        let left = timeout.saturating_sub(start.elapsed());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(pause.min(left));
        pause = (pause * 2).min(Duration::from_millis(5));
    }
}

/// Nobody sleeps: every waiter polls the word that the writer has changed.
pub(crate) fn wake_all(_word: &AtomicU32) {}

/// Pages are of the size that the system likes.
pub(crate) fn advise_pages(_map: &MmapRaw, _pages: Pages) {}

/// Pages become resident at their first store.
pub(crate) fn populate(_map: &MmapRaw, _offset: usize, _len: usize) {}

/// The clock is asked each time.
pub(crate) fn ticks_are_steady() -> bool {
    false
}

/// Nobody counts them.
#[inline]
pub(crate) fn ticks() -> u64 {
    0
}

/// Knows whether this is still the process that made it, by its pid.
#[derive(Debug)]
pub(crate) struct ForkGuard(u32);

impl ForkGuard {
    #[expect(clippy::unnecessary_wraps, reason = "the Linux twin can fail")]
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(std::process::id()))
    }

    #[inline]
    pub(crate) fn is_child(&self) -> bool {
        cfg!(unix) && std::process::id() != self.0
    }
}
