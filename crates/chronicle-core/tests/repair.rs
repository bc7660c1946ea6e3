//! `verify` finds what is wrong and changes nothing; `repair` keeps what it changes.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking, and its numbers are small"
)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chronicle_core::{ErrorKind, From, RepairReport, Severity, VerifyReport, repair, verify};
use common::{append, drain, open, patch, payload, read_all, reboot, records, segments, snapshot, writer};

fn log_of(count: u64) -> (tempfile::TempDir, Vec<PathBuf>) {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut writer = writer(&log);
    append(&mut writer, 0..count, 1000);
    writer.durability().sync().unwrap();
    let mut reader = log.named_reader("billing", From::Start).unwrap();
    drain(&mut reader).unwrap();
    reader.commit(count - 1).unwrap();
    drop((reader, writer));
    let segments = segments(dir.path());
    (dir, segments)
}

fn check(dir: &Path) -> VerifyReport {
    let before = snapshot(dir);
    let mut steps = Vec::new();
    let report = verify(dir, |done, all| steps.push((done, all))).unwrap();
    assert!(snapshot(dir) == before, "verify must change nothing");
    assert!(steps.last().is_some_and(|(done, all)| done == all));
    report
}

/// Repairs, and checks that the log is sound, holds the first `left` messages, and goes on.
fn repaired(dir: &Path, left: u64) -> RepairReport {
    assert!(!check(dir).is_sound());
    let report = repair(dir).unwrap();
    let after = check(dir);
    assert!(after.problems.is_empty(), "{:?}", after.problems);
    assert_eq!((after.messages, after.next_seq), (left, left));
    let log = open(dir);
    let read = read_all(&log).unwrap();
    assert!(read.iter().all(|m| m.payload == payload(m.seq, 1000)));
    assert_eq!(writer(&log).append(b"on", 0).unwrap(), left);
    assert!(log.readers().unwrap().iter().all(|reader| reader.next_seq <= left + 1));
    report
}

#[test]
fn a_reader_that_is_ahead_of_an_older_copy_is_moved_back_in_the_same_boot_too() {
    let (dir, _) = log_of(200);
    let older = snapshot(dir.path());
    let log = open(dir.path());
    append(&mut writer(&log), 200..210, 1000);
    let mut reader = log.named_reader("billing", From::Start).unwrap();
    drain(&mut reader).unwrap();
    reader.commit(209).unwrap();
    drop((reader, log));
    for (path, bytes) in older.into_iter().filter(|(path, _)| !path.ends_with("readers/billing")) {
        fs::write(dir.path().join(path), bytes).unwrap();
    }
    assert_eq!(repaired(dir.path(), 200).recovery.moved_readers, ["billing"]);
}

#[test]
fn an_end_that_is_lost_where_no_recovery_looks_is_damage_and_is_made_again() {
    for another_boot in [false, true] {
        let (dir, segments) = log_of(200);
        let end = records(&segments[0]).last().unwrap().0;
        patch(&segments[0], end, |bytes| bytes[..64].fill(0));
        if another_boot {
            reboot(dir.path());
        }
        let found: Vec<_> = check(dir.path()).problems.into_iter().map(|problem| problem.severity).collect();
        assert_eq!(found, [Severity::Data]);
        assert_eq!(read_all(&open(dir.path())).unwrap_err().kind(), ErrorKind::Corrupt);
        let report = repaired(dir.path(), 200);
        assert_eq!((report.lost_from, report.quarantined), (None, Vec::new()));
    }
}

#[test]
fn a_log_that_no_opening_has_a_number_for_is_not_sound() {
    let (dir, _) = log_of(20);
    patch(&dir.path().join("control"), 260, |bytes| bytes[..4].fill(0xFF));
    let problems = check(dir.path()).problems;
    let log = open(dir.path());
    assert_eq!(read_all(&log).unwrap().len(), 20);
    let refused = log.writer(Duration::ZERO).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!((problems[0].severity, problems[0].error.to_string()), (Severity::Data, refused.to_string()));
    assert_eq!(repair(dir.path()).unwrap_err().to_string(), refused.to_string());
}

#[test]
fn a_sound_log_is_counted_and_left_alone() {
    let (dir, segments) = log_of(200);
    let report = check(dir.path());
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    assert_eq!((report.segments, report.messages), (segments.len() as u64, 200));
    assert_eq!((report.payload_bytes, report.first_seq, report.next_seq), (200_000, 0, 200));
    assert_eq!(report.readers, 1);
    let done = repair(dir.path()).unwrap();
    assert!(done.quarantined.is_empty() && done.lost_from.is_none());
    assert_eq!(read_all(&open(dir.path())).unwrap().len(), 200);
}

#[test]
fn a_flipped_bit_is_named_and_the_log_cut_before_it() {
    let (dir, segments) = log_of(200);
    let good = fs::read(&segments[1]).unwrap();
    patch(&segments[1], 4096 + 3 * 1088 + 100, |bytes| bytes[0] ^= 4);
    let found = check(dir.path());
    let bad = &found.problems[0];
    assert_eq!((bad.severity, bad.error.kind()), (Severity::Data, ErrorKind::Corrupt));
    assert_eq!((bad.error.path(), bad.error.offset()), (Some(segments[1].as_path()), Some(4096 + 3 * 1088)));
    let cut = bad.error.seq().unwrap();
    let report = repaired(dir.path(), cut);
    assert_eq!((report.lost_from, report.lost_to), (Some(cut), Some(200)));
    assert_eq!(report.recovery.moved_readers, ["billing"]);
    let kept = dir.path().join("quarantine").join(segments[1].file_name().unwrap());
    assert_eq!(fs::read(kept).unwrap().len(), good.len());
    assert_eq!(report.quarantined.len(), segments.len() - 1);
}

#[test]
fn a_segment_that_cannot_be_opened_is_set_aside_with_all_behind_it() {
    for damage in
        [|b: &mut Vec<u8>| b[0] = 0, |b: &mut Vec<u8>| b.truncate(5000), |b: &mut Vec<u8>| b.clear()]
    {
        let (dir, segments) = log_of(200);
        let base: u64 = segments[1].file_stem().unwrap().to_str().unwrap().parse().unwrap();
        patch(&segments[1], 0, damage);
        let report = repaired(dir.path(), base);
        assert_eq!(report.quarantined.len(), segments.len() - 1);
    }
}

#[test]
fn a_missing_segment_ends_the_log_before_it() {
    let (dir, segments) = log_of(200);
    let base: u64 = segments[2].file_stem().unwrap().to_str().unwrap().parse().unwrap();
    fs::remove_file(&segments[2]).unwrap();
    assert!(check(dir.path()).problems.iter().any(|p| p.error.kind() == ErrorKind::MissingSegment));
    repaired(dir.path(), base);
}

#[test]
fn a_missing_tail_is_what_was_promised_and_is_gone() {
    let (dir, segments) = log_of(200);
    let last = segments.last().unwrap();
    let base: u64 = last.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    fs::remove_file(last).unwrap();
    let report = repaired(dir.path(), base);
    assert_eq!((report.lost_from, report.lost_to), (Some(base), Some(200)));
}

#[test]
fn a_control_file_is_made_again_from_the_segments() {
    let damaged: [fn(&Path); 3] = [
        |path| fs::remove_file(path).unwrap(),
        |path| fs::write(path, b"").unwrap(),
        |path| patch(path, 30, |bytes| bytes[0] ^= 1),
    ];
    for damage in damaged {
        let (dir, _segments) = log_of(200);
        damage(&dir.path().join("control"));
        assert!(verify(dir.path(), |_, _| ()).is_err());
        assert!(repair(dir.path()).unwrap().rebuilt_control);
        assert!(check(dir.path()).problems.is_empty());
        let log = open(dir.path());
        assert_eq!(read_all(&log).unwrap().len(), 200);
        assert_eq!(writer(&log).append(b"on", 0).unwrap(), 200);
        assert_eq!(log.named_reader("billing", From::Start).unwrap().next_seq(), 200);
    }
}

#[test]
fn a_damaged_position_is_kept_and_forgotten() {
    let (dir, _segments) = log_of(20);
    patch(&dir.path().join("readers/billing"), 512, |bytes| bytes.fill(7));
    assert!(!check(dir.path()).is_sound());
    let report = repair(dir.path()).unwrap();
    assert_eq!(report.lost_readers, ["billing"]);
    assert_eq!(report.quarantined.len(), 1);
    assert!(check(dir.path()).is_sound());
    assert_eq!(open(dir.path()).named_reader("billing", From::Start).unwrap().next_seq(), 0);
}

#[test]
fn a_wrong_index_is_derived_data() {
    let (dir, segments) = log_of(200);
    let index = segments[0].with_extension("idx");
    patch(&index, 0, |bytes| bytes[20] ^= 1);
    let found = check(dir.path());
    assert!(found.is_sound());
    assert_eq!(found.problems[0].severity, Severity::Derived);
    assert_eq!(repair(dir.path()).unwrap().rebuilt_indexes, 1);
    assert!(check(dir.path()).problems.is_empty());
}

#[test]
fn a_later_version_is_no_damage() {
    let (dir, segments) = log_of(20);
    patch(&segments[0], 8, |bytes| bytes[0] = 2);
    assert!(!check(dir.path()).is_sound());
    let before = snapshot(dir.path());
    assert_eq!(repair(dir.path()).unwrap_err().kind(), ErrorKind::UnsupportedVersion);
    assert!(snapshot(dir.path()) == before);
}

#[test]
fn repair_needs_the_lock_and_something_to_repair() {
    let (dir, _segments) = log_of(20);
    let log = open(dir.path());
    let held = log.writer(Duration::ZERO).unwrap();
    assert_eq!(repair(dir.path()).unwrap_err().kind(), ErrorKind::Locked);
    drop(held);
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(repair(empty.path()).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(snapshot(empty.path()).is_empty());
}

#[test]
fn without_any_segment_there_is_nothing_to_repair_from() {
    let (dir, paths) = log_of(2);
    for path in paths {
        std::fs::remove_file(path).unwrap();
    }
    assert_eq!(repair(dir.path()).unwrap_err().kind(), ErrorKind::MissingSegment);
}
