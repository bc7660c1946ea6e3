//! The signal behind lost pages: with the guard off it ends the process, and what is not about the log's memory goes where it went before.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs::{self, OpenOptions};
use std::os::unix::process::ExitStatusExt;
#[cfg(target_os = "linux")]
use std::sync::atomic::{AtomicU32, Ordering};

use chronicle_core::{Entry, ErrorKind, From};
use common::child::{command, job};
use common::{open, segments, writer};

/// Does what ends a process without the guard.
#[test]
fn a_child_reads_what_is_gone() {
    if let Some((_, dir)) = job() {
        let log = open(&dir);
        let mut reader = log.reader(From::Start).unwrap();
        OpenOptions::new().write(true).open(&segments(&dir)[0]).unwrap().set_len(0).unwrap();
        let error = reader.poll(&mut [0; 4096], &mut [Entry::default(); 4]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Truncated);
    }
}

#[test]
fn without_the_guard_a_signal_ends_the_process() {
    let ends = |plant: &str| {
        let dir = tempfile::tempdir().unwrap();
        writer(&open(dir.path())).append(b"there", 0).unwrap();
        let mut child = command("a_child_reads_what_is_gone", "read", dir.path());
        child.env("CHRONICLE_PLANT", plant).status().unwrap()
    };
    assert!(ends("none").success());
    if cfg!(feature = "fault") {
        let signal = ends("guard.off").signal();
        assert_eq!(signal, Some(libc::SIGBUS));
    }
}

/// A signal of another origin ends the process as it would have without the log.
#[test]
fn a_child_gets_a_signal_from_elsewhere() {
    let Some((job, dir)) = job() else { return };
    let _log = open(&dir);
    if job == "sent" {
        signal_self();
    } else {
        let file = tempfile::tempfile().unwrap();
        file.set_len(4096).unwrap();
        touch_truncated(&file);
    }
}

#[expect(unsafe_code, reason = "sends a signal")]
fn signal_self() {
    // The handler of the standard library, which was there first, takes itself away at the first one.
    for _ in 0..2 {
        // SAFETY: a call without memory.
        unsafe { libc::raise(libc::SIGBUS) };
    }
}

/// How often the handler was called that was there before the log's.
#[cfg(target_os = "linux")]
static PASSED_ON: AtomicU32 = AtomicU32::new(0);

#[cfg(target_os = "linux")]
extern "C" fn count(_signal: libc::c_int) {
    PASSED_ON.fetch_add(1, Ordering::Relaxed);
}

/// Memory that was found bad, and not by an access, is the business of who asked to be told.
#[cfg(target_os = "linux")]
#[test]
fn a_child_is_told_of_bad_memory() {
    let Some((_, dir)) = job() else { return };
    handle_bus();
    let log = open(&dir);
    let mut reader = log.reader(From::Start).unwrap();
    let mut entries = [Entry::default(); 4];
    assert_eq!(reader.poll_view(&mut entries).unwrap(), 1);
    tell_of_bad_memory(reader.view().unwrap().address());
    assert_eq!(PASSED_ON.load(Ordering::Relaxed), 1);
    let mut reader = log.reader(From::Start).unwrap();
    assert_eq!(reader.poll_view(&mut entries).unwrap(), 1);
    assert_eq!((entries[0].seq, entries[0].length), (0, 5));
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "installs a handler")]
fn handle_bus() {
    // SAFETY: all zeros is a valid `sigaction`, and the handler has the signature that goes without SA_SIGINFO.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = count as *const () as usize;
        assert_eq!(libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut()), 0);
    }
}

/// Sends what the kernel sends of a page that a scrubber has found bad: to itself a process may.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "sends a signal with an address")]
fn tell_of_bad_memory(address: *const u8) {
    #[repr(C)]
    struct Fault {
        signal: libc::c_int,
        errno: libc::c_int,
        code: libc::c_int,
        address: *const u8,
        rest: [u64; 16],
    }
    let fault = Fault { signal: libc::SIGBUS, errno: 0, code: libc::BUS_MCEERR_AO, address, rest: [0; 16] };
    // SAFETY: the kernel copies a `siginfo_t`, which begins so and is not longer.
    let sent = unsafe {
        let pid = std::process::id();
        libc::syscall(libc::SYS_rt_tgsigqueueinfo, pid, libc::gettid(), libc::SIGBUS, &raw const fault)
    };
    assert_eq!(sent, 0);
}

#[cfg(target_os = "linux")]
#[test]
fn memory_that_was_found_bad_goes_to_who_had_the_signal() {
    let dir = tempfile::tempdir().unwrap();
    writer(&open(dir.path())).append(b"there", 0).unwrap();
    let status = command("a_child_is_told_of_bad_memory", "told", dir.path()).status().unwrap();
    assert!(status.success(), "{status:?}");
}

#[expect(unsafe_code, reason = "a mapping of its own faults")]
fn touch_truncated(file: &fs::File) {
    // SAFETY: the mapping is used in no other way; that it faults is what the test is about.
    let map = unsafe { memmap2::MmapOptions::new().map(file) }.unwrap();
    file.set_len(0).unwrap();
    std::hint::black_box(map[0]);
}

#[test]
fn signals_of_others_go_to_who_had_them() {
    for job in ["sent", "faults"] {
        let dir = tempfile::tempdir().unwrap();
        let status = command("a_child_gets_a_signal_from_elsewhere", job, dir.path()).status().unwrap();
        assert_eq!(status.signal(), Some(libc::SIGBUS), "{job}");
    }
}
