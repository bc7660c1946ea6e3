//! What one message costs: appended, read, checked, and beside them the bare work that no log can do without.
//!
//! `cargo bench -p chronicle-core` prints all; a word behind `--` picks some.
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::time::Duration;

use chronicle_core::{
    BatchItem, Chronicle, Entry, From, HEADER_LEN, MessageHeader, Options, Reader, SyncMode, VALID, Writer,
    crc32,
};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};

const SIZES: [usize; 4] = [0, 64, 1024, 64 << 10];
/// Bytes of the log that one sample of a reader walks, and that the floor goes round in.
const LOG_BYTES: usize = 8 << 20;
/// Messages that one sample appends.
const RUN: usize = 256;

fn main() {
    divan::main();
}

fn open(segment_bytes: u64) -> (tempfile::TempDir, Chronicle) {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { sync: SyncMode::None, segment_bytes: Some(segment_bytes), ..Options::default() };
    let log = Chronicle::open(dir.path(), &options).unwrap();
    (dir, log)
}

/// Keeps the log short: what is behind is pruned in between.
fn appender(size: usize, bencher: Bencher, mut append: impl FnMut(&mut Writer, &[u8])) {
    let (_dir, log) = open(64 << 20);
    let mut writer = log.writer(Duration::ZERO).unwrap();
    let payload = vec![7; size];
    let mut appended = 0;
    bencher.counter(ItemsCount::new(RUN)).counter(BytesCount::new(RUN * size)).bench_local(|| {
        append(&mut writer, &payload);
        appended += RUN * (size + HEADER_LEN);
        if appended > 512 << 20 {
            appended = 0;
            let retention = chronicle_core::Retention { keep_bytes: Some(0), ..Default::default() };
            log.prune(&retention, false).unwrap();
        }
    });
}

#[divan::bench(args = SIZES)]
fn append(bencher: Bencher, size: usize) {
    appender(size, bencher, |writer, payload| {
        for _ in 0..RUN {
            black_box(writer.append(payload, 1).unwrap());
        }
    });
}

#[divan::bench(args = [0, 64, 1024])]
fn append_batch(bencher: Bencher, size: usize) {
    let items = [BatchItem { length: u32::try_from(size).unwrap(), type_id: 1 }; RUN];
    let payloads = vec![7; RUN * size];
    appender(size, bencher, |writer, _| {
        black_box(writer.append_batch(&payloads, &items, None).unwrap());
    });
}

/// A copy of header and payload with both checksums into warm memory: what an append cannot go below.
#[divan::bench(args = SIZES)]
fn append_floor(bencher: Bencher, size: usize) {
    let mut memory = vec![1; LOG_BYTES];
    let (payload, mut at) = (vec![7; size], 0);
    bencher.counter(ItemsCount::new(RUN)).counter(BytesCount::new(RUN * size)).bench_local(|| {
        for seq in 0..RUN as u64 {
            let header = MessageHeader {
                seq,
                length: u32::try_from(size).unwrap(),
                checksum: crc32(black_box(&payload)),
                flags: VALID,
                ..MessageHeader::default()
            };
            if at + HEADER_LEN + size > memory.len() {
                at = 0;
            }
            memory[at..at + HEADER_LEN].copy_from_slice(&header.to_bytes());
            memory[at + HEADER_LEN..at + HEADER_LEN + size].copy_from_slice(&payload);
            at += (HEADER_LEN + size).next_multiple_of(64);
        }
        black_box(&mut memory);
    });
}

fn walk(reader: &mut Reader, slab: &mut [u8], entries: &mut [Entry]) -> usize {
    let mut messages = 0;
    loop {
        let run = reader.poll(slab, entries).unwrap();
        if run.count == 0 {
            return messages;
        }
        messages += run.count;
    }
}

#[divan::bench(args = SIZES)]
fn poll(bencher: Bencher, size: usize) {
    let (_dir, log) = open(1 << 20);
    let mut writer = log.writer(Duration::ZERO).unwrap();
    let count = LOG_BYTES / (size + HEADER_LEN);
    for _ in 0..count {
        writer.append(&vec![7; size], 1).unwrap();
    }
    let (mut slab, mut entries) = (vec![0; 64 << 10], vec![Entry::default(); 1024]);
    bencher.counter(ItemsCount::new(count)).counter(BytesCount::new(count * size)).bench_local(|| {
        let mut reader = log.reader(From::Start).unwrap();
        assert_eq!(walk(&mut reader, &mut slab, &mut entries), count);
    });
}

#[divan::bench(args = [60, 64, 128, 1024, 64 << 10])]
fn checksum(bencher: Bencher, size: usize) {
    let bytes = vec![7; size];
    bencher.counter(BytesCount::new(size)).bench_local(|| crc32(black_box(&bytes)));
}
