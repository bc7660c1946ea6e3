//! One life of the log: a boot in which it is opened, and everything is done to it that changes files.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use chronicle_core::{
    BatchItem, Chronicle, Error, ErrorKind, From, Options, Reader, Retention, SyncMode, Writer,
};

use super::dice::Dice;
use super::model::{Extras, ReaderPromise, Written};
use super::recorder::Watch;

const NAMES: [&str; 3] = ["audit", "billing", "mail"];

/// The handles that are open, dropped in this order.
struct Handles<'a> {
    watch: &'a Watch,
    readers: BTreeMap<&'static str, Reader>,
    writer: Writer,
    log: Chronicle,
    sync: SyncMode,
}

impl Drop for Handles<'_> {
    fn drop(&mut self) {
        // The writer waits for its helper thread.
        self.watch.open_gate(true);
    }
}

pub struct Life<'a> {
    watch: &'a Watch,
    dir: &'a Path,
    dice: Dice,
    written: &'a mut Vec<Written>,
    /// The largest usual payload.
    scale: u64,
    /// Whether the next payload is larger than a segment.
    large: bool,
    extras: Extras,
}

impl<'a> Life<'a> {
    pub fn new(
        watch: &'a Watch,
        dir: &'a Path,
        seed: u64,
        written: &'a mut Vec<Written>,
        extras: Extras,
    ) -> Self {
        let mut dice = Dice::new(seed);
        let scale = dice.pick(&[100, 1500, 6000, 20_000]);
        Self { watch, dir, dice, written, scale, large: false, extras }
    }

    pub fn run(&mut self) {
        let mut handles = self.open(true);
        // Where nothing stands yet, a larger segment takes the place of the empty one.
        self.large = self.dice.percent(25);
        for _ in 0..20 + self.dice.below(60) {
            if self.dice.percent(3) {
                self.close(handles);
                handles = self.open(false);
            }
            self.step(&mut handles);
            self.watch.idle();
        }
        if self.extras.repair {
            self.repair(handles);
        } else if self.dice.percent(50) {
            self.close(handles);
            self.watch.idle();
        }
    }

    /// Damages a message of the closed log, and repairs it. The last thing of a life: what is lost stays among what was written,
    /// because the images of before have it.
    fn repair(&mut self, handles: Handles<'a>) {
        let first = handles.log.first_seq().unwrap();
        self.close(handles);
        let end = self.written.len() as u64;
        if first == end {
            return;
        }
        let seq = first + self.dice.below(end - first);
        let (path, offset) = crate::common::find(self.dir, seq);
        // A batch is lost whole.
        let mut start = seq;
        while start > first && self.written[start as usize - 1].batch_remaining > 0 {
            start -= 1;
        }
        self.watch.promise(|promises| promises.damaged = Some(start));
        let file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, offset).unwrap();
        file.write_all_at(&[!byte[0]], offset).unwrap();
        self.watch.idle();
        // The opening behind the repair has a helper thread.
        self.watch.open_gate(true);
        let report = chronicle_core::repair(self.dir).unwrap();
        self.watch.open_gate(false);
        assert_eq!(report.lost_from, Some(start));
        self.watch.promise(|promises| {
            let end = start as usize;
            (promises.begun, promises.appended, promises.durable) = (end, end, end);
            promises.damaged = None;
        });
        self.watch.idle();
    }

    /// Opens the log and recovers it, for the first time in this boot or again.
    fn open(&mut self, booted: bool) -> Handles<'a> {
        let watch = self.watch;
        let sync = match self.dice.below(10) {
            0..7 => SyncMode::None,
            7..9 if self.extras.flusher => SyncMode::Every(Duration::from_millis(1)),
            // The helper thread of this mode flushes at the end alone.
            7..9 => SyncMode::Every(Duration::from_secs(1 << 30)),
            _ => SyncMode::Always,
        };
        let retention = self.dice.percent(20).then(|| self.retention(true));
        let options = Options { sync, retention, segment_bytes: Some(64 << 10), ..Options::default() };
        let log = Chronicle::open(self.dir, &options).unwrap();
        watch.promise(|promises| promises.created = true);
        let writer = log.writer(Duration::ZERO).unwrap();
        assert_eq!(writer.next_seq(), self.written.len() as u64, "an opening has lost or invented messages");
        watch.promise(|promises| {
            (promises.begun, promises.appended) = (self.written.len(), self.written.len());
            if booted {
                promises.durable = promises.appended;
            }
        });
        let handles = Handles { watch, readers: BTreeMap::new(), writer, log, sync };
        self.settle(&handles);
        handles
    }

    fn close(&mut self, mut handles: Handles<'a>) {
        let (watch, flushed) = (self.watch, handles.sync != SyncMode::None);
        let readers = std::mem::take(&mut handles.readers);
        self.drop_readers(readers);
        drop(handles);
        watch.open_gate(false);
        if flushed {
            watch.promise(|promises| promises.durable = promises.appended);
        }
    }

    fn drop_readers(&mut self, readers: BTreeMap<&'static str, Reader>) {
        for (name, reader) in readers {
            // The end of a reader flushes its position.
            drop(reader);
            self.watch.promise(|promises| {
                let promise = promises.readers.get_mut(name).unwrap();
                promise.durable = promise.stored;
            });
        }
    }

    /// Lets the helper thread do what it has to.
    fn settle(&self, handles: &Handles<'_>) {
        self.pruning(handles, true, || {
            self.watch.open_gate(true);
            handles.writer.settle();
            self.watch.open_gate(false);
        });
    }

    /// Does something that may prune.
    fn pruning(&self, handles: &Handles<'_>, keep_unread: bool, act: impl FnOnce()) {
        self.watch.promise(|promises| {
            promises.kept = promises.begun as u64;
            promises.unread_kept &= keep_unread;
        });
        act();
        let first = handles.log.first_seq().unwrap();
        self.watch.promise(|promises| (promises.pruned, promises.kept) = (first, first));
    }

    fn step(&mut self, handles: &mut Handles<'_>) {
        match self.dice.below(100) {
            0..60 => self.append(handles, 1),
            60..72 => {
                let count = 2 + self.dice.below(6);
                self.append(handles, count);
            }
            72..77 => self.claim(handles),
            77..83 => {
                let durable = handles.writer.durability().sync().unwrap();
                assert_eq!(durable, self.written.len() as u64);
                self.watch.promise(|promises| promises.durable = promises.appended);
            }
            83..93 => self.read(handles),
            93..95 => self.move_reader(handles),
            95..96 => self.remove_reader(handles),
            _ => {
                let keep_unread = self.dice.percent(80);
                let retention = self.retention(keep_unread);
                self.pruning(handles, keep_unread, || {
                    handles.log.prune(&retention, false).unwrap();
                });
            }
        }
        self.settle(handles);
    }

    fn retention(&mut self, keep_unread: bool) -> Retention {
        let keep_messages = Some(self.dice.below(60));
        Retention { keep_messages, keep_unread, ..Retention::default() }
    }

    fn payload(&mut self) -> Vec<u8> {
        if std::mem::take(&mut self.large) {
            return self.dice.bytes(100_000);
        }
        let len = match self.dice.below(100) {
            0..5 => 0,
            5..8 => 60_000 + self.dice.below(60_000),
            8..20 => self.dice.below(20_000),
            _ => self.dice.below(self.scale),
        };
        self.dice.bytes(len as usize)
    }

    fn append(&mut self, handles: &mut Handles<'_>, count: u64) {
        let first = self.written.len();
        for remaining in (0..count as u32).rev() {
            let message = Written {
                payload: self.payload(),
                type_id: self.dice.next() as u16,
                batch_remaining: remaining,
            };
            self.written.push(message);
        }
        self.watch.promise(|promises| promises.begun = self.written.len());
        let batch = &self.written[first..];
        if count == 1 {
            handles.writer.append(&batch[0].payload, batch[0].type_id).unwrap();
        } else {
            let payloads: Vec<u8> = batch.iter().flat_map(|message| &message.payload).copied().collect();
            let items: Vec<BatchItem> = batch
                .iter()
                .map(|message| BatchItem {
                    length: message.payload.len() as u32,
                    type_id: message.type_id.into(),
                })
                .collect();
            handles.writer.append_batch(&payloads, &items, Some(first as u64)).unwrap();
        }
        self.appended(handles);
    }

    fn appended(&self, handles: &Handles<'_>) {
        self.watch.promise(|promises| {
            promises.appended = self.written.len();
            if handles.sync == SyncMode::Always {
                promises.durable = promises.appended;
            }
        });
    }

    fn claim(&mut self, handles: &mut Handles<'_>) {
        let payload = self.payload();
        let mut claim = handles.writer.claim(payload.len()).unwrap();
        let half = payload.len() / 2;
        claim.write(half, &payload[half..]).unwrap();
        self.watch.idle();
        if self.dice.percent(40) {
            return claim.abort();
        }
        claim.write(0, &payload[..half]).unwrap();
        self.written.push(Written { payload, type_id: 3, batch_remaining: 0 });
        self.watch.promise(|promises| promises.begun = self.written.len());
        claim.publish(3).unwrap();
        self.appended(handles);
    }

    /// Reads on by name, commits, and flushes the position or does not.
    fn read(&mut self, handles: &mut Handles<'_>) {
        let name = self.dice.pick(&NAMES);
        if !handles.readers.contains_key(name) && !self.open_reader(handles, name) {
            return;
        }
        let reader = handles.readers.get_mut(name).unwrap();
        let messages = match crate::common::drain(reader) {
            Ok(messages) => messages,
            Err(e) => {
                self.refused(name, &e);
                return;
            }
        };
        if !messages.is_empty() && self.dice.percent(80) {
            let seq = messages[self.dice.index(messages.len())].seq;
            self.watch.promise(|promises| {
                let promise = promises.readers.get_mut(name).unwrap();
                promise.most = promise.most.max(seq + 1);
            });
            reader.commit(seq).unwrap();
            let stored = reader.committed();
            self.watch.promise(|promises| promises.readers.get_mut(name).unwrap().stored = stored);
        }
        if self.dice.percent(40) {
            reader.flush_position().unwrap();
            let stored = reader.committed();
            self.watch.promise(|promises| promises.readers.get_mut(name).unwrap().durable = stored);
        }
        if self.dice.percent(20) {
            let reader = handles.readers.remove(name).unwrap();
            self.drop_readers(BTreeMap::from([(name, reader)]));
        }
    }

    /// False when its place was pruned.
    fn open_reader(&mut self, handles: &mut Handles<'_>, name: &'static str) -> bool {
        let end = self.written.len() as u64;
        let new = self.watch.promise(|promises| {
            let new = !promises.readers.contains_key(name);
            let promise = ReaderPromise { most: end, ..ReaderPromise::default() };
            promises.readers.entry(name.to_owned()).or_insert(promise);
            new
        });
        let from = if self.dice.percent(50) { From::Start } else { From::End };
        match handles.log.named_reader(name, from) {
            Ok(reader) => {
                let committed = reader.committed();
                self.watch.promise(|promises| {
                    let promise = promises.readers.get_mut(name).unwrap();
                    promise.stored = committed;
                    if new {
                        promise.durable = committed;
                    }
                });
                handles.readers.insert(name, reader);
                true
            }
            Err(e) => {
                self.refused(name, &e);
                false
            }
        }
    }

    /// A reader may lose its place to a prune that was told to pass over it, and to nothing else.
    fn refused(&self, name: &str, error: &Error) {
        let passed_over = self.watch.promise(|promises| !promises.unread_kept);
        assert!(passed_over && error.kind() == ErrorKind::Gap, "{name}: {error}");
    }

    /// Moves a reader that nobody uses, forward or back, or makes it.
    fn move_reader(&mut self, handles: &mut Handles<'_>) {
        let name = self.dice.pick(&NAMES);
        if handles.readers.contains_key(name) {
            return;
        }
        let first = handles.log.first_seq().unwrap();
        let next_seq = first + self.dice.below(self.written.len() as u64 - first + 1);
        self.watch.promise(|promises| {
            let promise = promises.readers.entry(name.to_owned()).or_default();
            promise.most = promise.most.max(next_seq);
            promise.durable = promise.durable.map(|durable| durable.min(next_seq));
            promise.stored = promise.stored.map(|stored| stored.min(next_seq));
        });
        handles.log.set_reader(name, next_seq).unwrap();
        self.watch.promise(|promises| {
            let promise = promises.readers.get_mut(name).unwrap();
            (promise.durable, promise.stored, promise.most) = (Some(next_seq), Some(next_seq), next_seq);
        });
    }

    fn remove_reader(&mut self, handles: &mut Handles<'_>) {
        let name = self.dice.pick(&NAMES);
        if handles.readers.contains_key(name) || !self.watch.promise(|p| p.readers.contains_key(name)) {
            return;
        }
        self.watch.promise(|promises| promises.readers.get_mut(name).unwrap().leaving = true);
        handles.log.remove_reader(name).unwrap();
        self.watch.promise(|promises| promises.readers.remove(name));
    }
}
