//! What a power cut may tear, what is cut for it, and what is refused.

use super::*;

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
    assert_eq!((report.checked_messages, log.durable_seq().unwrap()), (150, 150));
    reboot(dir.path());
    assert_eq!(
        recover(&log).checked_messages,
        150 - 2 * PER_SEGMENT,
        "only the segment of the durable point is walked"
    );
}
