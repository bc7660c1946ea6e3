//! The signal behind lost pages: with the guard off it ends the process, and what is not about the log's memory goes where it went before.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs::{self, OpenOptions};
use std::os::unix::process::ExitStatusExt;

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
