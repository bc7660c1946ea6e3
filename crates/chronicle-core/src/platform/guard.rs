//! A page that its file has lost is an error, and not the end of the process.
//!
//! An access to a mapped page behind the end of its file, on a disk that cannot read it, or on a full file system that copies on
//! write, is a SIGBUS. The handler here finds the range of ours that the address is in, says that the range is broken, maps a page
//! of zeros in the place of the lost one and lets the access go on. Whoever would believe what it has read or stored then looks at
//! [`hit`] first, and at its own range where that says so.
//!
//! The handler runs between two instructions of any thread: it takes no lock, allocates nothing, and calls the kernel alone.
#![expect(unsafe_code, reason = "a signal handler is installed, which maps pages")]

use std::ffi::{c_int, c_void};
use std::io;
use std::mem::zeroed;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering, fence};

use crate::fault;

/// Whether any range of this process was ever broken: nearly always the one thing that there is to look at.
static HIT: AtomicBool = AtomicBool::new(false);
/// Every mapped range.
static TABLE: Chunk = Chunk::new();
/// What handled the signal before, and still does where the address is not ours.
static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();
static PAGE_BYTES: AtomicUsize = AtomicUsize::new(0);

/// Where the slot of no range starts: behind every address.
const FREE: usize = usize::MAX;
/// Where a slot starts that somebody fills in.
const TAKEN: usize = FREE - 1;
/// Few processes map more; for those that do there are further chunks.
const CHUNK_LEN: usize = 256;

/// A range of addresses. Slots are used again and never freed: the handler may be looking.
struct Slot {
    start: AtomicUsize,
    len: AtomicUsize,
    writable: AtomicBool,
    broken: AtomicBool,
}

impl Slot {
    const fn new() -> Self {
        Self {
            start: AtomicUsize::new(FREE),
            len: AtomicUsize::new(0),
            writable: AtomicBool::new(false),
            broken: AtomicBool::new(false),
        }
    }
}

struct Chunk {
    slots: [Slot; CHUNK_LEN],
    next: AtomicPtr<Chunk>,
}

impl Chunk {
    const fn new() -> Self {
        Self { slots: [const { Slot::new() }; CHUNK_LEN], next: AtomicPtr::new(ptr::null_mut()) }
    }

    fn next(&self) -> Option<&'static Self> {
        // SAFETY: null, or a chunk that was leaked.
        unsafe { self.next.load(Ordering::Acquire).as_ref() }
    }

    /// The next chunk, made where there is none.
    fn grow(&self) -> &'static Self {
        if let Some(next) = self.next() {
            return next;
        }
        let made = Box::into_raw(Box::new(Self::new()));
        match self.next.compare_exchange(ptr::null_mut(), made, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: leaked just now.
            Ok(_) => unsafe { &*made },
            Err(other) => {
                // SAFETY: nobody has seen this one; the other one is leaked.
                unsafe {
                    drop(Box::from_raw(made));
                    &*other
                }
            }
        }
    }
}

/// Whether a page of some range of this process was lost, as far as this thread can have met it by now.
#[inline]
pub(crate) fn hit() -> bool {
    // Orders what was read before this look. The handler says so before it maps the zeros: who sees them sees it.
    fence(Ordering::Acquire);
    HIT.load(Ordering::Relaxed)
}

/// A mapped range that the handler knows. To be dropped before the range is unmapped.
#[derive(Debug)]
pub(crate) struct Guard(&'static Slot);

impl Guard {
    /// Guards the `len` bytes at `address`, which stay mapped for as long as the guard lives.
    pub(crate) fn new(address: *const u8, len: usize, writable: bool) -> io::Result<Self> {
        install()?;
        let slot = take();
        slot.broken.store(false, Ordering::Relaxed);
        slot.writable.store(writable, Ordering::Relaxed);
        // After the start of the range before, which the handler compares again when it has read this.
        slot.len.store(len, Ordering::Release);
        slot.start.store(address.addr(), Ordering::Release);
        Ok(Self(slot))
    }

    /// Whether a page of the range was lost: zeros stand in its place, and what is stored there reaches no file.
    pub(crate) fn broken(&self) -> bool {
        self.0.broken.load(Ordering::Relaxed)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.start.store(FREE, Ordering::Release);
    }
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot").field("broken", &self.broken).finish_non_exhaustive()
    }
}

/// A free slot, which is this thread's now.
fn take() -> &'static Slot {
    let mut chunk = &TABLE;
    loop {
        let taken = chunk.slots.iter().find(|slot| {
            slot.start.compare_exchange(FREE, TAKEN, Ordering::Acquire, Ordering::Relaxed).is_ok()
        });
        if let Some(slot) = taken {
            return slot;
        }
        chunk = chunk.grow();
    }
}

fn install() -> io::Result<()> {
    static INSTALLED: OnceLock<Result<(), i32>> = OnceLock::new();
    let installed = INSTALLED.get_or_init(|| {
        if fault::planted("guard.off") {
            return Ok(());
        }
        PAGE_BYTES.store(rustix::param::page_size(), Ordering::Relaxed);
        // SAFETY: all zeros is a valid `sigaction`; the handler has the signature that SA_SIGINFO asks for, and what it calls
        // when the address is not ours is known before it is installed.
        let done = unsafe {
            let mut previous: libc::sigaction = zeroed();
            let mut done = libc::sigaction(libc::SIGBUS, ptr::null(), &raw mut previous);
            PREVIOUS.get_or_init(|| previous);
            let mut action: libc::sigaction = zeroed();
            action.sa_sigaction = handle as *const () as usize;
            // On the alternate stack where the thread has one: a program may have set it up for its own handlers.
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigemptyset(&raw mut action.sa_mask);
            if done == 0 {
                done = libc::sigaction(libc::SIGBUS, &raw const action, ptr::null_mut());
            }
            done
        };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error().raw_os_error().unwrap_or(0)) }
    });
    installed.map_err(io::Error::from_raw_os_error)
}

unsafe extern "C" fn handle(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel gives a valid `info`. Its address is one only where the kernel speaks of an access, and not where
    // another process has sent the signal.
    let (by_access, address) = unsafe { (is_access((*info).si_code), (*info).si_addr().addr()) };
    if by_access && replace(address) {
        return;
    }
    // SAFETY: as it was called itself.
    unsafe { pass_on(signal, info, context, by_access) }
}

/// Whether the kernel speaks of an access that cannot go on. Memory that was found bad without one is not lost yet: a page of a file
/// is read again from the disk.
fn is_access(code: c_int) -> bool {
    #[cfg(target_os = "linux")]
    if code == libc::BUS_MCEERR_AO {
        return false;
    }
    code > 0
}

/// Puts zeros in the place of a lost page of ours. False where the page is not ours.
fn replace(address: usize) -> bool {
    let Some(slot) = find(address) else { return false };
    slot.broken.store(true, Ordering::Relaxed);
    // Before the zeros: another thread may read them without a fault of its own.
    HIT.store(true, Ordering::SeqCst);
    let page_bytes = PAGE_BYTES.load(Ordering::Relaxed);
    let protection = if slot.writable.load(Ordering::Relaxed) {
        libc::PROT_READ | libc::PROT_WRITE
    } else {
        libc::PROT_READ
    };
    let page = ptr::without_provenance_mut(address & !(page_bytes - 1));
    let flags = libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: the page lies in a range that stays mapped: the thread that faults there borrows it. It is no memory of Rust's own.
    let mapped = unsafe { libc::mmap(page, page_bytes, protection, flags, -1, 0) };
    mapped != libc::MAP_FAILED
}

/// The slot of the range that holds `address`.
fn find(address: usize) -> Option<&'static Slot> {
    let mut chunk = Some(&TABLE);
    while let Some(Chunk { slots, .. }) = chunk {
        let found = slots.iter().find(|slot| {
            let start = slot.start.load(Ordering::Acquire);
            let inside = start <= address && address - start < slot.len.load(Ordering::Acquire);
            // A slot that has got another range meanwhile is not this one.
            inside && slot.start.load(Ordering::Acquire) == start
        });
        if found.is_some() {
            return found;
        }
        chunk = chunk.and_then(Chunk::next);
    }
    None
}

/// Does what was done before this handler came.
unsafe fn pass_on(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void, by_access: bool) {
    let Some(previous) = PREVIOUS.get() else { return };
    let handler = previous.sa_sigaction;
    if handler == libc::SIG_IGN && !by_access {
        return;
    }
    // SAFETY: what was installed before has the signature that its flags name. The default action is that of the kernel.
    unsafe {
        if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
            let mut action: libc::sigaction = zeroed();
            action.sa_sigaction = libc::SIG_DFL;
            libc::sigaction(signal, &raw const action, ptr::null_mut());
            // An access comes again by itself, and so the process ends at the place that is to blame.
            if !by_access {
                libc::raise(signal);
            }
        } else if previous.sa_flags & libc::SA_SIGINFO != 0 {
            type Handler = unsafe extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);
            std::mem::transmute::<usize, Handler>(handler)(signal, info, context);
        } else {
            std::mem::transmute::<usize, unsafe extern "C" fn(c_int)>(handler)(signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_used_again_and_more_are_made_than_one_chunk_holds() {
        let bytes = vec![0u8; 4096];
        let guards: Vec<Guard> =
            (0..3 * CHUNK_LEN).map(|at| Guard::new(&raw const bytes[at], 1, false).unwrap()).collect();
        for (at, guard) in guards.iter().enumerate() {
            let found = find((&raw const bytes[at]).addr()).unwrap();
            assert!(ptr::eq(found, guard.0), "{at}");
        }
        assert!(find((&raw const bytes[3 * CHUNK_LEN]).addr()).is_none());
        drop(guards);
        assert!(find((&raw const bytes[0]).addr()).is_none());
    }
}
