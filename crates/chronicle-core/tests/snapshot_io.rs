//! What a snapshot asks of the disk: each call may fail, and nothing gets its name before it is durable.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chronicle_core::fault::{self, Call, Recorder};
use chronicle_core::{Chronicle, ErrorKind, Progress, Retention, verify};
use common::{append, memory, open, patch, payload, read_all, segments, writer};

/// A recorder hears the whole process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records for as long as the value lives, also when a test fails.
struct Recording;

fn record(recorder: Arc<dyn Recorder>) -> Recording {
    fault::record(Some(recorder));
    Recording
}

impl Drop for Recording {
    fn drop(&mut self) {
        fault::record(None);
    }
}

/// A log of several segments with two readers, that nobody writes to.
fn log_in(parent: &Path) -> Chronicle {
    let log = open(&parent.join("log"));
    let mut writer = writer(&log);
    append(&mut writer, 0..150, 2000);
    writer.settle();
    drop(writer);
    log.set_reader("billing", 3).unwrap();
    log.set_reader("audit", 150).unwrap();
    log
}

/// Fails one call.
struct Failing {
    nth: u32,
    errno: i32,
    calls: AtomicU32,
    failed: Mutex<Option<String>>,
}

impl Recorder for Failing {
    fn before(&self, call: &Call<'_>) -> io::Result<()> {
        if self.calls.fetch_add(1, Ordering::Relaxed) + 1 == self.nth {
            *self.failed.lock().unwrap() = Some(format!("{call:?}"));
            return Err(io::Error::from_raw_os_error(self.errno));
        }
        Ok(())
    }

    fn after(&self, _call: &Call<'_>, _done: bool) {}
}

#[test]
fn any_call_may_fail_and_nothing_is_left() {
    let _alone = alone();
    let dir = memory();
    let log = log_in(dir.path());
    let copy = dir.path().join("copy");
    let expected = read_all(&log).unwrap();
    for (errno, kind) in [(libc::ENOSPC, ErrorKind::NoSpace), (libc::EIO, ErrorKind::Io)] {
        let mut nth = 1;
        loop {
            let failing =
                Arc::new(Failing { nth, errno, calls: AtomicU32::new(0), failed: Mutex::default() });
            let recording = record(Arc::clone(&failing) as Arc<dyn Recorder>);
            let made = log.snapshot(&copy, &Progress::default());
            drop(recording);
            let failed = failing.failed.lock().unwrap().clone();
            let Some(failed) = failed else {
                assert_eq!(made.unwrap().next_seq, 150);
                break;
            };
            assert_eq!(made.unwrap_err().kind(), kind, "call {nth}: {failed}");
            let left: Vec<PathBuf> =
                std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
            assert_eq!(left, [log.path()], "call {nth}: {failed}");
            nth += 1;
        }
        assert!(nth > 30, "only {nth} calls");
        assert!(verify(&copy, |_, _| ()).unwrap().problems.is_empty());
        assert_eq!(read_all(&open(&copy)).unwrap(), expected);
        std::fs::remove_dir_all(&copy).unwrap();
    }
}

/// Does something when a snapshot gets to a point for the first time.
struct At {
    point: &'static str,
    act: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Recorder for At {
    fn before(&self, _call: &Call<'_>) -> io::Result<()> {
        Ok(())
    }

    fn after(&self, _call: &Call<'_>, _done: bool) {}

    fn point(&self, name: &str) {
        if name == self.point {
            let act = self.act.lock().unwrap().take();
            if let Some(act) = act {
                act();
            }
        }
    }
}

#[test]
fn what_comes_between_its_steps_leaves_it_a_whole_prefix() {
    let _alone = alone();
    for (point, pruned) in [
        ("snapshot.ended", false),
        ("snapshot.ended", true),
        ("snapshot.listed", true),
        ("snapshot.copied", false),
        ("snapshot.copied", true),
        ("snapshot.made", true),
    ] {
        let dir = memory();
        let log = log_in(dir.path());
        let goes_on = log.clone();
        let act = move || {
            let mut writer = writer(&goes_on);
            append(&mut writer, 150..300, 2000);
            if pruned {
                let keep = Retention { keep_messages: Some(1), keep_unread: false, ..Retention::default() };
                goes_on.prune(&keep, false).unwrap();
            }
        };
        let at = At { point, act: Mutex::new(Some(Box::new(act))) };
        let recording = record(Arc::new(at));
        let copy = dir.path().join("copy");
        let report = log.snapshot(&copy, &Progress::default()).unwrap();
        drop(recording);
        // All that it looked for is gone: it looks again.
        let again = point == "snapshot.ended" && pruned;
        assert_eq!(report.next_seq, if again { 300 } else { 150 }, "{point}");
        assert_eq!(report.first_seq > 0, pruned && point != "snapshot.made", "{point}");
        assert!(verify(&copy, |_, _| ()).unwrap().problems.is_empty());
        let messages = read_all(&open(&copy)).unwrap();
        assert_eq!(messages.first().unwrap().seq, report.first_seq);
        assert!(messages.iter().all(|m| m.payload == payload(m.seq, 2000)));
        assert_eq!(messages.last().unwrap().seq + 1, report.next_seq);
    }
}

#[derive(Default)]
struct Seen {
    /// The number of each file that was made, and its path.
    made: HashMap<u64, PathBuf>,
    /// Files and directories that were changed and not flushed since.
    dirty: HashSet<PathBuf>,
    named: Option<HashSet<PathBuf>>,
}

struct Durable {
    to: PathBuf,
    seen: Mutex<Seen>,
}

impl Recorder for Durable {
    fn before(&self, call: &Call<'_>) -> io::Result<()> {
        let mut seen = self.seen.lock().unwrap();
        if let Call::Rename { to, .. } = call
            && *to == self.to
        {
            seen.named = Some(seen.dirty.clone());
        }
        Ok(())
    }

    fn after(&self, call: &Call<'_>, _done: bool) {
        let mut seen = self.seen.lock().unwrap();
        let mut changed = |path: &Path| {
            seen.dirty.insert(path.to_owned());
            seen.dirty.insert(path.parent().unwrap().to_owned());
        };
        match call {
            Call::Create { path } => {
                changed(path);
                seen.made.insert(std::fs::metadata(path).unwrap().ino(), (*path).to_owned());
            }
            Call::CreateDir { path } | Call::Remove { path } => {
                seen.dirty.insert(path.parent().unwrap().to_owned());
            }
            Call::Rename { from, to } => {
                changed(to);
                let moved = seen.dirty.remove(*from);
                if !moved {
                    seen.dirty.remove(*to);
                }
            }
            Call::Link { from, to } => {
                changed(to);
                if !seen.dirty.contains(*from) {
                    seen.dirty.remove(*to);
                }
            }
            Call::SyncDir { path } => {
                seen.dirty.remove(*path);
            }
            Call::Sync { file } | Call::Flush { file, .. } => {
                let path = seen.made[&file.0].clone();
                seen.dirty.remove(&path);
            }
            Call::Write { file } | Call::Copy { file } | Call::Allocate { file, .. } => {
                let path = seen.made[&file.0].clone();
                seen.dirty.insert(path);
            }
            Call::Zero { .. } | Call::FillHoles { .. } | Call::Punch { .. } => {}
        }
    }
}

#[test]
fn a_snapshot_gets_its_name_when_all_of_it_is_durable() {
    let _alone = alone();
    let dir = memory();
    let log = log_in(dir.path());
    let copy = dir.path().join("copy");
    let durable = Arc::new(Durable { to: copy.clone(), seen: Mutex::default() });
    let recording = record(Arc::clone(&durable) as Arc<dyn Recorder>);
    log.snapshot(&copy, &Progress::default()).unwrap();
    drop(recording);
    let seen = durable.seen.lock().unwrap();
    let segments = seen.made.values().filter(|path| path.extension().is_some_and(|e| e == "seg"));
    assert!(segments.count() > 3);
    // Indexes are derived, and the parent is synced behind the rename.
    let is_index =
        |path: &Path| path.extension().is_some_and(|e| e == "idx") || path.ends_with("next.idx.tmp");
    let mut left: Vec<&PathBuf> =
        seen.named.as_ref().unwrap().iter().filter(|path| !is_index(path)).collect();
    left.retain(|path| *path != dir.path() && !path.ends_with("control.tmp"));
    assert!(left.is_empty(), "{left:?}");
    assert!(!seen.dirty.contains(dir.path()), "its name is durable");
}

/// The numbers of the files whose blocks may be shared with another file's.
#[derive(Default)]
struct Shared(Mutex<HashSet<u64>>);

impl Recorder for Shared {
    fn before(&self, _call: &Call<'_>) -> io::Result<()> {
        Ok(())
    }

    fn after(&self, call: &Call<'_>, _done: bool) {
        if let Call::Copy { file } = call {
            self.0.lock().unwrap().insert(file.0);
        }
    }
}

#[test]
fn blocks_are_not_shared_once_a_flush_has_failed() {
    let _alone = alone();
    for failed in [0, 1] {
        let dir = memory();
        let path = log_in(dir.path()).path().to_owned();
        patch(&path.join("control"), 268, |bytes| bytes[0] = failed);
        let log = open(&path);
        assert_eq!(log.stats().unwrap().flush_failed, failed == 1);
        let shared = Arc::new(Shared::default());
        let recording = record(Arc::clone(&shared) as Arc<dyn Recorder>);
        let copy = dir.path().join("copy");
        log.snapshot(&copy, &Progress::default()).unwrap();
        drop(recording);
        let (mut segments, shared) = (segments(&copy), shared.0.lock().unwrap());
        assert!(segments.len() > 3);
        segments.retain(|path| shared.contains(&std::fs::metadata(path).unwrap().ino()));
        assert_eq!(segments.is_empty(), failed == 1, "{segments:?}");
        assert!(verify(&copy, |_, _| ()).unwrap().problems.is_empty());
        assert_eq!(read_all(&open(&copy)).unwrap(), read_all(&log).unwrap());
    }
}
