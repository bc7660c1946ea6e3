//! Reading from anywhere, in both directions.

use chronicle_core::{ErrorKind, From, Reader};

use super::Machine;
use crate::op::Start;
use crate::read::{Message, Way, drain};

impl Machine {
    fn start(&self, start: Start) -> (From, u64) {
        let (first, end) = (self.model.first, self.model.end());
        match start {
            Start::First => (From::Start, first),
            Start::End => (From::End, end),
            Start::Seq(seq) => (From::Seq(u64::from(seq) % (end + 2)), u64::from(seq) % (end + 2)),
            Start::Last(count) => (From::Last(count.into()), end.saturating_sub(count.into()).max(first)),
        }
    }

    fn reader(&self, start: Start) -> Option<(Reader, u64)> {
        let (from, seq) = self.start(start);
        match self.log.reader(from) {
            Ok(reader) => Some((reader, seq)),
            Err(e) => {
                assert_eq!((e.kind(), e.first()), (ErrorKind::Gap, Some(self.model.first)));
                assert!(seq < self.model.first);
                None
            }
        }
    }

    pub(super) fn read(&self, start: Start, slab: u16, entries: u8, durable: bool) {
        let Some((reader, seq)) = self.reader(start) else { return };
        let mut reader = if durable { reader.durable_only() } else { reader };
        let (messages, end) = drain(&mut reader, Way::Forward, slab.into(), entries.into());
        end.unwrap();
        let to = if durable { seq + messages.len() as u64 } else { self.model.end() };
        assert!(!durable || to >= self.model.durable.min(self.model.end()) || seq >= self.model.durable);
        self.model.assert_range(&messages, seq.max(self.model.first), to.max(seq));
    }

    pub(super) fn read_all(&self) -> Vec<Message> {
        let (messages, end) = drain(&mut self.log.reader(From::Start).unwrap(), Way::Forward, 1 << 16, 64);
        end.unwrap();
        self.model.assert_range(&messages, self.model.first, self.model.end());
        messages
    }

    pub(super) fn read_back(&self, start: Start) {
        let Some((mut reader, seq)) = self.reader(start) else { return };
        let (mut messages, end) = drain(&mut reader, Way::Backward, 256, 5);
        end.unwrap();
        messages.reverse();
        self.model.assert_range(&messages, self.model.first, seq.min(self.model.end()).max(self.model.first));
    }

    pub(super) fn seek_time(&self, seq: u16, later: i8) {
        let all = self.read_all();
        let Some(message) = all.get(usize::from(seq) % all.len().max(1)) else { return };
        let time = message.timestamp_ns.saturating_add_signed(later.into());
        let (messages, end) = drain(&mut self.log.reader(From::Time(time)).unwrap(), Way::Forward, 4096, 9);
        end.unwrap();
        let expected: Vec<&Message> = all.iter().filter(|message| message.timestamp_ns >= time).collect();
        assert_eq!(messages.iter().collect::<Vec<_>>(), expected);
    }

    pub(super) fn tail(&mut self) {
        let (mut reader, seq) = self.tail.take().or_else(|| self.reader(Start::Last(3))).unwrap();
        let (messages, end) = drain(&mut reader, Way::Forward, 512, 3);
        let read = seq + messages.len() as u64;
        match end {
            Ok(()) => self.model.assert_range(&messages, seq, self.model.end()),
            Err(e) => {
                // It reads a segment that it has mapped to the end; then it learns that what follows was pruned.
                assert_eq!((e.kind(), e.first()), (ErrorKind::Gap, Some(self.model.first)));
                assert!(read < self.model.first);
                self.model.assert_range(&messages, seq, read);
                return;
            }
        }
        self.tail = Some((reader, read));
    }
}
