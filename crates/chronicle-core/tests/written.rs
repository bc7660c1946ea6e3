//! How much a flush writes. A file of its own, because the kernel counts by process. Elsewhere, and in the portable build, no advice
//! keeps the pages small.
#![cfg(all(target_os = "linux", not(chronicle_portable)))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;

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

#[test]
fn flushing_few_messages_writes_few_pages() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { segment_bytes: Some(64 << 20), ..options() };
    let log = Chronicle::open(dir.path(), &options).unwrap();
    let mut writer = writer(&log);
    // Into the last segment, which is long enough for the kernel to bring its pages in as large ones.
    fill(&mut writer, 63 + 20);
    writer.durability().sync().unwrap();
    // Past what the kernel had read ahead before the flush.
    fill(&mut writer, 30);
    writer.durability().sync().unwrap();
    let mut each = Vec::new();
    for _ in 0..32 {
        let before = written();
        writer.append(&[1; 64], 0).unwrap();
        writer.durability().sync().unwrap();
        each.push(written() - before);
    }
    // Beside some of them the helper thread prepares what comes.
    each.sort_unstable();
    assert!(each[16] <= 64 << 10, "flushes of 128 bytes wrote {each:?}");
}
