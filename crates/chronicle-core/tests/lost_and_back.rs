//! Files that have the pages again that they had lost: a full or a failing disk after it was seen to.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::time::Duration;

use chronicle_core::{Entry, ErrorKind, From, Reader, Result};
use common::{append, drain, open, segments, writer};

fn set_len(path: &Path, len: u64) {
    OpenOptions::new().write(true).open(path).unwrap().set_len(len).unwrap();
}

fn poll(reader: &mut Reader) -> Result<usize> {
    reader.poll(&mut [0; 8192], &mut [Entry::default(); 4]).map(|run| run.count)
}

#[test]
fn the_head_does_not_speak_of_a_message_whose_header_went_to_a_lost_page() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut writer = writer(&log);
    // Ends with its page, and the message behind it has no payload that would meet the lost page first.
    writer.append(&[7; 4096 - 64], 0).unwrap();
    let segment = segments(dir.path()).remove(0);
    let len = segment.metadata().unwrap().len();
    set_len(&segment, 8192);
    assert_eq!(writer.append(b"", 0).unwrap_err().kind(), ErrorKind::Poisoned);
    assert_eq!(log.next_seq().unwrap(), 1);
    drop(writer);
    // As on a full disk, which has the file as it was before the store.
    set_len(&segment, len);
    let mut writer = log.writer(Duration::ZERO).unwrap();
    assert_eq!(writer.append(b"", 0).unwrap(), 1);
}

#[test]
fn a_reader_that_comes_when_the_file_is_whole_again_reads_it() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut writer = writer(&log);
    append(&mut writer, 0..10, 1000);
    let segment = segments(dir.path()).remove(0);
    let bytes = fs::read(&segment).unwrap();
    let mut before = log.reader(From::Start).unwrap();
    set_len(&segment, 4096);
    assert_eq!(poll(&mut before).unwrap_err().kind(), ErrorKind::Truncated);
    let file = OpenOptions::new().write(true).open(&segment).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &bytes, 0).unwrap();
    assert_eq!(drain(&mut log.reader(From::Start).unwrap()).unwrap().len(), 10);
    assert_eq!(poll(&mut before).unwrap_err().kind(), ErrorKind::Io);
}
