//! The process ends at each step of what it does, by an injected abort; the next opening heals what that leaves.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use chronicle_core::{From, Reader, Retention};
use common::child::{Acks, MOST_TOGETHER, append_to, check, command, home, job};
use common::{
    Message, drain, find, open, patch, payload, quarantined, read_all, reboot, records, segments, writer,
};

const SIGABRT: i32 = 6;
const LARGE: usize = 200_000;

/// What a child process does; it is the same code that a test calls in its own process.
fn run(job: &str, dir: &Path) {
    let log = open(dir);
    match job {
        "create" => {}
        "open" => drop(writer(&log)),
        "append" => {
            let mut writer = writer(&log);
            let end = writer.next_seq() + 800;
            append_to(&log, &mut writer, end, 50);
        }
        "large" => {
            let mut writer = writer(&log);
            writer.append(&payload(0, LARGE), 0).unwrap();
            Acks::of(dir).append(1);
        }
        "prune" => {
            let retention = Retention { keep_messages: Some(100), ..Retention::default() };
            log.prune(&retention, false).unwrap();
        }
        "commit" => {
            let mut reader = log.named_reader("billing", From::Start).unwrap();
            for message in drain(&mut reader).unwrap() {
                reader.commit(message.seq).unwrap();
                Acks::of(dir).append(message.seq + 1);
            }
        }
        other => panic!("there is no job {other}"),
    }
}

/// The entry of child processes. Without a job it does one after the other and is the proof that they work undisturbed.
#[test]
fn a_child_does_its_job() {
    if let Some((job, dir)) = job() {
        return run(&job, &dir);
    }
    let dir = home();
    for job in ["create", "open", "append", "commit", "prune", "append"] {
        run(job, dir.path());
    }
    let log = open(dir.path());
    assert_eq!(log.next_seq().unwrap(), 1600);
    assert!(log.first_seq().unwrap() > 600);
    check(&read_all(&log).unwrap(), log.first_seq().unwrap());
}

/// Runs the job in a process that aborts at `point`. False when it does not come by there.
fn crashes(job: &str, dir: &Path, point: &str) -> bool {
    let status = command("a_child_does_its_job", job, dir).env("CHRONICLE_FAULT", point).status().unwrap();
    assert!(status.success() || status.signal() == Some(SIGABRT), "{job} at {point}: {status}");
    !status.success()
}

fn crash(job: &str, dir: &Path, point: &str) {
    assert!(crashes(job, dir, point), "{job} does not come by {point}");
}

/// Opens the log for writing, and finds all that was acknowledged, nothing that was not asked for, and no half batch.
fn heals(dir: &Path, what: &str) -> Vec<Message> {
    let (log, acked) = (open(dir), Acks::of(dir).appended());
    let mut writer = writer(&log);
    let messages = read_all(&log).unwrap_or_else(|e| panic!("{what}: {e}"));
    check(&messages, 0);
    let count = messages.len() as u64;
    assert!(
        (acked..=acked + MOST_TOGETHER).contains(&count),
        "{what}: {count} messages, {acked} acknowledged"
    );
    assert_eq!(writer.next_seq(), count, "{what}");
    append_to(&log, &mut writer, count + 20, 7);
    let messages = read_all(&log).unwrap();
    check(&messages, 0);
    assert_eq!(messages.len() as u64, count + 20, "{what}");
    messages
}

/// A reader that was there before the crash goes on through it.
fn follow(reader: &mut Reader, seen: &mut Vec<Message>, what: &str) {
    seen.extend(drain(reader).unwrap_or_else(|e| panic!("{what}: {e}")));
}

#[test]
fn a_crash_at_any_step_of_creation_leaves_a_log_or_none() {
    for point in ["create.segment", "create.control"] {
        let dir = home();
        crash("create", dir.path(), point);
        heals(dir.path(), point);
    }
}

#[test]
fn a_crash_at_any_step_of_appending_loses_nothing_that_was_acknowledged() {
    let points = [
        "record.written:1",
        "record.written:2",
        "record.written:150",
        "record.published:1",
        "record.published:150",
        "batch.published:1",
        "batch.published:2",
        "batch.published:90",
        "batch.written:1",
        "batch.written:20",
        "roll.created:1",
        "roll.created:3",
        "roll.named:1",
        "roll.named:3",
        "roll.ended:1",
        "roll.ended:3",
        "roll.emptied:1",
        "sync.segment:1",
        "sync.segment:4",
        "sync.flushed:1",
        "sync.flushed:4",
    ];
    for point in points {
        let dir = home();
        let mut reader = open(dir.path()).reader(From::Start).unwrap();
        let mut seen = Vec::new();
        // The second time the writer starts from what the first one has left, without anybody healing it in between.
        for life in 0..2 {
            let crashed = crashes("append", dir.path(), point);
            assert!(crashed || point.starts_with("roll.emptied"), "{point} in life {life}");
            follow(&mut reader, &mut seen, point);
        }
        let messages = heals(dir.path(), point);
        follow(&mut reader, &mut seen, point);
        assert!(seen == messages, "{point}: the reader that was there saw something else");
        reboot(dir.path());
        assert!(heals(dir.path(), point).len() > seen.len(), "{point}");
    }
}

#[test]
fn a_crash_between_an_empty_segment_and_the_larger_one_of_its_name_is_healed() {
    for point in ["roll.created", "roll.emptied", "roll.named", "roll.ended"] {
        for again in [false, true] {
            let dir = home();
            let log = open(dir.path());
            let mut reader = log.reader(From::Start).unwrap();
            crash("large", dir.path(), point);
            assert_eq!(drain(&mut reader).unwrap(), [], "{point}");
            // Once the larger segment has the name, there is no second roll to crash in.
            if again && ["roll.created", "roll.emptied"].contains(&point) {
                crash("large", dir.path(), point);
                assert_eq!(drain(&mut reader).unwrap(), [], "{point}");
            }
            run("large", dir.path());
            let read = drain(&mut reader).unwrap();
            assert!(read.len() == 1 && read[0].payload == payload(0, LARGE), "{point}");
            assert_eq!(segments(dir.path()).len(), 1);
            reboot(dir.path());
            run("open", dir.path());
            assert_eq!(read_all(&log).unwrap(), read, "{point}");
        }
    }
}

#[test]
fn a_crash_in_a_recovery_of_this_boot_is_healed() {
    let leavings = ["record.written:150", "batch.published:3", "roll.named:2", "roll.ended:2"];
    let points =
        ["recovery.walked", "recovery.ended", "recovery.quarantined", "recovery.zeroed", "recovery.settled"];
    let mut passed = 0;
    for left in leavings {
        for point in points {
            let dir = home();
            crash("append", dir.path(), left);
            passed += u32::from(crashes("open", dir.path(), point));
            crashes("open", dir.path(), point);
            heals(dir.path(), &format!("{left}, then {point}"));
        }
    }
    assert!(passed >= 16, "only {passed} crashes");
}

/// A log whose last boot left it torn after the durable point: returns how many messages a recovery keeps.
fn torn(dir: &Path, how: &str) -> usize {
    let log = open(dir);
    let mut writer = writer(&log);
    append_to(&log, &mut writer, 300, u64::MAX);
    Acks::of(dir).append(writer.durability().sync().unwrap());
    let last_durable = segments(dir).len();
    while segments(dir).len() < last_durable + 4 {
        let end = writer.next_seq() + 10;
        append_to(&log, &mut writer, end, u64::MAX);
    }
    drop(writer);
    let segments = segments(dir);
    let keep = match how {
        "bad record" => {
            let alone = |(_, header): &&(u64, chronicle_core::MessageHeader)| {
                header.length > 64 && header.batch_remaining == 0
            };
            let records = records(&segments[last_durable + 1]);
            let (offset, header) = records.iter().rev().find(alone).unwrap();
            patch(&segments[last_durable + 1], offset + 64, |bytes| bytes[0] ^= 0xFF);
            batch_start(dir, header.seq)
        }
        "END lost" => {
            let (end, _) = *records(&segments[last_durable]).last().unwrap();
            patch(&segments[last_durable], end, |bytes| bytes[..64].fill(0));
            log.next_seq().unwrap()
        }
        "name lost" => {
            let base = records(&segments[last_durable + 2])[0].1.seq;
            std::fs::remove_file(&segments[last_durable + 2]).unwrap();
            base
        }
        other => panic!("nothing is torn by {other}"),
    };
    reboot(dir);
    Acks::of(dir).append(keep);
    usize::try_from(keep).unwrap()
}

/// The first message of the batch of this seq.
fn batch_start(dir: &Path, seq: u64) -> u64 {
    let messages: Vec<_> = segments(dir).iter().flat_map(|path| records(path)).collect();
    let remaining = |seq: u64| {
        messages.iter().find(|(_, h)| h.seq == seq && !h.is_end()).map_or(0, |(_, h)| h.batch_remaining)
    };
    (0..=seq).rev().find(|&start| start == 0 || remaining(start - 1) == 0).unwrap()
}

#[test]
fn a_crash_in_a_recovery_after_a_power_cut_is_healed() {
    let points = [
        "recovery.walked",
        "recovery.ended",
        "recovery.aside:1",
        "recovery.aside:2",
        "recovery.quarantined",
        "recovery.zeroed",
        "recovery.named",
        "recovery.durable",
        "recovery.settled",
    ];
    let mut passed = 0;
    for how in ["bad record", "END lost", "name lost"] {
        for point in points {
            let what = format!("{how}, then {point}");
            let dir = home();
            let keep = torn(dir.path(), how);
            passed += u32::from(crashes("open", dir.path(), point));
            // The next one may find less to do, and must not do it worse.
            crashes("open", dir.path(), point);
            reboot(dir.path());
            let log = open(dir.path());
            let mut reader = log.reader(From::Start).unwrap();
            drop(writer(&log));
            assert_eq!(drain(&mut reader).unwrap().len(), keep, "{what}");
            heals(dir.path(), &what);
            assert_eq!(quarantined(dir.path()).is_empty(), how == "END lost", "{what}");
        }
    }
    assert_eq!(passed, 18);
}

#[test]
fn what_a_stopped_recovery_cut_is_in_the_quarantine() {
    for point in ["recovery.aside:1", "recovery.quarantined", "recovery.zeroed", "recovery.settled"] {
        let dir = home();
        let count = {
            let log = open(dir.path());
            run("append", dir.path());
            log.next_seq().unwrap()
        };
        // Nothing counts as durable, so that everything may be cut.
        patch(&dir.path().join("control"), 384, |bytes| bytes[..128].fill(0));
        let (path, offset) = find(dir.path(), 0);
        let cut: Vec<Vec<u8>> = (1..count).map(|seq| payload(seq, common::child::length(seq))).collect();
        patch(&path, offset, |bytes| bytes[0] ^= 1);
        reboot(dir.path());
        crash("open", dir.path(), point);
        run("open", dir.path());
        assert_eq!(read_all(&open(dir.path())).unwrap(), []);
        let kept = quarantined(dir.path());
        for payload in cut.iter().filter(|payload| payload.len() > 200).step_by(20) {
            let found =
                kept.iter().any(|(_, bytes)| bytes.windows(payload.len()).any(|window| window == payload));
            assert!(found, "{point}: a cut message is nowhere");
        }
    }
}

#[test]
fn a_crash_in_a_prune_removes_whole_segments_from_the_front() {
    for point in ["prune.intended", "prune.removed:1", "prune.removed:2"] {
        let dir = home();
        run("append", dir.path());
        crash("prune", dir.path(), point);
        let log = open(dir.path());
        for _ in 0..2 {
            let messages = read_all(&log).unwrap();
            check(&messages, log.first_seq().unwrap());
            assert_eq!(messages.last().unwrap().seq, 799, "{point}");
            run("prune", dir.path());
        }
        assert!(log.first_seq().unwrap() > 600);
        run("append", dir.path());
        assert_eq!(read_all(&log).unwrap().last().unwrap().seq, 1599);
    }
}

#[test]
fn a_crash_in_a_commit_leaves_the_position_before_or_after_it() {
    for point in ["position.written", "position.half:1", "position.half:2", "position.half:333"] {
        let dir = home();
        run("append", dir.path());
        Acks::of(dir.path()).append(0);
        crash("commit", dir.path(), point);
        let acked = Acks::of(dir.path()).appended();
        let reader = open(dir.path()).named_reader("billing", From::Start).unwrap();
        assert_eq!(reader.next_seq(), acked, "{point}");
    }
}
