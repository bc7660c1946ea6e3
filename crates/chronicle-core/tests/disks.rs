//! Disks that fill up: what was acknowledged stays, and appending goes on when there is room again.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking, and its numbers are small"
)]

mod common;

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use chronicle_core::{Chronicle, ErrorKind, From};
use common::child::{append_next, check};
use common::{open, payload, read_all, writer};

/// A file system of its own for a test, of a few megabytes.
struct Mounted(tempfile::TempDir);

impl Mounted {
    /// Says why, where the machine does not let a test mount anything.
    fn new(arguments: &[&str]) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mount = Command::new("mount").args(arguments).arg(dir.path()).stderr(Stdio::piped()).output();
        match mount {
            Ok(output) if output.status.success() => return Some(Self(dir)),
            Ok(output) => eprint!("not tested here: mount: {}", String::from_utf8_lossy(&output.stderr)),
            Err(e) => eprintln!("not tested here: mount: {e}"),
        }
        None
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

/// Fills the file system by appending, frees space, and appends on; then the same with a recovery that needs space.
fn fill_up(root: &Path) {
    let dir = root.join("log");
    let filler = root.join("filler");
    fs::write(&filler, vec![1; 1 << 20]).unwrap();
    let log = open(&dir);
    let mut reader = log.reader(From::Start).unwrap();
    let mut writer = writer(&log);
    let mut acked = 0;
    let error = loop {
        match append_next(&mut writer, u64::MAX) {
            Ok(()) => acked = writer.next_seq(),
            Err(e) => break e,
        }
    };
    assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
    let mut refused = 0;
    while refused < 3 {
        // What the helper thread had begun and gives back may make room once more.
        match append_next(&mut writer, u64::MAX) {
            Ok(()) => acked = writer.next_seq(),
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::NoSpace, "{e}");
                refused += 1;
            }
        }
    }
    assert_eq!((writer.next_seq(), log.next_seq().unwrap()), (acked, acked));
    let messages = common::drain(&mut reader).unwrap();
    check(&messages, 0);
    assert_eq!(messages.len() as u64, acked);
    // A small message may still fit, and one that needs a segment may not; in the end none does.
    while writer.append(&[], 0).is_ok() {}
    let full = writer.next_seq();
    assert_eq!(writer.durability().sync().unwrap(), full);
    drop(writer);
    let mut writer = log.writer(Duration::ZERO).unwrap();
    assert_eq!(writer.append(&[7; 100], 0).unwrap_err().kind(), ErrorKind::NoSpace);
    fs::remove_file(&filler).unwrap();
    for seq in full..full + 500 {
        assert_eq!(writer.append(&payload(seq, 300), 0).unwrap(), seq);
    }
    drop(writer);
    torn_on_a_full_disk(&log, &filler);
}

/// A copy for the quarantine that finds no room leaves the log as it is, and no part of itself.
fn torn_on_a_full_disk(log: &Chronicle, filler: &Path) {
    let dir = log.path();
    common::patch(&dir.join("control"), 384, |bytes| bytes[..128].fill(0));
    let (path, offset) = common::find(dir, 0);
    common::patch(&path, offset, |bytes| bytes[0] ^= 1);
    common::reboot(dir);
    let mut file = File::create(filler).unwrap();
    while std::io::Write::write_all(&mut file, &[1; 4096]).is_ok() {}
    let _ = file.sync_all();
    drop(file);
    let before = fs::read(&path).unwrap();
    let refused = log.writer(Duration::ZERO);
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::NoSpace);
    assert!(fs::read(&path).unwrap() == before, "the tail was cut without a copy");
    assert!(common::quarantined(dir).iter().all(|(path, _)| path.extension().is_none_or(|e| e != "cut")));
    fs::remove_file(filler).unwrap();
    drop(log.writer(Duration::ZERO).unwrap());
    assert_eq!(read_all(log).unwrap(), []);
}

#[test]
fn a_full_tmpfs_is_an_error_and_no_signal() {
    if let Some(root) = Mounted::new(&["-t", "tmpfs", "-o", "size=3m", "tmpfs"]) {
        fill_up(root.0.path());
    }
}

#[test]
fn a_full_ext4_is_an_error_and_no_signal() {
    let disk = tempfile::NamedTempFile::new().unwrap();
    disk.as_file().set_len(8 << 20).unwrap();
    let made = Command::new("mkfs.ext4").args(["-q", "-m", "0"]).arg(disk.path()).output();
    if !made.is_ok_and(|output| output.status.success()) {
        eprintln!("not tested here: there is no mkfs.ext4");
        return;
    }
    if let Some(root) = Mounted::new(&["-o", "loop", disk.path().to_str().unwrap()]) {
        fill_up(root.0.path());
    }
}

/// What a copy-on-write file system does when it is full: a store to allocated space finds none.
#[cfg(all(target_os = "linux", feature = "fault"))]
#[test]
#[expect(unsafe_code, reason = "gives blocks back behind the writer's back")]
fn a_store_that_finds_no_room_poisons_the_writer_and_publishes_nothing() {
    use std::os::fd::AsRawFd;
    let Some(root) = Mounted::new(&["-t", "tmpfs", "-o", "size=2m", "tmpfs"]) else { return };
    let dir = root.0.path().join("log");
    let log = open(&dir);
    let mut writer = writer(&log);
    for seq in 0..10 {
        writer.append(&payload(seq, 1000), 0).unwrap();
    }
    // Or the helper thread would take the blocks again.
    writer.settle();
    let file = File::options().write(true).open(&common::segments(&dir)[0]).unwrap();
    let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    // SAFETY: a call on an open file.
    assert_eq!(unsafe { libc::fallocate(file.as_raw_fd(), mode, 20_480, 40_960) }, 0);
    let filler = root.0.path().join("filler");
    let mut full = File::create(&filler).unwrap();
    while std::io::Write::write_all(&mut full, &[1; 4096]).is_ok() {}
    let error = writer.append(&payload(10, 20_000), 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Poisoned, "{error}");
    assert_eq!(writer.durability().sync().unwrap_err().kind(), ErrorKind::Poisoned);
    drop((full, writer));
    fs::remove_file(&filler).unwrap();
    assert_eq!(read_all(&log).unwrap().len(), 10);
    let mut writer = log.writer(Duration::ZERO).unwrap();
    assert_eq!(writer.append(&payload(10, 20_000), 0).unwrap(), 10);
    assert_eq!(writer.durability().sync().unwrap(), 11);
    assert_eq!(read_all(&log).unwrap().len(), 11);
}
