//! Appending, reading, rolling and reopening.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking, and its numbers are small"
)]

mod common;

use std::time::Duration;

use chronicle_core::{BatchItem, Chronicle, Entry, ErrorKind, From, Options, SyncMode};
use common::{drain, open, options, payload, payloads, read_all, segments, writer};
use proptest::prelude::*;

#[test]
fn messages_come_back_in_order_over_rolls_and_reopenings() {
    let dir = tempfile::tempdir().unwrap();
    let sizes = [0, 1, 63, 64, 65, 1000, 10_000];
    let mut expected = Vec::new();
    for opening in 0..4u64 {
        let log = open(dir.path());
        let mut writer = writer(&log);
        assert_eq!(writer.next_seq(), expected.len() as u64);
        for (index, len) in sizes.iter().cycle().take(60).enumerate() {
            let seq = expected.len() as u64;
            let bytes = payload(seq, *len);
            assert_eq!(writer.append(&bytes, (opening * 100 + index as u64) as u16).unwrap(), seq);
            expected.push(bytes);
        }
        let read = read_all(&log).unwrap();
        assert_eq!(payloads(&read), expected);
        assert!(read.iter().enumerate().all(|(i, m)| m.seq == i as u64));
        assert!(read.is_sorted_by_key(|m| m.timestamp_ns));
    }
    assert!(segments(dir.path()).len() > 5);
}

#[test]
fn a_reader_starts_at_any_place() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut writer = writer(&log);
    for seq in 0..500u64 {
        writer.append(&payload(seq, 900), 0).unwrap();
    }
    for (from, first) in [
        (From::Start, 0),
        (From::Seq(0), 0),
        (From::Seq(499), 499),
        (From::Last(3), 497),
        (From::Last(9999), 0),
        (From::Seq(250), 250),
    ] {
        let read = drain(&mut log.reader(from).unwrap()).unwrap();
        assert_eq!((read[0].seq, read.len() as u64), (first, 500 - first), "{from:?}");
        assert_eq!(read[0].payload, payload(first, 900));
    }
    let mut end = log.reader(From::End).unwrap();
    let mut future = log.reader(From::Seq(501)).unwrap();
    assert!(drain(&mut end).unwrap().is_empty() && drain(&mut future).unwrap().is_empty());
    writer.append(b"a", 0).unwrap();
    writer.append(b"b", 0).unwrap();
    assert_eq!(payloads(&drain(&mut end).unwrap()), [b"a", b"b"]);
    assert_eq!(payloads(&drain(&mut future).unwrap()), [b"b"]);
}

#[test]
fn a_reader_starts_at_the_first_message_of_a_time_or_after() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut writer = writer(&log);
    for seq in 0..300u64 {
        let items = [BatchItem { length: 400, type_id: 0 }; 2];
        writer.append_batch(&[payload(seq, 400), payload(seq, 400)].concat(), &items, None).unwrap();
    }
    let all = read_all(&log).unwrap();
    for at in [0, 1, 2, 100, 101, 299, 598, 599] {
        let stamp = all[at].timestamp_ns;
        let first = all.iter().position(|m| m.timestamp_ns >= stamp).unwrap() as u64;
        let read = drain(&mut log.reader(From::Time(stamp)).unwrap()).unwrap();
        assert_eq!(read[0].seq, first);
        let next = all.iter().find(|m| m.timestamp_ns > stamp).map(|m| m.seq);
        let after = drain(&mut log.reader(From::Time(stamp + 1)).unwrap()).unwrap();
        assert_eq!(after.first().map(|m| m.seq), next);
    }
    assert_eq!(drain(&mut log.reader(From::Time(0)).unwrap()).unwrap().len(), 600);
}

#[test]
fn a_message_larger_than_a_segment_gets_one_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut writer = writer(&log);
    let large = payload(1, 3 << 20);
    writer.append(b"before", 0).unwrap();
    writer.append(&large, 0).unwrap();
    writer.append(b"after", 0).unwrap();
    assert_eq!(payloads(&read_all(&log).unwrap()), [b"before".as_slice(), &large, b"after"]);
    let large_segment = segments(dir.path())[1].clone();
    assert!(large_segment.ends_with("00000000000000000001.seg"));
    assert!(std::fs::metadata(large_segment).unwrap().len() < (3 << 20) + 3 * 4096);
    let too_large = vec![0; (1 << 30) + 1];
    assert_eq!(writer.append(&too_large, 0).unwrap_err().kind(), ErrorKind::TooLarge);
    assert_eq!(writer.append(b"next", 0).unwrap(), 3);
}

#[test]
fn a_small_slab_asks_for_the_bytes_it_needs() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    writer(&log).append(&payload(0, 1000), 0).unwrap();
    let mut reader = log.reader(From::Start).unwrap();
    let mut entries = [Entry::default(); 4];
    let run = reader.poll(&mut [0; 999], &mut entries).unwrap();
    assert_eq!((run.count, run.need), (0, 1000));
    let mut slab = [0; 1000];
    assert_eq!(reader.poll(&mut slab, &mut entries).unwrap().count, 1);
    assert_eq!(slab[..], payload(0, 1000));
}

#[test]
fn what_the_slab_held_before_does_not_show_between_payloads() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut writer = writer(&log);
    for payload in [b"hello".as_slice(), b"", b"12345678", b"ends"] {
        writer.append(payload, 0).unwrap();
    }
    let (mut slab, mut entries) = ([0xAA; 32], [Entry::default(); 4]);
    assert_eq!(log.reader(From::Start).unwrap().poll(&mut slab, &mut entries).unwrap().count, 4);
    assert_eq!(slab[..24], *b"hello\x00\x00\x0012345678ends\x00\x00\x00\x00");
}

#[test]
fn a_batch_is_contiguous_and_lies_in_one_segment() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut writer = writer(&log);
    writer.append(&payload(0, 60_000), 0).unwrap();
    let items: Vec<BatchItem> = (0..20).map(|i| BatchItem { length: 100 * i, type_id: i }).collect();
    let bytes: Vec<u8> = items.iter().flat_map(|i| payload(i.type_id.into(), i.length as usize)).collect();
    assert_eq!(writer.append_batch(&bytes, &items, Some(1)).unwrap(), (1, 20));
    let read = read_all(&log).unwrap();
    assert_eq!(read.len(), 21);
    for (item, message) in items.iter().zip(&read[1..]) {
        assert_eq!((message.type_id, message.batch_remaining), (item.type_id, 19 - item.type_id));
        assert_eq!(message.payload, payload(item.type_id.into(), item.length as usize));
    }
    assert!(segments(dir.path())[1].ends_with("00000000000000000001.seg"));
}

#[test]
fn a_batch_that_cannot_be_is_refused_whole() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut writer = writer(&log);
    let item = |length, type_id| BatchItem { length, type_id };
    let refused = |writer: &mut chronicle_core::Writer, items: &[BatchItem], expected| {
        writer.append_batch(b"abc", items, expected).unwrap_err().kind()
    };
    assert_eq!(refused(&mut writer, &[], None), ErrorKind::InvalidArgument);
    assert_eq!(refused(&mut writer, &[item(2, 0)], None), ErrorKind::InvalidArgument);
    assert_eq!(refused(&mut writer, &[item(3, 0), item(1, 0)], None), ErrorKind::InvalidArgument);
    assert_eq!(refused(&mut writer, &[item(3, 65_536)], None), ErrorKind::InvalidArgument);
    assert_eq!(refused(&mut writer, &[item(3, 0)], Some(1)), ErrorKind::Conflict);
    assert_eq!(
        refused(&mut writer, &[item(1 << 30, 0), item(1 << 30, 0), item(3, 0)], None),
        ErrorKind::TooLarge
    );
    assert_eq!(writer.next_seq(), 0);
    assert!(read_all(&log).unwrap().is_empty());
}

#[test]
fn an_expected_seq_that_is_not_the_next_one_conflicts() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut writer = writer(&log);
    assert_eq!(writer.append_expecting(b"a", 0, 0).unwrap(), 0);
    for wrong in [0, 2, u64::MAX] {
        let error = writer.append_expecting(b"b", 0, wrong).unwrap_err();
        assert_eq!((error.kind(), error.actual()), (ErrorKind::Conflict, Some(1)));
    }
    assert_eq!(writer.append_expecting(b"b", 0, 1).unwrap(), 1);
}

#[test]
fn there_is_one_writer() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (open(dir.path()), open(dir.path()));
    let held = writer(&first);
    let error = second.writer(Duration::from_millis(5)).unwrap_err();
    assert_eq!((error.kind(), error.pid()), (ErrorKind::Locked, Some(std::process::id())));
    assert_eq!(first.writer(Duration::ZERO).unwrap_err().kind(), ErrorKind::Locked);
    drop(held);
    writer(&second);
    assert_eq!(first.stats().unwrap().writer_pid, None);
}

#[test]
fn a_reader_waits_for_the_writer() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut reader = log.reader(From::Start).unwrap();
    assert!(!reader.wait(Duration::from_millis(5)).unwrap());
    let appender = log.clone();
    let thread = std::thread::spawn(move || {
        let mut writer = writer(&appender);
        for seq in 0..2000u64 {
            writer.append(&seq.to_le_bytes(), 0).unwrap();
            if seq % 100 == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    });
    let mut seen = 0u64;
    while seen < 2000 {
        assert!(reader.wait(Duration::from_secs(20)).unwrap());
        for message in drain(&mut reader).unwrap() {
            assert_eq!(message.payload, seen.to_le_bytes());
            seen += 1;
        }
    }
    thread.join().unwrap();
}

#[test]
fn an_interrupt_ends_a_sleep() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let handle = log.wait_handle();
    let ticket = handle.ticket();
    let sleeper = handle.clone();
    let thread = std::thread::spawn(move || sleeper.wait(ticket, Duration::from_secs(600)));
    std::thread::sleep(Duration::from_millis(20));
    handle.interrupt();
    thread.join().unwrap();
}

#[test]
fn sync_moves_the_durable_point_for_everybody() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut writer = writer(&log);
    for seq in 0..200u64 {
        writer.append(&payload(seq, 1000), 0).unwrap();
    }
    assert_eq!(log.durable_seq().unwrap(), 0);
    let durability = writer.durability();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let durability = durability.clone();
            std::thread::spawn(move || durability.sync().unwrap())
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), 200);
    }
    assert_eq!((log.durable_seq().unwrap(), durability.durable_seq()), (200, 200));
    writer.append(b"x", 0).unwrap();
    assert_eq!(log.durable_seq().unwrap(), 200);
}

#[test]
fn each_sync_mode_flushes_when_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let with = |sync| Chronicle::open(dir.path(), &Options { sync, ..options() }).unwrap();
    let log = with(SyncMode::Always);
    let mut always = writer(&log);
    always.append(b"a", 0).unwrap();
    assert_eq!(log.durable_seq().unwrap(), 1);
    drop(always);
    let log = with(SyncMode::Every(Duration::from_millis(2)));
    let mut timed = writer(&log);
    timed.append(b"b", 0).unwrap();
    while log.durable_seq().unwrap() < 2 {
        std::thread::sleep(Duration::from_millis(1));
    }
    timed.append(b"c", 0).unwrap();
    drop(timed);
    assert_eq!(log.durable_seq().unwrap(), 3, "dropping the writer flushes");
}

#[test]
fn a_read_only_opening_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    writer(&open(dir.path())).append(b"a", 0).unwrap();
    let before = common::snapshot(dir.path());
    let log = Chronicle::open(dir.path(), &Options { read_only: true, ..options() }).unwrap();
    assert_eq!(payloads(&read_all(&log).unwrap()), [b"a"]);
    assert_eq!(log.writer(Duration::ZERO).unwrap_err().kind(), ErrorKind::ReadOnly);
    assert!(!log.reader(From::End).unwrap().wait(Duration::from_millis(5)).unwrap());
    log.stats().unwrap();
    assert_eq!(common::snapshot(dir.path()), before);
    let absent = dir.path().join("absent");
    let options = Options { read_only: true, ..options() };
    assert_eq!(Chronicle::open(&absent, &options).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(!absent.exists());
}

#[test]
fn creation_from_many_threads_makes_one_chronicle() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deep").join("log");
    let threads: Vec<_> = (0..8)
        .map(|i: u64| {
            let path = path.clone();
            std::thread::spawn(move || {
                let log = open(&path);
                let mut writer = log.writer(Duration::from_secs(60)).unwrap();
                writer.append(&i.to_le_bytes(), 0).unwrap()
            })
        })
        .collect();
    let mut seqs: Vec<u64> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    seqs.sort_unstable();
    assert_eq!(seqs, (0..8).collect::<Vec<_>>());
}

#[cfg(unix)]
#[test]
fn files_are_created_with_the_mode_that_was_asked_for() {
    use std::os::unix::fs::PermissionsExt;
    for mode in [0o600, 0o640, 0o666] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let log = Chronicle::open(&path, &Options { mode, ..options() }).unwrap();
        let mut writer = writer(&log);
        for seq in 0..100 {
            writer.append(&payload(seq, 1000), 0).unwrap();
        }
        // Ends the thread that prepares segments under another name.
        drop(writer);
        for entry in std::fs::read_dir(&path).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, mode, "{:?}", entry.path());
        }
    }
}

#[test]
fn options_out_of_range_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for wrong in [
        Options { segment_bytes: Some(4096), ..options() },
        Options { segment_bytes: Some((64 << 10) + 1), ..options() },
        Options { segment_bytes: Some(u64::MAX), ..options() },
        Options { mode: 0o1777, ..options() },
        Options { mode: 0o400, ..options() },
        Options { sync: SyncMode::Every(Duration::ZERO), ..options() },
    ] {
        let path = dir.path().join("log");
        assert_eq!(Chronicle::open(&path, &wrong).unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert!(!path.exists());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Any mix of appends, batches and reopenings reads back as the list that was appended.
    #[test]
    fn the_log_is_the_list_of_what_was_appended(
        steps in prop::collection::vec((0u8..10, prop::collection::vec(0usize..5000, 1..6)), 1..60),
    ) {
        let dir = tempfile::tempdir()?;
        let mut log = open(dir.path());
        let mut current = writer(&log);
        let mut model: Vec<Vec<u8>> = Vec::new();
        for (kind, lens) in steps {
            let first = model.len() as u64;
            match kind {
                0 => {
                    drop(current);
                    log = open(dir.path());
                    current = writer(&log);
                }
                1..=6 => {
                    model.push(payload(first, lens[0]));
                    prop_assert_eq!(current.append(&model[model.len() - 1], 0)?, first);
                }
                _ => {
                    let batch: Vec<Vec<u8>> = lens.iter().map(|&len| payload(first, len)).collect();
                    let items: Vec<BatchItem> =
                        lens.iter().map(|&len| BatchItem { length: len as u32, type_id: 1 }).collect();
                    let last = first + batch.len() as u64 - 1;
                    prop_assert_eq!(current.append_batch(&batch.concat(), &items, None)?, (first, last));
                    model.extend(batch);
                }
            }
        }
        let read = read_all(&log)?;
        prop_assert_eq!(payloads(&read), model);
        prop_assert_eq!(log.next_seq()?, read.len() as u64);
    }
}
