//! Named readers: resuming, exclusive use, and positions that a power cut moves back.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking, and its numbers are small"
)]

mod common;

use chronicle_core::{ErrorKind, From};
use common::{drain, open, patch, payload, segments, writer};

#[test]
fn a_named_reader_goes_on_where_it_committed() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let mut writer = writer(&log);
    for seq in 0..10u64 {
        writer.append(&payload(seq, 10), 0).unwrap();
    }
    let mut reader = log.named_reader("billing", From::Start).unwrap();
    assert_eq!(reader.commit(0).unwrap_err().kind(), ErrorKind::InvalidArgument, "not read yet");
    assert_eq!(drain(&mut reader).unwrap().len(), 10);
    reader.commit(3).unwrap();
    reader.commit(1).unwrap();
    assert_eq!(reader.committed(), Some(4));
    assert_eq!(log.named_reader("billing", From::Start).unwrap_err().kind(), ErrorKind::Locked);
    let info = log.readers().unwrap();
    assert_eq!((info[0].name.as_str(), info[0].next_seq, info[0].lag), ("billing", 4, 6));
    assert_eq!(info[0].pid, Some(std::process::id()));
    drop(reader);
    assert_eq!(log.readers().unwrap()[0].pid, None);
    let mut again = log.named_reader("billing", From::End).unwrap();
    assert_eq!(drain(&mut again).unwrap()[0].seq, 4);
    drop(again);
    log.set_reader("billing", 9).unwrap();
    assert_eq!(log.named_reader("billing", From::Start).unwrap().next_seq(), 9);
    assert_eq!(log.set_reader("billing", 11).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(log.named_reader("late", From::End).unwrap().next_seq(), 10);
    assert_eq!(log.named_reader("last", From::Last(2)).unwrap().next_seq(), 8);
    log.remove_reader("billing").unwrap();
    assert_eq!(log.remove_reader("billing").unwrap_err().kind(), ErrorKind::NotFound);
    let names: Vec<_> = log.readers().unwrap().into_iter().map(|r| r.name).collect();
    assert_eq!(names, ["last", "late"]);
    assert_eq!(log.named_reader("../x", From::End).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn a_power_cut_moves_readers_back_to_the_end() {
    let dir = tempfile::tempdir().unwrap();
    {
        let log = open(dir.path());
        let mut writer = writer(&log);
        for seq in 0..10u64 {
            writer.append(&payload(seq, 10), 0).unwrap();
        }
        let mut reader = log.named_reader("ahead", From::Start).unwrap();
        drain(&mut reader).unwrap();
        reader.commit(9).unwrap();
        let mut reader = log.named_reader("behind", From::Start).unwrap();
        drain(&mut reader).unwrap();
        reader.commit(1).unwrap();
    }
    common::reboot(dir.path());
    patch(&segments(dir.path())[0], 4096 + 5 * 128, |bytes| bytes.fill(0));
    let log = open(dir.path());
    let mut writer = writer(&log);
    assert_eq!(writer.next_seq(), 5);
    assert_eq!(log.stats().unwrap().recovery.unwrap().moved_readers, ["ahead"]);
    for seq in 5..20u64 {
        writer.append(&payload(seq, 10), 0).unwrap();
    }
    assert_eq!(log.named_reader("ahead", From::Start).unwrap().next_seq(), 5);
    assert_eq!(log.named_reader("behind", From::Start).unwrap().next_seq(), 2);
}

#[test]
fn a_reader_of_a_cut_log_is_moved_back_before_any_writer_comes() {
    let dir = tempfile::tempdir().unwrap();
    {
        let log = open(dir.path());
        let mut writer = writer(&log);
        writer.append(b"a", 0).unwrap();
        writer.append(b"b", 0).unwrap();
        let mut reader = log.named_reader("r", From::Start).unwrap();
        drain(&mut reader).unwrap();
        reader.commit(1).unwrap();
    }
    common::reboot(dir.path());
    patch(&segments(dir.path())[0], 4096 + 128, |bytes| bytes.fill(0));
    let reader = open(dir.path()).named_reader("r", From::Start).unwrap();
    assert_eq!((reader.next_seq(), reader.moved_back_from()), (1, Some(2)));
}
