//! Opening for writing, rule by rule: what is cut, what is kept, what is refused.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking, and its numbers are small"
)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chronicle_core::{
    BatchItem, Chronicle, Error, ErrorKind, From, HEADER_LEN, MessageHeader, RecoveryReport, VALID, crc32,
};
use common::{
    drain, find, open, patch, payload, payloads, quarantined, read_all, reboot, records, segments, snapshot,
    writer,
};

/// Bytes of a payload.
const LEN: usize = 1000;
/// Bytes of its record, and how many of them fill a segment.
const RECORD: u64 = 1088;
const PER_SEGMENT: u64 = 56;
const HEADER: u64 = 4096;
/// Where `control` keeps the number of the last opening, and its two durable points.
const EPOCH: u64 = 260;
const DURABLE: u64 = 384;

/// A closed log of `count` messages, the first `durable` of which count as flushed.
fn log_of(count: u64, durable: u64) -> (tempfile::TempDir, Chronicle) {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    append(&log, durable);
    writer(&log).durability().sync().unwrap();
    append(&log, count - durable);
    assert_eq!(log.durable_seq(), durable);
    (dir, log)
}

fn append(log: &Chronicle, count: u64) {
    let mut writer = writer(log);
    for _ in 0..count {
        writer.append(&payload(writer.next_seq(), LEN), 0).unwrap();
    }
}

/// Opens for writing and closes again.
fn recover(log: &Chronicle) -> RecoveryReport {
    drop(writer(log));
    log.stats().unwrap().recovery.unwrap()
}

/// The messages `0..count` of [`log_of`], and nothing else.
fn holds(log: &Chronicle, count: u64) {
    let messages = read_all(log).unwrap();
    let expected: Vec<Vec<u8>> = (0..count).map(|seq| payload(seq, LEN)).collect();
    assert!(payloads(&messages) == expected, "{} messages instead of {count}", messages.len());
    assert_eq!(log.next_seq().unwrap(), count);
}

/// The log can be written to, rolls, and holds both what was there and what came.
fn goes_on(log: &Chronicle, count: u64) {
    holds(log, count);
    append(log, 120);
    holds(log, count + 120);
    reboot(log.path());
    recover(log);
    holds(log, count + 120);
}

fn refused(log: &Chronicle) -> Error {
    let before = unshared(log.path());
    let error = log.writer(Duration::ZERO).unwrap_err();
    assert!(unshared(log.path()) == before, "a refusal must change nothing: {error}");
    error
}

/// All files but the lock and the words of `control` that a writer stores before it looks.
fn unshared(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = snapshot(dir);
    files.retain(|(path, _)| !path.ends_with("writer.lock"));
    for (_, bytes) in files.iter_mut().filter(|(path, _)| path.ends_with("control")) {
        bytes[64..128].fill(0);
        bytes[256..260].fill(0);
    }
    files
}

fn zeros_from(path: &Path, offset: u64) -> bool {
    fs::read(path).unwrap()[offset as usize..].iter().all(|&b| b == 0)
}

/// What a power cut does to the bytes of a record that was on its way to the disk.
type Tear = fn(&mut [u8]);

const TEARS: [(&str, Tear); 6] = [
    ("payload lost", |record| record[64..].fill(0)),
    ("half of the payload lost", |record| record[500..].fill(0)),
    ("header lost", |record| record[..64].fill(0)),
    ("half of the header lost", |record| record[32..64].fill(0)),
    ("all lost", |record| record.fill(0)),
    ("noise", |record| record.iter_mut().for_each(|b| *b = b.wrapping_mul(31).wrapping_add(77))),
];

fn tear(dir: &Path, seq: u64, how: Tear) -> (PathBuf, u64) {
    let (path, offset) = find(dir, seq);
    patch(&path, offset, |bytes| how(&mut bytes[..RECORD as usize]));
    (path, offset)
}

#[test]
fn a_torn_record_is_cut_with_all_behind_it_and_a_copy_is_kept() {
    for (name, how) in TEARS {
        for seq in [20, 33, 49] {
            let (dir, log) = log_of(50, 20);
            let (path, offset) = tear(dir.path(), seq, how);
            reboot(dir.path());
            let before = fs::read(&path).unwrap();
            let report = recover(&log);
            assert!(!report.same_boot, "{name}");
            assert!(zeros_from(&path, offset), "{name}: a stale byte stays");
            assert_eq!(report.checked_messages, seq, "{name}");
            let copies = quarantined(dir.path());
            let trace = before[offset as usize..].iter().any(|&b| b != 0);
            let nothing_behind = seq == 49 && (name == "all lost" || name == "header lost");
            assert!(trace || seq == 49, "{name}");
            if nothing_behind {
                // No record was ever there, as far as anybody can tell.
                assert_eq!((report.cut_at, copies.len()), (None, 0), "{name}");
            } else {
                assert_eq!((report.cut_at, copies.len()), (Some(offset), 1), "{name} at {seq}");
                assert_eq!(report.quarantined, [copies[0].0.clone()], "{name}");
                let cut = &before[offset as usize..];
                assert!(cut.starts_with(&copies[0].1), "{name}: the copy is another one");
                assert!(cut[copies[0].1.len()..].iter().all(|&b| b == 0), "{name}: the copy is too short");
            }
            goes_on(&log, seq);
        }
    }
}

#[test]
fn segments_behind_a_torn_record_move_to_the_quarantine_whole() {
    let (dir, log) = log_of(230, 20);
    let before = segments(dir.path());
    let moved: Vec<Vec<u8>> = before[2..].iter().map(|path| fs::read(path).unwrap()).collect();
    let (path, offset) = tear(dir.path(), 70, TEARS[0].1);
    assert_eq!(path, before[1]);
    reboot(dir.path());
    let report = recover(&log);
    assert_eq!((segments(dir.path()), report.cut_at), (before[..2].to_vec(), Some(offset)));
    assert_eq!(report.quarantined.len(), 1 + moved.len());
    for bytes in moved {
        assert!(quarantined(dir.path()).iter().any(|(_, kept)| *kept == bytes));
    }
    goes_on(&log, 70);
}

#[test]
fn a_bad_record_below_the_durable_point_is_refused_and_nothing_changed() {
    for (name, how) in TEARS {
        for seq in [0, 30, 112, 119] {
            let (dir, log) = log_of(150, 120);
            let (path, offset) = tear(dir.path(), seq, how);
            reboot(dir.path());
            // The durable point lies in the third segment; before that one nothing is walked.
            if seq < 2 * PER_SEGMENT {
                let last = segments(dir.path())[2].clone();
                patch(&last, HEADER, |bytes| bytes[..5 * RECORD as usize].fill(0xAB));
                assert_eq!(refused(&log).seq(), Some(2 * PER_SEGMENT), "{name}");
                continue;
            }
            let error = refused(&log);
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{name}: {error}");
            let place = (error.path(), error.offset(), error.seq());
            assert_eq!(place, (Some(path.as_path()), Some(offset), Some(seq)), "{name}");
        }
    }
}

#[test]
fn a_durable_point_that_is_damaged_itself_promises_nothing() {
    let (dir, log) = log_of(50, 40);
    tear(dir.path(), 10, TEARS[0].1);
    reboot(dir.path());
    assert_eq!(refused(&log).seq(), Some(10));
    for slot in [DURABLE, DURABLE + 64] {
        patch(&dir.path().join("control"), slot + 8, |bytes| bytes[0] ^= 1);
    }
    recover(&log);
    goes_on(&log, 10);
}

#[test]
fn a_lost_end_is_written_again() {
    for how in [0, 64] {
        let (dir, log) = log_of(120, 20);
        let first = segments(dir.path())[0].clone();
        let (end, header) = *records(&first).last().unwrap();
        assert!(header.is_end());
        patch(&first, end, |bytes| bytes[..how].fill(0));
        reboot(dir.path());
        let report = recover(&log);
        assert_eq!((report.finished_roll, report.checked_messages), (how > 0, 120));
        assert!(quarantined(dir.path()).is_empty());
        assert!(records(&first).last().unwrap().1.is_end());
        goes_on(&log, 120);
    }
}

#[test]
fn a_segment_whose_header_was_lost_is_set_aside_and_made_again() {
    for lost in [0..4096, 0..512, 3584..4096, 0..65536] {
        let (dir, log) = log_of(170, 20);
        let path = segments(dir.path())[2].clone();
        patch(&path, 0, |bytes| bytes[lost].fill(0));
        let damaged = fs::read(&path).unwrap();
        reboot(dir.path());
        let report = recover(&log);
        assert_eq!((report.finished_roll, report.quarantined.len()), (true, 2));
        assert!(quarantined(dir.path()).iter().any(|(_, bytes)| *bytes == damaged));
        goes_on(&log, 2 * PER_SEGMENT);
    }
}

#[test]
fn a_segment_that_was_never_written_is_set_aside_and_made_again() {
    for len in [0, 100, 8192] {
        let (dir, log) = log_of(120, 20);
        let path = segments(dir.path())[2].clone();
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(len).unwrap();
        reboot(dir.path());
        recover(&log);
        goes_on(&log, 2 * PER_SEGMENT);
    }
}

#[test]
fn a_lost_name_ends_the_log_before_it() {
    for (gone, aside) in [(3, 0), (2, 1), (1, 2)] {
        let (dir, log) = log_of(170, 20);
        fs::remove_file(&segments(dir.path())[gone]).unwrap();
        reboot(dir.path());
        let report = recover(&log);
        assert_eq!((report.finished_roll, report.quarantined.len()), (true, aside));
        goes_on(&log, gone as u64 * PER_SEGMENT);
    }
}

#[test]
fn a_missing_segment_below_the_durable_point_is_refused() {
    for (gone, durable) in [(1, 100), (3, 169)] {
        let (dir, log) = log_of(170, durable);
        fs::remove_file(&segments(dir.path())[gone]).unwrap();
        reboot(dir.path());
        let error = refused(&log);
        let place = (error.kind(), error.seq());
        assert_eq!(place, (ErrorKind::MissingSegment, Some(gone as u64 * PER_SEGMENT)), "{error}");
    }
}

#[test]
fn stale_records_of_an_earlier_life_never_come_back() {
    // The first life wrote 50, the second cut at 20 and wrote up to 30; then the old bytes behind come back.
    let (dir, log) = log_of(50, 10);
    let (path, _) = find(dir.path(), 20);
    let first_life = fs::read(&path).unwrap();
    tear(dir.path(), 20, TEARS[4].1);
    reboot(dir.path());
    recover(&log);
    append(&log, 10);
    let stale = (HEADER + 30 * RECORD) as usize;
    patch(&path, stale as u64, |bytes| bytes.copy_from_slice(&first_life[stale..]));
    assert_eq!(records(&path).len(), 50, "the stale records fit in the chain of seqs");
    reboot(dir.path());
    let report = recover(&log);
    assert_eq!(report.cut_at, Some(stale as u64));
    assert!(zeros_from(&path, stale as u64));
    goes_on(&log, 30);
}

#[test]
fn a_stale_segment_of_an_earlier_life_is_set_aside_whole() {
    let (dir, log) = log_of(120, 10);
    let paths = segments(dir.path());
    let first_life = fs::read(&paths[1]).unwrap();
    tear(dir.path(), 20, TEARS[4].1);
    reboot(dir.path());
    recover(&log);
    append(&log, 50);
    assert_eq!(segments(dir.path()), paths[..2]);
    // The second life's segment loses its name, and the first life's has it again.
    fs::write(&paths[1], &first_life).unwrap();
    patch(&dir.path().join("control"), DURABLE, |bytes| bytes[..128].fill(0));
    reboot(dir.path());
    let mut reader = log.reader(From::Start).unwrap();
    let report = recover(&log);
    assert!(report.finished_roll);
    assert!(quarantined(dir.path()).iter().any(|(_, bytes)| *bytes == first_life));
    assert_eq!(drain(&mut reader).unwrap().len() as u64, PER_SEGMENT);
    goes_on(&log, PER_SEGMENT);
    assert_eq!(drain(&mut reader).unwrap().len(), 120);
}

#[test]
fn an_epoch_that_was_cut_is_not_used_again() {
    let (dir, log) = log_of(50, 20);
    let cut = records(&segments(dir.path())[0])[40].1.epoch;
    assert_eq!(cut, 3);
    tear(dir.path(), 20, TEARS[4].1);
    // What `control` knew of the last openings did not reach the disk.
    patch(&dir.path().join("control"), EPOCH, |bytes| bytes[..4].fill(0));
    reboot(dir.path());
    recover(&log);
    assert_eq!(log.stats().unwrap().epoch, cut + 1);
    append(&log, 10);
    assert!(records(&segments(dir.path())[0])[25].1.epoch > cut);
}

#[test]
fn an_incomplete_batch_is_dropped_whole() {
    for lost in 0..5 {
        let (dir, log) = log_of(30, 30);
        let items = [BatchItem { length: LEN as u32, type_id: 0 }; 5];
        let bytes: Vec<u8> = (30..35).flat_map(|seq| payload(seq, LEN)).collect();
        let mut writer = writer(&log);
        writer.append_batch(&bytes, &items, None).unwrap();
        writer.append(&payload(35, LEN), 0).unwrap();
        drop(writer);
        tear(dir.path(), 30 + lost, TEARS[0].1);
        reboot(dir.path());
        let report = recover(&log);
        assert_eq!(report.dropped_batch_messages, lost);
        assert_eq!(report.cut_at, Some(HEADER + 30 * RECORD));
        assert_eq!(quarantined(dir.path()).len(), 1);
        goes_on(&log, 30);
    }
}

#[test]
fn two_cuts_at_one_place_leave_two_copies() {
    let (dir, log) = log_of(50, 20);
    for copies in 1..=3 {
        tear(dir.path(), 30, TEARS[0].1);
        reboot(dir.path());
        recover(&log);
        assert_eq!(quarantined(dir.path()).len(), copies);
        append(&log, 20);
    }
    goes_on(&log, 50);
}

#[test]
fn a_record_of_a_later_version_is_not_cut() {
    let (dir, log) = log_of(50, 20);
    let (path, offset) = find(dir.path(), 30);
    patch(&path, offset, |bytes| {
        bytes[26] |= 4;
        let mut covered = bytes[..60].to_vec();
        covered[26] &= !VALID;
        bytes[60..64].copy_from_slice(&crc32(&covered).to_le_bytes());
    });
    reboot(dir.path());
    assert_eq!(refused(&log).kind(), ErrorKind::UnsupportedFeature);
}

#[test]
fn hostile_batches_and_lengths_end_the_log_and_nothing_else() {
    let forgeries: [fn(&mut MessageHeader); 6] = [
        |header| header.batch_remaining = u32::MAX,
        |header| header.length = 1 << 30,
        |header| header.length = 61_000,
        |header| header.epoch = 0,
        |header| header.timestamp_ns = 0,
        |header| header.seq = u64::MAX >> 11,
    ];
    for forge in forgeries {
        let (dir, log) = log_of(50, 20);
        let (path, offset) = find(dir.path(), 30);
        patch(&path, offset, |bytes| {
            let mut header = MessageHeader::from_bytes(bytes.first_chunk().unwrap()).unwrap();
            forge(&mut header);
            bytes[..HEADER_LEN].copy_from_slice(&header.to_bytes());
        });
        reboot(dir.path());
        recover(&log);
        goes_on(&log, 30);
    }
    // The last opening of all.
    let (dir, log) = log_of(50, 20);
    patch(&dir.path().join("control"), EPOCH, |bytes| bytes[..4].fill(0xFF));
    assert_eq!(refused(&log).kind(), ErrorKind::Corrupt);
}

#[test]
fn a_copy_that_does_not_come_off_leaves_the_log_as_it_is() {
    let (dir, log) = log_of(50, 20);
    tear(dir.path(), 30, TEARS[0].1);
    reboot(dir.path());
    fs::write(dir.path().join("quarantine"), b"in the way").unwrap();
    refused(&log);
    fs::remove_file(dir.path().join("quarantine")).unwrap();
    recover(&log);
    goes_on(&log, 30);
}

#[test]
fn what_was_recovered_is_durable() {
    let (dir, log) = log_of(150, 20);
    reboot(dir.path());
    let report = recover(&log);
    assert_eq!((report.checked_messages, log.durable_seq()), (150, 150));
    reboot(dir.path());
    assert_eq!(
        recover(&log).checked_messages,
        150 - 2 * PER_SEGMENT,
        "only the segment of the durable point is walked"
    );
}

/// Rules that hold because the boot is known.
#[cfg(not(chronicle_portable))]
mod same_boot {
    use super::*;

    #[test]
    fn a_published_record_that_is_bad_is_corruption_wherever_it_stands() {
        for (name, how) in TEARS {
            for seq in [112, 130, 149] {
                let (dir, log) = log_of(150, 120);
                let (path, offset) = tear(dir.path(), seq, how);
                let error = refused(&log);
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{name}: {error}");
                let place = (error.path(), error.offset(), error.seq());
                assert_eq!(place, (Some(path.as_path()), Some(offset), Some(seq)), "{name}");
            }
        }
    }

    #[test]
    fn only_the_last_segment_is_walked() {
        let (_dir, log) = log_of(150, 20);
        let report = recover(&log);
        assert_eq!((report.same_boot, report.checked_messages), (true, 150 - 2 * PER_SEGMENT));
    }

    #[test]
    fn what_was_never_published_is_zeroed() {
        let (dir, log) = log_of(50, 20);
        let path = segments(dir.path())[0].clone();
        let end = HEADER + 50 * RECORD;
        // A payload and most of a header, and the later records of a batch whose first was not published.
        patch(&path, end, |bytes| {
            bytes[64..1064].copy_from_slice(&payload(50, LEN));
            for seq in 51..54 {
                let mut header = MessageHeader::new(10, seq, u64::MAX, 0, crc32(&[0; 10]));
                (header.flags, header.epoch, header.batch_remaining) = (VALID, 3, 53 - seq as u32);
                bytes[(seq - 50) as usize * 1088..][..64].copy_from_slice(&header.to_bytes());
            }
        });
        let report = recover(&log);
        assert_eq!((report.cut_at, report.quarantined.len()), (None, 0));
        assert!(zeros_from(&path, end));
        goes_on(&log, 50);
    }

    #[test]
    fn a_batch_that_was_seen_in_part_is_corruption() {
        let (dir, log) = log_of(30, 30);
        let items = [BatchItem { length: LEN as u32, type_id: 0 }; 5];
        writer(&log).append_batch(&[7; 5 * LEN], &items, None).unwrap();
        tear(dir.path(), 34, TEARS[4].1);
        assert_eq!(refused(&log).kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn an_empty_segment_with_another_base_is_set_aside_and_a_full_one_refused() {
        let (dir, log) = log_of(60, 20);
        let full = fs::read(&segments(dir.path())[1]).unwrap();
        let forge = |base: u64, mut bytes: Vec<u8>| {
            bytes[40..48].copy_from_slice(&base.to_le_bytes());
            let checksum = crc32(&bytes[..4092]);
            bytes[4092..4096].copy_from_slice(&checksum.to_le_bytes());
            fs::write(dir.path().join(format!("{base:020}.seg")), bytes).unwrap();
        };
        let mut empty = full.clone();
        empty[4096..].fill(0);
        forge(500, empty);
        assert_eq!(recover(&log).quarantined.len(), 1);
        holds(&log, 60);
        forge(500, full);
        assert_eq!(refused(&log).kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn a_roll_that_did_not_get_to_its_end_record_is_finished() {
        let (dir, log) = log_of(PER_SEGMENT, 20);
        append(&log, 1);
        let paths = segments(dir.path());
        let (end, _) = *records(&paths[0]).last().unwrap();
        // As it was between the name of the next segment and END, with the half of a record that did not fit.
        patch(&paths[0], end, |bytes| bytes[..64].fill(0));
        patch(&paths[1], HEADER, |bytes| bytes[..RECORD as usize].fill(0));
        patch(&dir.path().join("control"), 128, |bytes| {
            bytes[..8].copy_from_slice(&PER_SEGMENT.to_le_bytes());
        });
        let report = recover(&log);
        assert!(report.finished_roll);
        goes_on(&log, PER_SEGMENT);
    }
}
