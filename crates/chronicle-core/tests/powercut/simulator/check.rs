//! What must hold of a log that is opened behind a power cut, or behind the end of its processes.

use std::fs;
use std::path::Path;
use std::time::Duration;

use chronicle_core::{Chronicle, From, HEADER_LEN, MessageHeader, Options, SyncMode, repair, verify};

use super::dice::Dice;
use super::model::{Promises, Written};
use super::recorder::Cut;
use crate::common::{Message, drain, read_all};

/// What a recovery has found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    pub first_seq: u64,
    pub next_seq: u64,
    pub readers: Vec<(String, u64)>,
}

fn options() -> Options {
    Options { sync: SyncMode::None, segment_bytes: Some(64 << 10), ..Options::default() }
}

/// Opens the image in `dir` with the real recovery, and checks what it finds against what was promised.
pub fn check(dir: &Path, cut: &Cut, written: &[Written], dice: &mut Dice) -> Found {
    let Cut { image, promises, claimed, .. } = cut;
    let (used_epoch, used_by) = newest_epoch(dir);
    let damaged = promises.damaged.unwrap_or(u64::MAX);
    if promises.damaged.is_some() {
        repair(dir).unwrap();
    }
    let log = Chronicle::open(dir, &options()).unwrap();
    let mut writer = log.writer(Duration::ZERO).unwrap();
    let messages = read_all(&log).unwrap();
    let (first, end) = (log.first_seq().unwrap(), writer.next_seq());
    let least = if image.same_boot { promises.appended } else { promises.durable };
    let least = damaged.min(least as u64);
    assert!(end >= least, "{end} messages left, {least} were promised");
    assert!(end <= promises.begun as u64, "{end} messages, only {} were appended", promises.begun);
    assert!(
        end >= damaged.min(*claimed),
        "{end} messages left, readers were told that {claimed} are durable"
    );
    assert!(
        (promises.pruned..=promises.kept).contains(&first),
        "the log starts at {first}, {} were pruned and {} must stay",
        promises.pruned,
        promises.kept
    );
    assert_eq!(first + messages.len() as u64, end);
    same(&messages, &written[first as usize..]);
    assert_eq!(messages.last().map_or(0, |message| message.batch_remaining), 0, "a batch is in parts");
    let epoch = log.stats().unwrap().epoch;
    assert!(epoch > used_epoch, "epoch {epoch} was used before: {used_by}");
    let readers = check_readers(&log, promises, image.same_boot, first, end);
    go_on(dir, log, &mut writer, messages, dice);
    Found { first_seq: first, next_seq: end, readers }
}

fn same(messages: &[Message], written: &[Written]) {
    assert!(messages.len() <= written.len(), "there is more than was written");
    for (message, written) in messages.iter().zip(written) {
        let seq = message.seq;
        assert!(message.payload == written.payload, "message {seq} has other bytes");
        assert_eq!(
            (message.type_id, message.batch_remaining),
            (written.type_id.into(), written.batch_remaining),
            "seq {seq}"
        );
    }
}

fn check_readers(
    log: &Chronicle,
    promises: &Promises,
    same_boot: bool,
    first: u64,
    end: u64,
) -> Vec<(String, u64)> {
    let readers = log.readers().unwrap();
    for reader in &readers {
        let (name, next_seq) = (&reader.name, reader.next_seq);
        let promise = promises.readers.get(name).unwrap_or_else(|| panic!("{name} was removed"));
        let least = if same_boot { promise.stored } else { promise.durable }.unwrap_or(0).min(end);
        assert!(next_seq >= least, "{name} is at {next_seq} and has committed {least}");
        assert!(next_seq <= promise.most, "{name} is at {next_seq} and has read {}", promise.most);
        assert!(next_seq <= end, "{name} is at {next_seq}, ahead of the end {end}");
        assert!(
            !promises.unread_kept || next_seq >= first,
            "{name} is at {next_seq}, what it has still to read was pruned up to {first}"
        );
        if next_seq >= first {
            let mut reader = log.named_reader(name, From::End).unwrap();
            assert_eq!(drain(&mut reader).unwrap().len() as u64, end - next_seq, "{name}");
        }
    }
    for (name, promise) in &promises.readers {
        let sure = if same_boot { promise.stored } else { promise.durable };
        let there = readers.iter().any(|reader| reader.name == *name);
        assert!(there || sure.is_none() || promise.leaving, "{name} is gone");
    }
    readers.into_iter().map(|reader| (reader.name, reader.next_seq)).collect()
}

/// The log takes messages again, rolls, and a further recovery finds them.
fn go_on(
    dir: &Path,
    log: Chronicle,
    writer: &mut chronicle_core::Writer,
    mut messages: Vec<Message>,
    dice: &mut Dice,
) {
    let large = if dice.percent(20) { 70_000 } else { 900 };
    for len in [0, large, 300] {
        writer.append(&dice.bytes(len), 5).unwrap();
    }
    let all = read_all(&log).unwrap();
    assert_eq!(all.len(), messages.len() + 3);
    assert!(all[..messages.len()] == messages[..], "appending has changed what was there");
    messages = all;
    if !dice.percent(20) {
        return;
    }
    writer.durability().sync().unwrap();
    let report = verify(dir, |_, _| ()).unwrap();
    assert!(report.is_sound(), "{:?}", report.problems);
    drop(log);
    // The writer holds the lock until its end, so the next life starts from a copy of its files.
    let copy = dir.with_extension("copy");
    copy_tree(dir, &copy);
    crate::common::reboot(&copy);
    let log = Chronicle::open(&copy, &options()).unwrap();
    let writer = log.writer(Duration::ZERO).unwrap();
    assert!(read_all(&log).unwrap() == messages, "a second recovery finds something else");
    assert_eq!(writer.next_seq(), messages.last().unwrap().seq + 1);
    drop(writer);
    fs::remove_dir_all(copy).unwrap();
}

fn copy_tree(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_tree(&path, &target);
        } else if !path.to_string_lossy().ends_with(".tmp") {
            // The helper thread may rename what is temporary meanwhile.
            fs::copy(&path, target).unwrap();
        }
    }
}

/// The largest epoch of all valid records in the segments of `dir`, wherever they stand, and which record has it.
fn newest_epoch(dir: &Path) -> (u32, String) {
    let Ok(entries) = fs::read_dir(dir) else { return Default::default() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let segments = paths.filter(|path| path.extension().is_some_and(|extension| extension == "seg"));
    let epochs = segments.flat_map(|path| {
        let bytes = fs::read(&path).unwrap();
        let records = bytes.chunks_exact(HEADER_LEN).enumerate().filter(|(_, bytes)| bytes[26] & 1 != 0);
        let valid = records.filter_map(|(index, bytes)| {
            let header = MessageHeader::from_bytes(bytes.first_chunk().unwrap()).ok()?;
            let name = path.file_name().unwrap().to_string_lossy();
            Some((header.epoch, format!("{name} at {}: {header:?}", index * HEADER_LEN)))
        });
        valid.collect::<Vec<_>>()
    });
    epochs.max_by_key(|(epoch, _)| *epoch).unwrap_or_default()
}
