//! Files that somebody truncates, and disks that fail, while they are mapped: an error, and neither a signal nor a lie.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking, and its numbers are small"
)]

mod common;

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chronicle_core::{
    BatchItem, Chronicle, Entry, Error, ErrorKind, From, MmapFile, Options, Reader, Retention, SyncMode,
    Writer,
};
use common::{Message, append, drain, open, options, payload, segments, writer};

/// Nothing waits so long but what nobody wakes.
const PATIENCE: Duration = Duration::from_secs(60);
/// Nothing at all, within the first page, whole pages, and within a page that holds records.
const LENGTHS: [u64; 6] = [0, 100, 4096, 8192, 20_000, 24_576];

fn set_len(path: &Path, len: u64) {
    OpenOptions::new().write(true).open(path).unwrap().set_len(len).unwrap();
}

/// A log of several segments, open, with its writer. Messages take 1088 bytes.
fn log_of(count: u64) -> (tempfile::TempDir, Chronicle, Writer) {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut writer = writer(&log);
    append(&mut writer, 0..count, 1000);
    (dir, log, writer)
}

fn control(log: &Chronicle) -> PathBuf {
    log.path().join("control")
}

/// Reads to the first error, which has to come, and checks what was read before it.
fn read_to_error(reader: &mut Reader, mut next: u64) -> Error {
    let (mut slab, mut entries) = (vec![0; 8192], [Entry::default(); 4]);
    loop {
        match reader.poll(&mut slab, &mut entries) {
            Ok(run) => {
                assert_ne!(run.count, 0, "the log ends at {next} as if there were no more");
                for entry in &entries[..run.count] {
                    assert_eq!(entry.seq, next);
                    assert!(
                        slab[entry.offset as usize..][..entry.length as usize] == payload(next, 1000)[..]
                    );
                    next += 1;
                }
            }
            Err(e) => return e,
        }
    }
}

fn is_lost(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Truncated | ErrorKind::Corrupt | ErrorKind::Io)
}

/// Appends until that fails. More than one page of messages behind the truncation is never acknowledged.
fn append_to_error(writer: &mut Writer) -> (u64, Error) {
    for acknowledged in 0..1000 {
        if let Err(e) = writer.append(b"0123456789", 0) {
            return (acknowledged, e);
        }
    }
    panic!("appends go on into a file that is not there");
}

#[test]
fn a_reader_of_a_truncated_segment_gets_an_error_and_gets_it_again() {
    for len in LENGTHS {
        for from in [0, 150] {
            let (dir, log, writer) = log_of(160);
            let mut reader = log.reader(From::Seq(from)).unwrap();
            let segment = &segments(dir.path())[if from == 0 { 0 } else { 2 }];
            set_len(segment, len);
            let error = read_to_error(&mut reader, from);
            assert!(is_lost(&error), "{len} {from}: {error}");
            assert_eq!(error.path(), Some(segment.as_path()), "{error}");
            for _ in 0..3 {
                let again = reader.poll(&mut [0; 8192], &mut [Entry::default(); 4]).unwrap_err();
                assert_eq!((again.kind(), again.seq()), (error.kind(), error.seq()));
            }
            drop(writer);
        }
    }
}

#[test]
fn a_reader_elsewhere_in_the_log_goes_on() {
    let (dir, log, _writer) = log_of(160);
    let mut reader = log.reader(From::Seq(100)).unwrap();
    reader.poll(&mut [0; 8192], &mut [Entry::default(); 1]).unwrap();
    let mut first = log.reader(From::Start).unwrap();
    set_len(&segments(dir.path())[0], 0);
    assert!(is_lost(&read_to_error(&mut first, 0)));
    assert_eq!(drain(&mut reader).unwrap().len(), 59);
}

#[test]
fn nobody_waits_for_words_that_are_gone() {
    for len in [0, 100] {
        let (_dir, log, mut writer) = log_of(3);
        let mut reader = log.reader(From::End).unwrap();
        let waits = std::thread::spawn(move || reader.wait(PATIENCE));
        while log.path().join("control").metadata().unwrap().len() > len {
            std::thread::sleep(Duration::from_millis(20));
            set_len(&control(&log), len);
        }
        if len == 0 {
            let error = waits.join().unwrap().unwrap_err();
            assert!(is_lost(&error), "{error}");
            assert_eq!(error.path(), Some(control(&log).as_path()));
            for asked in [log.next_seq(), log.first_seq(), log.durable_seq()] {
                assert!(is_lost(&asked.unwrap_err()));
            }
            assert!(log.stats().is_err());
            assert!(is_lost(&log.reader(From::Seq(0)).unwrap_err()));
        } else {
            // Words in the rest of a page that the file has still work between processes, until a flush asks for their length.
            writer.append(b"wakes", 0).unwrap();
            assert!(waits.join().unwrap().unwrap());
            assert_eq!(writer.durability().sync().unwrap_err().kind(), ErrorKind::Poisoned);
        }
    }
}

#[test]
fn a_waiting_reader_learns_that_its_segment_is_gone_from_the_writer_who_does() {
    let (dir, log, mut writer) = log_of(3);
    let mut reader = log.reader(From::End).unwrap();
    let waits = std::thread::spawn(move || reader.wait(PATIENCE));
    std::thread::sleep(Duration::from_millis(20));
    set_len(&segments(dir.path())[0], 0);
    let (acknowledged, error) = append_to_error(&mut writer);
    assert_eq!((acknowledged, error.kind()), (0, ErrorKind::Poisoned));
    assert!(is_lost(&waits.join().unwrap().unwrap_err()));
}

#[test]
fn a_writer_acknowledges_nothing_that_is_not_in_the_file() {
    for name in ["segment", "control"] {
        for len in LENGTHS {
            let (dir, log, mut writer) = log_of(10);
            let path = if name == "control" { control(&log) } else { segments(dir.path()).remove(0) };
            if len >= path.metadata().unwrap().len() {
                continue;
            }
            let durable = writer.durability().sync().unwrap();
            set_len(&path, len);
            let place = 4096 + 10 * 1088;
            // The rest of a page is memory of the kernel that no later look at the file finds: a flush does not call it durable.
            let in_last_page = if name == "control" { len > 0 } else { len.next_multiple_of(4096) > place };
            if in_last_page {
                writer.append(b"unseen", 0).unwrap();
                let error = writer.durability().sync().unwrap_err();
                assert_eq!((error.kind(), error.path()), (ErrorKind::Poisoned, Some(path.as_path())));
            }
            let (acknowledged, error) = append_to_error(&mut writer);
            assert_eq!((acknowledged, error.kind()), (0, ErrorKind::Poisoned), "{name} {len}");
            assert_eq!(error.path(), Some(path.as_path()));
            assert_eq!(writer.durability().durable_seq(), durable);
            for _ in 0..2 {
                assert_eq!(writer.durability().sync().unwrap_err().kind(), ErrorKind::Poisoned);
                assert_eq!(writer.append(b"no", 0).unwrap_err().kind(), ErrorKind::Poisoned);
            }
            drop(writer);
            drop(log);
            let again = Chronicle::open(dir.path(), &options()).and_then(|log| log.writer(Duration::ZERO));
            assert!(matches!(again.unwrap_err().kind(), ErrorKind::Truncated | ErrorKind::EmptyFile));
        }
    }
}

#[test]
fn an_end_within_the_page_that_is_written_to_is_met_at_the_end_of_that_page() {
    let (dir, _log, mut writer) = log_of(10);
    set_len(&segments(dir.path())[0], 4096 + 10 * 1088 + 64);
    let (acknowledged, error) = append_to_error(&mut writer);
    assert!(acknowledged * 128 < 4096, "{acknowledged}");
    assert_eq!(error.kind(), ErrorKind::Poisoned);
}

#[test]
fn batches_and_claims_are_not_acknowledged_either() {
    for batch in [false, true] {
        let (dir, log, mut writer) = log_of(10);
        let place = 4096 + 10 * 1088;
        let mut reader = log.reader(From::End).unwrap();
        set_len(&segments(dir.path())[0], place + 8192);
        let result = if batch {
            let items = [BatchItem { length: 6000, type_id: 0 }; 3];
            writer.append_batch(&payload(1, 18_000), &items, None).map(|_| ())
        } else {
            writer.claim(20_000).and_then(|mut claim| {
                claim.write(15_000, b"somewhere")?;
                claim.publish(0).map(|_| ())
            })
        };
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Poisoned);
        // Its header would have been in a page that is there: it was not published.
        let file = fs::read(&segments(dir.path())[0]).unwrap();
        assert_eq!(file[place as usize + 24..][..4], [0; 4]);
        assert!(!matches!(drain(&mut reader), Ok(messages) if !messages.is_empty()));
    }
}

#[test]
fn every_flush_asks_for_the_length_of_the_file() {
    for (name, sealed) in [("active", false), ("sealed", true), ("control", false)] {
        let dir = tempfile::tempdir().unwrap();
        let log = Chronicle::open(dir.path(), &Options { sync: SyncMode::None, ..options() }).unwrap();
        let mut writer = writer(&log);
        for seq in 0..if sealed { 100 } else { 10 } {
            writer.append(&payload(seq, 1000), 0).unwrap();
        }
        let path = if name == "control" { control(&log) } else { segments(dir.path()).remove(0) };
        set_len(&path, path.metadata().unwrap().len() - 1);
        let error = writer.durability().sync().unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::Poisoned, Some(path.as_path())), "{name}");
        assert_eq!(log.durable_seq().unwrap(), 0);
    }
}

#[test]
fn with_always_nothing_is_acknowledged_in_the_rest_of_a_page() {
    let dir = tempfile::tempdir().unwrap();
    let log = Chronicle::open(dir.path(), &Options { sync: SyncMode::Always, ..options() }).unwrap();
    let mut writer = writer(&log);
    writer.append(b"there", 0).unwrap();
    set_len(&segments(dir.path())[0], 4096 + 100);
    assert_eq!(append_to_error(&mut writer).0, 0);
}

#[test]
fn a_file_that_is_made_longer_again_stays_lost_where_it_was_missed() {
    let (dir, log, mut writer) = log_of(10);
    let segment = segments(dir.path()).remove(0);
    let len = segment.metadata().unwrap().len();
    let mut reader = log.reader(From::Start).unwrap();
    set_len(&segment, 4096);
    assert_eq!(read_to_error(&mut reader, 0).kind(), ErrorKind::Truncated);
    set_len(&segment, len);
    assert!(is_lost(&read_to_error(&mut reader, 0)));
    // The writer has not met it. What it appends now is in the file, and what was before is gone, as every reader is told.
    let seq = writer.append(b"behind the gap", 0).unwrap();
    let bytes = fs::read(&segment).unwrap();
    assert!(bytes.windows(14).any(|window| window == b"behind the gap"));
    drop((reader, log));
    let log = open(dir.path());
    let error = read_to_error(&mut log.reader(From::Start).unwrap(), 0);
    assert_eq!((error.kind(), error.seq()), (ErrorKind::Corrupt, Some(0)));
    assert_eq!(seq, 10);
}

#[test]
fn words_that_became_zeros_make_nothing_durable() {
    let (_dir, log, mut writer) = log_of(10);
    let len = control(&log).metadata().unwrap().len();
    set_len(&control(&log), 0);
    set_len(&control(&log), len);
    assert_eq!(writer.durability().sync().unwrap(), 10, "what is flushed goes by what was appended");
    writer.append(b"more", 0).unwrap();
    assert_eq!(writer.durability().sync().unwrap(), 11);
}

#[test]
fn noise_over_mapped_files_is_found_by_its_checksums() {
    let (dir, log, mut writer) = log_of(100);
    let mut reader = log.reader(From::Start).unwrap();
    let files = segments(dir.path());
    for path in &files {
        let noise: Vec<u8> = (0..path.metadata().unwrap().len()).map(|i| ((i * 31) >> 3) as u8 | 1).collect();
        std::os::unix::fs::FileExt::write_all_at(
            &OpenOptions::new().write(true).open(path).unwrap(),
            &noise,
            0,
        )
        .unwrap();
    }
    assert!(reader.poll(&mut [0; 8192], &mut [Entry::default(); 4]).is_err());
    writer.append(b"over it", 0).unwrap();
}

#[test]
fn a_replaced_file_is_another_file() {
    let (dir, log, mut writer) = log_of(10);
    let mut reader = log.reader(From::Start).unwrap();
    for path in [&segments(dir.path())[0], &control(&log)] {
        fs::write(path.with_extension("new"), b"").unwrap();
        fs::rename(path.with_extension("new"), path).unwrap();
    }
    writer.append(&payload(10, 1000), 0).unwrap();
    assert_eq!(drain(&mut reader).unwrap().len(), 11);
}

#[test]
fn a_position_that_is_gone_takes_no_commit() {
    for len in [0, 100] {
        let (dir, log, _writer) = log_of(10);
        let mut reader = log.named_reader("billing", From::Start).unwrap();
        reader.poll(&mut [0; 8192], &mut [Entry::default(); 4]).unwrap();
        reader.commit(1).unwrap();
        let path = dir.path().join("readers/billing");
        set_len(&path, len);
        if len == 0 {
            assert_eq!(reader.commit(2).unwrap_err().kind(), ErrorKind::Truncated);
            assert_eq!(reader.committed(), Some(2));
        }
        assert!(is_lost(&reader.flush_position().unwrap_err()));
        drop(reader);
        assert!(log.named_reader("billing", From::Start).is_err());
    }
}

#[test]
fn an_index_that_is_gone_costs_a_walk() {
    let (dir, log, mut writer) = log_of(200);
    let mut reader = log.reader(From::Seq(120)).unwrap();
    for entry in fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "idx") {
            set_len(&path, 0);
        }
    }
    writer.append(b"more", 0).unwrap();
    assert_eq!(drain(&mut reader).unwrap().len(), 81);
    let messages: Vec<Message> = drain(&mut log.reader(From::Seq(130)).unwrap()).unwrap();
    assert_eq!(messages.len(), 71);
}

#[test]
fn a_mapped_file_says_that_it_was_truncated() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    let mut file = MmapFile::create(&path, 16_384).unwrap();
    file.range_mut(0, 16_384).unwrap().fill(7);
    file.intact().unwrap();
    set_len(&path, 4096);
    assert_eq!(file.intact().unwrap_err().kind(), ErrorKind::Truncated);
    assert_eq!(file.flush().unwrap_err().kind(), ErrorKind::Truncated);
    assert_eq!(file.range(4095, 2).unwrap(), [7, 0], "nobody has missed a page yet");
    assert_eq!(file.range(0, 1).unwrap_err().kind(), ErrorKind::Truncated);
    assert_eq!(file.flush_range(0, 1).unwrap_err().kind(), ErrorKind::Truncated);
    file.as_mut_slice()[8192..].fill(1);
    set_len(&path, 16_384);
    assert_eq!(file.intact().unwrap_err().kind(), ErrorKind::Io, "what was written has not come to the file");
    drop(file);
    MmapFile::open(&path).unwrap().intact().unwrap();
}

#[test]
fn noise_over_the_shared_words_ends_in_no_panic_and_no_wait() {
    for noise in [[0xFF; 4096], [0x5A; 4096], std::array::from_fn(|i| ((i * 37) >> 2) as u8)] {
        let (dir, log, mut writer) = log_of(100);
        let mut reader = log.reader(From::Seq(90)).unwrap();
        let mut named = log.named_reader("billing", From::Start).unwrap();
        named.poll(&mut [0; 8192], &mut [Entry::default(); 4]).unwrap();
        for path in [control(&log), dir.path().join("readers/billing")] {
            let file = OpenOptions::new().write(true).open(path).unwrap();
            std::os::unix::fs::FileExt::write_all_at(&file, &noise, 0).unwrap();
        }
        named.commit(2).unwrap();
        for _ in 0..20 {
            writer.append(&payload(100, 1000), 0).unwrap();
            let _ = reader.poll(&mut [0; 8192], &mut [Entry::default(); 4]);
        }
        writer.durability().sync().unwrap();
        let _ = reader.wait(Duration::from_millis(5));
        for from in [From::Start, From::End, From::Last(3), From::Time(1), From::Seq(u64::MAX)] {
            let _ = log.reader(from).map(|mut reader| {
                let _ = reader.poll(&mut [0; 8192], &mut [Entry::default(); 4]);
                let _ = reader.poll_back(&mut [0; 8192], &mut [Entry::default(); 4]);
            });
        }
        let _ = (log.stats(), log.prune(&Retention::default(), false), log.set_reader("other", 3));
        drop((named, reader, writer, log));
        assert!(Chronicle::open(dir.path(), &options()).is_err(), "the identity is noise");
    }
}
