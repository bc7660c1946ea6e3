//! Rules that hold because the boot is known.

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
