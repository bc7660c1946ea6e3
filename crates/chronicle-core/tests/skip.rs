//! Going past damage: what is read then is right, in order, and what was skipped is told.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking, and its numbers are small"
)]

mod common;

use std::fs;
use std::path::Path;

use chronicle_core::{Entry, ErrorKind, From, Reader, Skipped};
use common::{find, open, patch, payload, segments, writer};

const MESSAGES: u64 = 2000;

/// A log with segments of several index marks.
fn log_of() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let options = chronicle_core::Options { segment_bytes: Some(512 << 10), ..common::options() };
    let log = chronicle_core::Chronicle::open(dir.path(), &options).unwrap();
    let mut writer = writer(&log);
    for seq in 0..MESSAGES {
        writer.append(&payload(seq, 1000), 0).unwrap();
    }
    // What is durable is damage in any boot, and never the end that a power cut made.
    writer.durability().sync().unwrap();
    drop(writer);
    assert!(segments(dir.path()).len() >= 4);
    dir
}

/// Reads to the end, past all damage that can be gone past. Returns what was skipped, and the error at which nothing more could be.
fn read_past(reader: &mut Reader) -> (Vec<(u64, u64)>, Option<ErrorKind>) {
    let (mut slab, mut entries) = (vec![0; 16 << 10], [Entry::default(); 8]);
    let (mut next, mut skipped) = (0, Vec::new());
    loop {
        match reader.poll(&mut slab, &mut entries) {
            Ok(run) if run.count == 0 => {
                assert_eq!(next, MESSAGES);
                assert_eq!(reader.skip().unwrap(), None, "there is nothing to skip");
                return (skipped, None);
            }
            Ok(run) => {
                for entry in &entries[..run.count] {
                    assert_eq!(entry.seq, next);
                    assert!(
                        slab[entry.offset as usize..][..entry.length as usize] == payload(next, 1000)[..]
                    );
                    next += 1;
                }
            }
            Err(error) => match reader.skip() {
                Ok(Some(Skipped { first_seq, next_seq })) => {
                    assert_eq!(first_seq, next);
                    assert!(next_seq > first_seq);
                    skipped.push((first_seq, next_seq));
                    next = next_seq;
                }
                Ok(None) => panic!("{error}, and nothing is damaged"),
                Err(e) => {
                    assert_eq!(e.kind(), error.kind());
                    return (skipped, Some(e.kind()));
                }
            },
        }
    }
}

fn damage(dir: &Path, seq: u64, at: usize) {
    let (path, offset) = find(dir, seq);
    patch(&path, offset, |bytes| bytes[at] ^= 1);
}

fn past(dir: &Path) -> (Vec<(u64, u64)>, Option<ErrorKind>) {
    read_past(&mut open(dir).reader(From::Start).unwrap())
}

#[test]
fn damage_within_a_segment_costs_no_more_than_a_stride_of_the_index() {
    // In the header, the commit word, and the payload.
    for at in [3, 26, 100] {
        let dir = log_of();
        damage(dir.path(), 100, at);
        let (skipped, failed) = past(dir.path());
        assert_eq!((skipped.len(), failed), (1, None));
        assert!(skipped[0].0 == 100 && skipped[0].1 < 100 + 130, "{skipped:?}");
    }
}

#[test]
fn damage_before_the_first_message_that_is_wanted_costs_none() {
    let dir = log_of();
    let (path, _) = find(dir.path(), 200);
    let base: u64 = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    // Where the walk to the message starts without an index.
    let index = fs::read(path.with_extension("idx")).unwrap();
    let log = open(dir.path());
    fs::remove_file(path.with_extension("idx")).unwrap();
    let mut reader = log.reader(From::Seq(base + 200)).unwrap();
    fs::write(path.with_extension("idx"), index).unwrap();
    damage(dir.path(), base + 3, 3);
    let poll = |reader: &mut Reader| reader.poll(&mut [0; 4096], &mut [Entry::default(); 1]);
    assert_eq!(poll(&mut reader).unwrap_err().seq(), Some(base + 3));
    let none = Skipped { first_seq: base + 200, next_seq: base + 200 };
    assert_eq!(reader.skip().unwrap(), Some(none), "nothing that is wanted was left out");
    assert_eq!(poll(&mut reader).unwrap().count, 1);
    assert_eq!(reader.next_seq(), base + 201);
}

#[test]
fn several_damages_are_skipped_one_after_the_other() {
    let dir = log_of();
    for seq in [100, 105, 300, 900] {
        damage(dir.path(), seq, 70);
    }
    let (skipped, failed) = past(dir.path());
    assert_eq!(failed, None);
    let starts: Vec<u64> = skipped.iter().map(|range| range.0).collect();
    assert_eq!(starts, [100, 300, 900]);
}

#[test]
fn without_an_index_the_rest_of_the_segment_goes() {
    let dir = log_of();
    damage(dir.path(), 100, 70);
    for path in segments(dir.path()) {
        let _ = fs::remove_file(path.with_extension("idx"));
    }
    let second = open(dir.path()).reader(From::Start).map(|_| segments(dir.path())[1].clone()).unwrap();
    let base: u64 = second.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    assert_eq!(past(dir.path()), (vec![(100, base)], None));
}

#[test]
fn segments_that_are_gone_cut_or_foreign_are_skipped_whole() {
    for how in ["gone", "cut", "foreign"] {
        let dir = log_of();
        let files = segments(dir.path());
        let base = |index: usize| files[index].file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap();
        match how {
            "gone" => fs::remove_file(&files[1]).unwrap(),
            "cut" => fs::write(&files[1], b"x").unwrap(),
            _ => drop(fs::copy(&files[0], &files[1]).unwrap()),
        }
        assert_eq!(past(dir.path()), (vec![(base(1), base(2))], None), "{how}");
    }
}

#[test]
fn damage_with_nothing_good_behind_it_stays_an_error() {
    let dir = log_of();
    damage(dir.path(), MESSAGES - 2, 70);
    assert_eq!(past(dir.path()), (vec![], Some(ErrorKind::Corrupt)));
}

#[test]
fn what_is_no_damage_is_not_skipped() {
    let dir = log_of();
    let (path, offset) = find(dir.path(), 100);
    patch(&path, offset, |bytes| {
        bytes[36] = 1;
        let mut covered = bytes[..60].to_vec();
        covered[26] &= !1;
        let checksum = chronicle_core::crc32(&covered);
        bytes[60..64].copy_from_slice(&checksum.to_le_bytes());
    });
    assert_eq!(past(dir.path()), (vec![], Some(ErrorKind::UnsupportedFeature)));
}

#[test]
fn an_index_that_lies_leads_to_nothing_that_is_not_there() {
    let dir = log_of();
    damage(dir.path(), 100, 70);
    let files = segments(dir.path());
    // The marks of another segment under this one's header.
    let other = fs::read(files[1].with_extension("idx")).unwrap();
    patch(&files[0].with_extension("idx"), 64, |bytes| *bytes = other[64..].to_vec());
    let (skipped, failed) = past(dir.path());
    assert_eq!(failed, None);
    assert_eq!(skipped.len(), 1);
}
