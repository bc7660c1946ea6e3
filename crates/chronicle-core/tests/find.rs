//! Finding by seq and by time, forward and backward, durable messages only, and before a recovery.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking, and its numbers are small"
)]

mod common;

use std::fs;
use std::path::Path;
use std::time::Duration;

use chronicle_core::{BatchItem, Chronicle, Entry, ErrorKind, From, Options, Reader, Result};
use common::{
    append, drain, index_files, open, options, patch, payload, payloads, read_all, segments, writer,
};

const LARGE: u64 = 1 << 20;

/// A log of messages of about 100 bytes over segments of up to 1 MiB.
fn indexed(dir: &Path, count: u64) -> Chronicle {
    let log = Chronicle::open(dir, &Options { segment_bytes: Some(LARGE), ..options() }).unwrap();
    let mut writer = writer(&log);
    for seq in 0..count {
        writer.append(&payload(seq, 100), 0).unwrap();
    }
    log
}

/// All messages before the reader's place, the last one first.
fn drain_back(reader: &mut Reader) -> Result<Vec<(u64, Vec<u8>)>> {
    let (mut messages, mut slab, mut entries) = (Vec::new(), vec![0; 500], [Entry::default(); 7]);
    loop {
        let run = reader.poll_back(&mut slab, &mut entries)?;
        if run.need > 0 {
            slab.resize(run.need, 0);
            continue;
        }
        if run.count == 0 {
            return Ok(messages);
        }
        messages.extend(
            entries[..run.count]
                .iter()
                .map(|e| (e.seq, slab[e.offset as usize..][..e.length as usize].to_vec())),
        );
    }
}

fn first_at(log: &Chronicle, from: From) -> u64 {
    let (mut slab, mut entries) = ([0; 4096], [Entry::default(); 1]);
    assert_eq!(log.reader(from).unwrap().poll(&mut slab, &mut entries).unwrap().count, 1);
    entries[0].seq
}

#[test]
fn every_seq_is_found_with_the_index_without_it_and_with_a_wrong_one() {
    let dir = tempfile::tempdir().unwrap();
    let log = indexed(dir.path(), 20_000);
    let bases = segments(dir.path());
    assert_eq!(index_files(dir.path()), bases.len());
    let wanted = [0, 1, 399, 400, 401, 5_000, 5_461, 10_000, 19_999];
    let check = || {
        for seq in wanted {
            assert_eq!(first_at(&log, From::Seq(seq)), seq);
        }
    };
    check();
    let index = bases[1].with_extension("idx");
    let good = fs::read(&index).unwrap();
    assert!(good.len() > 64 + 5 * 32, "an index has an entry for each 64 KiB");
    for damage in [
        |bytes: &mut Vec<u8>| bytes.truncate(64 + 32 + 16),
        |bytes: &mut Vec<u8>| bytes[64..].fill(0xFF),
        |bytes: &mut Vec<u8>| bytes[0] = 0,
        |bytes: &mut Vec<u8>| bytes.clear(),
        // Entries of another place, each with a right checksum.
        |bytes: &mut Vec<u8>| {
            bytes[64..].chunks_mut(32).for_each(|entry| {
                entry[16..24].copy_from_slice(&8192u64.to_le_bytes());
                let checksum = chronicle_core::crc32(&entry[..28]);
                entry[28..].copy_from_slice(&checksum.to_le_bytes());
            });
        },
    ] {
        fs::write(&index, &good).unwrap();
        patch(&index, 0, damage);
        check();
    }
    fs::remove_file(&index).unwrap();
    check();
    drop(log);
    drop(open(dir.path()).writer(Duration::ZERO).unwrap());
    let log = open(dir.path());
    let held = writer(&log);
    for _ in 0..6000 {
        if index.exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(fs::read(&index).unwrap(), good, "an index that is missing is made again by the next writer");
    drop(held);
}

#[test]
fn a_reader_never_enters_a_batch_by_the_index() {
    let dir = tempfile::tempdir().unwrap();
    let log = Chronicle::open(dir.path(), &Options { segment_bytes: Some(LARGE), ..options() }).unwrap();
    let mut writer = writer(&log);
    let items = vec![BatchItem { length: 1000, type_id: 0 }; 100];
    for seq in 0..20u64 {
        writer.append_batch(&payload(seq, 100_000), &items, None).unwrap();
    }
    drop(writer);
    for index in segments(dir.path()).iter().map(|path| path.with_extension("idx")) {
        for entry in fs::read(index).unwrap()[64..].chunks(32) {
            let seq = u64::from_le_bytes(entry[..8].try_into().unwrap());
            assert!(seq.is_multiple_of(100), "seq {seq} is within a batch");
        }
    }
    assert_eq!(first_at(&log, From::Seq(1234)), 1234);
}

#[test]
fn a_time_is_found_among_equal_stamps() {
    let dir = tempfile::tempdir().unwrap();
    let log = Chronicle::open(dir.path(), &Options { segment_bytes: Some(LARGE), ..options() }).unwrap();
    let mut writer = writer(&log);
    let items = vec![BatchItem { length: 500, type_id: 0 }; 300];
    for seq in 0..30u64 {
        writer.append_batch(&payload(seq, 150_000), &items, None).unwrap();
    }
    let all = read_all(&log).unwrap();
    for batch in 0..30usize {
        let stamp = all[batch * 300 + 299].timestamp_ns;
        let first = all.iter().find(|m| m.timestamp_ns >= stamp).unwrap().seq;
        assert_eq!(first_at(&log, From::Time(stamp)), first);
    }
    assert!(drain(&mut log.reader(From::Time(u64::MAX)).unwrap()).unwrap().is_empty());
}

#[test]
fn backward_is_forward_turned_round() {
    let dir = tempfile::tempdir().unwrap();
    let log = indexed(dir.path(), 9_000);
    let mut forward: Vec<_> = read_all(&log).unwrap().into_iter().map(|m| (m.seq, m.payload)).collect();
    forward.reverse();
    assert_eq!(drain_back(&mut log.reader(From::End).unwrap()).unwrap(), forward);
    let from_middle = drain_back(&mut log.reader(From::Seq(5_000)).unwrap()).unwrap();
    assert_eq!(from_middle, forward[4_000..]);
    assert!(drain_back(&mut log.reader(From::Start).unwrap()).unwrap().is_empty());
    fs::remove_file(segments(dir.path())[1].with_extension("idx")).unwrap();
    assert_eq!(drain_back(&mut log.reader(From::End).unwrap()).unwrap(), forward);
}

#[test]
fn backward_meets_damage_as_forward_does() {
    let dir = tempfile::tempdir().unwrap();
    let log = indexed(dir.path(), 100);
    // Durable, so that what is wrong is damage wherever boots are not known too.
    writer(&log).durability().sync().unwrap();
    patch(&segments(dir.path())[0], 4096 + 50 * 192 + 70, |bytes| bytes[0] ^= 1);
    let mut reader = log.reader(From::End).unwrap();
    let (mut slab, mut entries) = (vec![0; 1 << 16], vec![Entry::default(); 64]);
    assert_eq!(reader.poll_back(&mut slab, &mut entries).unwrap().count, 49);
    for _ in 0..3 {
        let error = reader.poll_back(&mut slab, &mut entries).unwrap_err();
        assert_eq!((error.kind(), error.seq()), (ErrorKind::Corrupt, Some(50)));
    }
}

#[test]
fn backward_does_not_step_over_a_missing_segment() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut writer = writer(&log);
    for seq in 0..6 {
        writer.append(&payload(seq, 60_000), 0).unwrap();
    }
    writer.durability().sync().unwrap();
    drop(writer);
    std::fs::remove_file(&segments(dir.path())[2]).unwrap();
    let mut reader = log.reader(From::End).unwrap();
    let (mut slab, mut entries) = (vec![0; 1 << 18], vec![Entry::default(); 64]);
    assert_eq!(reader.poll_back(&mut slab, &mut entries).unwrap().count, 3);
    for _ in 0..3 {
        let error = reader.poll_back(&mut slab, &mut entries).unwrap_err();
        assert_eq!((error.kind(), error.seq()), (ErrorKind::MissingSegment, Some(2)));
    }
}

#[test]
fn a_durable_only_reader_waits_for_the_flush() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut writer = writer(&log);
    let mut reader = log.reader(From::Start).unwrap().durable_only();
    writer.append(b"a", 0).unwrap();
    assert!(drain(&mut reader).unwrap().is_empty());
    writer.durability().sync().unwrap();
    writer.append(b"b", 0).unwrap();
    assert_eq!(payloads(&drain(&mut reader).unwrap()), [b"a"]);
    let durability = writer.durability();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        durability.sync().unwrap();
    });
    assert!(reader.wait(Duration::from_secs(20)).unwrap(), "a flush wakes the reader");
    assert_eq!(payloads(&drain(&mut reader).unwrap()), [b"b"]);
    thread.join().unwrap();
    writer.append(b"c", 0).unwrap();
    let back = drain_back(&mut log.reader(From::End).unwrap().durable_only()).unwrap();
    assert_eq!(back.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [1, 0]);
}

#[test]
fn before_recovery_a_reader_sees_what_recovery_will_keep() {
    let dir = tempfile::tempdir().unwrap();
    {
        let log = open(dir.path());
        let mut writer = writer(&log);
        writer.append(b"durable", 0).unwrap();
        writer.durability().sync().unwrap();
        writer.append(b"kept", 0).unwrap();
        let items = [BatchItem { length: 100, type_id: 0 }; 3];
        writer.append_batch(&payload(7, 300), &items, None).unwrap();
    }
    let segment = segments(dir.path()).remove(0);
    let good = fs::read(&segment).unwrap();
    // The last payload of the batch, its header, and a header in the middle: the batch is not there then.
    for lost in [4096 + 2 * 128 + 2 * 192 + 64, 4096 + 2 * 128 + 2 * 192, 4096 + 2 * 128 + 192] {
        fs::write(&segment, &good).unwrap();
        common::reboot(dir.path());
        patch(&segment, lost, |bytes| bytes[..64].fill(0));
        let before = payloads(&read_all(&open(dir.path())).unwrap()).concat();
        assert_eq!(before, b"durablekept", "lost at {lost}");
        drop(writer(&open(dir.path())));
        assert_eq!(payloads(&read_all(&open(dir.path())).unwrap()).concat(), before);
    }
    fs::write(&segment, &good).unwrap();
    common::reboot(dir.path());
    assert_eq!(read_all(&open(dir.path())).unwrap().len(), 5, "a whole batch is seen");
    patch(&segment, 4096 + 64, |bytes| bytes[0] ^= 1);
    let error = read_all(&open(dir.path())).unwrap_err();
    assert_eq!(
        (error.kind(), error.seq()),
        (ErrorKind::Corrupt, Some(0)),
        "below the durable point it is corruption"
    );
}

#[test]
fn a_reader_may_turn_as_often_as_it_likes() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut writer = writer(&log);
    append(&mut writer, 0..10, 100);
    let mut reader = log.reader(From::End).unwrap();
    let (mut slab, mut entries) = (vec![0; 1 << 20], [Entry::default(); 2]);
    for end in [10, 5000, 10_000] {
        append(&mut writer, reader.next_seq()..end, 100);
        while reader.poll(&mut slab, &mut entries).unwrap().count > 0 {}
        for _ in 0..3 {
            // One that was found on the way back is left behind by each turn.
            for expected in [[end - 1, end - 2], [end - 3, end - 4]] {
                assert_eq!(reader.poll_back(&mut slab, &mut entries).unwrap().count, 2);
                assert_eq!(entries.map(|entry| entry.seq), expected);
            }
            for expected in [[end - 4, end - 3], [end - 2, end - 1]] {
                assert_eq!(reader.poll(&mut slab, &mut entries).unwrap().count, 2);
                assert_eq!(entries.map(|entry| entry.seq), expected);
            }
            assert_eq!(reader.next_seq(), end);
        }
    }
}
