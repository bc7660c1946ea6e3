//! Each call that changes or flushes a file fails once, with a full disk and with a broken one: nothing that was acknowledged is
//! lost, the error says what happened, and the same thing done again succeeds.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking, and its numbers are small"
)]

mod common;

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chronicle_core::fault::{self, Call, Recorder};
use chronicle_core::{BatchItem, Chronicle, Error, ErrorKind, From, Result, Retention, Writer, verify};
use common::{drain, find, options, patch, payload, read_all, reboot};

/// Fails the calls from the `nth` on, `times` of them.
struct Failing {
    nth: u32,
    times: u32,
    errno: i32,
    calls: AtomicU32,
    failed: Mutex<Vec<String>>,
}

impl Recorder for Failing {
    fn before(&self, call: &Call<'_>) -> io::Result<()> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        if (self.nth..self.nth + self.times).contains(&number) {
            self.failed.lock().unwrap().push(format!("{call:?}"));
            return Err(io::Error::from_raw_os_error(self.errno));
        }
        Ok(())
    }

    fn after(&self, _call: &Call<'_>, _done: bool) {}
}

/// A log in use, and what it has acknowledged.
struct Work<'a> {
    dir: &'a Path,
    failing: &'a Failing,
    log: Option<Chronicle>,
    writer: Option<Writer>,
    acked: u64,
    durable: u64,
}

impl Work<'_> {
    /// The error is of the failed call, whatever it was done for.
    fn expect(&self, error: &Error) {
        let failed = self.failing.failed.lock().unwrap();
        assert!(!failed.is_empty(), "nothing was made to fail: {error}");
        let kind = if self.failing.errno == libc::ENOSPC { ErrorKind::NoSpace } else { ErrorKind::Io };
        assert!([kind, ErrorKind::Poisoned].contains(&error.kind()), "{error:?}");
    }

    /// Does it until it succeeds: each failed call may fail one try, not more.
    fn again<T>(&self, mut act: impl FnMut() -> Result<T>) -> T {
        for _ in 0..self.failing.times {
            match act() {
                Ok(value) => return value,
                Err(e) => self.expect(&e),
            }
        }
        act().unwrap()
    }

    fn open(&mut self) {
        let log = self.again(|| Chronicle::open(self.dir, &options()));
        let writer = self.again(|| log.writer(Duration::ZERO));
        assert_eq!(writer.next_seq(), self.acked);
        (self.log, self.writer) = (Some(log), Some(writer));
    }

    fn close(&mut self) {
        (self.writer, self.log) = (None, None);
    }

    /// Does something with the writer until it succeeds; what was acknowledged stays readable meanwhile.
    fn write<T>(&mut self, mut act: impl FnMut(&mut Writer) -> Result<T>) -> T {
        for _ in 0..=self.failing.times {
            let writer = self.writer.as_mut().unwrap();
            let outcome = act(writer);
            writer.settle();
            match outcome {
                Ok(value) => return value,
                Err(e) => {
                    self.expect(&e);
                    self.holds();
                    if e.kind() == ErrorKind::Poisoned {
                        let writer = self.writer.as_mut().unwrap();
                        assert_eq!(writer.append(&[], 0).unwrap_err().kind(), ErrorKind::Poisoned);
                        assert_eq!(writer.durability().sync().unwrap_err().kind(), ErrorKind::Poisoned);
                        self.close();
                        self.open();
                    }
                }
            }
        }
        panic!("it fails although nothing does any more");
    }

    fn append(&mut self, count: u64) {
        for _ in 0..count {
            let seq = self.acked;
            let bytes = payload(seq, length(seq));
            assert_eq!(self.write(|writer| writer.append(&bytes, 1)), seq);
            self.acked += 1;
        }
    }

    fn batch(&mut self) {
        let seqs = self.acked..self.acked + 3;
        let payloads: Vec<u8> = seqs.clone().flat_map(|seq| payload(seq, length(seq))).collect();
        let items: Vec<BatchItem> =
            seqs.map(|seq| BatchItem { length: length(seq) as u32, type_id: 1 }).collect();
        self.write(|writer| writer.append_batch(&payloads, &items, None));
        self.acked += 3;
    }

    fn claim(&mut self) {
        let seq = self.acked;
        self.write(|writer| {
            let mut claim = writer.claim(length(seq))?;
            claim.write(0, &payload(seq, length(seq)))?;
            claim.publish(1)
        });
        self.acked += 1;
    }

    fn sync(&mut self) {
        let durable = self.write(|writer| {
            let durability = writer.durability();
            durability.sync()
        });
        assert_eq!(durable, self.acked);
        self.durable = self.acked;
    }

    fn commit(&self, seq: u64) {
        let log = self.log.as_ref().unwrap();
        let mut reader = self.again(|| log.named_reader("billing", From::Start));
        drain(&mut reader).unwrap();
        reader.commit(seq).unwrap();
        self.again(|| reader.flush_position());
        drop(reader);
        assert_eq!(log.readers().unwrap()[0].next_seq, seq + 1);
    }

    /// All that was acknowledged can be read.
    fn holds(&self) {
        let log = self.log.as_ref().unwrap();
        let (messages, first) = (read_all(log).unwrap(), log.first_seq().unwrap());
        assert_eq!(first + messages.len() as u64, self.acked);
        for message in messages {
            assert!(message.payload == payload(message.seq, length(message.seq)), "{}", message.seq);
        }
    }
}

/// Some messages are larger than the smallest segment.
fn length(seq: u64) -> usize {
    if seq % 17 == 11 { 70_000 } else { seq as usize * 997 % 9000 }
}

fn temporaries(dir: &Path) -> Vec<String> {
    let names = |dir: &Path| -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    };
    let mut all = names(dir);
    all.extend(names(&dir.join("readers")));
    all.retain(|name| Path::new(name).extension().is_some_and(|extension| extension == "tmp"));
    all
}

/// Everything that changes files: creation, rolls, a larger segment in the place of an empty one, flushes, positions, a recovery
/// that cuts and sets aside, a prune, a removed reader.
fn run(dir: &Path, failing: &Failing) {
    let mut work = Work { dir, failing, log: None, writer: None, acked: 0, durable: 0 };
    work.open();
    work.append(16);
    work.batch();
    work.sync();
    work.claim();
    work.commit(5);
    work.append(20);
    work.sync();
    work.append(9);
    work.close();
    let (path, offset) = find(dir, work.durable);
    patch(&path, offset + 64, |bytes| bytes[0] ^= 1);
    reboot(dir);
    work.acked = work.durable;
    work.open();
    work.holds();
    work.append(20);
    work.commit(30);
    let retention = Retention { keep_messages: Some(10), ..Retention::default() };
    let log = work.log.as_ref().unwrap();
    work.again(|| log.prune(&retention, false));
    assert!(log.first_seq().unwrap() > 0);
    work.again(|| match log.remove_reader("billing") {
        // It was removed, and only its durability failed.
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    });
    work.append(20);
    work.close();
    work.open();
    work.holds();
    work.sync();
    work.close();
    // What the last failures have left, the next writer removes.
    fault::record(None);
    work.open();
    work.close();
    assert!(temporaries(dir).is_empty(), "{:?}", temporaries(dir));
    let report = verify(dir, |_, _| ()).unwrap();
    assert!(report.is_sound(), "{:?}", report.problems);
}

#[test]
fn any_one_call_may_fail_and_nothing_acknowledged_is_lost() {
    for (errno, times) in [(libc::ENOSPC, 1), (libc::EIO, 1), (libc::ENOSPC, 3)] {
        let mut nth = 1;
        loop {
            let failing =
                Arc::new(Failing { nth, times, errno, calls: AtomicU32::new(0), failed: Mutex::default() });
            let dir = common::memory();
            fault::record(Some(Arc::clone(&failing) as Arc<dyn Recorder>));
            let done = std::panic::catch_unwind(|| run(&dir.path().join("log"), &failing));
            fault::record(None);
            let failed = failing.failed.lock().unwrap().clone();
            if let Err(panic) = done {
                eprintln!("call {nth} fails with error {errno}: {failed:?}");
                std::panic::resume_unwind(panic);
            }
            if failed.is_empty() {
                break;
            }
            nth += 1;
        }
        assert!(nth > 150, "only {nth} calls");
    }
}
