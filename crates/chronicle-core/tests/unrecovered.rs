//! After a power cut and before a writer has come: readers, and everything else that looks at the log, see what recovery will keep.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking, and its numbers are small"
)]

mod common;

use std::path::Path;

use chronicle_core::{Chronicle, ErrorKind, From, Retention, Severity, verify};
use common::{drain, find, open, patch, payload, read_all, reboot, records, segments, writer};

/// The end of the log that every test here makes.
const END: u64 = 120;

/// 200 messages of which 100 are durable, a reader that has committed 130 of them, and a power cut that took the payload of 120.
fn torn(dir: &Path) -> Chronicle {
    let log = open(dir);
    let mut writer = writer(&log);
    for seq in 0..200u64 {
        writer.append(format!("old {seq:04}").as_bytes(), 0).unwrap();
        if seq == 99 {
            writer.durability().sync().unwrap();
        }
    }
    let mut reader = log.named_reader("billing", From::Start).unwrap();
    drain(&mut reader).unwrap();
    reader.commit(129).unwrap();
    drop((reader, writer, log));
    reboot(dir);
    let (path, offset) = find(dir, END);
    patch(&path, offset + 64, |bytes| bytes[..8].fill(0));
    open(dir)
}

#[test]
fn every_way_in_ends_where_recovery_will() {
    let dir = tempfile::tempdir().unwrap();
    let log = torn(dir.path());
    assert_eq!(log.next_seq().unwrap(), END);
    assert_eq!(log.stats().unwrap().next_seq, END);
    assert_eq!(read_all(&log).unwrap().len() as u64, END);
    for (from, seq) in [(From::Seq(119), Some(119)), (From::Last(1), Some(119)), (From::Time(1), Some(0))] {
        assert_eq!(drain(&mut log.reader(from).unwrap()).unwrap().first().map(|m| m.seq), seq, "{from:?}");
    }
    for from in [From::Seq(130), From::End, From::Time(u64::MAX)] {
        assert!(drain(&mut log.reader(from).unwrap()).unwrap().is_empty(), "{from:?}");
    }
    let mut back = log.reader(From::End).unwrap();
    let (mut slab, mut entries) = (vec![0; 64], [chronicle_core::Entry::default(); 1]);
    assert_eq!(back.poll_back(&mut slab, &mut entries).unwrap().count, 1);
    assert_eq!(entries[0].seq, END - 1);
    let report = verify(dir.path(), |_, _| ()).unwrap();
    assert_eq!((report.messages, report.next_seq), (END, END));
    assert!(report.problems.iter().all(|problem| problem.severity == Severity::Unfinished));
    assert_eq!(writer(&log).next_seq(), END);
}

#[test]
fn a_named_reader_that_comes_first_misses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = torn(dir.path());
    let mut reader = log.named_reader("billing", From::Start).unwrap();
    assert_eq!((reader.moved_back_from(), reader.committed()), (Some(130), Some(END)));
    assert!(drain(&mut reader).unwrap().is_empty());
    let mut writer = writer(&log);
    for seq in END..230 {
        writer.append(format!("new {seq:04}").as_bytes(), 0).unwrap();
    }
    let read = drain(&mut reader).unwrap();
    assert_eq!((read[0].seq, read.len() as u64), (END, 230 - END));
    assert!(read.iter().all(|message| message.payload.starts_with(b"new")));
}

#[test]
fn readers_that_wait_go_on_once_a_writer_has_recovered_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = torn(dir.path());
    let mut readers = [From::Start, From::End, From::Seq(150)].map(|from| log.reader(from).unwrap());
    assert_eq!(readers.each_mut().map(|reader| drain(reader).unwrap().len() as u64), [END, 0, 0]);
    let mut writer = writer(&log);
    for seq in END..160u64 {
        writer.append(format!("new {seq:04}").as_bytes(), 0).unwrap();
    }
    assert_eq!(readers.each_mut().map(|reader| drain(reader).unwrap().len()), [40, 40, 10]);
}

/// Segments of one message each; the first is durable, and the header of the second was lost.
fn headless(dir: &Path) -> Chronicle {
    let log = open(dir);
    let mut writer = writer(&log);
    writer.append(&payload(0, 60_000), 0).unwrap();
    writer.durability().sync().unwrap();
    for _ in 0..3 {
        writer.append(&payload(2, 60_000), 0).unwrap();
    }
    drop((writer, log));
    reboot(dir);
    patch(&segments(dir)[1], 0, |bytes| bytes[..512].fill(0));
    open(dir)
}

#[test]
fn a_reader_at_the_end_does_not_stand_in_what_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let log = headless(dir.path());
    let mut tail = log.reader(From::End).unwrap();
    assert_eq!(tail.next_seq(), 1);
    let mut writer = writer(&log);
    for _ in 0..8 {
        writer.append(b"new", 0).unwrap();
    }
    assert_eq!(drain(&mut tail).unwrap().len(), 8);
}

#[test]
fn a_prune_removes_nothing_that_recovery_needs() {
    let dir = tempfile::tempdir().unwrap();
    let log = headless(dir.path());
    let limit = Retention { keep_bytes: Some(1), ..Retention::default() };
    assert_eq!(log.prune(&limit, false).unwrap().segments, 0);
    assert_eq!(writer(&log).next_seq(), 1);
    assert_eq!(read_all(&log).unwrap().len(), 1);
}

#[test]
fn damage_below_the_durable_point_is_no_end() {
    let dir = tempfile::tempdir().unwrap();
    let log = torn(dir.path());
    let (path, offset) = find(dir.path(), 50);
    patch(&path, offset + 64, |bytes| bytes[0] ^= 1);
    let mut reader = log.reader(From::Seq(50)).unwrap();
    assert_eq!(drain(&mut reader).unwrap_err().kind(), ErrorKind::Corrupt);
    assert!(!verify(dir.path(), |_, _| ()).unwrap().is_sound());
    assert_eq!(log.writer(std::time::Duration::ZERO).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn what_stands_before_a_damaged_segment_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut writer = writer(&log);
    for seq in 0..4 {
        writer.append(&payload(seq, 60_000), 0).unwrap();
    }
    drop((writer, log));
    patch(&dir.path().join("control"), 384, |bytes| {
        bytes[..8].copy_from_slice(&4u64.to_le_bytes());
        bytes[8..12].copy_from_slice(&chronicle_core::crc32(&4u64.to_le_bytes()).to_le_bytes());
    });
    reboot(dir.path());
    patch(&segments(dir.path())[3], 1000, |bytes| bytes[0] ^= 1);
    let log = open(dir.path());
    let mut reader = log.reader(From::Start).unwrap();
    let (mut slab, mut entries) = (vec![0; 1 << 18], [chronicle_core::Entry::default(); 8]);
    assert_eq!(reader.poll(&mut slab, &mut entries).unwrap().count, 3);
    assert_eq!(reader.poll(&mut slab, &mut entries).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn a_lost_end_record_is_unfinished_and_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut writer = writer(&log);
    for _ in 0..3 {
        writer.append(&payload(2, 60_000), 0).unwrap();
    }
    drop((writer, log));
    reboot(dir.path());
    let paths = segments(dir.path());
    let end = records(&paths[1]).last().unwrap().0;
    patch(&paths[1], end, |bytes| bytes[..64].fill(0));
    patch(&dir.path().join("control"), 384, |bytes| bytes[..128].fill(0));
    let report = verify(dir.path(), |_, _| ()).unwrap();
    let severities: Vec<Severity> = report.problems.iter().map(|problem| problem.severity).collect();
    assert_eq!((severities, report.next_seq), (vec![Severity::Unfinished], 3));
    let report = chronicle_core::repair(dir.path()).unwrap();
    assert_eq!((report.lost_from, report.quarantined.len()), (None, 0));
    assert_eq!(read_all(&open(dir.path())).unwrap().len(), 3);
}
