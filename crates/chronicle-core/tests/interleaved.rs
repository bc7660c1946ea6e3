//! What may come between two steps of another thread: the seam of the core stops one there, and lets the other go on.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use chronicle_core::fault::{self, Call, FileId, Recorder};
use chronicle_core::{Chronicle, Entry, ErrorKind, From, Options, Retention, SyncMode, verify};
use common::{append, memory, open, options, patch, payload, segments, writer};

/// One recorder at a time, for the whole process.
static ALONE: Mutex<()> = Mutex::new(());

thread_local! {
    /// What a hook does itself is not told to it.
    static WITHIN: Cell<bool> = const { Cell::new(false) };
}

/// Told of each call before and after it is done, and of each point, by its name.
type Hook = Box<dyn Fn(&str, Option<&Call<'_>>) + Send + Sync>;

struct Hooked(Hook);

impl Hooked {
    fn tell(&self, step: &str, call: Option<&Call<'_>>) {
        if !WITHIN.replace(true) {
            (self.0)(step, call);
            WITHIN.set(false);
        }
    }
}

impl Recorder for Hooked {
    fn before(&self, call: &Call<'_>) -> io::Result<()> {
        self.tell("before", Some(call));
        Ok(())
    }

    fn after(&self, call: &Call<'_>, _done: bool) {
        self.tell("after", Some(call));
    }

    fn point(&self, name: &str) {
        self.tell(name, None);
    }
}

/// The hook is gone with the value, also when a test fails.
struct Watch(#[expect(dead_code, reason = "held")] MutexGuard<'static, ()>);

/// Told of this thread alone: other tests may run.
fn watch_here(hook: impl Fn(&str, Option<&Call<'_>>) + Send + Sync + 'static) -> Watch {
    let here = std::thread::current().id();
    watch(move |step, call| {
        if std::thread::current().id() == here {
            hook(step, call);
        }
    })
}

fn watch(hook: impl Fn(&str, Option<&Call<'_>>) + Send + Sync + 'static) -> Watch {
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    fault::record(Some(Arc::new(Hooked(Box::new(hook)))));
    Watch(alone)
}

impl Drop for Watch {
    fn drop(&mut self) {
        fault::record(None);
    }
}

fn keep(messages: u64) -> Retention {
    Retention { keep_messages: Some(messages), ..Retention::default() }
}

fn file_id(path: &Path) -> FileId {
    FileId(std::fs::metadata(path).unwrap().ino())
}

/// Whether a prune has stored its intent.
fn intended(dir: &Path) -> bool {
    std::fs::read(dir.join("control")).unwrap()[512..640].iter().any(|&byte| byte != 0)
}

#[test]
fn what_a_prune_meant_to_remove_and_did_not_is_flushed() {
    let dir = memory();
    let log = open(dir.path());
    let mut writer = writer(&log);
    append(&mut writer, 0..11, 20_000);
    writer.settle();
    let sealed = segments(dir.path());
    let (stopped, meets) = mpsc::channel();
    let (go_on, waits) = mpsc::channel::<()>();
    let (waits, late) = (Mutex::new(waits), AtomicBool::new(false));
    let (flushed, path) = (Arc::new(Mutex::new(Vec::new())), dir.path().to_owned());
    let seen = Arc::clone(&flushed);
    let watch = watch(move |step, call| {
        let (Some(call), "before") = (call, step) else { return };
        if let Call::Flush { file, .. } | Call::Sync { file } = call {
            seen.lock().unwrap().push(*file);
        }
        if std::thread::current().name() == Some("pruner") && matches!(call, Call::Sync { .. }) {
            if !late.swap(true, Ordering::SeqCst) {
                // Behind the first look at positions, and before the intent.
                drop(open(&path).named_reader("late", From::Start).unwrap());
            } else if intended(&path) {
                stopped.send(()).unwrap();
                waits.lock().unwrap().recv().unwrap();
            }
        }
    });
    let other = open(dir.path());
    let pruner = std::thread::Builder::new().name("pruner".to_owned());
    let pruner = pruner.spawn(move || other.prune(&keep(1), false).unwrap()).unwrap();
    meets.recv().unwrap();
    append(&mut writer, 11..15, 20_000);
    go_on.send(()).unwrap();
    // It ends here: a second stop finds nobody to wait for.
    drop(go_on);
    assert_eq!(pruner.join().unwrap().segments, 0);
    flushed.lock().unwrap().clear();
    assert_eq!(writer.durability().sync().unwrap(), 15);
    let flushed = flushed.lock().unwrap().clone();
    drop(watch);
    for path in sealed {
        assert!(flushed.contains(&file_id(&path)), "{} was never flushed", path.display());
    }
}

#[test]
fn a_segment_that_takes_a_name_during_a_flush_is_not_flushed_by_it() {
    let dir = memory();
    let log = open(dir.path());
    let mut writer = writer(&log);
    append(&mut writer, 0..3, 19_000);
    // Rolls, and leaves the new segment empty.
    drop(writer.claim(19_000).unwrap());
    writer.settle();
    let (stopped, meets) = mpsc::channel();
    let (go_on, waits) = mpsc::channel::<()>();
    let (waits, once) = (Mutex::new(waits), AtomicBool::new(false));
    let calls = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&calls);
    let watch = watch(move |step, call| {
        let (Some(call), "after") = (call, step) else { return };
        told.lock().unwrap().push(format!("{call:?}"));
        let flush = std::thread::current().name() == Some("flush") && matches!(call, Call::SyncDir { .. });
        if flush && !once.swap(true, Ordering::SeqCst) {
            stopped.send(()).unwrap();
            waits.lock().unwrap().recv().unwrap();
        }
    });
    let durability = writer.durability();
    let flush = std::thread::Builder::new().name("flush".to_owned());
    let flush = flush.spawn(move || durability.sync().unwrap()).unwrap();
    meets.recv().unwrap();
    writer.append(&payload(3, 300_000), 0).unwrap();
    go_on.send(()).unwrap();
    flush.join().unwrap();
    assert_eq!(writer.durability().sync().unwrap(), 4);
    drop(watch);
    let calls = calls.lock().unwrap().clone();
    let taken = |call: &String| call.starts_with("Rename") && call.contains("seg.tmp");
    let renamed = calls.iter().position(taken).unwrap();
    assert!(calls[renamed..].iter().any(|call| call.starts_with("SyncDir")), "{calls:#?}");
}

#[test]
fn a_new_reader_starts_behind_what_was_pruned_meanwhile() {
    let dir = memory();
    let log = open(dir.path());
    let mut writer = writer(&log);
    append(&mut writer, 0..12, 20_000);
    let other = open(dir.path());
    let watch = watch(move |step, _| {
        if step == "position.written" {
            other.prune(&keep(1), false).unwrap();
        }
    });
    let reader = log.named_reader("new", From::Start).unwrap();
    drop(watch);
    assert!(reader.next_seq() > 0);
    assert_eq!(reader.next_seq(), log.first_seq().unwrap());
}

#[test]
fn a_reader_that_was_moved_back_is_not_seen_ahead_while_it_commits() {
    let dir = memory();
    // So that positions are looked at where they are mapped.
    let log = Chronicle::open(dir.path(), &Options { allow_network_fs: true, ..options() }).unwrap();
    append(&mut writer(&log), 0..50, 100);
    // The first slot says 40, and the second one, which is newer, 10.
    for next_seq in [40, 40, 10] {
        log.set_reader("moved", next_seq).unwrap();
    }
    let mut reader = log.named_reader("moved", From::Start).unwrap();
    reader.poll(&mut vec![0; 4096], &mut vec![Entry::default(); 8]).unwrap();
    let path = dir.path().join("readers/moved");
    let (held, slots) = (Arc::new(Mutex::new(reader)), AtomicU64::new(0));
    let reader = Arc::clone(&held);
    let watch = watch_here(move |step, _| {
        if step != "position.looked" {
            return;
        }
        match slots.fetch_add(1, Ordering::SeqCst) {
            // The first slot was looked at, and is stored to now. Then the second one is half stored while that is looked at.
            0 => {
                let mut reader = reader.lock().unwrap();
                reader.commit(10).unwrap();
                reader.flush_position().unwrap();
                reader.commit(11).unwrap();
                invert(&path, 1024 + 16);
            }
            1 => invert(&path, 1024 + 16),
            _ => {}
        }
    });
    let found = log.readers().unwrap();
    drop((watch, held));
    assert_eq!(found[0].next_seq, 12);
}

/// Inverts four bytes in place, as others have the file mapped.
fn invert(path: &Path, at: u64) {
    let (file, mut bytes) = (File::options().read(true).write(true).open(path).unwrap(), [0; 4]);
    file.read_exact_at(&mut bytes, at).unwrap();
    file.write_all_at(&bytes.map(|byte| !byte), at).unwrap();
}

#[test]
fn a_prune_keeps_what_the_position_says_that_it_has_flushed() {
    let dir = memory();
    let log = open(dir.path());
    append(&mut writer(&log), 0..24, 20_000);
    for next_seq in [20, 20] {
        log.set_reader("back and forth", next_seq).unwrap();
    }
    let (other, id) = (open(dir.path()), file_id(&dir.path().join("readers/back and forth")));
    let (held, looked) = (Arc::new(Mutex::new(None)), AtomicBool::new(false));
    let reader = Arc::clone(&held);
    let watch = watch_here(move |step, call| {
        // Behind the first look at positions, which maps none, and before one is flushed.
        if step == "position.looked" && !looked.swap(true, Ordering::SeqCst) {
            other.set_reader("back and forth", 4).unwrap();
        }
        let mut reader = reader.lock().unwrap();
        if step == "after" && matches!(call, Some(Call::Sync { file }) if *file == id) && reader.is_none() {
            let mut reads = other.named_reader("back and forth", From::Start).unwrap();
            for _ in 4..20 {
                let read = reads.poll(&mut vec![0; 20_000], &mut [Entry::default(); 1]);
                assert_eq!(read.unwrap().count, 1);
            }
            // Not flushed: a power cut takes it.
            reads.commit(19).unwrap();
            *reader = Some(reads);
        }
    });
    let pruned = log.prune(&Retention::default(), false).unwrap();
    drop((watch, held));
    assert!(pruned.first_seq <= 4, "{pruned:?}");
}

#[test]
fn a_log_that_is_pruned_while_it_is_verified_is_sound() {
    for moment in 0..3 {
        let dir = memory();
        let log = open(dir.path());
        let mut writer = writer(&log);
        append(&mut writer, 0..7, 20_000);
        let mut once = false;
        let report = verify(dir.path(), |done, _| {
            if done >= moment && !once {
                once = true;
                append(&mut writer, 7..16, 20_000);
                log.prune(&keep(1), false).unwrap();
            }
        });
        let report = report.unwrap();
        assert!(once && report.problems.is_empty(), "moment {moment}: {:?}", report.problems);
    }
}

#[test]
fn storing_again_after_a_failed_flush_takes_no_blocks() {
    let dir = memory();
    let log = Chronicle::open(dir.path(), &Options { segment_bytes: Some(1 << 20), ..options() }).unwrap();
    let mut writer = log.writer(Duration::ZERO).unwrap();
    writer.append(b"small", 0).unwrap();
    writer.append(&payload(1, 3 << 20), 0).unwrap();
    writer.settle();
    drop(writer);
    let sealed = segments(dir.path()).remove(0);
    let blocks = || std::fs::metadata(&sealed).unwrap().blocks();
    let before = blocks();
    // As a flush that failed leaves it.
    patch(&dir.path().join("control"), 268, |bytes| bytes[0] = 1);
    drop(common::writer(&log));
    assert_eq!(blocks(), before);
    assert_eq!(std::fs::read(dir.path().join("control")).unwrap()[268], 0);
}

#[test]
fn the_end_is_looked_for_again_once_a_writer_was_there() {
    let dir = memory();
    let log = open(dir.path());
    let mut writer = writer(&log);
    for _ in 0..5 {
        writer.append(b"x", 0).unwrap();
    }
    drop(writer);
    let reader = open(dir.path());
    let early = reader.clone();
    let watch = watch(move |step, _| {
        if step == "recovery.durable" {
            assert_eq!(early.next_seq().unwrap(), 5);
        }
    });
    let mut writer = common::writer(&log);
    drop(watch);
    for _ in 0..5 {
        writer.append(b"y", 0).unwrap();
    }
    drop(writer);
    assert_eq!(reader.next_seq().unwrap(), 10);
    assert_eq!(common::read_all(&reader).unwrap().len(), 10);
}

#[test]
fn an_index_that_is_made_while_its_segment_is_pruned_does_not_stay() {
    let dir = memory();
    let log = open(dir.path());
    let mut writer = writer(&log);
    append(&mut writer, 0..12, 20_000);
    writer.settle();
    drop(writer);
    let first = segments(dir.path()).remove(0).with_extension("idx");
    std::fs::remove_file(&first).unwrap();
    let (other, once, index) = (open(dir.path()), AtomicBool::new(false), first.clone());
    let watch = watch(move |step, call| {
        let Some(Call::Rename { to, .. }) = call else { return };
        if step == "before" && *to == index && !once.swap(true, Ordering::SeqCst) {
            assert!(other.prune(&keep(1), false).unwrap().segments > 0);
        }
    });
    let writer = common::writer(&log);
    writer.settle();
    drop(watch);
    assert!(log.first_seq().unwrap() > 0);
    assert!(!first.exists());
}

#[test]
fn a_recovery_that_loses_pages_before_they_are_flushed_again_promises_nothing() {
    for at in ["dirty", "sync"] {
        let dir = memory();
        let log = Chronicle::open(dir.path(), &Options { sync: SyncMode::None, ..options() }).unwrap();
        let mut first = writer(&log);
        append(&mut first, 0..11, 20_000);
        drop(first);
        // A flush has failed.
        patch(&dir.path().join("control"), 268, |bytes| bytes[0] = 1);
        let (sealed, once) = (segments(dir.path()).remove(0), AtomicBool::new(false));
        let id = file_id(&sealed);
        let watch = watch(move |step, call| {
            let syncs = matches!(call, Some(Call::Sync { file }) if *file == id) && step == "before";
            let comes = if at == "sync" { syncs } else { step == "recovery.dirty" };
            if comes && !once.swap(true, Ordering::SeqCst) {
                std::fs::OpenOptions::new().write(true).open(&sealed).unwrap().set_len(4096).unwrap();
            }
        });
        let opened = log.writer(Duration::ZERO);
        assert_eq!(opened.err().map(|e| e.kind()), Some(ErrorKind::Truncated), "{at}");
        assert_eq!(std::fs::read(dir.path().join("control")).unwrap()[268], 1, "{at}");
        drop(watch);
    }
}
