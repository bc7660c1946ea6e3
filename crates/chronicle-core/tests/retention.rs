//! Pruning: what each limit removes, what stays, and the gap that a reader meets.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking, and its numbers are small"
)]

mod common;

use std::path::Path;
use std::time::Duration;

use chronicle_core::{Chronicle, Entry, ErrorKind, From, Options, Retention};
use common::{append, drain, index_files, open, options, payload, read_all, segments, writer};

fn rolled(dir: &Path) -> (Chronicle, usize) {
    let log = open(dir);
    let mut writer = writer(&log);
    append(&mut writer, 0..500u64, 1000);
    drop(writer);
    let count = segments(dir).len();
    assert!(count >= 8);
    (log, count)
}

#[test]
fn without_a_limit_or_a_reader_nothing_is_pruned() {
    let dir = tempfile::tempdir().unwrap();
    let (log, count) = rolled(dir.path());
    assert_eq!(log.prune(&Retention::default(), false).unwrap().segments, 0);
    assert_eq!(segments(dir.path()).len(), count);
}

#[test]
fn each_limit_removes_whole_segments_oldest_first_and_never_the_last() {
    let none = Retention { keep_unread: false, ..Retention::default() };
    for (retention, all) in [
        (Retention { keep_bytes: Some(0), ..none.clone() }, true),
        (Retention { keep_ns: Some(0), ..none.clone() }, true),
        (Retention { keep_messages: Some(0), ..none.clone() }, true),
        (Retention { keep_bytes: Some(200 << 10), ..none.clone() }, false),
        (Retention { keep_messages: Some(100), ..none.clone() }, false),
        (Retention { keep_ns: Some(u64::MAX), ..none.clone() }, false),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (log, count) = rolled(dir.path());
        let planned = log.prune(&retention, true).unwrap();
        assert_eq!(segments(dir.path()).len(), count, "a dry run removes nothing");
        let report = log.prune(&retention, false).unwrap();
        assert_eq!((report.segments, report.bytes), (planned.segments, planned.bytes));
        let left = segments(dir.path()).len();
        assert_eq!(left as u64 + report.segments, count as u64);
        assert_eq!(left == 1, all, "{retention:?}");
        let first = log.first_seq().unwrap();
        assert_eq!(first, report.first_seq);
        let read = read_all(&log).unwrap();
        assert_eq!((read[0].seq, read[read.len() - 1].seq), (first, 499));
        assert_eq!(index_files(dir.path()), left);
        if first > 0 {
            let error = log.reader(From::Seq(0)).unwrap_err();
            assert_eq!((error.kind(), error.first()), (ErrorKind::Gap, Some(first)));
        }
        assert_eq!(writer(&log).append(b"next", 0).unwrap(), 500);
    }
}

/// What a file takes on the disk, as `stats` counts.
fn disk_bytes(path: &Path) -> u64 {
    let metadata = std::fs::metadata(path).unwrap();
    #[cfg(unix)]
    return std::os::unix::fs::MetadataExt::blocks(&metadata) * 512;
    #[cfg(not(unix))]
    metadata.len()
}

#[test]
fn a_limit_of_bytes_goes_by_what_each_segment_takes() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut writer = writer(&log);
    // Each gets a segment of its own size.
    for (seq, len) in [60_000, 200_000, 90_000, 400_000, 150_000].into_iter().enumerate() {
        append(&mut writer, seq as u64..seq as u64 + 1, len);
    }
    drop(writer);
    let sizes: Vec<u64> = segments(dir.path()).iter().map(|path| disk_bytes(path)).collect();
    assert_eq!(sizes.len(), 5);
    let keep = |bytes| Retention { keep_bytes: Some(bytes), keep_unread: false, ..Retention::default() };
    for removed in 1..4 {
        let (gone, left) = sizes.split_at(removed);
        let planned = log.prune(&keep(left.iter().sum()), true).unwrap();
        assert_eq!((planned.segments, planned.bytes), (removed as u64, gone.iter().sum()));
        let planned = log.prune(&keep(left.iter().sum::<u64>() - 1), true).unwrap();
        assert_eq!((planned.segments, planned.bytes), (removed as u64 + 1, sizes[..=removed].iter().sum()));
    }
    let report = log.prune(&keep(sizes[3..].iter().sum()), false).unwrap();
    assert_eq!((report.segments, report.bytes), (3, sizes[..3].iter().sum()));
    assert_eq!(segments(dir.path()).iter().map(|path| disk_bytes(path)).collect::<Vec<_>>(), sizes[3..]);
}

#[test]
fn what_a_named_reader_has_still_to_read_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = rolled(dir.path());
    let mut reader = log.named_reader("slow", From::Start).unwrap();
    let (mut slab, mut entries) = (vec![0; 1 << 20], vec![Entry::default(); 200]);
    assert_eq!(reader.poll(&mut slab, &mut entries).unwrap().count, 200);
    reader.commit(199).unwrap();
    let everything = Retention { keep_bytes: Some(0), ..Retention::default() };
    let first = log.prune(&everything, false).unwrap().first_seq;
    assert!(first > 100 && first <= 200, "{first}");
    assert_eq!(drain(&mut reader).unwrap()[0].seq, 200);
    reader.commit(499).unwrap();
    assert!(log.prune(&Retention::default(), false).unwrap().segments > 0, "all of it was read");
    assert_eq!(segments(dir.path()).len(), 1);
}

#[test]
fn a_reader_whose_place_is_pruned_gets_the_gap_and_may_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = rolled(dir.path());
    let mut reader = log.named_reader("r", From::Start).unwrap();
    let (mut slab, mut entries) = (vec![0; 4096], vec![Entry::default(); 2]);
    reader.poll(&mut slab, &mut entries).unwrap();
    let first =
        log.prune(&Retention { keep_bytes: Some(0), keep_unread: false, ..Retention::default() }, false);
    let first = first.unwrap().first_seq;
    let error = loop {
        match reader.poll(&mut slab, &mut entries) {
            Ok(run) => assert!(run.count > 0),
            Err(e) => break e,
        }
    };
    assert_eq!((error.kind(), error.first()), (ErrorKind::Gap, Some(first)));
    drop(reader);
    assert_eq!(log.named_reader("r", From::Start).unwrap_err().kind(), ErrorKind::Gap);
    log.set_reader("r", first).unwrap();
    assert_eq!(drain(&mut log.named_reader("r", From::Start).unwrap()).unwrap()[0].seq, first);
}

#[test]
fn retention_as_an_option_is_applied_at_each_roll() {
    let dir = tempfile::tempdir().unwrap();
    let retention = Some(Retention { keep_messages: Some(50), ..Retention::default() });
    let log = Chronicle::open(dir.path(), &Options { retention, ..options() }).unwrap();
    let mut writer = writer(&log);
    for seq in 0..2000u64 {
        writer.append(&payload(seq, 1000), 0).unwrap();
    }
    // By the helper thread, which comes to it after a roll.
    let pruned = (2000..100_000u64).any(|seq| {
        writer.append(&payload(seq, 1000), 0).unwrap();
        std::thread::sleep(Duration::from_micros(100));
        log.first_seq().unwrap() > 1000 && segments(dir.path()).len() < 20
    });
    assert!(pruned);
    drop(writer);
    assert!(log.stats().unwrap().prune_failure.is_none());
}

#[test]
fn an_index_without_a_segment_goes_with_the_next_prune() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = rolled(dir.path());
    let index = segments(dir.path())[1].with_extension("idx");
    let bytes = std::fs::read(&index).unwrap();
    let keep = |messages| Retention { keep_messages: Some(messages), ..Retention::default() };
    assert!(log.prune(&keep(100), false).unwrap().segments > 2);
    assert!(!index.exists());
    std::fs::write(&index, bytes).unwrap();
    assert_eq!(log.prune(&keep(100), false).unwrap().segments, 0);
    assert!(!index.exists());
    assert_eq!(read_all(&log).unwrap().len() as u64, 500 - log.first_seq().unwrap());
}
