//! Test binaries that start themselves again: a process that can be killed, with a file that tells what it had acknowledged.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use chronicle_core::{BatchItem, Chronicle, Writer};
use tempfile::TempDir;

use super::{Message, payload};

const JOB: &str = "CHRONICLE_TEST_JOB";
const DIR: &str = "CHRONICLE_TEST_DIR";

/// A process that runs the test named `entry` of this very binary, which finds its job with [`job`].
pub fn command(entry: &str, job: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([entry, "--exact", "--nocapture", "--test-threads=1"]).env(JOB, job).env(DIR, dir);
    command.stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null());
    command
}

/// The job and the directory that this process was started for.
pub fn job() -> Option<(String, PathBuf)> {
    Some((std::env::var(JOB).ok()?, std::env::var_os(DIR)?.into()))
}

/// The place of a log whose [`Acks`] lie beside it, in a directory that goes with the value.
pub struct Home {
    path: PathBuf,
    _root: TempDir,
}

impl Home {
    pub fn path(&self) -> &Path {
        &self.path
    }
}

pub fn home() -> Home {
    let root = tempfile::tempdir().unwrap();
    Home { path: root.path().join("log"), _root: root }
}

/// Two numbers that survive the process: every seq below them was acknowledged, or acknowledged as durable.
pub struct Acks(File);

impl Acks {
    pub fn of(dir: &Path) -> Self {
        let path = dir.with_extension("acks");
        Self(File::options().read(true).write(true).create(true).truncate(false).open(path).unwrap())
    }

    fn get(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        match self.0.read_exact_at(&mut bytes, at) {
            Ok(()) => u64::from_le_bytes(bytes),
            Err(_) => 0,
        }
    }

    pub fn appended(&self) -> u64 {
        self.get(0)
    }

    pub fn synced(&self) -> u64 {
        self.get(8)
    }

    pub fn append(&self, next_seq: u64) {
        self.0.write_all_at(&next_seq.to_le_bytes(), 0).unwrap();
    }

    pub fn sync(&self, next_seq: u64) {
        self.0.write_all_at(&next_seq.to_le_bytes(), 8).unwrap();
    }
}

/// A number that depends on the seq alone, so that who reads knows what was written.
fn mixed(seq: u64) -> u64 {
    let mut x = seq.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// Mostly small, some empty, now and then one that nearly fills or exceeds a small segment.
pub fn length(seq: u64) -> usize {
    match mixed(seq) % 1000 {
        0 => 70_000,
        1..10 => 9_000 + (mixed(seq) >> 20) as usize % 9_000,
        10..60 => 0,
        _ => (mixed(seq) >> 20) as usize % 400,
    }
}

/// How many messages the call that appends this seq appends.
fn together(seq: u64) -> u64 {
    if (mixed(seq) >> 40).is_multiple_of(8) { 2 + (mixed(seq) >> 50) % 7 } else { 1 }
}

/// The most messages that one call appends.
pub const MOST_TOGETHER: u64 = 8;

/// Appends the messages that come next, alone or as a batch, up to `end`.
pub fn append_next(writer: &mut Writer, end: u64) -> chronicle_core::Result<()> {
    let seq = writer.next_seq();
    let count = together(seq).min(end - seq);
    if count == 1 {
        return writer.append(&payload(seq, length(seq)), type_of(seq)).map(|_| ());
    }
    let payloads: Vec<Vec<u8>> = (seq..seq + count).map(|seq| payload(seq, length(seq))).collect();
    let items: Vec<BatchItem> = (seq..seq + count)
        .map(|seq| BatchItem { length: length(seq) as u32, type_id: type_of(seq).into() })
        .collect();
    writer.append_batch(&payloads.concat(), &items, Some(seq)).map(|_| ())
}

fn type_of(seq: u64) -> u16 {
    (seq % 7) as u16
}

/// Type and payload of the message with this seq.
pub fn expected(seq: u64) -> (u16, Vec<u8>) {
    (type_of(seq), payload(seq, length(seq)))
}

/// Appends up to `end`, and after each call says so; syncs every `sync_every` calls.
pub fn append_to(log: &Chronicle, writer: &mut Writer, end: u64, sync_every: u64) {
    let acks = Acks::of(log.path());
    let mut calls = 0;
    while writer.next_seq() < end {
        append_next(writer, end).unwrap();
        acks.append(writer.next_seq());
        calls += 1;
        if calls % sync_every == 0 {
            acks.sync(writer.durability().sync().unwrap());
        }
    }
}

/// Each message is the one that [`append_next`] makes, the seqs are contiguous from `first`, and no batch is in parts.
pub fn check(messages: &[Message], first: u64) {
    let mut left = 0;
    for (message, seq) in messages.iter().zip(first..) {
        assert_eq!(message.seq, seq);
        assert_eq!(message.type_id, u32::from(type_of(seq)), "seq {seq}");
        assert!(message.payload == payload(seq, length(seq)), "seq {seq} has other bytes");
        assert!(left == 0 || message.batch_remaining == left - 1, "seq {seq} is not the next of its batch");
        left = message.batch_remaining;
    }
    assert_eq!(left, 0, "the log ends within a batch");
}
