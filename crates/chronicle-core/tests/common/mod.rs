//! What several test files need.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking, and its numbers are small"
)]
#![allow(dead_code, reason = "each test file uses its own part")]

#[cfg(unix)]
pub mod child;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chronicle_core::{
    Chronicle, Entry, From, HEADER_LEN, MessageHeader, Options, Reader, Result, SyncMode, Writer,
};

/// Whether a log can tell that it was recovered in this boot. Where it cannot, each opening for writing flushes what it finds.
pub const BOOTS_ARE_KNOWN: bool = cfg!(all(target_os = "linux", not(chronicle_portable)));

/// A message as a test sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub seq: u64,
    pub type_id: u32,
    pub batch_remaining: u32,
    pub timestamp_ns: u64,
    pub payload: Vec<u8>,
}

pub fn options() -> Options {
    Options { sync: SyncMode::None, segment_bytes: Some(64 << 10), ..Options::default() }
}

pub fn open(dir: &Path) -> Chronicle {
    Chronicle::open(dir, &options()).unwrap()
}

pub fn writer(log: &Chronicle) -> Writer {
    log.writer(Duration::ZERO).unwrap()
}

/// Everything that a reader gets before it reaches the head.
pub fn drain(reader: &mut Reader) -> Result<Vec<Message>> {
    let mut messages = Vec::new();
    let mut slab = vec![0; 4096];
    let mut entries = [Entry::default(); 7];
    loop {
        let run = reader.poll(&mut slab, &mut entries)?;
        if run.need > 0 {
            slab.resize(run.need, 0);
            continue;
        }
        if run.count == 0 {
            return Ok(messages);
        }
        messages.extend(entries[..run.count].iter().map(|entry| Message {
            seq: entry.seq,
            type_id: entry.type_id,
            batch_remaining: entry.batch_remaining,
            timestamp_ns: entry.timestamp_ns,
            payload: slab[entry.offset as usize..][..entry.length as usize].to_vec(),
        }));
    }
}

pub fn read_all(log: &Chronicle) -> Result<Vec<Message>> {
    drain(&mut log.reader(From::Start)?)
}

pub fn payloads(messages: &[Message]) -> Vec<&[u8]> {
    messages.iter().map(|m| m.payload.as_slice()).collect()
}

/// Appends the messages with these seqs, each with a payload of `len` bytes.
pub fn append(writer: &mut Writer, seqs: Range<u64>, len: usize) {
    for seq in seqs {
        assert_eq!(writer.append(&payload(seq, len), 0).unwrap(), seq);
    }
}

/// Bytes that differ from message to message.
pub fn payload(seq: u64, len: usize) -> Vec<u8> {
    (0..len as u64).map(|i| (seq.wrapping_mul(31).wrapping_add(i * 7) >> 3) as u8 | 1).collect()
}

/// The segment files, ascending.
pub fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
        .collect();
    paths.sort();
    paths
}

/// Every file below `dir` with its bytes: to show that nothing was changed.
pub fn snapshot(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(snapshot(&path));
        } else {
            files.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
    files.sort();
    files
}

/// Changes bytes of a file in place.
pub fn patch(path: &Path, offset: u64, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    let mut tail = bytes.split_off(usize::try_from(offset).unwrap());
    change(&mut tail);
    bytes.extend(tail);
    std::fs::write(path, bytes).unwrap();
}

/// A directory in memory, where there is such a place: for tests that flush often and need no real disk.
pub fn memory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// Makes the log look as if the machine had been switched off: the boot id in `control` is of no boot.
pub fn reboot(dir: &Path) {
    patch(&dir.join("control"), 320, |bytes| bytes[..16].fill(0xEE));
}

/// The records of a segment file: offset and header, END included, up to where nothing is published.
pub fn records(path: &Path) -> Vec<(u64, MessageHeader)> {
    let bytes = std::fs::read(path).unwrap();
    let (mut offset, mut records) = (4096, Vec::new());
    // A power cut may leave the name of a segment that was pruned, and none of its bytes.
    while let Some(Ok(header)) =
        bytes.get(offset..).and_then(<[u8]>::first_chunk).map(MessageHeader::from_bytes)
    {
        if !header.is_valid() {
            break;
        }
        records.push((offset as u64, header));
        offset += (HEADER_LEN + header.length as usize).next_multiple_of(HEADER_LEN);
    }
    records
}

/// The segment file and offset of the message with this seq.
pub fn find(dir: &Path, seq: u64) -> (PathBuf, u64) {
    let found = segments(dir).into_iter().find_map(|path| {
        let records = records(&path);
        let (offset, _) = *records.iter().find(|(_, header)| header.seq == seq && !header.is_end())?;
        Some((path, offset))
    });
    found.unwrap()
}

/// The files in `quarantine/` with their bytes, by name.
pub fn quarantined(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let path = dir.join("quarantine");
    if path.exists() { snapshot(&path) } else { Vec::new() }
}

/// How many segments have an index.
pub fn index_files(dir: &Path) -> usize {
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().ends_with(".idx")).count()
}
