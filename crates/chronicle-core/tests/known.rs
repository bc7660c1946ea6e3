//! A handle that knows the segments answers as one that lists them, whatever other handles and processes do to the log between two looks.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking, and its numbers are small"
)]

mod common;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use chronicle_core::{Chronicle, Entry, ErrorKind, From, Retention, Writer};
use common::{BOOTS_ARE_KNOWN, memory, open, patch, payload, reboot, records, segments, writer};

/// Two of them fill a segment.
const HALF: usize = 30_000;
/// One fills a segment.
const WHOLE: usize = 60_000;
/// One gets a segment of its own size.
const LARGE: usize = 100_000;

fn append(writer: &mut Writer, count: u64, len: usize) {
    for _ in 0..count {
        writer.append(&payload(writer.next_seq(), len), 0).unwrap();
    }
}

/// The first message from there on: its seq and time.
fn first(log: &Chronicle, from: From) -> (u64, u64) {
    let (mut slab, mut entries) = (vec![0; LARGE], [Entry::default(); 1]);
    let run = log.reader(from).unwrap().poll(&mut slab, &mut entries).unwrap();
    assert_eq!((run.count, run.need), (1, 0), "{from:?}");
    let length = entries[0].length as usize;
    assert!(slab[..length] == payload(entries[0].seq, length), "{from:?}");
    (entries[0].seq, entries[0].timestamp_ns)
}

/// The seqs of all messages, the last one first.
fn backward(log: &Chronicle) -> Vec<u64> {
    let mut reader = log.reader(From::End).unwrap();
    let (mut slab, mut entries, mut seqs) = (vec![0; LARGE], [Entry::default(); 1], Vec::new());
    while reader.poll_back(&mut slab, &mut entries).unwrap().count > 0 {
        seqs.push(entries[0].seq);
    }
    seqs
}

/// Everything that is answered by what is known is as a handle says that has just been opened.
fn agrees(log: &Chronicle, dir: &Path) {
    let fresh = open(dir);
    let (left, next) = (fresh.first_seq().unwrap(), fresh.next_seq().unwrap());
    assert_eq!((log.first_seq().unwrap(), log.next_seq().unwrap()), (left, next));
    let stamps: Vec<u64> = (left..next).map(|seq| first(log, From::Seq(seq)).1).collect();
    for (seq, &stamp) in (left..next).zip(&stamps) {
        assert_eq!(first(&fresh, From::Seq(seq)), (seq, stamp));
        assert_eq!(first(log, From::Time(stamp)), first(&fresh, From::Time(stamp)));
        assert_eq!(first(log, From::Last(next - seq)).0, seq);
    }
    assert_eq!(first(log, From::Start).0, left);
    assert_eq!(log.reader(From::End).unwrap().next_seq(), next);
    assert_eq!(backward(log), (left..next).rev().collect::<Vec<_>>());
    counts(log, dir);
    let all = Retention { keep_messages: Some(0), ..Retention::default() };
    let (planned, expected) = (log.prune(&all, true).unwrap(), fresh.prune(&all, true).unwrap());
    assert_eq!(planned, expected);
}

fn counts(log: &Chronicle, dir: &Path) {
    let (stats, fresh) = (log.stats().unwrap(), open(dir).stats().unwrap());
    assert_eq!((stats.segments, stats.bytes), (fresh.segments, fresh.bytes));
    assert_eq!(stats.segments, segments(dir).len() as u64);
}

#[test]
fn segments_that_another_handle_makes_are_found() {
    let dir = memory();
    let log = open(dir.path());
    let other = open(dir.path());
    let mut writer = writer(&other);
    append(&mut writer, 2, WHOLE);
    agrees(&log, dir.path());
    // One, and so many that they are listed, and one by one as readers meet them.
    for rolls in [1, 2, 20, 1, 3] {
        append(&mut writer, rolls, WHOLE);
        agrees(&log, dir.path());
        append(&mut writer, 1, 10);
        agrees(&log, dir.path());
    }
}

#[test]
fn the_own_writer_is_followed_among_many_segments() {
    let dir = memory();
    let log = open(dir.path());
    let mut writer = writer(&log);
    append(&mut writer, 270, WHOLE);
    for rolls in 1..4 {
        counts(&log, dir.path());
        append(&mut writer, rolls, WHOLE);
        assert_eq!(first(&log, From::Last(1)).0, writer.next_seq() - 1);
        assert_eq!(first(&log, From::Seq(rolls)).0, rolls);
    }
    let other = open(dir.path());
    counts(&other, dir.path());
    append(&mut writer, 2, WHOLE);
    counts(&other, dir.path());
    fs::remove_file(&segments(dir.path())[100]).unwrap();
    counts(&other, dir.path());
    counts(&log, dir.path());
}

/// The first seq of a segment, as its name says.
fn base_of(path: &Path) -> u64 {
    path.file_stem().unwrap().to_str().unwrap().parse().unwrap()
}

#[test]
fn what_another_handle_prunes_is_a_gap() {
    let dir = memory();
    let (log, other) = (open(dir.path()), open(dir.path()));
    append(&mut writer(&other), 20, WHOLE);
    agrees(&log, dir.path());
    for keep in [12, 11, 5, 1] {
        let retention = Retention { keep_messages: Some(keep), ..Retention::default() };
        let oldest = segments(dir.path()).remove(0);
        let bytes = fs::read(&oldest).unwrap();
        assert!(other.prune(&retention, false).unwrap().segments > 0);
        // As a prune leaves it that is killed before it removes.
        fs::write(&oldest, bytes).unwrap();
        for seq in [0, base_of(&oldest), 20 - keep - 1] {
            let error = log.reader(From::Seq(seq)).unwrap_err();
            assert_eq!((error.kind(), error.first()), (ErrorKind::Gap, Some(20 - keep)));
        }
        assert_eq!(first(&log, From::Time(0)).0, 20 - keep);
        fs::remove_file(&oldest).unwrap();
        agrees(&log, dir.path());
    }
    append(&mut writer(&other), 20, WHOLE);
    agrees(&log, dir.path());
}

#[test]
fn what_a_recovery_cuts_is_not_known_any_more() {
    let dir = memory();
    let log = open(dir.path());
    {
        let mut writer = writer(&log);
        append(&mut writer, 5, HALF);
        writer.durability().sync().unwrap();
        append(&mut writer, 7, HALF);
    }
    // Recovered in this boot, so that what was listed is known.
    if BOOTS_ARE_KNOWN {
        drop(writer(&log));
    }
    agrees(&log, dir.path());
    let third = segments(dir.path())[2].clone();
    let torn = records(&third)[1].0;
    reboot(dir.path());
    patch(&third, torn, |bytes| bytes[..64].fill(0));
    let other = open(dir.path());
    let mut writer = writer(&other);
    assert_eq!(writer.next_seq(), 5);
    // The seqs at which segments start are others now, and some are the same.
    append(&mut writer, 6, WHOLE);
    agrees(&log, dir.path());
}

#[test]
fn what_a_recovery_cuts_is_not_counted() {
    let dir = memory();
    let log = open(dir.path());
    {
        let mut writer = writer(&log);
        append(&mut writer, 3, HALF);
        writer.durability().sync().unwrap();
        append(&mut writer, 517, HALF);
    }
    // Recovered in this boot, so that what was listed is known.
    if BOOTS_ARE_KNOWN {
        drop(writer(&log));
    }
    counts(&log, dir.path());
    let second = segments(dir.path())[1].clone();
    let torn = records(&second)[1].0;
    reboot(dir.path());
    patch(&second, torn, |bytes| bytes[..64].fill(0));
    let other = open(dir.path());
    let mut writer = writer(&other);
    assert_eq!(writer.next_seq(), 3);
    // Where a segment started, one starts again, up to the last; others do between them.
    append(&mut writer, 516, WHOLE);
    counts(&log, dir.path());
}

#[test]
fn a_segment_that_is_removed_by_hand_is_missing() {
    let dir = memory();
    let log = open(dir.path());
    append(&mut writer(&log), 12, HALF);
    writer(&log).durability().sync().unwrap();
    first(&log, From::Seq(9));
    let paths = segments(dir.path());
    let bytes = fs::read(&paths[2]).unwrap();
    fs::remove_file(&paths[2]).unwrap();
    let (mut slab, mut entries) = (vec![0; HALF], [Entry::default(); 1]);
    for seq in [4, 5] {
        let read = log.reader(From::Seq(seq)).and_then(|mut reader| reader.poll(&mut slab, &mut entries));
        let error = read.unwrap_err();
        assert_eq!((error.kind(), error.seq()), (ErrorKind::MissingSegment, Some(4)));
    }
    counts(&log, dir.path());
    fs::write(&paths[2], bytes).unwrap();
    agrees(&log, dir.path());
    fs::remove_file(&paths[0]).unwrap();
    assert_eq!(log.reader(From::Seq(9)).unwrap_err().kind(), ErrorKind::MissingSegment);
    assert_eq!(log.stats().unwrap_err().kind(), ErrorKind::MissingSegment);
}

#[test]
fn a_walk_backward_goes_through_the_segment_that_took_the_place_of_an_empty_one() {
    let dir = memory();
    let log = open(dir.path());
    let mut writer = writer(&log);
    append(&mut writer, 2, HALF);
    // Rolls, and leaves the new segment empty.
    drop(writer.claim(HALF).unwrap());
    let mut waits = log.reader(From::End).unwrap();
    assert!(!waits.wait(Duration::ZERO).unwrap());
    append(&mut writer, 1, LARGE);
    append(&mut writer, 2, WHOLE);
    assert_eq!(backward(&log), [4, 3, 2, 1, 0]);
    agrees(&log, dir.path());
    assert!(waits.wait(Duration::ZERO).unwrap());
}

#[test]
fn a_segment_in_which_nothing_is_left_ends_a_walk_backward() {
    let dir = memory();
    let log = open(dir.path());
    // It lives on: where no boot is known, what nobody has open ends where a recovery would cut it.
    let mut writer = writer(&log);
    append(&mut writer, 6, HALF);
    let paths = segments(dir.path());
    let (first, second) = (fs::read(&paths[0]).unwrap(), &paths[1]);
    let end = records(&paths[0])[2].0 as usize;
    let mut bytes = fs::read(second).unwrap();
    bytes[4096..4160].copy_from_slice(&first[end..end + 64]);
    fs::write(second, bytes).unwrap();
    let mut reader = log.reader(From::End).unwrap();
    let (mut slab, mut entries) = (vec![0; HALF], [Entry::default(); 1]);
    for _ in 0..2 {
        assert_eq!(reader.poll_back(&mut slab, &mut entries).unwrap().count, 1);
    }
    for _ in 0..2 {
        let error = reader.poll_back(&mut slab, &mut entries).unwrap_err();
        assert_eq!((error.kind(), error.seq(), error.path()), (ErrorKind::Corrupt, Some(2), Some(&**second)));
    }
}

#[cfg(unix)]
mod processes {
    use super::*;
    use common::child::{command, job};

    /// The entry of child processes.
    #[test]
    fn a_child_rolls_and_prunes() {
        let Some((job, dir)) = job() else { return };
        let log = open(&dir);
        let mut writer = writer(&log);
        append(&mut writer, job.parse().unwrap(), WHOLE);
        let retention = Retention { keep_messages: Some(12), ..Retention::default() };
        log.prune(&retention, false).unwrap();
    }

    #[test]
    fn another_process_rolls_and_prunes() {
        let dir = memory();
        let log = open(dir.path());
        append(&mut writer(&log), 10, WHOLE);
        agrees(&log, dir.path());
        for rolls in ["1", "3", "30"] {
            let mut child = command("processes::a_child_rolls_and_prunes", rolls, dir.path());
            assert!(child.status().unwrap().success());
            agrees(&log, dir.path());
        }
    }
}

#[test]
fn what_settled_segments_take_is_kept_until_a_recovery() {
    let dir = memory();
    let (log, other) = (open(dir.path()), open(dir.path()));
    let mut writer = writer(&log);
    append(&mut writer, 20, WHOLE);
    counts(&other, dir.path());
    // As long as a segment may change: five seconds behind the roll.
    std::thread::sleep(Duration::from_millis(5_100));
    counts(&other, dir.path());
    append(&mut writer, 10, WHOLE);
    counts(&other, dir.path());
    let retention = Retention { keep_messages: Some(20), ..Retention::default() };
    assert!(log.prune(&retention, false).unwrap().segments > 0);
    counts(&other, dir.path());
    // No sealed segment gets longer: one that does shows which sizes are kept.
    let grow = |index: usize| {
        let file = fs::OpenOptions::new().append(true).open(&segments(dir.path())[index]);
        file.unwrap().write_all(&vec![1; 40_960]).unwrap();
    };
    let bytes = || (other.stats().unwrap().bytes, open(dir.path()).stats().unwrap().bytes);
    grow(1);
    let (kept, real) = bytes();
    assert!(kept < real, "{kept} of {real}");
    grow(15);
    let (later, grown) = bytes();
    assert_eq!(grown - real, later - kept);
    drop(writer);
    append(&mut common::writer(&log), 1, WHOLE);
    counts(&other, dir.path());
}
