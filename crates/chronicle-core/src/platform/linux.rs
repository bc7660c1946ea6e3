//! Linux: real allocation, zeroing by range, futexes, the boot id, resident pages, a page that a fork wipes.
#![expect(unsafe_code, reason = "advice on a mapping goes by its address")]

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use memmap2::{Advice, MmapMut, MmapRaw};
use rustix::fs::{CWD, FallocateFlags, RenameFlags, Timespec, fallocate, renameat_with};
use rustix::io::Errno;
use rustix::thread::futex;

use super::{BootId, Pages, rename_if_free, write_zeros};

/// Whether a sleeping reader is woken by the writer, instead of looking again by itself.
pub(crate) const HAS_WAKE: bool = true;

/// Allocates the blocks of `0..len`, so that a later store to a mapping of them cannot meet a full disk.
pub(crate) fn allocate(file: &File, len: u64) -> io::Result<()> {
    match range(file, FallocateFlags::empty(), 0, len) {
        Err(Errno::OPNOTSUPP) => write_zeros(file, 0, len),
        other => other.map_err(io::Error::from),
    }
}

/// Zeroes `offset..offset + len` and keeps the blocks allocated. False where the file system has no call for it.
pub(crate) fn zero(file: &File, offset: u64, len: u64) -> io::Result<bool> {
    match range(file, FallocateFlags::ZERO_RANGE | FallocateFlags::KEEP_SIZE, offset, len) {
        Err(Errno::OPNOTSUPP) => Ok(false),
        other => other.map(|()| true).map_err(io::Error::from),
    }
}

/// Allocates what is not allocated of `offset..offset + len` and changes no byte. Without a call for it there are no holes.
pub(crate) fn fill_holes(file: &File, offset: u64, len: u64) -> io::Result<()> {
    match range(file, FallocateFlags::KEEP_SIZE, offset, len) {
        Err(Errno::OPNOTSUPP) => Ok(()),
        other => other.map_err(io::Error::from),
    }
}

/// Gives the blocks of `offset..offset + len` back; a file system that cannot keeps them.
pub(crate) fn punch(file: &File, offset: u64, len: u64) -> io::Result<()> {
    match range(file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, offset, len) {
        Err(Errno::OPNOTSUPP) => Ok(()),
        other => other.map_err(io::Error::from),
    }
}

fn range(file: &File, flags: FallocateFlags, offset: u64, len: u64) -> Result<(), Errno> {
    loop {
        match fallocate(file, flags, offset, len) {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

/// Copies the first bytes of a file that other processes have mapped and store to: reads and mappings share the page cache. False
/// where a read may not see what was stored.
pub(crate) fn read_mapped(file: &File, bytes: &mut [u8]) -> io::Result<bool> {
    file.read_exact_at(bytes, 0).map(|()| true)
}

/// The kernel's random boot id, as in `/proc/sys/kernel/random/boot_id`.
pub(crate) fn boot_id() -> BootId {
    static ID: OnceLock<BootId> = OnceLock::new();
    *ID.get_or_init(read_boot_id)
}

fn read_boot_id() -> BootId {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    u128::from_str_radix(&digits, 16).unwrap_or(0).to_le_bytes()
}

/// Names the file system of `path` when it is one where mapped memory is not coherent between hosts.
///
/// The numbers are the `f_type` values of statfs(2).
pub(crate) fn network_fs(path: &Path) -> io::Result<Option<&'static str>> {
    Ok(network_name(fs_type(path)?))
}

fn network_name(fs_type: u32) -> Option<&'static str> {
    match fs_type {
        0x6969 => Some("NFS"),
        0x517B => Some("SMB"),
        0xFF53_4D42 => Some("CIFS"),
        0xFE53_4D42 => Some("SMB2"),
        0x0102_1997 => Some("9P"),
        0x6573_5546 => Some("FUSE"),
        0x00C3_6400 => Some("CEPH"),
        0x5346_414F => Some("AFS"),
        0x7375_7245 => Some("CODA"),
        _ => None,
    }
}

/// Names the file system of `path` when it copies on write, so that allocated space promises nothing.
pub(crate) fn copy_on_write_fs(path: &Path) -> io::Result<Option<&'static str>> {
    Ok(match fs_type(path)? {
        0x9123_683E => Some("btrfs"),
        0x2FC1_2FC1 => Some("ZFS"),
        0xCA45_1A4E => Some("bcachefs"),
        _ => None,
    })
}

fn fs_type(path: &Path) -> io::Result<u32> {
    let stat = rustix::fs::statfs(path)?;
    #[expect(clippy::cast_possible_truncation, reason = "f_type is a 32-bit magic number in a wider word")]
    #[expect(clippy::cast_sign_loss, reason = "the word is signed on some architectures")]
    Ok(stat.f_type as u32)
}

/// Sleeps until `word` is woken or differs from `value`, or `timeout` is over. May return early.
pub(crate) fn wait_on(word: &AtomicU32, value: u32, timeout: Duration) {
    let timeout = Timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    };
    // Every outcome (woken, changed, timed out, interrupted) means the same to the caller: look again.
    let _ = futex::wait(word, futex::Flags::empty(), value, Some(&timeout));
}

/// Wakes every process that sleeps on `word`.
pub(crate) fn wake_all(word: &AtomicU32) {
    // A wake fails only for an address that is not mapped, and a reference is.
    let _ = futex::wake(word, futex::Flags::empty(), i32::MAX.cast_unsigned());
}

/// Has the kernel bring in pages of that size, where it has such. A kernel that cannot goes on as it does.
pub(crate) fn advise_pages(map: &MmapRaw, pages: Pages) {
    let size = match pages {
        Pages::Large => Advice::HugePage,
        Pages::Small => Advice::NoHugePage,
    };
    for advice in [size, Advice::Random] {
        let _ = map.advise(advice);
    }
}

/// Gives a file a name that no file has. Looking first would take half as long again, and the name may be taken in between.
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => rename_if_free(from, to),
        renamed => renamed.map_err(io::Error::from),
    }
}

/// Makes pages resident and writable, so that the first store to each does not fault. A kernel that cannot does nothing.
pub(crate) fn populate(map: &MmapRaw, offset: usize, len: usize) {
    let _ = map.advise_range(Advice::PopulateWrite, offset, len);
}

/// Whether [`ticks`] come at one rate on all processors: the kernel has found so where its own clock goes by them.
pub(crate) fn ticks_are_steady() -> bool {
    const SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    cfg!(target_arch = "x86_64") && std::fs::read(SOURCE).is_ok_and(|name| name.trim_ascii() == b"tsc")
}

/// The processor's time-stamp counter.
#[inline]
pub(crate) fn ticks() -> u64 {
    #[cfg(target_arch = "x86_64")]
    return tick_counter::x86_64_tick_counter();
    #[cfg(not(target_arch = "x86_64"))]
    return 0;
}

/// Knows whether this is still the process that made it: a page that the kernel wipes in a forked child.
#[derive(Debug)]
pub(crate) struct ForkGuard(MmapMut);

impl ForkGuard {
    pub(crate) fn new() -> io::Result<Self> {
        let mut page = MmapMut::map_anon(rustix::param::page_size())?;
        page[0] = 1;
        // SAFETY: the range is the page mapped above, and the advice changes nothing in this process.
        unsafe {
            let address = page.as_mut_ptr().cast();
            rustix::mm::madvise(address, page.len(), rustix::mm::Advice::LinuxWipeOnFork)?;
        }
        Ok(Self(page))
    }

    #[inline]
    pub(crate) fn is_child(&self) -> bool {
        self.0[0] == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_told_from_local_ones() {
        // As linux/magic.h and the sources of the others have them.
        let numbers = [0x6969, 0x517B, 0xFF53_4D42, 0xFE53_4D42, 0x0102_1997, 0x6573_5546];
        let names = numbers.map(network_name);
        assert_eq!(names, ["NFS", "SMB", "CIFS", "SMB2", "9P", "FUSE"].map(Some));
        // ext4, XFS, tmpfs, btrfs.
        assert_eq!([0xEF53, 0x5846_5342, 0x0102_1994, 0x9123_683E].map(network_name), [None; 4]);
        assert_eq!(network_fs(Path::new("/proc/self")).unwrap(), None);
    }
}
