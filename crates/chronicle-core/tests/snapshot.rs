//! Copies of a live log at one moment.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking, and its numbers are small"
)]

mod common;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chronicle_core::{
    BatchItem, Chronicle, ErrorKind, From, Options, Progress, Retention, SnapshotReport, Writer, verify,
};
use common::{
    BOOTS_ARE_KNOWN, append, drain, open, patch, payload, read_all, reboot, segments, snapshot, writer,
};

fn take(log: &Chronicle, dir: &Path) -> SnapshotReport {
    log.snapshot(dir, &Progress::default()).unwrap()
}

/// What stands beside the log.
fn neighbours(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(dir.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn batch(writer: &mut Writer, count: u32) {
    let items: Vec<BatchItem> = (0..count).map(|_| BatchItem { length: 100, type_id: 9 }).collect();
    let first = writer.next_seq();
    let bytes: Vec<u8> = (0..u64::from(count)).flat_map(|i| payload(first + i, 100)).collect();
    writer.append_batch(&bytes, &items, None).unwrap();
}

fn log_in(parent: &Path) -> Chronicle {
    open(&parent.join("log"))
}

#[test]
fn a_snapshot_holds_what_is_published_and_goes_on_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let log = log_in(dir.path());
    let mut source = writer(&log);
    for round in 0..120 {
        source.append(&payload(source.next_seq(), 1000), round).unwrap();
        batch(&mut source, 5);
    }
    let end = source.next_seq();
    log.set_reader("done", end).unwrap();
    log.set_reader("behind", 17).unwrap();
    let copy = dir.path().join("deep/er/copy");
    let progress = Progress::default();
    let report = log.snapshot(&copy, &progress).unwrap();
    assert_eq!((report.first_seq, report.next_seq), (0, end));
    assert_eq!(report.segments as usize, segments(&copy).len());
    assert_eq!((progress.segments(), progress.total_segments()), (report.segments, report.segments));
    assert_eq!((progress.bytes(), progress.total_bytes()), (report.bytes, report.bytes));

    // The log goes on, and nothing of that is in the copy.
    source.append(b"later", 0).unwrap();
    let found = verify(&copy, |_, _| ()).unwrap();
    assert!(found.problems.is_empty(), "{:?}", found.problems);
    assert_eq!((found.messages, found.next_seq, found.readers), (end, end, 2));
    let (mut all, copied) = (read_all(&log).unwrap(), open(&copy));
    all.truncate(end as usize);
    assert_eq!(read_all(&copied).unwrap(), all);
    assert_eq!(copied.durable_seq().unwrap(), end);
    let positions: Vec<_> = copied.readers().unwrap().into_iter().map(|r| (r.name, r.next_seq)).collect();
    assert_eq!(positions, [("behind".to_owned(), 17), ("done".to_owned(), end)]);

    let before = snapshot(log.path());
    let epoch = log.stats().unwrap().epoch;
    let mut other = writer(&copied);
    assert_eq!(other.append(b"of the copy", 0).unwrap(), end);
    for _ in 0..80 {
        batch(&mut other, 3);
    }
    drop(other);
    let stats = copied.stats().unwrap();
    assert_eq!(stats.recovery.unwrap().same_boot, BOOTS_ARE_KNOWN);
    assert_eq!(stats.epoch, epoch + 1);
    assert!(verify(&copy, |_, _| ()).unwrap().problems.is_empty());
    assert!(snapshot(log.path()) == before, "the log and its copy share nothing");
}

#[test]
fn an_empty_log_and_one_that_was_pruned_are_copied() {
    let dir = tempfile::tempdir().unwrap();
    let log = log_in(dir.path());
    let report = take(&log, &dir.path().join("empty"));
    assert_eq!((report.first_seq, report.next_seq, report.segments), (0, 0, 1));
    assert_eq!(writer(&open(&dir.path().join("empty"))).append(b"x", 0).unwrap(), 0);

    let mut source = writer(&log);
    append(&mut source, 0..20, 20_000);
    let keep = Retention { keep_messages: Some(5), ..Retention::default() };
    let first = log.prune(&keep, false).unwrap().first_seq;
    let copy = dir.path().join("pruned");
    let report = take(&log, &copy);
    assert_eq!((report.first_seq, report.next_seq), (first, 20));
    assert!(verify(&copy, |_, _| ()).unwrap().problems.is_empty());
    let copied = open(&copy);
    assert_eq!(copied.first_seq().unwrap(), first);
    assert_eq!(copied.reader(From::Seq(0)).unwrap_err().kind(), ErrorKind::Gap);
}

#[test]
fn a_handle_that_only_reads_takes_one_too() {
    let dir = tempfile::tempdir().unwrap();
    let log = log_in(dir.path());
    writer(&log).append(b"hello", 3).unwrap();
    let before = snapshot(log.path());
    let options = Options { read_only: true, create: false, ..common::options() };
    let reading = Chronicle::open(log.path(), &options).unwrap();
    assert_eq!(take(&reading, &dir.path().join("copy")).next_seq, 1);
    assert!(snapshot(log.path()) == before);
}

#[test]
fn what_a_writer_published_last_is_in_it_though_it_died_before_it_said_so() {
    let dir = tempfile::tempdir().unwrap();
    let log = log_in(dir.path());
    let mut source = writer(&log);
    source.append(b"first", 0).unwrap();
    batch(&mut source, 4);
    drop(source);
    // One more than the last published seq, as it was before the batch.
    patch(&log.path().join("control"), 128, |bytes| bytes[0] = 1);
    let copy = dir.path().join("copy");
    // Where boots are not known, the end is walked from the records in any case.
    assert_eq!(take(&log, &copy).next_seq, 5);
    assert_eq!(read_all(&open(&copy)).unwrap().len(), 5);
}

#[test]
fn before_a_recovery_it_ends_where_that_will_cut() {
    let dir = tempfile::tempdir().unwrap();
    let log = log_in(dir.path());
    let mut source = writer(&log);
    append(&mut source, 0..100, 1000);
    drop(source);
    let (path, offset) = common::find(log.path(), 90);
    patch(&path, offset + 64, |bytes| bytes[0] ^= 1);
    reboot(log.path());
    let log = open(log.path());
    let copy = dir.path().join("copy");
    assert_eq!(take(&log, &copy).next_seq, 90);
    let found = verify(&copy, |_, _| ()).unwrap();
    assert!(found.problems.is_empty(), "{:?}", found.problems);
    assert_eq!(found.next_seq, 90);
    assert_eq!(writer(&log).next_seq(), 90);
}

#[test]
fn before_a_recovery_it_gets_the_end_records_that_a_power_cut_took() {
    let dir = tempfile::tempdir().unwrap();
    let log = log_in(dir.path());
    let mut source = writer(&log);
    append(&mut source, 0..4, 60_000);
    drop(source);
    let all = read_all(&log).unwrap();
    // Nothing is durable, and END of the second segment was not written back before those behind it were.
    patch(&log.path().join("control"), 384, |bytes| bytes[..128].fill(0));
    reboot(log.path());
    let path = segments(log.path()).swap_remove(1);
    let end = common::records(&path).last().unwrap().0;
    patch(&path, end, |bytes| bytes[..64].fill(0));
    let log = open(log.path());
    let copy = dir.path().join("copy");
    assert_eq!(take(&log, &copy).next_seq, 4);
    let found = verify(&copy, |_, _| ()).unwrap();
    assert!(found.problems.is_empty(), "{:?}", found.problems);
    assert_eq!(read_all(&open(&copy)).unwrap(), all);
}

#[test]
fn a_log_whose_end_cannot_be_is_refused_rather_than_looked_at_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let log = log_in(dir.path());
    let mut source = writer(&log);
    append(&mut source, 0..4, 60_000);
    let keep = Retention { keep_messages: Some(1), ..Retention::default() };
    assert!(log.prune(&keep, false).unwrap().first_seq > 1);
    // One more than the last published seq, and below all that is left.
    patch(&log.path().join("control"), 128, |bytes| bytes[0] = 1);
    let log = open(log.path());
    assert_eq!(
        log.snapshot(&dir.path().join("copy"), &Progress::default()).unwrap_err().kind(),
        ErrorKind::Gap
    );
}

#[test]
fn what_fails_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = log_in(dir.path());
    let mut source = writer(&log);
    append(&mut source, 0..100, 1000);
    let copy = dir.path().join("copy");
    let kind = || log.snapshot(&copy, &Progress::default()).unwrap_err().kind();

    std::fs::create_dir(&copy).unwrap();
    assert_eq!(kind(), ErrorKind::InvalidArgument);
    assert!(std::fs::read_dir(&copy).unwrap().next().is_none());
    std::fs::remove_dir(&copy).unwrap();
    std::fs::write(&copy, b"mine").unwrap();
    assert_eq!(kind(), ErrorKind::InvalidArgument);
    assert_eq!(std::fs::read(&copy).unwrap(), b"mine");
    std::fs::remove_file(&copy).unwrap();

    let stopped = Progress::default();
    stopped.stop();
    assert_eq!(log.snapshot(&copy, &stopped).unwrap_err().kind(), ErrorKind::Aborted);

    log.set_reader("broken", 3).unwrap();
    let position = log.path().join("readers/broken");
    patch(&position, 512, |bytes| bytes.fill(0));
    assert_eq!(kind(), ErrorKind::Corrupt);
    std::fs::remove_file(&position).unwrap();

    let (path, offset) = common::find(log.path(), 99);
    patch(&path, offset + 8, |bytes| bytes[0] ^= 1);
    assert_eq!(kind(), ErrorKind::Corrupt);
    let sealed = segments(log.path()).remove(0);
    let hidden = sealed.with_extension("hidden");
    patch(&path, offset + 8, |bytes| bytes[0] ^= 1);
    std::fs::rename(&sealed, &hidden).unwrap();
    assert_eq!(kind(), ErrorKind::MissingSegment);
    std::fs::rename(&hidden, &sealed).unwrap();
    assert_eq!(neighbours(log.path()), [log.path().to_owned()]);
    assert_eq!(take(&log, &copy).next_seq, 100);
}

/// Stops the other threads also where an assertion ends the test.
struct Stop<'a>(&'a AtomicBool);
impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn snapshots_beside_a_writer_and_a_pruner_are_sound_prefixes() {
    let dir = tempfile::tempdir().unwrap();
    let log = log_in(dir.path());
    let mut source = writer(&log);
    log.set_reader("slow", 0).unwrap();
    let stopped = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stopped.load(Ordering::Relaxed) {
                // A log that grows faster than it is copied would grow until the disk is full.
                if source.next_seq() - log.first_seq().unwrap() < 5000 {
                    for _ in 0..20 {
                        let seq = source.next_seq();
                        source.append(&payload(seq, (seq % 9) as usize * 800), 0).unwrap();
                        batch(&mut source, 4);
                    }
                }
                std::thread::sleep(Duration::from_micros(300));
            }
        });
        scope.spawn(|| {
            let keep = Retention { keep_messages: Some(300), keep_unread: false, ..Retention::default() };
            while !stopped.load(Ordering::Relaxed) {
                log.prune(&keep, false).unwrap();
                log.set_reader("slow", log.next_seq().unwrap()).unwrap();
            }
        });
        let _stop = Stop(&stopped);
        let mut cuts = Vec::new();
        for round in 0..5000 {
            let copy = dir.path().join(format!("copy {round}"));
            let before = log.next_seq().unwrap();
            let report = take(&log, &copy);
            assert!((before..=log.next_seq().unwrap()).contains(&report.next_seq));
            let found = verify(&copy, |_, _| ()).unwrap();
            assert!(found.problems.is_empty(), "{:?}", found.problems);
            assert_eq!((found.first_seq, found.next_seq), (report.first_seq, report.next_seq));
            let copied = open(&copy);
            let messages = drain(&mut copied.reader(From::Start).unwrap()).unwrap();
            assert_eq!(messages.last().map_or(report.first_seq, |m| m.seq + 1), report.next_seq);
            assert!(messages.last().is_none_or(|m| m.batch_remaining == 0), "batches are whole");
            assert!(copied.readers().unwrap()[0].next_seq <= report.next_seq);
            assert_eq!(writer(&copied).next_seq(), report.next_seq);
            cuts.push((report.first_seq, report.next_seq));
            std::fs::remove_dir_all(&copy).unwrap();
            // On a busy machine the pruner may come late.
            if cuts.len() >= 40 && report.first_seq > 0 {
                break;
            }
        }
        assert!(cuts.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1));
        assert!(cuts.last().is_some_and(|cut| cut.0 > 0), "the pruner came to do something");
    });
}
