//! Claims: space that is filled in place, and then published or given back.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use chronicle_core::{BatchItem, Chronicle, ErrorKind, Options, SyncMode};
use common::{options, payloads, read_all, writer};

#[test]
fn a_claim_is_published_or_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let log = Chronicle::open(dir.path(), &Options { sync: SyncMode::None, ..options() }).unwrap();
    let mut writer = writer(&log);
    let mut claim = writer.claim(1000).unwrap();
    claim.write(0, &[0xFF; 1000]).unwrap();
    assert_eq!(claim.write(999, b"xy").unwrap_err().kind(), ErrorKind::OutOfBounds);
    assert_eq!(claim.write(usize::MAX, b"x").unwrap_err().kind(), ErrorKind::OutOfBounds);
    drop(claim);
    // Its commit word and that of the next one lie where the claim's bytes were.
    writer.append(b"short", 0).unwrap();
    assert_eq!(payloads(&read_all(&log).unwrap()), [b"short"]);
    let mut claim = writer.claim(8).unwrap();
    claim.write(4, b"tail").unwrap();
    assert_eq!(claim.publish(9).unwrap(), 1);
    let claim = writer.claim(200_000).unwrap();
    assert_eq!((claim.len(), claim.is_empty()), (200_000, false));
    claim.abort();
    assert_eq!(writer.claim(0).unwrap().publish(0).unwrap(), 2);
    let read = read_all(&log).unwrap();
    assert_eq!(payloads(&read), [b"short".as_slice(), b"\0\0\0\0tail", b""]);
    assert_eq!(read[1].type_id, 9);
    assert_eq!(writer.claim((1 << 30) + 1).unwrap_err().kind(), ErrorKind::TooLarge);
}

#[test]
fn nothing_else_is_appended_while_a_claim_is_open() {
    let dir = tempfile::tempdir().unwrap();
    let log = Chronicle::open(dir.path(), &Options { sync: SyncMode::None, ..options() }).unwrap();
    let mut writer = writer(&log);
    assert_eq!(writer.fill_claim(0, b"x").unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(writer.publish_claim(0).unwrap_err().kind(), ErrorKind::InvalidArgument);
    writer.open_claim(100).unwrap();
    writer.fill_claim(36, &[0xFF; 64]).unwrap();
    let item = BatchItem { length: 1, type_id: 0 };
    assert_eq!(writer.append(b"x", 0).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(writer.append_batch(b"x", &[item], None).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(writer.open_claim(1).unwrap_err().kind(), ErrorKind::InvalidArgument);
    writer.abort_claim();
    writer.abort_claim();
    assert_eq!(writer.append(b"after", 0).unwrap(), 0);
    writer.open_claim(3).unwrap();
    writer.fill_claim(0, b"abc").unwrap();
    assert_eq!(writer.publish_claim(7).unwrap(), 1);
    assert_eq!(payloads(&read_all(&log).unwrap()), [b"after".as_slice(), b"abc"]);
    // Left open, it ends with the writer.
    writer.open_claim(64).unwrap();
    writer.fill_claim(0, &[0xFF; 64]).unwrap();
    drop(writer);
    let mut writer = common::writer(&log);
    assert_eq!(writer.append(b"", 0).unwrap(), 2);
    assert_eq!(read_all(&log).unwrap().len(), 3);
}
