//! One writer and many readers as processes of their own, which are killed, stopped, forked and raced.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    unsafe_code,
    reason = "a test fails by panicking, its numbers are small, and it forks and stops processes"
)]

mod common;

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use chronicle_core::{Chronicle, Entry, ErrorKind, From, Reader};
use common::child::{Acks, append_next, append_to, check, command, expected, home, job};
use common::{open, payload, read_all, writer};

/// The type of the message after which readers stop.
const LAST: u16 = 0xFFFF;
/// A reader that hears nothing for this long has been forgotten by the writer.
const PATIENCE: Duration = Duration::from_secs(30);
const SIGKILL: i32 = 9;

/// The entry of child processes. Without a job it does those that end by themselves, in its own process.
#[test]
fn a_child_does_its_job() {
    if let Some((job, dir)) = job() {
        let log = open(&dir);
        return match job.split_once(' ').unwrap_or((&job, "")) {
            ("write", count) => write(&log, count.parse().unwrap()),
            ("hold", _) => hold(&log),
            ("race", wins) => race(&log, wins.parse().unwrap()),
            ("read", _) => follow(&mut log.reader(From::Start).unwrap()),
            other => panic!("there is no job {other:?}"),
        };
    }
    let dir = home();
    let log = open(dir.path());
    race(&log, 3);
    assert_eq!(log.next_seq().unwrap(), 3);
    let dir = home();
    let log = open(dir.path());
    append_to(&log, &mut writer(&log), 2000, u64::MAX);
    writer(&log).append(&[], LAST).unwrap();
    follow(&mut log.reader(From::Start).unwrap());
}

/// Appends so many messages, and then waits to be killed.
fn write(log: &Chronicle, count: u64) {
    let mut writer = log.writer(PATIENCE).unwrap();
    let acked = Acks::of(log.path()).appended();
    assert!(writer.next_seq() >= acked, "{} of {acked} acknowledged messages", writer.next_seq());
    let end = writer.next_seq() + count;
    append_to(log, &mut writer, end, 500);
    std::thread::sleep(PATIENCE);
}

/// Holds the lock, with a child process of its own, until it is killed.
#[expect(clippy::zombie_processes, reason = "the child has to outlive this process")]
fn hold(log: &Chronicle) {
    let mut writer = writer(log);
    append_next(&mut writer, u64::MAX).unwrap();
    let child = Command::new("sleep").arg("60").spawn().unwrap();
    Acks::of(log.path()).append(child.id().into());
    std::thread::sleep(PATIENCE);
}

/// Takes the lock so many times, and fails when another process has it too.
fn race(log: &Chronicle, wins: u32) {
    let held = log.path().with_extension("held");
    for _ in 0..wins {
        let mut writer = log.writer(PATIENCE).unwrap();
        File::create_new(&held).expect("two writers hold the lock");
        let seq = writer.next_seq();
        assert_eq!(writer.append(&payload(seq, 40), 0).unwrap(), seq);
        fs::remove_file(&held).unwrap();
    }
}

/// Reads until the last message, and finds each seq once, in order, byte for byte.
fn follow(reader: &mut Reader) {
    let (mut slab, mut entries) = (vec![0; 100_000], [Entry::default(); 64]);
    let (mut next, mut left) = (0, 0);
    loop {
        assert!(reader.wait(PATIENCE).unwrap(), "no message after {next}");
        let run = reader.poll(&mut slab, &mut entries).unwrap();
        assert_eq!(run.need, 0);
        for entry in &entries[..run.count] {
            assert_eq!(entry.seq, next);
            if entry.type_id == u32::from(LAST) {
                return;
            }
            let (type_id, payload) = expected(next);
            assert_eq!(entry.type_id, u32::from(type_id));
            assert!(slab[entry.offset as usize..][..entry.length as usize] == payload, "seq {next}");
            assert!(
                left == 0 || entry.batch_remaining == left - 1,
                "seq {next} is not the next of its batch"
            );
            left = entry.batch_remaining;
            next += 1;
        }
    }
}

/// A child process that does not outlive the test.
struct Process(Child);

impl Process {
    fn start(job: &str, dir: &Path) -> Self {
        Self(command("a_child_does_its_job", job, dir).spawn().unwrap())
    }

    fn signal(&self, signal: i32) {
        // SAFETY: a signal to a child that was not waited for yet.
        assert_eq!(unsafe { libc::kill(self.0.id() as i32, signal) }, 0);
    }

    /// Kills it, and makes sure that it was alive until then.
    fn kill(mut self) {
        self.0.kill().unwrap();
        let status = self.0.wait().unwrap();
        assert_eq!(status.signal(), Some(SIGKILL), "the child ended by itself: {status}");
    }

    fn succeeds(mut self) {
        let status = self.0.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn readers_see_every_message_once_while_the_writer_is_killed_fifty_times() {
    const MESSAGES: u64 = 200_000;
    let dir = home();
    let (log, acks) = (open(dir.path()), Acks::of(dir.path()));
    let readers: Vec<Process> = (0..8).map(|_| Process::start("read", dir.path())).collect();
    let mut random = u64::from(std::process::id());
    for _ in 0..50 {
        let before = acks.appended();
        let writer = Process::start("write 3000", dir.path());
        until("the writer does not get on", || acks.appended() > before);
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_micros(random >> 51));
        writer.kill();
    }
    let mut writer = log.writer(PATIENCE).unwrap();
    assert!(writer.next_seq() >= acks.appended());
    append_to(&log, &mut writer, MESSAGES, 5000);
    writer.append(&[], LAST).unwrap();
    for reader in readers {
        reader.succeeds();
    }
    assert_eq!(log.next_seq().unwrap(), MESSAGES + 1);
}

#[test]
fn of_two_processes_that_race_for_the_lock_one_has_it() {
    let dir = home();
    let log = open(dir.path());
    let racers = [Process::start("race 500", dir.path()), Process::start("race 500", dir.path())];
    for racer in racers {
        racer.succeeds();
    }
    let messages = read_all(&log).unwrap();
    assert_eq!(messages.len(), 1000);
    assert!(messages.iter().zip(0..).all(|(m, seq)| m.seq == seq && m.payload == payload(seq, 40)));
}

#[test]
fn a_stopped_writer_keeps_its_lock() {
    let dir = home();
    let (log, acks) = (open(dir.path()), Acks::of(dir.path()));
    let process = Process::start("write 100", dir.path());
    until("the writer does not get on", || acks.appended() >= 100);
    process.signal(libc::SIGSTOP);
    let error = log.writer(Duration::from_millis(300)).unwrap_err();
    assert_eq!((error.kind(), error.pid()), (ErrorKind::Locked, Some(process.0.id())));
    process.signal(libc::SIGCONT);
    assert_eq!(log.writer(Duration::ZERO).unwrap_err().kind(), ErrorKind::Locked);
    process.kill();
    let mut writer = log.writer(PATIENCE).unwrap();
    assert_eq!(writer.next_seq(), 100);
    append_next(&mut writer, 200).unwrap();
    check(&read_all(&log).unwrap(), 0);
}

#[test]
fn a_process_that_the_writer_has_spawned_does_not_hold_the_lock() {
    let dir = home();
    let (log, acks) = (open(dir.path()), Acks::of(dir.path()));
    let process = Process::start("hold", dir.path());
    until("the writer does not get on", || acks.appended() > 0);
    process.kill();
    let grandchild = acks.appended() as i32;
    // SAFETY: signal 0 asks whether the process is there and does nothing to it.
    assert_eq!(unsafe { libc::kill(grandchild, 0) }, 0, "it has to outlive its parent for this test");
    drop(log.writer(PATIENCE).unwrap());
    // SAFETY: the process is the `sleep` that the child of this test has started.
    unsafe { libc::kill(grandchild, libc::SIGKILL) };
}

/// Runs `f` in a forked child and returns its exit code.
fn forked(f: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child runs `f`, which needs no thread but its own, and leaves by `_exit`.
    unsafe {
        match libc::fork() {
            -1 => panic!("cannot fork"),
            0 => libc::_exit(f()),
            pid => {
                let mut status = 0;
                assert_eq!(libc::waitpid(pid, &raw mut status, 0), pid);
                assert!(libc::WIFEXITED(status), "the child was killed: {status}");
                libc::WEXITSTATUS(status)
            }
        }
    }
}

#[test]
fn a_forked_child_neither_writes_nor_flushes_nor_takes_the_lock_along() {
    let dir = home();
    let log = open(dir.path());
    let mut first = writer(&log);
    append_next(&mut first, 10).unwrap();
    let (before, durable) = (first.next_seq(), log.durable_seq().unwrap());
    let mut first = Some(first);
    let code = forked(|| {
        let mut writer = first.take().unwrap();
        let refusals = [
            writer.append(b"x", 0).err(),
            writer.append_batch(b"x", &[chronicle_core::BatchItem { length: 1, type_id: 0 }], None).err(),
            writer.claim(1).err(),
            writer.durability().sync().err(),
        ];
        let refused = refusals.iter().flatten().filter(|e| e.kind() == ErrorKind::Forked).count();
        drop(writer);
        let locked = log.writer(Duration::ZERO).is_err_and(|e| e.kind() == ErrorKind::Locked);
        i32::from(refused != 4) + 2 * i32::from(!locked)
    });
    assert_eq!(code, 0);
    let mut writer = first.unwrap();
    assert_eq!(
        (writer.next_seq(), log.next_seq().unwrap(), log.durable_seq().unwrap()),
        (before, before, durable)
    );
    assert_eq!(
        log.writer(Duration::ZERO).unwrap_err().kind(),
        ErrorKind::Locked,
        "the child released the lock"
    );
    append_next(&mut writer, 20).unwrap();
    check(&read_all(&log).unwrap(), 0);
}

#[test]
fn a_writer_that_is_dropped_leaves_no_lock_with_a_forked_child() {
    let dir = home();
    let log = open(dir.path());
    let first = writer(&log);
    // SAFETY: the child only sleeps until it is killed.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        loop {
            // SAFETY: waits for a signal.
            unsafe { libc::pause() };
        }
    }
    drop(first);
    let second = log.writer(Duration::ZERO);
    // SAFETY: the child that was forked above.
    unsafe {
        libc::kill(pid, libc::SIGKILL);
        libc::waitpid(pid, std::ptr::null_mut(), 0);
    }
    second.unwrap();
}

#[test]
fn durability_ends_with_its_writer() {
    let dir = home();
    let log = open(dir.path());
    let mut first = writer(&log);
    append_next(&mut first, 10).unwrap();
    let durability = first.durability();
    drop(first);
    assert_eq!(durability.sync().unwrap_err().kind(), ErrorKind::Closed);
    let mut second = writer(&log);
    let flushed = second.durability().sync().unwrap();
    append_to(&log, &mut second, 500, u64::MAX);
    assert_eq!(durability.sync().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(log.durable_seq().unwrap(), flushed, "what nobody has flushed counts as durable");
}
