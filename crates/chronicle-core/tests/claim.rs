//! Claims: space that is filled in place, and then published or given back.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use chronicle_core::{Chronicle, ErrorKind, Options, SyncMode};
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
