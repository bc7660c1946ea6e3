//! Damaged, foreign and incomplete files: each is refused by its own kind, with path and offset, and left as it is.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking, and its numbers are small"
)]

mod common;

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chronicle_core::{Chronicle, Error, ErrorKind, From, HEADER_LEN, MessageHeader, Options, VALID, crc32};
use common::{append, open, options, patch, payload, read_all, segments, snapshot, writer};

const RECORDS: u64 = 4096;

/// A closed log of `count` messages of 1000 bytes, which take 1088 bytes each. All are durable: damage is no torn tail.
fn log_of(count: u64) -> (tempfile::TempDir, Vec<PathBuf>) {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut writer = writer(&log);
    append(&mut writer, 0..count, 1000);
    writer.durability().sync().unwrap();
    drop(writer);
    let segments = segments(dir.path());
    (dir, segments)
}

fn read_error(dir: &Path) -> Error {
    Chronicle::open(dir, &options()).and_then(|log| read_all(&log)).unwrap_err()
}

fn write_error(dir: &Path) -> Error {
    Chronicle::open(dir, &options()).and_then(|log| log.writer(Duration::ZERO).map(|_| ())).unwrap_err()
}

/// Reading and opening for writing both answer with `kind` at `path`, and change nothing.
fn refused(dir: &Path, kind: ErrorKind, path: &Path, offset: Option<u64>) {
    let before = files(dir);
    for error in [read_error(dir), write_error(dir)] {
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.path(), Some(path), "{error}");
        assert_eq!(error.offset(), offset, "{error}");
    }
    assert!(files(dir) == before, "a refusal must change nothing");
}

/// All files but the words of `control` that processes share, and the lock file, which may be new.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = snapshot(dir);
    files.retain(|(path, _)| !path.ends_with("writer.lock"));
    for (path, bytes) in &mut files {
        if path.ends_with("control") && bytes.len() > 64 {
            bytes[64..128].fill(0);
            bytes[256..260].fill(0);
        }
    }
    files
}

fn set_len(path: &Path, len: u64) {
    OpenOptions::new().write(true).open(path).unwrap().set_len(len).unwrap();
}

/// Changes the header of the record at `offset` and seals it again, as only a forger would.
fn forge(path: &Path, offset: u64, change: impl FnOnce(&mut MessageHeader)) {
    patch(path, offset, |bytes| {
        let mut header = [0; HEADER_LEN];
        header.copy_from_slice(&bytes[..HEADER_LEN]);
        let mut header = MessageHeader::from_bytes(&header).unwrap();
        change(&mut header);
        bytes[..HEADER_LEN].copy_from_slice(&header.to_bytes());
    });
}

/// Changes a segment header and seals it again.
fn forge_segment(path: &Path, change: impl FnOnce(&mut [u8])) {
    patch(path, 0, |bytes| {
        change(bytes);
        let checksum = crc32(&bytes[..4092]);
        bytes[4092..4096].copy_from_slice(&checksum.to_le_bytes());
    });
}

#[test]
fn an_empty_segment_file_is_refused() {
    let (dir, segments) = log_of(10);
    set_len(&segments[0], 0);
    refused(dir.path(), ErrorKind::EmptyFile, &segments[0], Some(0));
}

#[test]
fn a_truncated_segment_is_refused_and_never_mapped() {
    for len in [1, 4095, 4096, 60_000] {
        let (dir, segments) = log_of(10);
        set_len(&segments[0], len);
        refused(dir.path(), ErrorKind::Truncated, &segments[0], Some(len));
    }
}

#[test]
fn a_segment_longer_than_it_says_is_refused() {
    let (dir, segments) = log_of(10);
    set_len(&segments[0], (64 << 10) + 1);
    refused(dir.path(), ErrorKind::Corrupt, &segments[0], Some(64 << 10));
}

#[test]
fn wrong_magic_is_refused() {
    let (dir, segments) = log_of(10);
    patch(&segments[0], 0, |bytes| bytes[0] = b'X');
    refused(dir.path(), ErrorKind::BadMagic, &segments[0], Some(0));
}

#[test]
fn an_unknown_version_is_refused() {
    let (dir, segments) = log_of(10);
    forge_segment(&segments[0], |bytes| bytes[8] = 2);
    refused(dir.path(), ErrorKind::UnsupportedVersion, &segments[0], Some(8));
}

#[test]
fn an_incompatible_feature_is_refused() {
    let (dir, segments) = log_of(10);
    forge_segment(&segments[0], |bytes| bytes[12] = 1);
    refused(dir.path(), ErrorKind::UnsupportedFeature, &segments[0], Some(12));
}

#[test]
fn a_feature_that_bars_writing_lets_readers_in() {
    let (dir, segments) = log_of(10);
    forge_segment(&segments[0], |bytes| bytes[16] = 1);
    assert_eq!(read_all(&open(dir.path())).unwrap().len(), 10);
    let error = write_error(dir.path());
    assert_eq!((error.kind(), error.offset()), (ErrorKind::ReadOnly, Some(16)));
}

#[test]
fn a_segment_of_another_chronicle_is_refused() {
    let (dir, segments) = log_of(10);
    let (_other, foreign) = log_of(10);
    fs::copy(&foreign[0], &segments[0]).unwrap();
    refused(dir.path(), ErrorKind::Corrupt, &segments[0], Some(24));
}

#[test]
fn a_segment_under_another_name_is_refused() {
    let (dir, segments) = log_of(200);
    let last = segments.last().unwrap().as_path();
    fs::copy(&segments[0], last).unwrap();
    for error in [read_error(dir.path()), write_error(dir.path())] {
        assert_eq!((error.kind(), error.path()), (ErrorKind::Corrupt, Some(last)));
    }
}

#[test]
fn a_length_that_points_outside_of_the_segment_is_refused() {
    let (dir, segments) = log_of(10);
    let third = RECORDS + 2 * 1088;
    forge(&segments[0], third, |header| header.length = 1 << 20);
    refused(dir.path(), ErrorKind::OutOfBounds, &segments[0], Some(third));
}

#[test]
fn a_length_over_the_place_of_end_is_refused() {
    let (dir, segments) = log_of(1);
    let all = (64 << 10) - 4096;
    forge(&segments[0], RECORDS, |header| header.length = all - 64);
    refused(dir.path(), ErrorKind::OutOfBounds, &segments[0], Some(RECORDS));
    forge(&segments[0], RECORDS, |header| header.length = all - 128);
    refused(dir.path(), ErrorKind::Corrupt, &segments[0], Some(RECORDS));
}

#[test]
fn order_is_checked() {
    for change in [
        (|header: &mut MessageHeader| header.seq += 1) as fn(&mut MessageHeader),
        |header| header.seq -= 1,
        |header| header.epoch -= 1,
        |header| header.timestamp_ns = 1,
    ] {
        let (dir, segments) = log_of(10);
        let third = RECORDS + 2 * 1088;
        forge(&segments[0], third, change);
        refused(dir.path(), ErrorKind::Corrupt, &segments[0], Some(third));
    }
}

#[test]
fn every_flipped_bit_of_a_record_is_found() {
    let dir = tempfile::tempdir().unwrap();
    {
        let log = open(dir.path());
        let mut writer = writer(&log);
        for bytes in [b"first".as_slice(), b"second", b"third"] {
            writer.append(bytes, 0).unwrap();
        }
        writer.durability().sync().unwrap();
    }
    let segment = segments(dir.path()).remove(0);
    let second = RECORDS + 128;
    for bit in 0..(HEADER_LEN as u64 + 6) * 8 {
        let at = second + bit / 8;
        patch(&segment, at, |bytes| bytes[0] ^= 1 << (bit % 8));
        let error = read_error(dir.path());
        assert_eq!(error.path(), Some(segment.as_path()), "bit {bit}: {error}");
        assert_eq!((error.offset(), error.seq()), (Some(second), Some(1)), "bit {bit}: {error}");
        assert!(write_error(dir.path()).offset() == Some(second), "bit {bit}");
        patch(&segment, at, |bytes| bytes[0] ^= 1 << (bit % 8));
    }
    assert_eq!(read_all(&open(dir.path())).unwrap().len(), 3);
}

#[test]
fn an_unknown_flag_is_refused_by_name() {
    let (dir, segments) = log_of(3);
    forge(&segments[0], RECORDS, |header| header.flags |= 4);
    refused(dir.path(), ErrorKind::UnsupportedFeature, &segments[0], Some(RECORDS));
}

#[test]
fn messages_before_a_bad_one_are_read_and_the_error_stays() {
    let (dir, segments) = log_of(10);
    patch(&segments[0], RECORDS + 5 * 1088 + 64, |bytes| bytes[7] ^= 1);
    let log = open(dir.path());
    let mut reader = log.reader(From::Start).unwrap();
    let (mut slab, mut entries) = (vec![0; 1 << 16], vec![chronicle_core::Entry::default(); 64]);
    assert_eq!(reader.poll(&mut slab, &mut entries).unwrap().count, 5);
    for _ in 0..3 {
        let error = reader.poll(&mut slab, &mut entries).unwrap_err();
        assert_eq!((error.kind(), error.seq()), (ErrorKind::Corrupt, Some(5)));
    }
}

#[test]
fn a_missing_segment_in_the_middle_is_named() {
    let (dir, segments) = log_of(200);
    fs::remove_file(&segments[1]).unwrap();
    let error = read_error(dir.path());
    assert_eq!((error.kind(), error.path()), (ErrorKind::MissingSegment, Some(segments[1].as_path())));
}

#[test]
fn a_missing_first_segment_is_named() {
    let (dir, segments) = log_of(200);
    fs::remove_file(&segments[0]).unwrap();
    refused(dir.path(), ErrorKind::MissingSegment, &segments[0], None);
}

#[test]
fn a_missing_last_segment_is_named() {
    let (dir, segments) = log_of(200);
    let last = segments.last().unwrap();
    fs::remove_file(last).unwrap();
    refused(dir.path(), ErrorKind::MissingSegment, last, None);
}

#[test]
fn a_log_without_segments_is_refused_and_not_started_again() {
    let (dir, segments) = log_of(10);
    fs::remove_file(&segments[0]).unwrap();
    refused(dir.path(), ErrorKind::MissingSegment, &segments[0], None);
}

#[test]
fn a_missing_control_file_is_corruption_where_there_are_messages() {
    let (dir, _segments) = log_of(10);
    let control = dir.path().join("control");
    fs::remove_file(&control).unwrap();
    refused(dir.path(), ErrorKind::Corrupt, &control, None);
}

#[test]
fn a_damaged_control_file_is_refused() {
    type Damage = fn(&mut Vec<u8>);
    let damaged: [(ErrorKind, Damage); 6] = [
        (ErrorKind::EmptyFile, |bytes| bytes.clear()),
        (ErrorKind::Truncated, |bytes| bytes.truncate(4095)),
        (ErrorKind::BadMagic, |bytes| bytes[0] = 0),
        (ErrorKind::UnsupportedVersion, |bytes| bytes[8] = 9),
        (ErrorKind::Corrupt, |bytes| bytes[50] ^= 1),
        (ErrorKind::UnsupportedFeature, |bytes| {
            bytes[12] = 1;
            let checksum = crc32(&bytes[..60]);
            bytes[60..64].copy_from_slice(&checksum.to_le_bytes());
        }),
    ];
    for (kind, change) in damaged {
        let (dir, _segments) = log_of(3);
        let control = dir.path().join("control");
        patch(&control, 0, change);
        let before = files(dir.path());
        assert_eq!(read_error(dir.path()).kind(), kind);
        assert_eq!(write_error(dir.path()).kind(), kind);
        assert!(files(dir.path()) == before);
    }
}

#[test]
fn a_directory_of_someone_else_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.txt"), b"years of work").unwrap();
    let error = Chronicle::open(dir.path(), &options()).unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::NotAChronicle, Some(dir.path())));
    assert_eq!(snapshot(dir.path()).len(), 1);
    let file = dir.path().join("thesis.txt");
    assert_eq!(Chronicle::open(&file, &options()).unwrap_err().kind(), ErrorKind::NotAChronicle);
}

#[test]
fn what_does_not_exist_is_not_found_unless_created() {
    let dir = tempfile::tempdir().unwrap();
    let keep = Options { create: false, ..options() };
    for path in [dir.path().to_owned(), dir.path().join("absent")] {
        assert_eq!(Chronicle::open(&path, &keep).unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert!(snapshot(dir.path()).is_empty());
}

#[cfg(unix)]
#[test]
fn symlinks_fifos_and_directories_under_our_names_are_refused() {
    for name in ["control", "writer.lock", "00000000000000000000.seg"] {
        for kind in ["symlink", "fifo", "directory"] {
            let (dir, _segments) = log_of(3);
            let path = dir.path().join(name);
            let aside = dir
                .path()
                .parent()
                .unwrap()
                .join(format!("{}-aside", dir.path().file_name().unwrap().display()));
            fs::rename(&path, &aside).unwrap();
            match kind {
                "symlink" => std::os::unix::fs::symlink(&aside, &path).unwrap(),
                "fifo" => {
                    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
                }
                _ => fs::create_dir(&path).unwrap(),
            }
            let error = write_error(dir.path());
            assert_eq!(error.kind(), ErrorKind::NotAFile, "{kind} {name}: {error}");
            assert_eq!(error.path(), Some(path.as_path()));
            fs::remove_file(&aside).unwrap();
        }
    }
}

#[test]
fn an_interrupted_creation_is_started_again() {
    let (dir, segments) = log_of(0);
    fs::remove_file(dir.path().join("control")).unwrap();
    fs::write(dir.path().join("control.tmp"), b"half").unwrap();
    fs::write(dir.path().join("next.seg.tmp"), b"half").unwrap();
    let log = open(dir.path());
    assert_eq!(writer(&log).append(b"a", 0).unwrap(), 0);
    assert_eq!(segments.len(), 1);
    assert_eq!(read_all(&log).unwrap().len(), 1);
}

#[test]
fn noise_in_the_place_of_records_never_panics() {
    use proptest::test_runner::{Config, TestRunner};
    let mut runner = TestRunner::new(Config::with_cases(200));
    let (dir, segments) = log_of(20);
    let good = fs::read(&segments[0]).unwrap();
    let control = fs::read(dir.path().join("control")).unwrap();
    let noise = (0usize..65_000, proptest::collection::vec(0u8..=255, 1..500));
    runner
        .run(&noise, |(at, bytes)| {
            let mut damaged = good.clone();
            let end = (at + bytes.len()).min(damaged.len());
            damaged[at..end].copy_from_slice(&bytes[..end - at]);
            fs::write(&segments[0], &damaged).unwrap();
            fs::write(dir.path().join("control"), &control).unwrap();
            let read = Chronicle::open(dir.path(), &options()).and_then(|log| read_all(&log));
            if let Ok(messages) = read {
                assert!(messages.iter().all(|m| m.payload == payload(m.seq, 1000)));
                assert_eq!(messages.len(), 20);
            }
            let _ = Chronicle::open(dir.path(), &options())
                .and_then(|log| log.writer(Duration::ZERO).map(|_| ()));
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_header_that_claims_to_be_published_needs_its_checksum() {
    let (dir, segments) = log_of(10);
    let sixth = RECORDS + 5 * 1088;
    patch(&segments[0], sixth, |bytes| {
        bytes[..HEADER_LEN].fill(0);
        bytes[26] = VALID;
    });
    refused(dir.path(), ErrorKind::Corrupt, &segments[0], Some(sixth));
}
