//! Memory that other processes map too: words are atomics, bytes are copied in and out, and no slice of it is ever made.
#![expect(unsafe_code, reason = "mapped memory is reached through its address")]

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::ptr;

use memmap2::{MmapOptions, MmapRaw};

use crate::checksum::{crc32, crc32_behind};
use crate::disk;
use crate::error::{Error, ErrorKind, Result};
use crate::fault::{self, FileId};
use crate::layout::HEADER_LEN;
use crate::platform::guard::{Guard, hit};
use crate::platform::{self, Pages};
use crate::sync::{AtomicU32, AtomicU64, Ordering};

#[cfg(all(target_arch = "x86_64", not(chronicle_portable)))]
mod fold;

/// How far ahead of a reader lines are fetched: the processor's own look ahead ends with each page.
const AHEAD: usize = 8192;
/// How far ahead of a writer lines are fetched: anything from one line to a page does.
const STORES_AHEAD: usize = 1024;
/// Not more at a time: a longer copy gets by with what the processor fetches by itself.
const MOST_STORES: usize = 4096;
/// Bytes that are copied and checked at once where a processor cannot do both in one: they stay in the first-level cache meanwhile.
const PART: usize = 1024;
/// So many bytes are copied and checked in one go there: more gains nothing.
const FEW: usize = 512;

/// A shared mapping of the first `len` bytes of a file that is at least that long.
#[derive(Debug)]
pub(crate) struct Region {
    // Dropped before the range is unmapped.
    guard: Guard,
    map: MmapRaw,
    file: FileId,
    writable: bool,
}

impl Region {
    /// Maps `len` bytes for reading and writing. The caller has checked that the file is that long.
    pub(crate) fn map_mut(file: &File, len: usize) -> io::Result<Self> {
        let map = MmapOptions::new().len(len).map_raw(file)?;
        Ok(Self { guard: Guard::new(map.as_ptr(), len, true)?, map, file: FileId::of(file), writable: true })
    }

    /// Maps `len` bytes for reading. The caller has checked that the file is that long.
    pub(crate) fn map(file: &File, len: usize) -> io::Result<Self> {
        let map = MmapOptions::new().len(len).map_raw_read_only(file)?;
        Ok(Self {
            guard: Guard::new(map.as_ptr(), len, false)?,
            map,
            file: FileId::of(file),
            writable: false,
        })
    }

    /// Maps `len` bytes privately: what this process stores there it keeps to itself, and does not see change any more. The caller
    /// has checked that the file is that long.
    pub(crate) fn map_private(file: &File, len: usize) -> io::Result<Self> {
        // SAFETY: the mapping becomes raw at once, so no reference to bytes that others change is ever made.
        let map = unsafe { MmapOptions::new().len(len).no_reserve_swap().map_copy(file)? };
        // A page that was lost is one that the program may store to as well.
        let guard = Guard::new(map.as_ptr(), len, true)?;
        Ok(Self { guard, map: map.into(), file: FileId::of(file), writable: false })
    }

    /// The address of the byte at `offset`.
    pub(crate) fn address(&self, offset: usize) -> *mut u8 {
        assert!(offset <= self.len());
        self.map.as_mut_ptr().wrapping_add(offset)
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    #[inline]
    pub(crate) fn writable(&self) -> bool {
        self.writable
    }

    /// The word at `offset`. Storing to a word of a read-only region faults: writers ask [`writable`](Self::writable).
    #[inline]
    pub(crate) fn word32(&self, offset: usize) -> &AtomicU32 {
        assert!(offset.is_multiple_of(4) && offset <= self.len() - 4);
        // SAFETY: the address is inside of the mapping and 4-byte aligned, and lives as long as `self`.
        unsafe { &*self.map.as_mut_ptr().add(offset).cast() }
    }

    /// The 8-byte word at `offset`, under the same rule as [`word32`](Self::word32).
    #[inline]
    pub(crate) fn word64(&self, offset: usize) -> &AtomicU64 {
        assert!(offset.is_multiple_of(8) && offset <= self.len() - 8);
        // SAFETY: the address is inside of the mapping and 8-byte aligned, and lives as long as `self`.
        unsafe { &*self.map.as_mut_ptr().add(offset).cast() }
    }

    /// Copies `bytes` to `offset`.
    #[inline]
    pub(crate) fn copy_in(&self, offset: usize, bytes: &[u8]) {
        assert!(self.writable && self.holds(offset, bytes.len()));
        let len = bytes.len() + usize::from(fault::planted("copy.overread"));
        // SAFETY: the target range is inside of a writable mapping, and `bytes` is memory of this process alone.
        unsafe { self.map.as_mut_ptr().add(offset).copy_from_nonoverlapping(bytes.as_ptr(), len) }
    }

    /// Copies from `offset` into `bytes`. Another process may be storing there: the copy is what gets checked.
    #[inline]
    pub(crate) fn copy_out(&self, offset: usize, bytes: &mut [u8]) {
        assert!(self.holds(offset, bytes.len()));
        if fault::planted("copy.freed") {
            let mut gone = bytes.to_vec();
            let target = gone.as_mut_ptr();
            drop(gone);
            // SAFETY: none; this is the fault.
            unsafe { target.copy_from_nonoverlapping(self.map.as_ptr().add(offset), bytes.len()) }
        }
        let len = bytes.len() + usize::from(fault::planted("copy.overrun"));
        // SAFETY: the source range is inside of the mapping, and `bytes` is memory of this process alone.
        unsafe { bytes.as_mut_ptr().copy_from_nonoverlapping(self.map.as_ptr().add(offset), len) }
    }

    /// Copies `bytes` to `offset`, and returns their checksum.
    #[inline]
    pub(crate) fn copy_in_checked(&self, offset: usize, bytes: &[u8]) -> u32 {
        assert!(self.writable && self.holds(offset, bytes.len()));
        // SAFETY: the target range is inside of a writable mapping, and `bytes` is memory of this process alone.
        let folded = unsafe { fold::<false, true>(bytes.as_ptr(), bytes.len(), self.address(offset)) };
        let (crc, done) = folded.unwrap_or_default();
        if done == bytes.len() {
            return crc;
        }
        self.copy_in(offset + done, &bytes[done..]);
        crc32_behind(crc, &bytes[done..])
    }

    /// Copies from `offset` into `bytes`, and returns the checksum of the copy.
    #[inline]
    pub(crate) fn copy_checked(&self, offset: usize, bytes: &mut [u8]) -> u32 {
        assert!(self.holds(offset, bytes.len()));
        // SAFETY: the source range is inside of the mapping, and `bytes` is memory of this process alone.
        let folded = unsafe { fold::<true, true>(self.address(offset), bytes.len(), bytes.as_mut_ptr()) };
        let Some((crc, done)) = folded else {
            if bytes.len() > FEW {
                return self.copy_many_checked(offset, bytes);
            }
            self.prefetch_behind(offset, bytes.len());
            self.copy_out(offset, bytes);
            return crc32(bytes);
        };
        if done == bytes.len() {
            // The next header.
            self.prefetch_behind(offset + done, 0);
            return crc;
        }
        self.copy_rest_checked(offset + done, &mut bytes[done..], crc)
    }

    /// The same for what is left behind bytes whose checksum is `crc`.
    #[inline(never)]
    fn copy_rest_checked(&self, offset: usize, rest: &mut [u8], crc: u32) -> u32 {
        self.prefetch_behind(offset, rest.len());
        self.copy_out(offset, rest);
        crc32_behind(crc, rest)
    }

    /// The same where the processor cannot copy and check in one. Inlined, it would take registers from the way of small payloads.
    #[inline(never)]
    fn copy_many_checked(&self, offset: usize, bytes: &mut [u8]) -> u32 {
        let (mut crc, mut done) = (0, 0);
        for part in bytes.chunks_mut(PART) {
            self.copy_lines_out(offset + done, part);
            crc = crc32_behind(crc, part);
            done += part.len();
        }
        crc
    }

    /// The checksum of `len` bytes at `offset`, as they were loaded, once each.
    pub(crate) fn checksum(&self, offset: usize, len: usize) -> u32 {
        assert!(self.holds(offset, len));
        // SAFETY: the source range is inside of the mapping.
        let folded = unsafe { fold::<true, false>(self.address(offset), len, ptr::null_mut()) };
        let (mut crc, mut done) = folded.unwrap_or_default();
        let mut buffer = [0; PART];
        while done < len {
            let part = &mut buffer[..(len - done).min(PART)];
            self.copy_lines_out(offset + done, part);
            crc = crc32_behind(crc, part);
            done += part.len();
        }
        crc
    }

    /// [`copy_out`](Self::copy_out), line by line, with the lines that follow on their way from memory meanwhile. A call of `memcpy`
    /// leaves that to the processor, and may take twice as long for some thousand bytes.
    fn copy_lines_out(&self, offset: usize, bytes: &mut [u8]) {
        assert!(self.holds(offset, bytes.len()));
        let mut source = self.map.as_ptr().wrapping_add(offset);
        let (lines, rest) = bytes.as_chunks_mut::<64>();
        for line in lines {
            prefetch(source.wrapping_add(AHEAD));
            // SAFETY: as in `copy_out`.
            unsafe { line.as_mut_ptr().copy_from_nonoverlapping(source, line.len()) }
            source = source.wrapping_add(line.len());
        }
        // SAFETY: as in `copy_out`.
        unsafe { rest.as_mut_ptr().copy_from_nonoverlapping(source, rest.len()) }
    }

    /// Copies the header at `offset` out.
    #[inline]
    pub(crate) fn header_bytes(&self, offset: usize) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        self.copy_out(offset, &mut bytes);
        bytes
    }

    /// Has as many lines on their way as `len` bytes at `offset` and a header take, of those that a reader comes to later. Not more
    /// than stay near until then.
    #[inline]
    pub(crate) fn prefetch_behind(&self, offset: usize, len: usize) {
        const MOST: usize = 64 << 10;
        for at in (0..len.min(MOST) + HEADER_LEN).step_by(64) {
            prefetch(self.map.as_ptr().wrapping_add(offset + AHEAD + at));
        }
    }

    /// Has as many lines as `len` bytes at `offset` take on their way to this processor, of those that a writer stores to next. The
    /// processor that zeroed them has them otherwise, and each fence waits until they have come.
    #[inline]
    pub(crate) fn prefetch_stores(&self, offset: usize, len: usize) {
        for at in (0..len.min(MOST_STORES)).step_by(64) {
            prefetch_store(self.map.as_ptr().wrapping_add(offset + STORES_AHEAD + at));
        }
    }

    /// Zeroes `len` bytes at `offset` by storing to them.
    pub(crate) fn zero(&self, offset: usize, len: usize) {
        assert!(self.writable && self.holds(offset, len));
        // SAFETY: the range is inside of a writable mapping.
        unsafe { self.map.as_mut_ptr().add(offset).write_bytes(0, len) }
    }

    /// Stores to every page before `end` what it holds. Nobody else may be storing.
    pub(crate) fn dirty(&self, end: usize) {
        assert!(self.writable);
        for offset in (0..end.min(self.len())).step_by(4096) {
            let word = self.word32(offset);
            // A swap, because an operation that can be seen to change nothing may be compiled to a load.
            word.swap(word.load(Ordering::Acquire), Ordering::AcqRel);
        }
    }

    /// Waits until the pages of `offset..offset + len` are on the disk.
    pub(crate) fn flush(&self, offset: usize, len: usize) -> io::Result<()> {
        disk::flush(self.file, offset, len, || self.map.flush_range(offset, len))
    }

    /// Refuses what was read or stored here once a page was lost: zeros stand in its place, which no file holds. To be asked behind
    /// the access and before anything is believed that zeros could say.
    #[inline]
    pub(crate) fn intact(&self, path: &Path) -> Result<()> {
        if hit() && self.broken() { Err(lost(path, self.len())) } else { Ok(()) }
    }

    /// Whether a page was lost.
    pub(crate) fn broken(&self) -> bool {
        self.guard.broken()
    }

    /// Refuses a flush as long as not all that is mapped is in the file: a page behind its end is flushed to nowhere, without an error.
    pub(crate) fn check_flushed(&self, file: &File) -> io::Result<()> {
        if self.broken() {
            return Err(io::Error::other(LOST));
        }
        if file.metadata()?.len() < self.len() as u64 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, CUT));
        }
        Ok(())
    }

    /// Says in which pages the kernel is to bring in what is not in memory yet.
    pub(crate) fn advise_pages(&self, pages: Pages) {
        platform::advise_pages(&self.map, pages);
    }

    /// Makes the pages of `offset..offset + len` resident, as far as they are inside.
    pub(crate) fn populate(&self, offset: usize, len: usize) {
        if offset < self.len() {
            platform::populate(&self.map, offset, len.min(self.len() - offset));
        }
    }

    #[inline]
    fn holds(&self, offset: usize, len: usize) -> bool {
        offset <= self.len() && len <= self.len() - offset
    }
}

/// Loads and checks all or all but a few of `len` bytes in one pass, and with `COPY` stores them: their checksum, and how many bytes that
/// are. `None` where the processor cannot, and for a few.
///
/// # Safety
/// `len` bytes at `source` may be loaded, and with `COPY` stored at `target`.
#[cfg(all(target_arch = "x86_64", not(chronicle_portable)))]
#[inline]
unsafe fn fold<const FETCH: bool, const COPY: bool>(
    source: *const u8,
    len: usize,
    target: *mut u8,
) -> Option<(u32, usize)> {
    // Faults that stand in what copies otherwise.
    if ["copy.overread", "copy.overrun", "copy.freed"].into_iter().any(fault::planted) {
        return None;
    }
    // SAFETY: as the caller vouches.
    unsafe { fold::fold::<FETCH, COPY>(source, len, target) }
}

#[cfg(not(all(target_arch = "x86_64", not(chronicle_portable))))]
unsafe fn fold<const FETCH: bool, const COPY: bool>(
    _: *const u8,
    _: usize,
    _: *mut u8,
) -> Option<(u32, usize)> {
    None
}

/// Has the line at an address on its way from memory, where there is one.
#[inline]
fn prefetch(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch neither faults nor changes anything.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// [`prefetch`] of a line that is stored to, which no other processor keeps then.
#[inline]
fn prefetch_store(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: as above. An instruction, because the compiler makes a prefetch for loads of the intrinsic.
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) address, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

const CUT: &str = "the file was truncated while it was mapped";
const LOST: &str =
    "a page of the mapped file was lost: it was truncated meanwhile, or the disk failed or is full";

/// A mapping of `len` bytes of the file at `path` that lacks a page.
#[cold]
pub(crate) fn lost(path: &Path, len: usize) -> Error {
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() < len as u64 => {
            Error::new(ErrorKind::Truncated, CUT).at_path(path).at_offset(metadata.len())
        }
        _ => Error::new(ErrorKind::Io, LOST).at_path(path),
    }
}
