//! Operations on a log, in any order, compared with a model; crashes at rest and within an operation are among them.

mod reading;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chronicle_core::fault;
use chronicle_core::{
    BatchItem, Chronicle, ErrorKind, From, Options, Reader, Result, Retention, SyncMode, Writer, repair,
    verify,
};

use crate::model::Model;
use crate::op::{Op, Size};
use crate::place;
use crate::snapshot::Snapshot;

const NAMES: [&str; 2] = ["audit", "billing"];
const MAX_OPS: usize = 60;
const MAX_BYTES: usize = 2 << 20;

fn options() -> Options {
    Options { segment_bytes: Some(64 << 10), sync: SyncMode::None, ..Options::default() }
}

struct Machine {
    dir: PathBuf,
    lives: u32,
    log: Chronicle,
    writer: Option<Writer>,
    tail: Option<(Reader, u64)>,
    model: Model,
    bytes: usize,
    armed: Option<(u8, bool)>,
}

/// See the top of this file.
pub fn operations(ops: &[Op]) {
    let dir = place::fresh("operations-0");
    let log = Chronicle::open(&dir, &options()).unwrap();
    let writer = Some(log.writer(Duration::ZERO).unwrap());
    let model = Model::default();
    let mut machine = Machine { dir, lives: 0, log, writer, tail: None, model, bytes: 0, armed: None };
    for op in ops.iter().take(MAX_OPS) {
        machine.step(op);
    }
    machine.read_all();
    machine.verify();
    machine.reopen();
    machine.read_all();
}

impl Machine {
    fn step(&mut self, op: &Op) {
        let armed =
            if matches!(op, Op::CrashWithin { .. } | Op::Crash { .. }) { None } else { self.armed.take() };
        let Some((step, reboots)) = armed else { return self.act(op) };
        let to = place::fresh(&format!("operations-{}", self.lives + 1));
        let before = self.model.clone();
        let snapshot = Snapshot::new(self.dir.clone(), to.clone(), step % 24);
        fault::record(Some(Arc::new(snapshot)));
        self.act(op);
        fault::record(None);
        if to.exists() {
            self.go_on_in(to, &before, reboots);
        }
    }

    fn act(&mut self, op: &Op) {
        match op {
            Op::Append(size, type_id) => {
                let payload = self.payload(0, *size);
                self.append(payload, *type_id);
            }
            Op::Expect(off) => self.expect(*off),
            Op::Batch(sizes) => self.batch(sizes),
            Op::Claim(size, writes, publish) => self.claim(*size, writes, *publish),
            Op::Fill(lines) => self.fill(*lines),
            Op::Sync => {
                let durable = self.writer().durability().sync().unwrap();
                assert!(
                    durable >= self.model.end()
                        && self.log.durable_seq().is_ok_and(|seq| seq >= self.model.end())
                );
                self.model.durable = self.model.end();
            }
            Op::Reopen => self.reopen(),
            Op::Crash { claimed, reboots } => self.crash(*claimed, *reboots),
            Op::CrashWithin { step, reboots } => self.armed = Some((*step, *reboots)),
            Op::Read { from, slab, entries, durable } => self.read(*from, *slab, *entries, *durable),
            Op::ReadBack(from) => self.read_back(*from),
            Op::SeekTime { seq, later } => self.seek_time(*seq, *later),
            Op::Tail => self.tail(),
            Op::Named { reader, read, commit } => self.named(*reader, *read, *commit),
            Op::SetReader(name, seq) => self.set_reader(*name, *seq),
            Op::RemoveReader(name) => self.remove_reader(*name),
            Op::Prune { messages, bytes, unread, dry } => self.prune(*messages, *bytes, *unread, *dry),
            Op::Verify => self.verify(),
            Op::Repair => self.repair(),
        }
        let end = self.model.end();
        assert_eq!((self.writer().next_seq(), self.log.next_seq().unwrap()), (end, end));
        assert_eq!(self.log.first_seq().unwrap(), self.model.first);
    }

    fn writer(&mut self) -> &mut Writer {
        self.writer.as_mut().unwrap()
    }

    /// A payload for the message that comes so many behind the next one; a short one once there is much.
    fn payload(&mut self, more: usize, size: Size) -> Vec<u8> {
        let bytes = if self.bytes > MAX_BYTES { size.bytes() % 64 } else { size.bytes() };
        self.bytes += bytes;
        self.model.payload(more, bytes)
    }

    fn append(&mut self, payload: Vec<u8>, type_id: u16) {
        assert_eq!(self.writer().append(&payload, type_id).unwrap(), self.model.end());
        self.model.append(payload, type_id.into(), 0);
    }

    fn expect(&mut self, off: i8) {
        let end = self.model.end();
        let expected = end.saturating_add_signed(off.into());
        match self.writer().append_expecting(b"expected", 9, expected) {
            Ok(seq) => {
                assert_eq!((seq, expected), (end, end));
                self.model.append(b"expected".to_vec(), 9, 0);
            }
            Err(e) => {
                assert_eq!((e.kind(), e.actual(), expected == end), (ErrorKind::Conflict, Some(end), false))
            }
        }
    }

    fn batch(&mut self, sizes: &[Size]) {
        let sizes = &sizes[..sizes.len().min(12)];
        let payloads: Vec<Vec<u8>> =
            sizes.iter().enumerate().map(|(at, size)| self.payload(at, *size)).collect();
        let item =
            |payload: &Vec<u8>| BatchItem { length: payload.len() as u32, type_id: payload.len() as u32 % 7 };
        let items: Vec<BatchItem> = payloads.iter().map(item).collect();
        let appended = self.writer().append_batch(&payloads.concat(), &items, None);
        if items.is_empty() {
            assert_eq!(appended.unwrap_err().kind(), ErrorKind::InvalidArgument);
            return;
        }
        let end = self.model.end();
        assert_eq!(appended.unwrap(), (end, end + items.len() as u64 - 1));
        for (at, (payload, item)) in payloads.into_iter().zip(&items).enumerate() {
            self.model.append(payload, item.type_id, (items.len() - 1 - at) as u32);
        }
    }

    fn claim(&mut self, size: Size, writes: &[(u16, u8)], publish: bool) {
        let noise = self.payload(0, size);
        let mut payload = vec![0; noise.len()];
        let mut claim = self.writer.as_mut().unwrap().claim(payload.len()).unwrap();
        if !publish {
            // Whatever comes to stand where this was must not be taken for a record.
            claim.write(0, &noise).unwrap();
        }
        for &(at, byte) in writes.iter().take(8) {
            let at = usize::from(at) % (payload.len() + 2);
            let written = claim.write(at, &[byte; 9]);
            assert_eq!(written.is_ok(), at + 9 <= payload.len());
            if written.is_ok() {
                payload[at..at + 9].fill(byte);
            }
        }
        if publish {
            assert_eq!(claim.publish(3).unwrap(), self.model.end());
            self.model.append(payload, 3, 0);
        }
    }

    fn fill(&mut self, lines: u8) {
        let stats = self.log.stats().unwrap();
        // The segment is as long as it is said to be where it is a regular one; the model knows the rest.
        let last = std::fs::read_dir(&self.dir).unwrap().filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.strip_suffix(".seg").and_then(|base| base.parse::<u64>().ok())
        });
        let base = last.max().unwrap();
        let size = std::fs::metadata(self.dir.join(format!("{base:020}.seg"))).unwrap().len();
        let used: usize = self.model.messages[base as usize..]
            .iter()
            .map(|m| (64 + m.payload.len()).next_multiple_of(64))
            .sum();
        let left = (size as usize - 4096 - 64).checked_sub(used + usize::from(lines % 8) * 64 + 64);
        assert!(stats.next_seq == self.model.end());
        if let Some(left) = left.filter(|_| self.bytes <= MAX_BYTES) {
            self.bytes += left;
            let payload = self.model.payload(0, left);
            self.append(payload, 5);
        }
    }

    fn open_again(&mut self) {
        self.log = Chronicle::open(&self.dir, &options()).unwrap();
        self.writer = Some(self.log.writer(Duration::ZERO).unwrap());
    }

    fn reopen(&mut self) {
        self.writer = None;
        self.open_again();
        let report = self.log.stats().unwrap().recovery.unwrap();
        assert_eq!(report.quarantined.len(), 0);
    }

    fn crash(&mut self, claimed: Option<Size>, reboots: bool) {
        if let Some(size) = claimed {
            let payload = self.payload(0, size);
            let writer = self.writer();
            writer.open_claim(payload.len()).unwrap();
            writer.fill_claim(0, &payload).unwrap();
        }
        let to = place::fresh(&format!("operations-{}", self.lives + 1));
        place::copy(&self.dir, &to);
        self.writer().abort_claim();
        let before = self.model.clone();
        self.go_on_in(to, &before, reboots);
    }

    /// Goes on with what a crash has left: all that was there before the operation, and the whole of what it added, or nothing of it.
    fn go_on_in(&mut self, dir: PathBuf, before: &Model, reboots: bool) {
        self.lives += 1;
        (self.writer, self.tail) = (None, None);
        if reboots {
            place::reboot(&dir);
        }
        self.dir = dir;
        self.log = Chronicle::open(&self.dir, &options()).unwrap();
        let seen = self.log.next_seq().unwrap();
        self.writer = Some(self.log.writer(Duration::ZERO).unwrap());
        let end = self.writer().next_seq();
        assert!(
            end == before.end() || end == self.model.end(),
            "{end} of {} to {}",
            before.end(),
            self.model.end()
        );
        assert!(!reboots || seen == end, "before the recovery the log ended at {seen}, behind it at {end}");
        let first = self.log.first_seq().unwrap();
        assert!(first == before.first || first == self.model.first, "{first}");
        let stored = self.log.readers().unwrap();
        let mut readers = std::collections::BTreeMap::new();
        for name in NAMES {
            let found = stored.iter().find(|reader| reader.name == name).map(|reader| reader.next_seq);
            let (old, new) = (before.readers.get(name).copied(), self.model.readers.get(name).copied());
            let between = found.is_some_and(|at| at >= old.unwrap_or(0) && new.is_some_and(|new| at <= new));
            assert!(
                found == old || found == new || between,
                "{name} is at {found:?}, not at {old:?} or {new:?}"
            );
            readers.extend(found.map(|at| (name, at)));
        }
        self.model.messages.truncate(end as usize);
        (self.model.first, self.model.readers) = (first, readers);
        self.model.durable = before.durable;
        self.read_all();
        self.verify();
    }

    fn named(&mut self, name: u8, read: u8, commit: u8) {
        let name = NAMES[usize::from(name) % NAMES.len()];
        let mut reader = match self.log.named_reader(name, From::Start) {
            Ok(reader) => reader,
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::Gap);
                assert!(self.model.readers[name] < self.model.first);
                return;
            }
        };
        let committed = *self.model.readers.entry(name).or_insert(self.model.first);
        assert_eq!((reader.committed(), reader.moved_back_from()), (Some(committed), None));
        let mut entries = vec![chronicle_core::Entry::default(); read.into()];
        let run = reader.poll(&mut vec![0; 1 << 18], &mut entries).unwrap();
        let next = committed + run.count as u64;
        assert!(run.count > 0 || read == 0 || committed == self.model.end());
        let seq = committed.saturating_sub(1) + u64::from(commit) % 8;
        let done: Result<()> = reader.commit(seq);
        assert_eq!(done.is_ok(), seq < next);
        if done.is_ok() {
            self.model.readers.insert(name, committed.max(seq + 1));
        }
        assert_eq!(reader.committed(), Some(self.model.readers[name]));
    }

    fn set_reader(&mut self, name: u8, seq: u16) {
        let name = NAMES[usize::from(name) % NAMES.len()];
        let seq = u64::from(seq) % (self.model.end() + 2);
        match self.log.set_reader(name, seq) {
            Ok(()) => drop(self.model.readers.insert(name, seq)),
            Err(e) => assert_eq!((e.kind(), seq > self.model.end()), (ErrorKind::InvalidArgument, true)),
        }
    }

    fn remove_reader(&mut self, name: u8) {
        let name = NAMES[usize::from(name) % NAMES.len()];
        let removed = self.log.remove_reader(name).map_err(|e| e.kind());
        assert_eq!(removed.is_ok(), self.model.readers.remove(name).is_some());
        assert!(removed.is_ok() || removed == Err(ErrorKind::NotFound));
    }

    fn prune(&mut self, messages: Option<u8>, bytes: Option<u8>, unread: bool, dry: bool) {
        let retention = Retention {
            keep_messages: messages.map(u64::from),
            keep_bytes: bytes.map(|blocks| u64::from(blocks) * 4096),
            keep_ns: None,
            keep_unread: unread,
        };
        let first = self.log.prune(&retention, dry).unwrap().first_seq;
        let (before, end) = (self.model.first, self.model.end());
        assert!((before..=end).contains(&first));
        if let (Some(keep), None) = (messages, bytes) {
            assert!(end - first >= u64::from(keep).min(end - before), "{keep} messages are to be kept");
        }
        if let (true, Some(&lowest)) = (unread, self.model.readers.values().min()) {
            assert!(first <= lowest.max(before), "{first} is behind a reader at {lowest}");
        }
        assert!(
            first == before
                || messages.is_some()
                || bytes.is_some()
                || (unread && !self.model.readers.is_empty())
        );
        if !dry {
            self.model.first = first;
        }
    }

    fn verify(&self) {
        let report = verify(&self.dir, |_, _| ()).unwrap();
        assert!(report.problems.is_empty(), "{:?}", report.problems);
        let (first, end) = (self.model.first, self.model.end());
        assert_eq!((report.first_seq, report.next_seq, report.messages), (first, end, end - first));
        assert_eq!(report.readers, self.model.readers.len() as u64);
    }

    /// A repair of a sound log changes nothing.
    fn repair(&mut self) {
        self.writer = None;
        let report = repair(&self.dir).unwrap();
        assert_eq!((report.lost_from, report.rebuilt_control, report.quarantined.len()), (None, false, 0));
        self.model.durable = self.model.end();
        self.open_again();
    }
}
