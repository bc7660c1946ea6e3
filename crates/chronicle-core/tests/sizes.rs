//! The limits: seqs, payloads, segments, readers.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking, and its numbers are small"
)]

mod common;

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use chronicle_core::{
    Chronicle, Entry, ErrorKind, From, MAX_PAYLOAD_LEN, MAX_SEQ, Options, Retention, crc32,
};
use common::{drain, find, open, options, payload, payloads, read_all, segments, writer};

/// Makes an empty chronicle whose first message gets `base`: as if all before had been pruned.
fn start_at(dir: &Path, base: u64) {
    drop(open(dir));
    let first = segments(dir).remove(0);
    let mut bytes = fs::read(&first).unwrap();
    bytes[40..48].copy_from_slice(&base.to_le_bytes());
    let checksum = crc32(&bytes[..4092]);
    bytes[4092..4096].copy_from_slice(&checksum.to_le_bytes());
    fs::write(dir.join(format!("{base:020}.seg")), bytes).unwrap();
    fs::remove_file(first).unwrap();
    common::patch(&dir.join("control"), 512, |bytes| {
        bytes[..8].copy_from_slice(&base.to_le_bytes());
        bytes[8..12].copy_from_slice(&crc32(&base.to_le_bytes()).to_le_bytes());
    });
}

#[test]
fn the_last_seq_is_two_to_the_53_less_one() {
    let dir = tempfile::tempdir().unwrap();
    start_at(dir.path(), MAX_SEQ - 2);
    let log = open(dir.path());
    let mut writer = writer(&log);
    let items = [chronicle_core::BatchItem { length: 0, type_id: 0 }; 4];
    assert_eq!(writer.append_batch(&[], &items, None).unwrap_err().kind(), ErrorKind::SeqExhausted);
    for seq in MAX_SEQ - 2..=MAX_SEQ {
        assert_eq!(writer.append(b"x", 0).unwrap(), seq);
    }
    for _ in 0..2 {
        assert_eq!(writer.append(b"x", 0).unwrap_err().kind(), ErrorKind::SeqExhausted);
    }
    drop(writer);
    let log = open(dir.path());
    let read = read_all(&log).unwrap();
    assert_eq!((read[0].seq, read[2].seq, read.len()), (MAX_SEQ - 2, MAX_SEQ, 3));
    assert_eq!(log.next_seq().unwrap(), MAX_SEQ + 1);
    let mut writer = common::writer(&log);
    assert_eq!(writer.append(b"x", 0).unwrap_err().kind(), ErrorKind::SeqExhausted);
}

#[test]
fn a_segment_can_end_at_the_last_seq() {
    let dir = tempfile::tempdir().unwrap();
    start_at(dir.path(), MAX_SEQ - 1);
    let log = open(dir.path());
    let mut writer = writer(&log);
    writer.append(&payload(1, 50_000), 0).unwrap();
    writer.append(&payload(2, 50_000), 0).unwrap();
    assert_eq!(segments(dir.path()).len(), 2);
    assert_eq!(read_all(&log).unwrap().len(), 2);
}

#[test]
fn empty_payloads_are_messages() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut writer = writer(&log);
    for seq in 0..3000 {
        assert_eq!(writer.append(b"", seq as u16).unwrap(), seq);
    }
    let read = read_all(&log).unwrap();
    assert!(read.iter().all(|m| m.payload.is_empty() && u64::from(m.type_id) == m.seq));
    assert_eq!(read.len(), 3000);
}

#[test]
fn the_largest_payload_goes_in_and_comes_out() {
    let dir = tempfile::tempdir().unwrap();
    let log =
        Chronicle::open(dir.path(), &Options { sync: chronicle_core::SyncMode::None, ..Options::default() })
            .unwrap();
    let mut writer = writer(&log);
    let mut large = vec![0x5A; MAX_PAYLOAD_LEN];
    large[MAX_PAYLOAD_LEN - 1] = 1;
    writer.append(b"before", 0).unwrap();
    writer.append(&large, 0).unwrap();
    writer.append(b"after", 0).unwrap();
    drop(writer);
    let expected = crc32(&large);
    drop(large);
    let read = read_all(&log).unwrap();
    assert_eq!((read.len(), read[1].payload.len(), crc32(&read[1].payload)), (3, MAX_PAYLOAD_LEN, expected));
    assert_eq!(read[2].payload, b"after");
}

#[test]
fn thousands_of_readers_are_open_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut writer = writer(&log);
    for seq in 0..300 {
        writer.append(&payload(seq, 1000), 0).unwrap();
    }
    let mut readers: Vec<_> = (0..4096).map(|i| log.reader(From::Seq(i % 300)).unwrap()).collect();
    writer.append(b"last", 0).unwrap();
    let (mut slab, mut entries) = (vec![0; 2000], [Entry::default(); 1]);
    for (index, reader) in readers.iter_mut().enumerate() {
        assert_eq!(reader.poll(&mut slab, &mut entries).unwrap().count, 1);
        assert_eq!(entries[0].seq, index as u64 % 300);
    }
    let last = drain(&mut readers[299]).unwrap();
    assert_eq!(payloads(&last), [b"last"]);
}

/// Segments of one message each are written by hand: rolling 100,000 times would take minutes of allocation.
#[test]
fn a_hundred_thousand_segments_open_seek_and_prune() {
    const COUNT: u64 = 100_000;
    let dir = tempfile::tempdir().unwrap();
    drop(writer(&open(dir.path())));
    let first = fs::read(&segments(dir.path())[0]).unwrap();
    let mut header = first[..4096].to_vec();
    header[48..56].copy_from_slice(&8192u64.to_le_bytes());
    for base in 0..COUNT {
        header[40..48].copy_from_slice(&base.to_le_bytes());
        header[64..72].copy_from_slice(&(999 + base).to_le_bytes());
        let checksum = crc32(&header[..4092]);
        header[4092..4096].copy_from_slice(&checksum.to_le_bytes());
        let mut message =
            chronicle_core::MessageHeader::new(8, base, 1000 + base, 0, crc32(&base.to_le_bytes()));
        message.flags = chronicle_core::VALID;
        let mut end = chronicle_core::MessageHeader::new(0, base + 1, 1000 + base, 0, 0);
        end.flags = chronicle_core::VALID | chronicle_core::END;
        let mut bytes = header.clone();
        bytes.extend(message.to_bytes());
        bytes.extend(base.to_le_bytes());
        bytes.resize(4096 + 128, 0);
        if base + 1 < COUNT {
            bytes.extend(end.to_bytes());
        }
        bytes.resize(8192, 0);
        fs::write(dir.path().join(format!("{base:020}.seg")), bytes).unwrap();
    }
    common::reboot(dir.path());
    // The durable point says that all but the last are on the disk, as a writer's sync would have.
    common::patch(&dir.path().join("control"), 384, |bytes| {
        let durable = (COUNT - 1).to_le_bytes();
        bytes[..8].copy_from_slice(&durable);
        bytes[8..12].copy_from_slice(&crc32(&durable).to_le_bytes());
    });
    let log = Chronicle::open(dir.path(), &options()).unwrap();
    let mut writer = writer(&log);
    assert_eq!(writer.append(b"next", 0).unwrap(), COUNT);
    assert_eq!(log.stats().unwrap().segments, COUNT);
    let (mut slab, mut entries) = (vec![0; 64], [Entry::default(); 1]);
    for from in [From::Seq(0), From::Seq(77_777), From::Time(1000 + 77_777), From::Last(1)] {
        let mut reader = log.reader(from).unwrap();
        assert_eq!(reader.poll(&mut slab, &mut entries).unwrap().count, 1);
        match from {
            From::Seq(seq) => assert_eq!(entries[0].seq, seq),
            From::Time(_) => assert_eq!(entries[0].seq, 77_777),
            _ => assert_eq!(entries[0].seq, COUNT),
        }
    }
    drop(writer);
    let all = Retention { keep_messages: Some(10), keep_unread: false, ..Retention::default() };
    let report = log.prune(&all, false).unwrap();
    assert!(report.segments > COUNT - 20);
    assert_eq!(log.first_seq().unwrap(), report.first_seq);
}

#[cfg(target_os = "linux")]
#[test]
fn descriptors_do_not_grow_with_what_is_not_flushed() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut writer = writer(&log);
    // Other tests of this process open files too; those of this log are told by their path.
    let held = || {
        let links =
            fs::read_dir("/proc/self/fd").unwrap().filter_map(|fd| fs::read_link(fd.unwrap().path()).ok());
        links.filter(|path| path.starts_with(dir.path())).count()
    };
    for seq in 0..300u64 {
        writer.append(&payload(seq, 60_000), 0).unwrap();
    }
    assert!(segments(dir.path()).len() >= 300);
    assert!(held() < 200, "{} descriptors", held());
    assert_eq!(writer.durability().sync().unwrap(), 300);
    assert!(held() < 10, "{} descriptors", held());
    writer.append(b"x", 0).unwrap();
    assert_eq!(writer.durability().sync().unwrap(), 301);
    drop(writer);
    assert_eq!(read_all(&log).unwrap().len(), 301);
}

/// The loop that most messages come through makes its own checks: a slab that is large enough leads there.
#[test]
fn a_run_ends_before_a_length_that_reaches_too_far() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut writer = writer(&log);
    for seq in 0..2 {
        writer.append(&payload(seq, 1000), 0).unwrap();
    }
    writer.durability().sync().unwrap();
    drop(writer);
    let (path, second) = common::find(dir.path(), 1);
    let good = fs::read(&path).unwrap();
    let left = u32::try_from(good.len() as u64 - second - 64).unwrap();
    for length in [left, left - 63, left + 1, 1 << 17, u32::MAX >> 2] {
        let mut bytes = good.clone();
        let at = usize::try_from(second).unwrap();
        let mut header =
            chronicle_core::MessageHeader::from_bytes(bytes[at..].first_chunk().unwrap()).unwrap();
        header.length = length;
        header.checksum = crc32(&good[at + 64..][..(length.min(left)) as usize]);
        bytes[at..at + 64].copy_from_slice(&header.to_bytes());
        fs::write(&path, bytes).unwrap();
        let mut reader = open(dir.path()).reader(From::Start).unwrap();
        let (mut slab, mut entries) = (vec![0; 1 << 18], [Entry::default(); 4]);
        assert_eq!(reader.poll(&mut slab, &mut entries).unwrap().count, 1, "{length}");
        assert_eq!(
            reader.poll(&mut slab, &mut entries).unwrap_err().kind(),
            ErrorKind::OutOfBounds,
            "{length}"
        );
    }
}

#[test]
fn payloads_of_any_number_of_lines_and_parts_are_copied_whole_and_checked_to_the_last_byte() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut writer = writer(&log);
    let bounds = [64, 512, 576, 4096, 8192, 65_536];
    let sizes: Vec<usize> = bounds.into_iter().flat_map(|size| size - 1..=size + 1).collect();
    let all: Vec<Vec<u8>> = sizes.iter().zip(1..).map(|(&size, seq)| payload(seq, size)).collect();
    for payload in &all {
        writer.append(payload, 0).unwrap();
    }
    assert_eq!(payloads(&read_all(&log).unwrap()), all);

    for (seq, payload) in (0..).zip(&all) {
        let view = || log.reader(From::Seq(seq)).unwrap().poll_view(&mut [Entry::default()]);
        assert_eq!(view().unwrap(), 1);
        let (segment, record) = find(dir.path(), seq);
        // In place: the file is mapped.
        let mut file = fs::OpenOptions::new().write(true).open(segment).unwrap();
        for byte in [0, payload.len() / 2, payload.len() - 1] {
            let mut store = |value: u8| {
                file.seek(SeekFrom::Start(record + 64 + byte as u64)).unwrap();
                file.write_all(&[value]).unwrap();
            };
            store(!payload[byte]);
            for refused in [read_all(&log).err(), view().err()] {
                let kind = refused.map(|e| e.kind());
                assert_eq!(kind, Some(ErrorKind::Corrupt), "byte {byte} of {}", payload.len());
            }
            store(payload[byte]);
        }
    }
}
