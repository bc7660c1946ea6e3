//! How much a flush writes. A file of its own, because the kernel counts by process. Elsewhere, and in the portable build, no advice
//! keeps the pages small.
#![cfg(all(target_os = "linux", not(chronicle_portable)))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;
use std::{fs, thread};

use chronicle_core::{Chronicle, Options, Writer};
use common::{options, writer};

/// Bytes that this process has made to be written to a disk. Always 0 for files in memory.
fn written() -> u64 {
    let counts = fs::read_to_string("/proc/self/io").unwrap();
    let line = counts.lines().find_map(|line| line.strip_prefix("write_bytes: ")).unwrap();
    line.parse().unwrap()
}

fn fill(writer: &mut Writer, mebibytes: usize) {
    let payload = vec![7; 1 << 20];
    for _ in 0..mebibytes {
        writer.append(&payload, 0).unwrap();
    }
}

/// Appends so much, and waits until it is flushed and the helper thread has prepared what comes.
fn fill_and_settle(writer: &mut Writer, mebibytes: usize) {
    fill(writer, mebibytes);
    writer.durability().sync().unwrap();
    let mut before = 0;
    while before != written() {
        before = written();
        thread::sleep(Duration::from_millis(20));
    }
}

/// Bytes that most of the flushes behind single messages write.
fn flush_one_by_one(writer: &mut Writer) -> u64 {
    let mut each = Vec::new();
    for _ in 0..32 {
        let before = written();
        writer.append(&[1; 64], 0).unwrap();
        writer.durability().sync().unwrap();
        each.push(written() - before);
    }
    each.sort_unstable();
    each[16]
}

#[test]
fn flushing_few_messages_writes_few_pages() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { segment_bytes: Some(64 << 20), ..options() };
    let log = Chronicle::open(dir.path(), &options).unwrap();
    let mut writer = writer(&log);
    // Into the middle of a long segment: nothing was flushed by itself, so its pages are large.
    fill_and_settle(&mut writer, 63 + 20);
    flush_one_by_one(&mut writer);
    // Past the large pages that were there already.
    fill_and_settle(&mut writer, 10);
    let bytes = flush_one_by_one(&mut writer);
    assert!(bytes <= 64 << 10, "flushes of 128 bytes wrote {bytes}");
    // And into the next segment.
    fill_and_settle(&mut writer, 40);
    let bytes = flush_one_by_one(&mut writer);
    assert!(bytes <= 64 << 10, "flushes of 128 bytes wrote {bytes} in the next segment");
}
