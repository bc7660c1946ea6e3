//! The worked example of `docs/FORMAT.md`: the bytes there are those that this crate writes, and this crate reads them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use chronicle_core::{BatchItem, Chronicle, Entry, From, Options, SyncMode, Writer, crc32, verify};

const SEGMENT_BYTES: u64 = 128 << 10;
/// What the example has in the place of the random id, the clock and the boot.
const ID: [u8; 16] = *b"sixteen random b";
const BOOT: [u8; 16] = *b"id of some boot.";
const TIME: u64 = 1_700_000_000_000_000_000;
/// Where the first record of a segment stands.
const RECORDS: usize = 4096;

/// The files of the example, by their path in the directory.
type Files = BTreeMap<String, Vec<u8>>;

fn options() -> Options {
    Options { sync: SyncMode::None, segment_bytes: Some(SEGMENT_BYTES), ..Options::default() }
}

fn expected() -> Vec<(u32, Vec<u8>)> {
    vec![
        (7, b"hello".to_vec()),
        (1, b"packed".to_vec()),
        (2, Vec::new()),
        (0, vec![b'x'; 66_000]),
        (3, b"late".to_vec()),
        (0, vec![b'y'; 61_000]),
    ]
}

fn append(writer: &mut Writer, seq: usize) {
    let (type_id, payload) = expected().swap_remove(seq);
    writer.append(&payload, u16::try_from(type_id).unwrap()).unwrap();
}

/// Makes the log that the document describes.
fn write(dir: &Path) {
    let log = Chronicle::open(dir, &options()).unwrap();
    let mut writer = log.writer(Duration::ZERO).unwrap();
    append(&mut writer, 0);
    let items = [BatchItem { length: 6, type_id: 1 }, BatchItem { length: 0, type_id: 2 }];
    assert_eq!(writer.append_batch(b"packed", &items, None).unwrap(), (1, 2));
    assert_eq!(writer.durability().sync().unwrap(), 3);
    for seq in 3..6 {
        append(&mut writer, seq);
    }
    assert_eq!(writer.durability().sync().unwrap(), 6);
    let mut reader = log.named_reader("billing", From::Start).unwrap();
    let run = reader.poll(&mut [0; 64], &mut [Entry::default(); 3]).unwrap();
    assert_eq!(run.count, 3);
    reader.commit(2).unwrap();
}

fn load(dir: &Path) -> Files {
    let files = common::snapshot(dir).into_iter().map(|(path, bytes)| {
        let name: Vec<_> =
            path.strip_prefix(dir).unwrap().iter().map(|part| part.to_string_lossy().into_owned()).collect();
        (name.join("/"), bytes)
    });
    files.collect()
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(bytes[offset..offset + 4].try_into().unwrap())
}

/// Changes bytes under a checksum that has to hold before, and makes it hold again.
fn change(bytes: &mut [u8], covered: usize, checksum: usize, change: impl FnOnce(&mut [u8])) {
    assert_eq!(u32_at(bytes, checksum), crc32(&bytes[..covered]), "the checksum covers other bytes");
    change(bytes);
    let sum = crc32(&bytes[..covered]);
    bytes[checksum..checksum + 4].copy_from_slice(&sum.to_le_bytes());
}

fn set_time(bytes: &mut [u8], offset: usize, time: u64) {
    let old = u64::from_le_bytes(bytes[offset..offset + 8].try_into().unwrap());
    assert!(old > TIME, "the field at {offset} holds no time: {old}");
    bytes[offset..offset + 8].copy_from_slice(&time.to_le_bytes());
}

/// Puts the example's time into each record; the message with seq n was appended n milliseconds after the rest.
fn fix_records(segment: &mut [u8]) {
    let mut offset = RECORDS;
    loop {
        let record = &mut segment[offset..];
        let flags = record[26];
        if flags & 1 == 0 {
            return;
        }
        // A batch has one time, and END that of the message before it.
        let seq = u64::from(record[0]);
        let stamped = if flags & 2 != 0 || seq == 2 { seq - 1 } else { seq };
        record[26] &= !1;
        change(record, 60, 60, |record| set_time(record, 8, TIME + stamped * 1_000_000));
        record[26] = flags;
        offset += (64 + u32_at(record, 16) as usize).next_multiple_of(64);
    }
}

/// Puts the example's values in the place of the id, the times and the boot, which differ from run to run.
fn fix(files: &mut Files) {
    for (name, bytes) in files {
        let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
        match extension {
            _ if name == "control" => {
                change(bytes, 60, 60, |bytes| {
                    bytes[24..40].copy_from_slice(&ID);
                    set_time(bytes, 40, TIME);
                });
                change(&mut bytes[320..], 16, 16, |boot| boot[..16].copy_from_slice(&BOOT));
            }
            Some("seg") => {
                change(bytes, 4092, 4092, |bytes| {
                    bytes[24..40].copy_from_slice(&ID);
                    set_time(bytes, 56, TIME);
                    if bytes[40] > 0 {
                        set_time(bytes, 64, TIME + 4_000_000);
                    }
                });
                fix_records(bytes);
            }
            Some("idx") => {
                change(bytes, 60, 60, |bytes| bytes[24..40].copy_from_slice(&ID));
                for entry in bytes[64..].chunks_exact_mut(32) {
                    let seq = u64::from(entry[0]);
                    change(entry, 28, 28, |entry| set_time(entry, 8, TIME + seq * 1_000_000));
                }
            }
            _ if name.starts_with("readers/") => {
                change(bytes, 60, 60, |bytes| bytes[24..40].copy_from_slice(&ID));
            }
            _ => assert!(bytes.is_empty(), "{name} is not in the document"),
        }
    }
}

/// As `hexdump -C` prints it: a star stands for lines that are as the one before.
fn dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    let mut last: Option<&[u8]> = None;
    for (index, line) in bytes.chunks(16).enumerate() {
        if last == Some(line) {
            if !text.ends_with("*\n") {
                text.push_str("*\n");
            }
            continue;
        }
        last = Some(line);
        let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let (left, right) = hex.split_at(hex.len().min(8));
        let shown: String =
            line.iter().map(|&b| if (0x20..0x7F).contains(&b) { char::from(b) } else { '.' }).collect();
        writeln!(text, "{:08x}  {:23}  {:23}  |{shown}|", index * 16, left.join(" "), right.join(" "))
            .unwrap();
    }
    writeln!(text, "{:08x}", bytes.len()).unwrap();
    text
}

/// The bytes of a dump.
fn undump(text: &str) -> Vec<u8> {
    let mut bytes: Vec<u8> = Vec::new();
    let mut repeat = false;
    for line in text.lines() {
        if line == "*" {
            repeat = true;
            continue;
        }
        let offset = usize::from_str_radix(&line[..8], 16).unwrap();
        while repeat && bytes.len() < offset {
            bytes.extend_from_within(bytes.len() - 16..);
        }
        repeat = false;
        assert_eq!(bytes.len(), offset, "a line is missing before {line}");
        let hex = line[8..].split('|').next().unwrap().split_whitespace();
        bytes.extend(hex.map(|byte| u8::from_str_radix(byte, 16).unwrap()));
    }
    bytes
}

/// The dumps in the document, by the name of the file that each one shows.
fn documented() -> BTreeMap<String, String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/FORMAT.md");
    let text = fs::read_to_string(path).unwrap();
    let blocks = text.split("```hexdump ").skip(1).map(|rest| {
        let (name, rest) = rest.split_once('\n').unwrap();
        (name.trim().to_owned(), rest.split("```").next().unwrap().to_owned())
    });
    blocks.collect()
}

#[test]
fn the_example_is_what_a_writer_writes() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    let mut files = load(dir.path());
    fix(&mut files);
    let documented = documented();
    let mut missing = String::new();
    for (name, bytes) in files {
        let dump = dump(&bytes);
        assert_eq!(undump(&dump), bytes);
        if !bytes.is_empty() && documented.get(&name) != Some(&dump) {
            write!(missing, "```hexdump {name}\n{dump}```\n").unwrap();
        }
    }
    assert!(missing.is_empty(), "docs/FORMAT.md has to show:\n{missing}");
}

#[test]
fn the_example_is_what_a_reader_reads() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("readers")).unwrap();
    let documented = documented();
    assert_eq!(documented.len(), 6);
    for (name, dump) in &documented {
        fs::write(dir.path().join(name), undump(dump)).unwrap();
    }
    let report = verify(dir.path(), |_, _| ()).unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    assert_eq!((report.segments, report.messages, report.readers), (2, 6, 1));

    let log = Chronicle::open(dir.path(), &options()).unwrap();
    let messages = common::read_all(&log).unwrap();
    let read: Vec<_> = messages.iter().map(|m| (m.type_id, m.payload.clone())).collect();
    assert_eq!(read, expected());
    assert_eq!(messages[4].timestamp_ns, TIME + 4_000_000);
    assert_eq!(log.named_reader("billing", From::End).unwrap().next_seq(), 3);

    let mut writer = log.writer(Duration::ZERO).unwrap();
    let recovery = log.stats().unwrap().recovery.unwrap();
    assert!(!recovery.same_boot && recovery.quarantined.is_empty());
    assert_eq!(writer.append(b"next", 0).unwrap(), 6);
}
