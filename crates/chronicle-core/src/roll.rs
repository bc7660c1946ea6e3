//! What is due along the way of a writer: marks for the index, words to the helper thread, and the next segment.

use std::sync::Arc;

use crate::active::Active;
use crate::blank::Blank;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::header::MessageHeader;
use crate::index::{Mark, STRIDE_BYTES};
use crate::layout::{HEADER_LEN, SEGMENT_HEADER_LEN};
use crate::observer::Event;
use crate::preparer::STEP_BYTES;
use crate::record::Place;
use crate::retention::{self, PRUNE_PATIENCE};
use crate::segment::next_size;
use crate::writer::{Writer, publish_record};

impl Writer {
    /// What is due once in a while: a mark for the message or batch that starts at `start`, and a word to the helper thread.
    #[cold]
    pub(crate) fn event(&mut self, start: (u64, u64)) {
        if start.0 >= self.mark_at {
            let mark = Mark { offset: start.0, seq: start.1, timestamp_ns: self.place.timestamp_ns };
            self.active.marks().push(mark);
            self.mark_at = start.0 + STRIDE_BYTES;
        }
        if self.place.offset >= self.poke_at {
            self.poke();
        }
        self.event_at = self.mark_at.min(self.poke_at);
    }

    fn poke(&mut self) {
        let size = self.active.segment.end();
        // A log that stays small never pays for a second segment.
        let next = (self.place.offset >= size / 2).then(|| next_size(Some(size), self.segment_bytes(), 0));
        self.preparer.poke(next);
        let half = if next.is_some() { u64::MAX } else { size / 2 };
        self.poke_at = (self.place.offset + STEP_BYTES).min(half);
    }

    /// Goes on in a new segment that takes `needed` bytes of records.
    #[cold]
    pub(crate) fn roll(&mut self, needed: u64) -> Result<()> {
        if self.claimed.is_some() {
            return Err(Error::invalid(
                "a claim is open: publish or abort it before anything else is appended",
            ));
        }
        let size = next_size(Some(self.active.segment.end()), self.segment_bytes(), needed);
        let blank = self.next_blank(size)?;
        let pages = blank.pages();
        let inner = &self.inner;
        fault::point("roll.created");
        let (old, place) = (&self.active.segment, &self.place);
        let next = if place.seq == old.header.base_seq {
            // Until the roll is done no append may go on here, behind END.
            self.limit = 0;
            blank.replace(&inner.directory, old, place, inner.options.mode)?
        } else {
            let id = &inner.control.identity.chronicle_id;
            blank.name(&inner.directory, id, place.seq, place.timestamp_ns, place.epoch)?
        };
        fault::point("roll.named");
        publish_end(&self.active, &self.place);
        fault::point("roll.ended");
        self.check_pages()?;
        self.inner.follow(old.header.base_seq, place.seq);
        self.inner.observer.tell(|| Event::Rolled { base_seq: place.seq, bytes: next.end() });
        let active = Arc::new(self.active.follow(next, pages));
        self.durability.follow(Arc::clone(&active));
        self.preparer.follow(Arc::clone(&active));
        self.place.offset = SEGMENT_HEADER_LEN as u64;
        self.active = active;
        self.open_limit();
        self.poke_at = (self.place.offset + STEP_BYTES).min(self.active.segment.end() / 2);
        self.mark_at = self.place.offset + STRIDE_BYTES;
        self.event_at = self.mark_at.min(self.poke_at);
        self.inner.control.wake_readers();
        Ok(())
    }

    /// The segment that was prepared, or one that is made now. On a full disk what may be pruned makes room.
    fn next_blank(&self, size: u64) -> Result<Blank> {
        if let Some(blank) = self.preparer.take(size)? {
            return Ok(blank);
        }
        self.durability.forget_pruned();
        let inner = &self.inner;
        let create = || Blank::create(&inner.directory, size, inner.options.mode);
        match (create(), &inner.options.retention) {
            (Err(e), retention) if e.kind() == ErrorKind::NoSpace => {
                self.preparer.settle(PRUNE_PATIENCE);
                if let Some(retention) = retention {
                    retention::prune(inner, retention, PRUNE_PATIENCE)?;
                }
                self.durability.forget_pruned();
                create()
            }
            (created, _) => created,
        }
    }

    fn segment_bytes(&self) -> u64 {
        self.inner.options.segment_bytes.unwrap_or(self.inner.control.identity.segment_bytes)
    }
}

/// Ends the segment at the place.
fn publish_end(active: &Active, place: &Place) {
    let end = MessageHeader::end(place.seq, place.timestamp_ns, place.epoch);
    publish_record(&active.segment.region, place.offset, &end);
    active.set_end(place.offset + HEADER_LEN as u64, place.seq);
}
