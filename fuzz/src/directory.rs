//! A whole directory of damaged and forged files: reading, verifying, writing and repairing come to an end, and a repair helps.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arbitrary::Arbitrary;
use chronicle_core::{Chronicle, From, MAX_SEQ, Options, Retention, Severity, SyncMode, repair, verify};

use crate::forge::{self, Edit, get64, put32, put64};
use crate::place;
use crate::read::{Way, checked, drain};

#[derive(Debug, Arbitrary)]
pub struct Damaged {
    this_boot: bool,
    sealed: bool,
    changes: Vec<Change>,
}

#[derive(Debug, Arbitrary)]
enum Change {
    /// Bytes of any file.
    Edit(u8, Edit),
    /// A field of a record: which segment, which record, which field.
    Field(u8, u8, u8, u64),
    /// A word of `control`: which, and what is added.
    Word(u8, i64),
    Remove(u8),
    /// One file gets the bytes of another.
    Replace(u8, u8),
    /// A sector is lost, or another one takes its place.
    Sector(u8, u8, Option<u8>),
    /// A segment gets another name, and the base seq that the name says.
    Rename(u8, u8),
}

const FILES: [&str; 8] = [
    "control",
    "00000000000000000000.seg",
    "00000000000000000006.seg",
    "00000000000000000012.seg",
    "00000000000000000000.idx",
    "00000000000000000006.idx",
    "00000000000000000012.idx",
    "readers/billing",
];
const SECTOR: usize = 512;

fn change(dir: &Path, change: &Change) {
    let path = |nth: u8| dir.join(FILES[usize::from(nth) % FILES.len()]);
    let segment = |nth: u8| dir.join(FILES[1 + usize::from(nth) % 3]);
    let with = |path: PathBuf, change: &dyn Fn(&mut Vec<u8>)| {
        let Ok(mut bytes) = fs::read(&path) else { return };
        change(&mut bytes);
        fs::write(path, bytes).unwrap();
    };
    match *change {
        Change::Edit(file, edit) => with(path(file), &|bytes| edit.apply(bytes)),
        Change::Field(file, nth, field, value) => with(segment(file), &|bytes| {
            let places = forge::places(bytes);
            let Some(&at) = places.get(usize::from(nth) % places.len().max(1)) else { return };
            match field % 8 {
                0 => put64(bytes, at, value),
                1 => put64(bytes, at + 8, value),
                2 => put32(bytes, at + 16, value as u32),
                3 => put32(bytes, at + 20, value as u32),
                4 => put32(bytes, at + 24, value as u32),
                5 => put32(bytes, at + 28, value as u32),
                6 => put32(bytes, at + 32, value as u32),
                _ => put64(bytes, at + 36, value),
            }
        }),
        Change::Word(nth, more) => with(dir.join("control"), &|bytes| {
            let at = [64, 128, 192, 256, 264, 384, 448, 512, 576, 48][usize::from(nth) % 10];
            if bytes.len() >= at + 8 {
                let word = get64(bytes, at).wrapping_add_signed(more);
                put64(bytes, at, word);
            }
        }),
        // One that is gone already is as good.
        Change::Remove(file) => drop(fs::remove_file(path(file))),
        Change::Replace(from, to) => {
            if let Ok(bytes) = fs::read(path(from)) {
                fs::write(path(to), bytes).unwrap();
            }
        }
        Change::Sector(file, at, from) => with(path(file), &|bytes| {
            let sectors = (bytes.len() / SECTOR).max(1);
            let start = |nth: u8| usize::from(nth) % sectors * SECTOR;
            if bytes.len() < SECTOR {
                return;
            }
            match from {
                Some(from) => bytes.copy_within(start(from)..start(from) + SECTOR, start(at)),
                None => bytes[start(at)..start(at) + SECTOR].fill(0),
            }
        }),
        Change::Rename(file, base) => {
            let from = segment(file);
            let base = u64::from(base) % 24;
            let to = dir.join(format!("{base:020}.seg"));
            if fs::rename(from, &to).is_ok() {
                with(to, &|bytes| {
                    if bytes.len() >= 4096 {
                        put64(bytes, 40, base);
                    }
                });
            }
        }
    }
}

fn seal(dir: &Path) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Ok(mut bytes) = fs::read(&path) else { continue };
        match name.rsplit('.').next() {
            Some("seg") => forge::seal_segment(&mut bytes),
            Some("idx") => forge::seal_index(&mut bytes),
            Some("control") => forge::seal_control(&mut bytes),
            _ => continue,
        }
        fs::write(path, bytes).unwrap();
    }
    let path = dir.join("readers/billing");
    if let Ok(mut bytes) = fs::read(&path) {
        forge::seal_position(&mut bytes);
        fs::write(path, bytes).unwrap();
    }
}

fn options(read_only: bool) -> Options {
    Options { create: false, read_only, sync: SyncMode::None, ..Options::default() }
}

/// Reads from everywhere, in both directions. Returns how many messages there are, where nothing is refused.
fn read(dir: &Path) -> Option<u64> {
    let log = checked(Chronicle::open(dir, &options(true)))?;
    checked(log.stats());
    let mut count = None;
    for from in [From::Start, From::Seq(8), From::Time(2030), From::Last(2), From::End] {
        let Some(mut reader) = checked(log.reader(from)) else { continue };
        let (messages, end) = drain(&mut reader, Way::Forward, 100, 5);
        assert!(messages.windows(2).all(|pair| pair[0].seq + 1 == pair[1].seq));
        let whole = checked(end).is_some();
        if from == From::Start && whole {
            count = Some(messages.len() as u64);
        }
        if let Some(mut reader) = checked(log.reader(from)) {
            checked(drain(&mut reader, Way::Backward, 100, 5).1);
        }
    }
    count
}

/// Appends, commits, prunes. Returns whether the log could be opened for writing.
fn write(dir: &Path) -> bool {
    let Some(log) = checked(Chronicle::open(dir, &options(false))) else { return false };
    let Some(mut writer) = checked(log.writer(Duration::ZERO)) else { return false };
    let room = writer.next_seq() <= MAX_SEQ;
    for length in [3, 5000, 70_000] {
        let appended = checked(writer.append(&vec![7; length], 1));
        assert!(appended.is_some() || !room || writer.next_seq() > MAX_SEQ);
    }
    if let Some(mut reader) = checked(log.named_reader("billing", From::Start)) {
        let (messages, end) = drain(&mut reader, Way::Forward, 100, 5);
        checked(end);
        if let Some(last) = messages.last() {
            reader.commit(last.seq).unwrap();
        }
    }
    checked(log.prune(&Retention { keep_messages: Some(2), ..Retention::default() }, false));
    true
}

/// See the top of this file.
pub fn directory(input: &Damaged) {
    let (dir, copy) = (place::fresh("directory"), place::fresh("directory-copy"));
    forge::log(&dir, input.this_boot);
    for one in input.changes.iter().take(12) {
        change(&dir, one);
    }
    if input.sealed {
        seal(&dir);
    }
    place::copy(&dir, &copy);
    let count = read(&dir);
    let report = checked(verify(&dir, |_, _| ()));
    if report.as_ref().is_some_and(|report| report.problems.iter().all(|p| p.severity != Severity::Data)) {
        assert_eq!(count, report.map(|report| report.messages), "verify and a reader find different logs");
    }
    write(&dir);
    let Some(repaired) = checked(repair(&copy)) else { return };
    let report = verify(&copy, |_, _| ()).unwrap();
    assert!(report.is_sound(), "{repaired:?} leaves {:?}", report.problems);
    assert_eq!(read(&copy), Some(report.messages));
    assert!(write(&copy), "a repaired log cannot be written to");
}
