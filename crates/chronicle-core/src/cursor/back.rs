//! Walking backward: stretches of messages are found from a mark of the index on, and handed out the last one first.

use std::sync::Arc;

use super::Cursor;
use crate::chronicle::Inner;
use crate::error::Result;
use crate::header::{MessageHeader, VALID};
use crate::index::{self, Mark};
use crate::record::{self, Place, Record};
use crate::segment::Segment;

/// What a walk backward has at hand.
#[derive(Debug, Default)]
pub(super) struct Back {
    /// Messages before the place that were found and not used yet, ascending.
    found: Vec<Found>,
    /// The index of the segment that the walk is in, and the seq in front of which it was read.
    marks: Option<(Arc<Segment>, u64, Vec<Mark>)>,
}

/// What a walk keeps of a header that it has checked.
#[derive(Debug, Clone, Copy)]
struct Found {
    /// Where the message starts. No header from here on has a lower epoch or an earlier timestamp than its own.
    place: Place,
    length: u32,
    checksum: u32,
    batch_remaining: u32,
    type_id: u16,
}

impl Found {
    fn new(offset: u64, header: &MessageHeader) -> Self {
        Self {
            place: Place { offset, seq: header.seq, epoch: header.epoch, timestamp_ns: header.timestamp_ns },
            length: header.length,
            checksum: header.checksum,
            batch_remaining: header.batch_remaining,
            type_id: header.type_id,
        }
    }

    fn header(&self) -> MessageHeader {
        MessageHeader {
            seq: self.place.seq,
            timestamp_ns: self.place.timestamp_ns,
            length: self.length,
            checksum: self.checksum,
            type_id: self.type_id,
            flags: VALID,
            batch_remaining: self.batch_remaining,
            epoch: self.place.epoch,
            ..MessageHeader::default()
        }
    }
}

impl Cursor {
    /// Steps before the last message in front of the place. Returns its header, or `None` at the first message that is left.
    pub(crate) fn step_back(&mut self, inner: &Inner) -> Result<Option<MessageHeader>> {
        if self.back.found.last().is_some_and(|last| last.place.seq + 1 != self.place.seq) {
            // The cursor has gone forward since.
            self.back.found.clear();
        }
        loop {
            if let Some(found) = self.back.found.pop() {
                (self.place, self.min_seq) = (found.place, 0);
                return Ok(Some(found.header()));
            }
            if !self.look_back(inner)? {
                return Ok(None);
            }
        }
    }

    /// Finds the messages between an earlier mark and this place. False where the log begins.
    fn look_back(&mut self, inner: &Inner) -> Result<bool> {
        let target = self.place.seq;
        let mut segment = Arc::clone(&self.segment);
        if target == segment.header.base_seq {
            let Some(before) = Self::segment_before(inner, target)? else { return Ok(false) };
            segment = before;
        }
        let mut place = self.mark_before(inner, &segment, target);
        let mut found = std::mem::take(&mut self.back.found);
        while place.seq < target {
            match record::read(&segment, &place)? {
                Record::Message(header) => {
                    // Its payload is looked at next.
                    segment.region.prefetch_behind(place.payload_offset(), header.length as usize);
                    found.push(Found::new(place.offset, &header));
                    place = place.after(&header);
                }
                // Not there when the segments were listed, and put back since.
                Record::End
                    if target == self.segment.header.base_seq
                        && place.seq > segment.header.base_seq
                        && inner.list(Inner::bases)?.contains(&place.seq) =>
                {
                    return self.look_back(inner);
                }
                Record::End if place.seq > segment.header.base_seq => return Err(inner.missing(place.seq)),
                Record::Unpublished | Record::End => return Err(record::vanished(&segment, &place)),
            }
        }
        // Only now: an error must come again, and not be stepped over.
        (self.segment, self.back.found) = (segment, found);
        Ok(true)
    }

    /// The last place before `seq` that the index knows. It is read once a segment: a walk backward asks once a stride.
    fn mark_before(&mut self, inner: &Inner, segment: &Arc<Segment>, seq: u64) -> Place {
        let known = self.back.marks.take_if(|(of, before, marks)| {
            // A segment that is appended to has more of them in front of a later seq.
            Arc::ptr_eq(of, segment) && seq <= *before && !marks.is_empty()
        });
        let read = || (Arc::clone(segment), seq, index::read(&inner.directory, segment).unwrap_or_default());
        let (_, _, marks) = self.back.marks.insert(known.unwrap_or_else(read));
        index::find(marks, segment, |mark| mark.seq < seq)
    }

    /// The segment before the one that starts at `base`. None where the log begins.
    fn segment_before(inner: &Inner, base: u64) -> Result<Option<Arc<Segment>>> {
        if base <= inner.first_seq()? {
            return Ok(None);
        }
        // Known side by side, nothing lies between them.
        if let Some(known) = inner.known_bases()?
            && let Ok(index @ 1..) = known.binary_search(&base)
            && let Ok(before) = inner.segment(known[index - 1])
        {
            return Ok(Some(before));
        }
        let bases = inner.bases()?;
        let before = bases.partition_point(|&listed| listed < base);
        if before == 0 { Ok(None) } else { inner.segment(bases[before - 1]).map(Some) }
    }

    /// Gives a message back that [`step_back`](Self::step_back) has found and nobody has taken.
    pub(crate) fn undo_step_back(&mut self, header: &MessageHeader) {
        self.back.found.push(Found::new(self.place.offset, header));
        self.place = self.place.after(header);
    }
}
