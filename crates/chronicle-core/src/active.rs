//! The segment that is appended to, shared by the appender and its helper threads.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::disk;
use crate::error::{Error, Result};
use crate::index::Mark;
use crate::layout::{SEGMENT_ALIGN, SEGMENT_HEADER_LEN, align_up};
use crate::platform::{self, Pages};
use crate::segment::Segment;

/// A flush of less makes pages small from then on: of a large one the next such flush would write more than it has to.
const LARGE_FLUSH: u64 = 1 << 20;

/// A segment and how far it is written.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) segment: Segment,
    end: AtomicU64,
    next_seq: AtomicU64,
    /// For the index; the appender adds one a stride, the helper thread writes them to the file.
    marks: Mutex<Vec<Mark>>,
    /// Whether a few messages were flushed by themselves while the segment is appended to.
    small_flush: AtomicBool,
}

impl Active {
    pub(crate) fn new(segment: Segment, end: u64, next_seq: u64, marks: Vec<Mark>) -> Self {
        let (end, next_seq) = (AtomicU64::new(end), AtomicU64::new(next_seq));
        Self { segment, end, next_seq, marks: Mutex::new(marks), small_flush: AtomicBool::new(false) }
    }

    /// An empty segment that goes on where `self` ends, with [`next_pages`](Self::next_pages), which it may have been given already.
    pub(crate) fn follow(&self, segment: Segment, given: Option<Pages>) -> Self {
        let pages = self.next_pages();
        if given != Some(pages) {
            segment.region.advise_pages(pages);
        }
        let (end, next_seq) = (SEGMENT_HEADER_LEN as u64, segment.header.base_seq);
        Self::new(segment, end, next_seq, Vec::new())
    }

    /// The pages of the next segment: large ones unless a few messages were flushed by themselves in this one.
    pub(crate) fn next_pages(&self) -> Pages {
        if self.small_flush.load(Ordering::Relaxed) { Pages::Small } else { Pages::Large }
    }

    pub(crate) fn marks(&self) -> MutexGuard<'_, Vec<Mark>> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The offset behind the last published record.
    #[inline]
    pub(crate) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// The seq of the next record: all before it lie in front of an [`end`](Self::end) that is looked at later. Flushes go by it and
    /// not by the word in `control`, which other programs can write to.
    #[inline]
    pub(crate) fn next_seq(&self) -> u64 {
        self.next_seq.load(Ordering::Acquire)
    }

    /// Stored by the appender after the records before it. Pairs with the `Acquire` loads of [`end`](Self::end) and
    /// [`next_seq`](Self::next_seq).
    #[inline]
    pub(crate) fn set_end(&self, end: u64, next_seq: u64) {
        self.end.store(end, Ordering::Release);
        self.next_seq.store(next_seq, Ordering::Release);
    }

    /// Waits until the bytes of `from..to` are on the disk. They are `alone` where nothing of an older segment is flushed with them: what
    /// a roll has split says nothing of how much is flushed at a time.
    #[expect(clippy::cast_possible_truncation, reason = "offsets inside of a mapping are a usize")]
    pub(crate) fn flush(&self, from: u64, to: u64, alone: bool) -> Result<()> {
        let Some(file) = &self.segment.file else { return Ok(()) };
        if alone && to - from < LARGE_FLUSH && !self.small_flush.swap(true, Ordering::Relaxed) {
            self.segment.region.advise_pages(Pages::Small);
        }
        let flushed = platform::flush(&self.segment.region, file, from as usize, (to - from) as usize);
        flushed.map_err(|e| Error::io("flush the segment", &self.segment.path, &e))
    }

    /// Gives the unused blocks behind END back.
    pub(crate) fn punch_tail(&self) -> Result<()> {
        let Some(file) = &self.segment.file else { return Ok(()) };
        let from = align_up(self.end(), SEGMENT_ALIGN);
        if from >= self.segment.end() {
            return Ok(());
        }
        let punched = disk::punch(file, from, self.segment.end() - from);
        punched.map_err(|e| Error::io("give back the segment's tail", &self.segment.path, &e))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::platform::Pages;
    use crate::{Chronicle, Options, SyncMode};

    #[test]
    fn only_a_few_messages_that_are_flushed_by_themselves_make_pages_small() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { segment_bytes: Some(4 << 20), sync: SyncMode::None, ..Options::default() };
        let log = Chronicle::open(dir.path(), &options).unwrap();
        let mut writer = log.writer(Duration::ZERO).unwrap();
        let payload = vec![7; 100_000];
        let fill = |writer: &mut crate::Writer, count: usize| {
            for _ in 0..count {
                writer.append(&payload, 0).unwrap();
            }
        };
        // Through segments of 1 and 2 MiB, and not far into the third.
        fill(&mut writer, 32);
        assert!(writer.active.end() < 1 << 20);
        writer.durability().sync().unwrap();
        assert_eq!(writer.active.next_pages(), Pages::Large, "a flush that a roll has split");
        fill(&mut writer, 12);
        writer.durability().sync().unwrap();
        assert_eq!(writer.active.next_pages(), Pages::Large, "a flush of more than a megabyte");
        fill(&mut writer, 1);
        writer.durability().sync().unwrap();
        assert_eq!(writer.active.next_pages(), Pages::Small);
    }
}
