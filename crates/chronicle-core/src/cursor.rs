//! A place in the log that walks forward and backward, segment by segment.

use std::sync::Arc;

use crate::chronicle::Inner;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::header::MessageHeader;
use crate::index::{self, Mark};
use crate::record::{self, Place, Record};
use crate::run::{self, Entry};
use crate::segment::Segment;

mod back;

use back::Back;

/// Going on into one segment that was not known takes about as long as listing so many.
const LISTED_A_STEP: usize = 100;

/// A place in a mapped segment, and the first seq and time that are wanted.
#[derive(Debug)]
pub(crate) struct Cursor {
    pub(crate) segment: Arc<Segment>,
    pub(crate) place: Place,
    min_seq: u64,
    min_timestamp_ns: u64,
    /// The end of what may be looked at: before a recovery, where that will cut the log.
    pub(crate) end_seq: u64,
    back: Back,
}

impl Cursor {
    /// A cursor that starts at `seq`, in the segment that holds it or will hold it.
    pub(crate) fn at(inner: &Inner, seq: u64) -> Result<Self> {
        Self::seek(inner, |bases| {
            let start = seq.min(inner.readable_end());
            let behind = bases.partition_point(|&base| base <= start);
            if behind == 0 {
                return Err(gap(inner, seq, bases[0]));
            }
            let mut cursor = Self::start_of(inner, bases[behind - 1])?;
            cursor.place = index::seek(&inner.directory, &cursor.segment, |mark| mark.seq <= start);
            cursor.min_seq = seq;
            Ok(cursor)
        })
    }

    /// A cursor in the last segment before which no message is as late as `timestamp_ns`.
    pub(crate) fn at_time(inner: &Inner, timestamp_ns: u64) -> Result<Self> {
        Self::seek(inner, |bases| {
            let end = inner.readable_end();
            let (mut low, mut high) = (0, bases.len());
            while high - low > 1 {
                let middle = usize::midpoint(low, high);
                let earlier = inner.segment(bases[middle])?.header.previous_timestamp_ns < timestamp_ns;
                if earlier { low = middle } else { high = middle }
            }
            let mut cursor = Self::start_of(inner, bases[low])?;
            let before = |mark: &Mark| mark.timestamp_ns < timestamp_ns && mark.seq < end;
            cursor.place = index::seek(&inner.directory, &cursor.segment, before);
            cursor.min_timestamp_ns = timestamp_ns;
            Ok(cursor)
        })
    }

    /// Finds a place among the segments that are known, or else among those that are listed.
    fn seek(inner: &Inner, find: impl Fn(&[u64]) -> Result<Self>) -> Result<Self> {
        if let Some(known) = inner.known_bases()?
            && let Ok(cursor) = find(&known)
            && let Some(cursor) = cursor.past_known(inner, &known)
        {
            return Ok(cursor);
        }
        find(&inner.listed_bases()?)
    }

    /// The first seq of the last segment, found by going on from what is known. None where that is not certain.
    pub(crate) fn last_of(inner: &Inner, known: &[u64]) -> Option<u64> {
        let mut cursor = Self::start_of(inner, *known.last()?).ok()?;
        cursor.place = index::seek(&inner.directory, &cursor.segment, |_| true);
        cursor.min_seq = u64::MAX;
        let Self { segment, place, .. } = cursor.past_known(inner, known)?;
        let open = matches!(record::read(&segment, &place), Ok(Record::Unpublished));
        let base = segment.header.base_seq;
        // A roll that was not finished has named the next segment and ended none.
        let alone = place.seq == base || !inner.directory.segment(place.seq).exists();
        (open && alone).then_some(base)
    }

    /// Goes on from the last segment that is known to the one that holds what is wanted. None where that takes longer than a list.
    fn past_known(mut self, inner: &Inner, known: &[u64]) -> Option<Self> {
        if known.last() != Some(&self.segment.header.base_seq) {
            return Some(self);
        }
        for _ in 0..=known.len() / LISTED_A_STEP {
            let base = self.segment.header.base_seq;
            // An empty segment that has ended makes room for a larger one of its name.
            if !self.ends_before_wanted() || self.place.seq == base {
                return Some(self);
            }
            // What is wrong with the next segment is told to who reads there.
            let Ok(segment) = inner.segment(self.place.seq) else { return Some(self) };
            if !segment.start().follows(&self.place) {
                return Some(self);
            }
            inner.follow(base, self.place.seq);
            let unwanted_before =
                |mark: &Mark| mark.seq <= self.min_seq || mark.timestamp_ns < self.min_timestamp_ns;
            self.place = index::seek(&inner.directory, &segment, unwanted_before);
            self.segment = segment;
        }
        None
    }

    /// Walks to the first message that is wanted, as far as nothing is wrong. Whether the segment ends before it.
    fn ends_before_wanted(&mut self) -> bool {
        loop {
            match record::read(&self.segment, &self.place) {
                Ok(Record::Message(header)) if !self.wants(&header) => self.place = self.place.after(&header),
                Ok(Record::End) => return true,
                Ok(Record::Message(_) | Record::Unpublished) | Err(_) => return false,
            }
        }
    }

    #[inline]
    fn wants(&self, header: &MessageHeader) -> bool {
        header.seq >= self.min_seq && header.timestamp_ns >= self.min_timestamp_ns
    }

    /// A cursor at the first record of the segment that starts at `base`.
    pub(crate) fn start_of(inner: &Inner, base: u64) -> Result<Self> {
        let segment = match inner.segment(base) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Err(absent(inner, base)),
            other => other?,
        };
        let place = segment.start();
        Ok(Self::standing(segment, place))
    }

    /// A cursor at a place that was found.
    pub(crate) fn standing(segment: Arc<Segment>, place: Place) -> Self {
        Self { segment, place, min_seq: 0, min_timestamp_ns: 0, end_seq: u64::MAX, back: Back::default() }
    }

    /// Stands where `next` does, and wants what it wanted.
    pub(crate) fn go_on_at(&mut self, next: Self) {
        let (min_seq, min_timestamp_ns, end_seq) = (self.min_seq, self.min_timestamp_ns, self.end_seq);
        *self = Self { min_seq, min_timestamp_ns, end_seq, ..next };
    }

    /// The header of the next message that is wanted, or `None` at the head. Steps over messages before it and over END.
    #[inline]
    pub(crate) fn peek(&mut self, inner: &Inner) -> Result<Option<MessageHeader>> {
        loop {
            if self.place.seq >= self.end_seq {
                return Ok(None);
            }
            match record::read(&self.segment, &self.place)? {
                Record::Message(header) => {
                    if self.wants(&header) {
                        return Ok(Some(header));
                    }
                    self.place = self.place.after(&header);
                }
                Record::End if self.cross(inner)? => {}
                Record::Unpublished | Record::End => return Ok(None),
            }
        }
    }

    /// Copies the payload out, checks the copy and steps behind the message.
    #[inline]
    pub(crate) fn take(&mut self, header: &MessageHeader, payload: &mut [u8]) -> Result<()> {
        self.copy(header, payload)?;
        self.pass(header);
        Ok(())
    }

    /// Steps behind the message at the place.
    #[inline]
    pub(crate) fn pass(&mut self, header: &MessageHeader) {
        self.place = self.place.after(header);
        // Reached: time does not fall from here on.
        self.min_timestamp_ns = 0;
    }

    /// Whether every message from the place on is wanted.
    #[inline]
    pub(crate) fn wants_all(&self) -> bool {
        self.place.seq >= self.min_seq && self.min_timestamp_ns == 0
    }

    /// Takes messages as [`run::copy`] does.
    #[inline]
    pub(crate) fn take_run(
        &mut self,
        slab: &mut [u8],
        used: usize,
        entries: &mut [Entry],
        count: usize,
        end_seq: u64,
    ) -> (usize, usize) {
        run::copy(&self.segment, &mut self.place, slab, used, entries, count, end_seq)
    }

    /// Copies the payload of the message at the place out and checks the copy.
    #[inline]
    pub(crate) fn copy(&self, header: &MessageHeader, payload: &mut [u8]) -> Result<()> {
        self.compare(header, self.segment.region.copy_checked(self.place.payload_offset(), payload))
    }

    /// Checks the payload of the message at the place and takes no memory for it.
    pub(crate) fn check(&self, header: &MessageHeader) -> Result<()> {
        let length = header.length as usize;
        self.compare(header, self.segment.region.checksum(self.place.payload_offset(), length))
    }

    #[inline]
    fn compare(&self, header: &MessageHeader, actual: u32) -> Result<()> {
        if actual != header.checksum && !fault::planted("payload.unchecked") {
            self.segment.intact().map_err(|e| e.at_offset(self.place.offset).at_seq(header.seq))?;
            return Err(record::locate(header.payload_mismatch(actual), &self.segment, &self.place));
        }
        Ok(())
    }

    /// Goes on in the next segment, which was there before END was published. False when it still has to come: END in an
    /// empty segment says that a larger one takes its name.
    #[cold]
    fn cross(&mut self, inner: &Inner) -> Result<bool> {
        if self.place.seq == self.segment.header.base_seq {
            inner.forget(self.place.seq);
        }
        let next = Self::start_of(inner, self.place.seq)?;
        if self.place.seq == self.segment.header.base_seq
            && record::read(&next.segment, &next.place)? == Record::End
        {
            return Ok(false);
        }
        if !next.place.follows(&self.place) {
            return Err(record::older(&next.segment));
        }
        inner.follow(self.segment.header.base_seq, self.place.seq);
        self.go_on_at(next);
        Ok(true)
    }

    /// The seq of the next message that is wanted.
    pub(crate) fn next_seq(&self) -> u64 {
        self.place.seq.max(self.min_seq)
    }

    /// Walks behind the last published message without looking at payloads.
    pub(crate) fn skip_to_head(&mut self, inner: &Inner) -> Result<()> {
        (self.min_seq, self.min_timestamp_ns) = (u64::MAX, 0);
        self.peek(inner).map(|_| ())
    }
}

/// The segment that starts at `base` is not there: pruned when all that is left comes after it, missing otherwise.
pub(crate) fn absent(inner: &Inner, base: u64) -> Error {
    match inner.bases() {
        Ok(bases) if bases[0] > base => gap(inner, base, bases[0]),
        Ok(_) => inner.missing(base),
        Err(e) => e,
    }
}

pub(crate) fn gap(inner: &Inner, seq: u64, first: u64) -> Error {
    Error::new(ErrorKind::Gap, format!("message {seq} was pruned; the first that is left is {first}"))
        .at_path(inner.directory.path())
        .at_seq(seq)
        .with_first(first)
}
