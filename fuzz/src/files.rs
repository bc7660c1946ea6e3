//! Each kind of file by itself: damaged or forged, in a log whose other files are sound.

use std::fs;
use std::path::Path;
use std::time::Duration;

use arbitrary::Arbitrary;
use chronicle_core::{Chronicle, ErrorKind, From, MAX_SEQ, Options, SyncMode, repair, verify};

use crate::forge::{self, Edit, get32, get64, time_of};
use crate::place;
use crate::read::{Message, Way, check, checked, drain};

fn options(read_only: bool) -> Options {
    Options { create: false, read_only, sync: SyncMode::None, ..Options::default() }
}

fn edit(path: &Path, edits: &[Edit], seal: Option<fn(&mut [u8])>) -> Vec<u8> {
    let mut bytes = fs::read(path).unwrap();
    for edit in edits.iter().take(8) {
        edit.apply(&mut bytes);
    }
    if let Some(seal) = seal {
        seal(&mut bytes);
    }
    fs::write(path, &bytes).unwrap();
    bytes
}

/// Whether these are messages of the log as it was made, one behind the other.
fn assert_right(messages: &[Message], way: Way) {
    for pair in messages.windows(2) {
        let (before, after) = if matches!(way, Way::Forward) { (0, 1) } else { (1, 0) };
        assert_eq!(pair[before].seq + 1, pair[after].seq);
    }
    for message in messages {
        assert_eq!(message.payload, forge::payload(message.seq, message.payload.len() as u32));
        assert_eq!(message.timestamp_ns, time_of(message.seq));
    }
}

#[derive(Debug, Arbitrary)]
pub struct ControlInput {
    this_boot: bool,
    sealed: bool,
    edits: Vec<Edit>,
    write: bool,
}

/// Whatever the control file says, what is read of sound segments is right.
pub fn control(input: &ControlInput) {
    let dir = place::fresh("control");
    forge::log(&dir, input.this_boot);
    let bytes = edit(&dir.join("control"), &input.edits, input.sealed.then_some(forge::seal_control));
    // Of another chronicle, the segments are not its own.
    let log = match Chronicle::open(&dir, &options(true)) {
        Ok(log) => log,
        Err(e) => return check(&e),
    };
    assert_eq!(crc32fast::hash(&bytes[..60]), get32(&bytes, 60));
    assert_eq!((&bytes[..8], get32(&bytes, 8), get32(&bytes, 12)), (&b"CHRONCTL"[..], 1, 0));
    assert!(bytes.len() >= 4096 && get64(&bytes, 48).is_multiple_of(4096));
    checked(log.stats());
    for from in [From::Start, From::End, From::Seq(7), From::Last(3), From::Time(2020)] {
        let Some(mut reader) = checked(log.reader(from)) else { continue };
        let (messages, end) = drain(&mut reader, Way::Forward, 64, 4);
        assert_right(&messages, Way::Forward);
        checked(end);
    }
    let sound = checked(verify(&dir, |_, _| ())).is_some_and(|report| report.is_sound());
    if input.write {
        write_on(&dir, sound);
    }
}

/// Appends one message, which has to be the last one then; repairs what refuses that.
fn write_on(dir: &Path, sound: bool) {
    let log = Chronicle::open(dir, &options(false)).unwrap();
    let mut writer = match log.writer(Duration::ZERO) {
        Ok(writer) => writer,
        Err(e) => {
            check(&e);
            assert!(!sound || matches!(e.kind(), ErrorKind::ReadOnly | ErrorKind::SeqExhausted), "{e:?}");
            drop(log);
            checked(repair(dir));
            return;
        }
    };
    if let Some(seq) = checked(writer.append(b"more", 1)) {
        let mut reader = log.reader(From::Start).unwrap();
        let (messages, end) = drain(&mut reader, Way::Forward, 64, 4);
        end.unwrap();
        let (last, before) = messages.split_last().unwrap();
        assert_eq!((last.seq, &last.payload[..]), (seq, &b"more"[..]));
        assert_right(before, Way::Forward);
    }
}

#[derive(Debug, Arbitrary)]
pub struct SegmentInput {
    sealed: bool,
    edits: Vec<Edit>,
}

/// What the format says of the header of the segment that starts at 0.
fn header_refusal(bytes: &[u8]) -> Option<ErrorKind> {
    if bytes.len() < 4096 {
        return Some(if bytes.is_empty() { ErrorKind::EmptyFile } else { ErrorKind::Truncated });
    }
    let (base, size) = (get64(bytes, 40), get64(bytes, 48));
    let rules = [
        (&bytes[..8] == b"CHRONSEG", ErrorKind::BadMagic),
        (get32(bytes, 8) == 1, ErrorKind::UnsupportedVersion),
        (crc32fast::hash(&bytes[..4092]) == get32(bytes, 4092), ErrorKind::Corrupt),
        (get32(bytes, 12) == 0, ErrorKind::UnsupportedFeature),
        (bytes[76..4092].iter().all(|&byte| byte == 0), ErrorKind::UnsupportedFeature),
        (
            (8192..=4 << 30).contains(&size) && size.is_multiple_of(4096) && base <= MAX_SEQ + 1,
            ErrorKind::OutOfBounds,
        ),
        (size <= bytes.len() as u64, ErrorKind::Truncated),
        (size == bytes.len() as u64 && bytes[24..40] == forge::ID && base == 0, ErrorKind::Corrupt),
    ];
    rules.iter().find(|(holds, _)| !holds).map(|(_, kind)| *kind)
}

/// The header of a segment, compared with what the format says of it; and any record behind it.
pub fn segment(input: &SegmentInput) {
    let dir = place::fresh("segment");
    forge::log(&dir, true);
    let bytes = edit(
        &dir.join("00000000000000000000.seg"),
        &input.edits,
        input.sealed.then_some(forge::seal_segment),
    );
    let log = Chronicle::open(&dir, &options(true)).unwrap();
    let opened = log.reader(From::Start);
    assert_eq!(opened.as_ref().err().map(|e| e.kind()), header_refusal(&bytes));
    if let Ok(mut reader) = opened {
        let (messages, end) = drain(&mut reader, Way::Forward, 4096, 4);
        let sound = end.is_ok();
        checked(end);
        checked(drain(&mut log.reader(From::End).unwrap(), Way::Backward, 64, 3).1);
        let report = verify(&dir, |_, _| ()).unwrap();
        if report.is_sound() {
            assert!(sound);
            assert_eq!(report.messages, messages.len() as u64);
        }
    }
}

#[derive(Debug, Arbitrary)]
pub struct IndexInput {
    sealed: bool,
    entries: Vec<(u8, i8, Place)>,
    edits: Vec<Edit>,
    seq: u8,
    time: u16,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Place {
    Record(u8),
    Anywhere(u32),
}

/// However wrong an index is: what is read by it is what is read without.
pub fn index(input: &IndexInput) {
    let dir = place::fresh("index");
    let head = forge::log(&dir, true);
    let places = forge::places(&fs::read(dir.join("00000000000000000006.seg")).unwrap());
    let entries: Vec<(u64, u64, u64)> = input
        .entries
        .iter()
        .take(8)
        .map(|&(seq, late, at)| {
            let seq = u64::from(seq);
            let at = match at {
                Place::Record(nth) => places[usize::from(nth) % places.len()] as u64,
                Place::Anywhere(at) => at.into(),
            };
            (seq, time_of(seq).wrapping_add_signed(late.into()), at)
        })
        .collect();
    let path = dir.join("00000000000000000006.idx");
    fs::write(&path, forge::index(6, &entries)).unwrap();
    edit(&path, &input.edits, input.sealed.then_some(forge::seal_index));
    let log = Chronicle::open(&dir, &options(true)).unwrap();
    let seq = u64::from(input.seq) % (head + 2);
    let time = 2000 + u64::from(input.time) % 100;
    let first_at = (0..head).find(|&seq| time_of(seq) >= time).unwrap_or(head);
    for (from, first) in
        [(From::Seq(seq), seq), (From::Time(time), first_at), (From::Last(seq), head.saturating_sub(seq))]
    {
        let (messages, end) = drain(&mut log.reader(from).unwrap(), Way::Forward, 64, 4);
        end.unwrap();
        assert_eq!(messages.first().map(|message| message.seq), (first < head).then_some(first));
        assert_eq!(messages.len() as u64, head.saturating_sub(first));
        assert_right(&messages, Way::Forward);
    }
    let (messages, end) = drain(&mut log.reader(From::Seq(seq.min(head))).unwrap(), Way::Backward, 64, 4);
    end.unwrap();
    assert_eq!(messages.len() as u64, seq.min(head));
    assert_right(&messages, Way::Backward);
    let report = verify(&dir, |_, _| ()).unwrap();
    assert!(report.is_sound() && report.messages == head);
}

#[derive(Debug, Arbitrary)]
pub struct PositionInput {
    sealed: bool,
    slots: [(u64, u16); 4],
    edits: Vec<Edit>,
    steps: u8,
}

/// The generation and position that the format says these bytes hold.
fn stored(bytes: &[u8]) -> Option<(u64, u64)> {
    let identity = bytes.len() >= 4096
        && (&bytes[..8], get32(bytes, 8), get32(bytes, 12), get32(bytes, 16)) == (&b"CHRONPOS"[..], 1, 0, 0)
        && bytes[24..40] == forge::ID
        && crc32fast::hash(&bytes[..60]) == get32(bytes, 60);
    let slots = [512, 1024, 1536, 2048].into_iter().filter_map(|at| {
        let (generation, next_seq) = (get64(bytes, at), get64(bytes, at + 8));
        let whole = crc32fast::hash(&bytes[at..at + 16]) == get32(bytes, at + 16);
        (whole && generation != 0 && generation != u64::MAX && next_seq <= MAX_SEQ + 1)
            .then_some((generation, next_seq))
    });
    let newest = slots.max().filter(|(generation, _)| *generation <= 1 << 63);
    identity.then_some(newest)?
}

/// A position is what the newest whole slot says, and goes on from there.
pub fn position(input: &PositionInput) {
    let dir = place::fresh("position");
    let head = forge::log(&dir, true);
    let path = dir.join("readers/billing");
    fs::write(&path, forge::position(&input.slots.map(|(generation, seq)| (generation, seq.into()))))
        .unwrap();
    let bytes = edit(&path, &input.edits, input.sealed.then_some(forge::seal_position));
    let log = Chronicle::open(&dir, &options(false)).unwrap();
    let expected = if bytes.len() < 4096 { None } else { stored(&bytes) };
    let mut reader = match log.named_reader("billing", From::Start) {
        Ok(reader) => reader,
        Err(e) => {
            check(&e);
            assert_eq!(expected, None, "{e:?}");
            return;
        }
    };
    let (generation, expected) = expected.expect("a position without a whole slot is refused");
    if generation > (1 << 63) - 64 {
        // Counting on from here leads to one that is refused.
        return;
    }
    assert_eq!(reader.moved_back_from(), (expected > head).then_some(expected));
    let (start, mut committed) = (expected.min(head), expected.min(head));
    assert_eq!(reader.committed(), Some(start));
    let (messages, end) = drain(&mut reader, Way::Forward, 64, 4);
    end.unwrap();
    assert_eq!(messages.len() as u64, head - start);
    for step in 0..u64::from(input.steps % 32) {
        let seq = start + step;
        if reader.commit(seq).is_ok() {
            assert!(seq < head);
            committed = seq + 1;
        }
        // A process that is killed here has committed this much.
        let copy = place::fresh("position-copy");
        place::copy(&dir, &copy);
        let again = Chronicle::open(&copy, &options(true)).unwrap().readers().unwrap();
        assert_eq!(again[0].next_seq, committed);
        if step % 3 == 0 {
            reader.flush_position().unwrap();
        }
    }
    drop(reader);
    assert_eq!(log.named_reader("billing", From::Start).unwrap().committed(), Some(committed));
}
