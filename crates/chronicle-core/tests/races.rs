//! What may be under way in other processes while one looks, prunes or recovers.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking, and its numbers are small"
)]

mod common;

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chronicle_core::{Chronicle, ErrorKind, From, Retention, VerifyReport, Writer, repair, verify};
use common::{drain, open, patch, read_all, reboot, segments, writer};

/// Messages that fill a segment each.
static LARGE: [u8; 60_000] = [1; 60_000];

fn keep(messages: u64) -> Retention {
    Retention { keep_messages: Some(messages), ..Retention::default() }
}

/// Does `other` again and again in a thread for as long as `here` runs.
fn beside<T>(other: impl Fn() + Send + Sync, here: impl FnOnce() -> T) -> T {
    /// Stops the thread also where an assertion ends the test.
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let stopped = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            while !stopped.load(Ordering::Relaxed) {
                other();
            }
        });
        let stop = Stop(&stopped);
        let result = here();
        drop(stop);
        worker.join().unwrap();
        result
    })
}

#[test]
fn two_prunes_at_once_leave_a_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut writer = writer(&log);
    for _ in 0..60 {
        for _ in 0..8 {
            writer.append(&LARGE, 0).unwrap();
        }
        log.set_reader("slow", writer.next_seq()).unwrap();
        let barrier = Barrier::new(2);
        std::thread::scope(|scope| {
            for kept in [1, 5] {
                let (barrier, path) = (&barrier, dir.path());
                scope.spawn(move || {
                    let log = open(path);
                    barrier.wait();
                    log.prune(&keep(kept), false).unwrap();
                });
            }
        });
        assert!(log.first_seq().unwrap() <= writer.next_seq());
        assert!(!read_all(&log).unwrap().is_empty());
    }
}

#[test]
fn a_recovery_goes_on_while_segments_are_pruned() {
    for round in 0..12u64 {
        let dir = tempfile::tempdir().unwrap();
        let log = open(dir.path());
        let mut first = writer(&log);
        for _ in 0..20 {
            first.append(&LARGE, 0).unwrap();
        }
        drop(first);
        // Durable, and not recovered in this boot: the walk goes from an early segment on.
        patch(&dir.path().join("control"), 384, |bytes| bytes[..128].fill(0));
        log.set_reader("slow", 20).unwrap();
        reboot(dir.path());
        let pruner = open(dir.path());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_micros(300 * round));
                pruner.prune(&keep(1), false).unwrap();
            });
            assert_eq!(log.writer(Duration::ZERO).unwrap().next_seq(), 20);
        });
    }
}

#[test]
fn places_are_found_while_segments_are_pruned() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let (pruner, appender) = (open(dir.path()), std::sync::Mutex::new(writer(&log)));
    let churn = || {
        let mut writer = appender.lock().unwrap();
        for _ in 0..3 {
            writer.append(&LARGE, 0).unwrap();
        }
        pruner.prune(&keep(0), false).unwrap();
    };
    beside(churn, || {
        for _ in 0..300 {
            for from in [From::Start, From::Last(1), From::End, From::Time(1)] {
                log.reader(from).unwrap();
            }
            log.stats().unwrap();
        }
    });
}

#[test]
fn a_log_that_is_written_meanwhile_is_sound() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let appender = std::sync::Mutex::new(writer(&log));
    let append = || {
        let mut writer = appender.lock().unwrap();
        // Where verifying is slower than appending, each look would take longer than the one before, until the disk is full.
        if writer.next_seq() - log.first_seq().unwrap() < 10_000 {
            for _ in 0..50 {
                writer.append(&[7; 900], 0).unwrap();
            }
        }
        drop(writer);
        std::thread::sleep(Duration::from_micros(100));
    };
    beside(append, || {
        for _ in 0..40 {
            let report = verify(dir.path(), |_, _| ()).unwrap();
            assert!(report.problems.is_empty(), "{:?}", report.problems);
            log.prune(&keep(1000), false).unwrap();
        }
    });
}

/// Verifies a log beside `step`, which is done once before each segment that is read.
fn verified_beside(mut step: impl FnMut(&Chronicle, &mut Writer)) -> VerifyReport {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut writer = writer(&log);
    for _ in 0..3 {
        writer.append(&LARGE, 0).unwrap();
    }
    let mut steps = 0;
    verify(dir.path(), |_, _| {
        steps += 1;
        assert!(steps < 20, "the end is never reached");
        step(&log, &mut writer);
    })
    .unwrap()
}

#[test]
fn verifying_ends_beside_a_writer_that_is_faster() {
    let report = verified_beside(|_, writer| {
        for _ in 0..2 {
            writer.append(&LARGE, 0).unwrap();
        }
    });
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    assert!(report.messages >= 3 && report.next_seq == report.messages, "{report:?}");
}

#[test]
fn verifying_ends_where_all_is_pruned_before_it_is_read() {
    let report = verified_beside(|log, writer| {
        for _ in 0..2 {
            writer.append(&LARGE, 0).unwrap();
        }
        log.prune(&keep(0), false).unwrap();
    });
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    assert!(report.messages == 0 && report.next_seq > 3, "{report:?}");
}
#[test]
fn a_position_is_read_while_it_is_committed() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut writer = writer(&log);
    for _ in 0..3000 {
        writer.append(b"x", 0).unwrap();
    }
    let commit = || {
        log.set_reader("busy", 0).unwrap();
        let mut reader = log.named_reader("busy", From::Start).unwrap();
        drain(&mut reader).unwrap();
        for seq in 0..3000 {
            reader.commit(seq).unwrap();
        }
    };
    commit();
    let other = open(dir.path());
    beside(commit, || {
        for _ in 0..20_000 {
            assert_eq!(other.readers().unwrap().len(), 1);
        }
    });
}

#[test]
fn a_segment_whose_removal_was_lost_does_not_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut writer = writer(&log);
    for _ in 0..8 {
        writer.append(&LARGE, 0).unwrap();
    }
    let (path, bytes) = (segments(dir.path())[0].clone(), std::fs::read(&segments(dir.path())[0]).unwrap());
    log.prune(&keep(3), false).unwrap();
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(log.first_seq().unwrap(), 5);
    assert_eq!(read_all(&log).unwrap()[0].seq, 5);
    assert_eq!(log.reader(From::Seq(0)).unwrap_err().kind(), ErrorKind::Gap);
    assert!(verify(dir.path(), |_, _| ()).unwrap().problems.is_empty());
    drop(writer);
    let report = repair(dir.path()).unwrap();
    assert_eq!((report.lost_from, report.quarantined.len()), (None, 0));
    // The next prune takes it along.
    log.prune(&keep(100), false).unwrap();
    assert!(!path.exists());
    assert_eq!(read_all(&log).unwrap().len(), 3);
}

#[test]
fn a_file_that_no_reader_made_does_not_bar_the_way() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    writer(&log).append(b"x", 0).unwrap();
    log.set_reader("good", 1).unwrap();
    std::fs::copy(dir.path().join("readers/good"), dir.path().join("readers/a:b")).unwrap();
    reboot(dir.path());
    assert_eq!(writer(&open(dir.path())).next_seq(), 1);
    assert_eq!(log.readers().unwrap().len(), 1);
}
