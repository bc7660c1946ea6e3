//! Opening for writing, rule by rule: what is cut, what is kept, what is refused.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking, and its numbers are small"
)]

#[path = "../common/mod.rs"]
mod common;
mod lives;
#[cfg(not(chronicle_portable))]
mod same_boot;
mod torn;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chronicle_core::{
    BatchItem, Chronicle, Error, ErrorKind, From, HEADER_LEN, MessageHeader, RecoveryReport, VALID, crc32,
};
use common::{
    drain, find, open, patch, payload, payloads, quarantined, read_all, reboot, records, segments, snapshot,
    writer,
};

/// Bytes of a payload.
const LEN: usize = 1000;
/// Bytes of its record, and how many of them fill a segment.
const RECORD: u64 = 1088;
const PER_SEGMENT: u64 = 56;
const HEADER: u64 = 4096;
/// Where `control` keeps the number of the last opening, and its two durable points.
const EPOCH: u64 = 260;
const DURABLE: u64 = 384;

/// A closed log of `count` messages, the first `durable` of which count as flushed.
fn log_of(count: u64, durable: u64) -> (tempfile::TempDir, Chronicle) {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    append(&log, durable);
    writer(&log).durability().sync().unwrap();
    append(&log, count - durable);
    assert_eq!(log.durable_seq().unwrap(), durable);
    (dir, log)
}

fn append(log: &Chronicle, count: u64) {
    let mut writer = writer(log);
    for _ in 0..count {
        writer.append(&payload(writer.next_seq(), LEN), 0).unwrap();
    }
}

/// Opens for writing and closes again.
fn recover(log: &Chronicle) -> RecoveryReport {
    drop(writer(log));
    log.stats().unwrap().recovery.unwrap()
}

/// The messages `0..count` of [`log_of`], and nothing else.
fn holds(log: &Chronicle, count: u64) {
    let messages = read_all(log).unwrap();
    let expected: Vec<Vec<u8>> = (0..count).map(|seq| payload(seq, LEN)).collect();
    assert!(payloads(&messages) == expected, "{} messages instead of {count}", messages.len());
    assert_eq!(log.next_seq().unwrap(), count);
}

/// The log can be written to, rolls, and holds both what was there and what came.
fn goes_on(log: &Chronicle, count: u64) {
    holds(log, count);
    append(log, 120);
    holds(log, count + 120);
    reboot(log.path());
    recover(log);
    holds(log, count + 120);
}

fn refused(log: &Chronicle) -> Error {
    let before = unshared(log.path());
    let error = log.writer(Duration::ZERO).unwrap_err();
    assert!(unshared(log.path()) == before, "a refusal must change nothing: {error}");
    error
}

/// All files but the lock and the words of `control` that a writer stores before it looks.
fn unshared(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = snapshot(dir);
    files.retain(|(path, _)| !path.ends_with("writer.lock"));
    for (_, bytes) in files.iter_mut().filter(|(path, _)| path.ends_with("control")) {
        bytes[64..128].fill(0);
        bytes[256..260].fill(0);
    }
    files
}

fn zeros_from(path: &Path, offset: u64) -> bool {
    fs::read(path).unwrap()[offset as usize..].iter().all(|&b| b == 0)
}

/// What a power cut does to the bytes of a record that was on its way to the disk.
type Tear = fn(&mut [u8]);

const TEARS: [(&str, Tear); 6] = [
    ("payload lost", |record| record[64..].fill(0)),
    ("half of the payload lost", |record| record[500..].fill(0)),
    ("header lost", |record| record[..64].fill(0)),
    ("half of the header lost", |record| record[32..64].fill(0)),
    ("all lost", |record| record.fill(0)),
    ("noise", |record| record.iter_mut().for_each(|b| *b = b.wrapping_mul(31).wrapping_add(77))),
];

fn tear(dir: &Path, seq: u64, how: Tear) -> (PathBuf, u64) {
    let (path, offset) = find(dir, seq);
    patch(&path, offset, |bytes| how(&mut bytes[..RECORD as usize]));
    (path, offset)
}
