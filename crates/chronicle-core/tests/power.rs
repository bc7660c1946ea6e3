//! Power cuts at random: the disk keeps what was flushed, and of everything later any sectors, in any order, or none.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking, and its numbers are small"
)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use chronicle_core::{BatchItem, Chronicle, Writer};
use common::{Message, open, read_all, reboot, writer};
use proptest::prelude::*;

const SECTOR: usize = 512;
/// What is written at once, whatever else is lost: the header that a rename waited for.
const SEGMENT_HEADER: usize = 4096;

type Files = BTreeMap<PathBuf, Vec<u8>>;

struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

/// All files as they are now. The helper thread of the writer may add and remove some meanwhile.
fn image(dir: &Path) -> Files {
    let mut files = Files::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(image(&path));
        } else if let Ok(bytes) = fs::read(&path) {
            files.insert(path, bytes);
        }
    }
    files
}

/// What was written, what of it is durable, and the disk of that moment.
struct Model {
    written: Vec<(Vec<u8>, u32)>,
    durable: usize,
    disk: Files,
}

impl Model {
    /// Opens the log after a power cut: what it holds begins what was written, and ends behind what was durable.
    fn recover(&mut self, log: &Chronicle) -> Writer {
        let writer = writer(log);
        let messages = read_all(log).unwrap();
        self.check(&messages);
        assert!(
            messages.len() >= self.durable,
            "{} left of {} durable messages",
            messages.len(),
            self.durable
        );
        assert_eq!(messages.last().map_or(0, |message| message.batch_remaining), 0, "a batch is in parts");
        assert_eq!(writer.next_seq(), messages.len() as u64);
        self.written.truncate(messages.len());
        self.keep(log);
        writer
    }

    fn check(&self, messages: &[Message]) {
        assert!(messages.len() <= self.written.len(), "there is more than was written");
        for (seq, (message, (payload, remaining))) in messages.iter().zip(&self.written).enumerate() {
            assert_eq!((message.seq, message.batch_remaining), (seq as u64, *remaining));
            assert!(message.payload == *payload, "message {seq} is another one");
        }
    }

    /// From now on nothing of this can be lost.
    fn keep(&mut self, log: &Chronicle) {
        (self.durable, self.disk) = (self.written.len(), image(log.path()));
    }

    fn append(&mut self, writer: &mut Writer, dice: &mut Dice) {
        let count = if dice.percent(20) { 2 + dice.below(6) } else { 1 };
        let payloads: Vec<Vec<u8>> = (0..count)
            .map(|_| {
                let len = if dice.percent(2) { 60_000 + dice.below(20_000) } else { dice.below(1500) };
                (0..len).map(|_| dice.next() as u8).collect()
            })
            .collect();
        if count == 1 {
            writer.append(&payloads[0], 0).unwrap();
        } else {
            let items: Vec<BatchItem> = payloads
                .iter()
                .map(|payload| BatchItem { length: payload.len() as u32, type_id: 0 })
                .collect();
            writer.append_batch(&payloads.concat(), &items, None).unwrap();
        }
        let remaining = (0..count as u32).rev();
        self.written.extend(payloads.into_iter().zip(remaining));
    }
}

/// Any sectors of `old` replaced by those of `new`.
fn mix(old: &[u8], new: &[u8], lost: u64, dice: &mut Dice) -> Vec<u8> {
    let sectors = old.chunks(SECTOR).zip(new.chunks(SECTOR));
    sectors.flat_map(|(old, new)| if dice.percent(lost) { old } else { new }.iter().copied()).collect()
}

/// What the disk may hold of a file. `None`: the file has no name there.
fn survivor(
    path: &Path,
    old: Option<&Vec<u8>>,
    new: Option<&Vec<u8>>,
    lost: u64,
    dice: &mut Dice,
) -> Option<Vec<u8>> {
    match (old, new) {
        // All that is stored there lies in one sector.
        (Some(old), Some(new)) if path.ends_with("control") => {
            Some(if dice.percent(lost) { old } else { new }.clone())
        }
        (Some(old), Some(new)) if old.len() == new.len() => Some(mix(old, new, lost, dice)),
        // A larger segment has taken the name of an empty one; an index has grown.
        (Some(_), Some(new)) if dice.percent(100 - lost) => {
            let mut bytes = mix(&vec![0; new.len()], new, lost, dice);
            let header = SEGMENT_HEADER.min(new.len());
            bytes[..header].copy_from_slice(&new[..header]);
            Some(bytes)
        }
        (Some(old), _) => Some(old.clone()),
        (None, Some(_)) if dice.percent(lost / 2) => None,
        (None, Some(_)) if dice.percent(lost / 10) => Some(Vec::new()),
        (None, Some(new)) => Some(mix(&vec![0; new.len()], new, lost, dice)),
        (None, None) => None,
    }
}

/// Leaves in `dir` what a disk may hold that was at `old` when it was last flushed, and at `new` when the power went.
fn cut_power(dir: &Path, old: &Files, new: &Files, dice: &mut Dice) {
    let lost = [1, 10, 50, 90, 100][dice.below(5) as usize];
    let paths: BTreeSet<&PathBuf> = new.keys().chain(old.keys()).collect();
    for path in paths {
        let left = survivor(path, old.get(path), new.get(path), lost, dice);
        let _ = fs::remove_file(path);
        if let Some(bytes) = left {
            fs::write(path, bytes).unwrap();
        }
    }
    reboot(dir);
}

/// More when asked for.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_power_cut_takes_nothing_durable_and_leaves_a_prefix(seed: u64) {
        let mut dice = Dice(seed);
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path()));
        let mut model = Model { written: Vec::new(), durable: 0, disk: image(dir.path()) };
        for _ in 0..4 {
            let log = open(dir.path());
            let mut writer = model.recover(&log);
            for _ in 0..dice.below(120) {
                model.append(&mut writer, &mut dice);
                if dice.percent(2) {
                    prop_assert_eq!(writer.durability().sync().unwrap(), model.written.len() as u64);
                    model.keep(&log);
                }
            }
            model.check(&read_all(&log).unwrap());
            let now = image(dir.path());
            drop(writer);
            cut_power(dir.path(), &model.disk, &now, &mut dice);
        }
        drop(model.recover(&open(dir.path())));
    }
}
