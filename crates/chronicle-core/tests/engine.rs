//! Finding, going backward, named readers, retention, claims.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking, and its numbers are small"
)]

mod common;

use std::fs;
use std::path::Path;
use std::time::Duration;

use chronicle_core::{
    BatchItem, Chronicle, Entry, ErrorKind, From, Options, Reader, Result, Retention, SyncMode,
};
use common::{drain, open, options, patch, payload, payloads, read_all, segments, writer};

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

fn index_files(dir: &Path) -> usize {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().ends_with(".idx")).count()
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
    for _ in 0..200 {
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
fn a_named_reader_goes_on_where_it_committed() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut writer = writer(&log);
    for seq in 0..10u64 {
        writer.append(&payload(seq, 10), 0).unwrap();
    }
    let mut reader = log.named_reader("billing", From::Start).unwrap();
    assert_eq!(reader.commit(0).unwrap_err().kind(), ErrorKind::InvalidArgument, "not read yet");
    assert_eq!(drain(&mut reader).unwrap().len(), 10);
    reader.commit(3).unwrap();
    reader.commit(1).unwrap();
    assert_eq!(reader.committed(), Some(4));
    assert_eq!(log.named_reader("billing", From::Start).unwrap_err().kind(), ErrorKind::Locked);
    let info = log.readers().unwrap();
    assert_eq!((info[0].name.as_str(), info[0].next_seq, info[0].lag), ("billing", 4, 6));
    assert_eq!(info[0].pid, Some(std::process::id()));
    drop(reader);
    assert_eq!(log.readers().unwrap()[0].pid, None);
    let mut again = log.named_reader("billing", From::End).unwrap();
    assert_eq!(drain(&mut again).unwrap()[0].seq, 4);
    drop(again);
    log.set_reader("billing", 9).unwrap();
    assert_eq!(log.named_reader("billing", From::Start).unwrap().next_seq(), 9);
    assert_eq!(log.set_reader("billing", 11).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(log.named_reader("late", From::End).unwrap().next_seq(), 10);
    assert_eq!(log.named_reader("last", From::Last(2)).unwrap().next_seq(), 8);
    log.remove_reader("billing").unwrap();
    assert_eq!(log.remove_reader("billing").unwrap_err().kind(), ErrorKind::NotFound);
    let names: Vec<_> = log.readers().unwrap().into_iter().map(|r| r.name).collect();
    assert_eq!(names, ["last", "late"]);
    assert_eq!(log.named_reader("../x", From::End).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn a_power_cut_moves_readers_back_to_the_end() {
    let dir = tempfile::tempdir().unwrap();
    {
        let log = open(dir.path());
        let mut writer = writer(&log);
        for seq in 0..10u64 {
            writer.append(&payload(seq, 10), 0).unwrap();
        }
        let mut reader = log.named_reader("ahead", From::Start).unwrap();
        drain(&mut reader).unwrap();
        reader.commit(9).unwrap();
        let mut reader = log.named_reader("behind", From::Start).unwrap();
        drain(&mut reader).unwrap();
        reader.commit(1).unwrap();
    }
    common::reboot(dir.path());
    patch(&segments(dir.path())[0], 4096 + 5 * 128, |bytes| bytes.fill(0));
    let log = open(dir.path());
    let mut writer = writer(&log);
    assert_eq!(writer.next_seq(), 5);
    assert_eq!(log.stats().unwrap().recovery.unwrap().moved_readers, ["ahead"]);
    for seq in 5..20u64 {
        writer.append(&payload(seq, 10), 0).unwrap();
    }
    assert_eq!(log.named_reader("ahead", From::Start).unwrap().next_seq(), 5);
    assert_eq!(log.named_reader("behind", From::Start).unwrap().next_seq(), 2);
}

#[test]
fn a_reader_of_a_cut_log_is_moved_back_before_any_writer_comes() {
    let dir = tempfile::tempdir().unwrap();
    {
        let log = open(dir.path());
        let mut writer = writer(&log);
        writer.append(b"a", 0).unwrap();
        writer.append(b"b", 0).unwrap();
        let mut reader = log.named_reader("r", From::Start).unwrap();
        drain(&mut reader).unwrap();
        reader.commit(1).unwrap();
    }
    common::reboot(dir.path());
    patch(&segments(dir.path())[0], 4096 + 128, |bytes| bytes.fill(0));
    let reader = open(dir.path()).named_reader("r", From::Start).unwrap();
    assert_eq!((reader.next_seq(), reader.moved_back_from()), (1, Some(2)));
}

fn rolled(dir: &Path) -> (Chronicle, usize) {
    let log = open(dir);
    let mut writer = writer(&log);
    for seq in 0..500u64 {
        writer.append(&payload(seq, 1000), 0).unwrap();
    }
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
        if seq % 100 == 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    drop(writer);
    assert!(segments(dir.path()).len() < 20);
    assert!(log.first_seq().unwrap() > 1000);
    assert!(log.stats().unwrap().prune_failure.is_none());
}

#[test]
fn a_claim_is_published_or_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let log = Chronicle::open(dir.path(), &Options { sync: SyncMode::None, ..options() }).unwrap();
    let mut writer = writer(&log);
    let mut claim = writer.claim(1000).unwrap();
    claim.write(0, &[0xFF; 1000]).unwrap();
    assert_eq!(claim.write(999, b"xy").unwrap_err().kind(), ErrorKind::OutOfBounds);
    assert_eq!(claim.write(usize::MAX, b"x").unwrap_err().kind(), ErrorKind::OutOfBounds);
    drop(claim);
    // Its commit word and that of the next one lie where the claim's bytes were.
    writer.append(b"short", 0).unwrap();
    assert_eq!(payloads(&read_all(&log).unwrap()), [b"short"]);
    let mut claim = writer.claim(8).unwrap();
    claim.write(4, b"tail").unwrap();
    assert_eq!(claim.publish(9).unwrap(), 1);
    let claim = writer.claim(200_000).unwrap();
    assert_eq!((claim.len(), claim.is_empty()), (200_000, false));
    claim.abort();
    assert_eq!(writer.claim(0).unwrap().publish(0).unwrap(), 2);
    let read = read_all(&log).unwrap();
    assert_eq!(payloads(&read), [b"short".as_slice(), b"\0\0\0\0tail", b""]);
    assert_eq!(read[1].type_id, 9);
    assert_eq!(writer.claim((1 << 30) + 1).unwrap_err().kind(), ErrorKind::TooLarge);
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
