//! A process that has as many files open as it may: a flush needs none, or can be tried again.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs::File;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chronicle_core::{Chronicle, ErrorKind, Options, SyncMode, Writer};
use common::{BOOTS_ARE_KNOWN, append, options, writer};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limit is the whole process's: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let limit = Rlimit { current: Some(256), ..getrlimit(Resource::Nofile) };
    setrlimit(Resource::Nofile, limit).unwrap();
    alone
}

/// Takes every descriptor that is left.
fn take_all() -> Vec<File> {
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

fn append_ten(writer: &mut Writer) {
    append(writer, 0..10, 30_000);
    writer.settle();
}

/// A log that a writer has left, with sealed segments that are not flushed.
fn log_in(dir: &Path, sync: SyncMode) -> Chronicle {
    append_ten(&mut writer(&Chronicle::open(dir, &options()).unwrap()));
    Chronicle::open(dir, &Options { sync, ..options() }).unwrap()
}

#[test]
fn new_segments_are_flushed_without_one() {
    let _alone = alone();
    let dir = common::memory();
    let log = Chronicle::open(dir.path(), &options()).unwrap();
    let mut writer = writer(&log);
    append_ten(&mut writer);
    let taken = take_all();
    let synced = writer.durability().sync();
    drop(taken);
    assert_eq!(synced.unwrap(), 10);
}

#[test]
fn what_an_earlier_writer_left_is_flushed_when_there_is_one_again() {
    let _alone = alone();
    let dir = common::memory();
    let log = log_in(dir.path(), SyncMode::None);
    let mut writer = writer(&log);
    let taken = take_all();
    let synced = writer.durability().sync();
    let appended = writer.append(b"goes on", 0);
    drop(taken);
    if !BOOTS_ARE_KNOWN {
        assert_eq!((synced.unwrap(), appended.unwrap()), (10, 10));
        return;
    }
    let error = synced.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    assert_eq!(appended.unwrap(), 10);
    assert!(!log.stats().unwrap().flush_failed);
    assert_eq!(log.durable_seq().unwrap(), 0);
    assert_eq!(writer.durability().sync().unwrap(), 11);
}

#[test]
fn the_flusher_goes_on_when_there_is_one_again() {
    let _alone = alone();
    let dir = common::memory();
    let log = log_in(dir.path(), SyncMode::Every(Duration::from_millis(30)));
    let mut writer = writer(&log);
    let taken = take_all();
    std::thread::sleep(Duration::from_millis(80));
    writer.append(b"goes on", 0).unwrap();
    drop(taken);
    while log.durable_seq().unwrap() < 11 {
        writer.append(&[], 0).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_message_that_was_to_be_durable_at_once_fails_for_good() {
    let _alone = alone();
    let dir = common::memory();
    let log = log_in(dir.path(), SyncMode::Always);
    let mut writer = writer(&log);
    let taken = take_all();
    let appended = writer.append(b"visible", 0);
    drop(taken);
    if !BOOTS_ARE_KNOWN {
        assert_eq!(appended.unwrap(), 10);
        return;
    }
    assert_eq!(appended.unwrap_err().kind(), ErrorKind::Poisoned);
    assert_eq!(writer.append(b"no", 0).unwrap_err().kind(), ErrorKind::Poisoned);
}
