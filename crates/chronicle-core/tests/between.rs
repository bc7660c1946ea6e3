//! What others do between two steps of a call.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chronicle_core::fault::{self, Call, Recorder};
use chronicle_core::{Entry, ErrorKind, From, Severity, verify};
use common::{append, open, payload, records, segments, writer};

/// A recorder hears the whole process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does something each time that a point is passed.
struct At<F> {
    point: &'static str,
    act: F,
}

impl<F: Fn() + Send + Sync> Recorder for At<F> {
    fn before(&self, _call: &Call<'_>) -> io::Result<()> {
        Ok(())
    }

    fn after(&self, _call: &Call<'_>, _done: bool) {}

    fn point(&self, name: &str) {
        if name == self.point {
            (self.act)();
        }
    }
}

#[test]
fn verify_waits_for_the_end_of_no_segment_that_has_two_behind_it() {
    let _alone = alone();
    let dir = common::memory();
    let log = open(dir.path());
    let mut writer = writer(&log);
    append(&mut writer, 0..20, 30_000);
    writer.settle();
    // As a hostile program may leave it: every sealed segment without its end, and a writer that lives.
    let files = segments(dir.path());
    for path in &files[..files.len() - 1] {
        let (offset, end) = *records(path).last().unwrap();
        assert!(end.is_end());
        OpenOptions::new().write(true).open(path).unwrap().write_all_at(&[0; 64], offset).unwrap();
    }
    let waits = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&waits);
    fault::record(Some(Arc::new(At { point: "verify.waits", act: move || *counted.lock().unwrap() += 1 })));
    let report = verify(dir.path(), |_, _| ());
    fault::record(None);
    let problems = report.unwrap().problems;
    assert!(problems.len() > 3 && problems.len() == files.len() - 1, "{problems:?}");
    // An opening in the same boot looks into none of them, and where no boot is known into all that are not durable.
    let severity = if common::BOOTS_ARE_KNOWN { Severity::Data } else { Severity::Unfinished };
    assert!(problems.iter().all(|problem| problem.severity == severity));
    assert_eq!(*waits.lock().unwrap(), 1);
}

#[test]
fn a_view_that_has_lost_its_pages_is_no_damaged_message() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    writer(&log).append(&payload(0, 20_000), 0).unwrap();
    let path = segments(dir.path()).remove(0);
    let mut reader = log.reader(From::Start).unwrap();
    // A view is mapped a second time before its message is believed to be damaged.
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    let maps = Mutex::new(0);
    let act = move || {
        let mut maps = maps.lock().unwrap();
        *maps += 1;
        if *maps == 1 {
            file.write_all_at(&[0; 64], 16_384).unwrap();
        } else {
            file.set_len(8192).unwrap();
        }
    };
    fault::record(Some(Arc::new(At { point: "view.mapped", act })));
    let seen = reader.poll_view(&mut [Entry::default(); 4]);
    fault::record(None);
    let error = seen.unwrap_err();
    assert_eq!((error.kind(), error.seq()), (ErrorKind::Truncated, Some(0)), "{error}");
}
