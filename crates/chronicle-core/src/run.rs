//! Runs of messages: what a poll hands out, and the loop that most messages come through.

use crate::header::{COMMIT_VALID, COMMIT_WORD, MessageHeader};
use crate::layout::HEADER_LEN;
use crate::record::Place;
use crate::segment::Segment;
use crate::wait;

/// One message of a run that [`Reader::poll`](crate::Reader::poll) has copied out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Entry {
    /// Where the payload starts in the slab; a multiple of 8.
    pub offset: u32,
    /// Payload bytes.
    pub length: u32,
    /// The user's message type.
    pub type_id: u32,
    /// How many messages of the same batch still follow.
    pub batch_remaining: u32,
    /// Nanoseconds since the Unix epoch.
    pub timestamp_ns: u64,
    /// The message's number.
    pub seq: u64,
}

const _: () = assert!(size_of::<Entry>() == 32);

/// What [`Reader::poll`](crate::Reader::poll) found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// How many entries were filled. Zero at the head of the log, and where `need` is set.
    pub count: usize,
    /// When not zero: the next payload needs a slab of this many bytes.
    pub need: usize,
}

/// The payloads of a run start at multiples of this in the slab, so that wide typed arrays can stand over them.
const SLAB_ALIGN: usize = 8;

impl Entry {
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a slab is shorter than 4 GiB: payloads end at 1 GiB"
    )]
    pub(crate) fn new(offset: usize, header: &MessageHeader) -> Self {
        Self {
            offset: offset as u32,
            length: header.length,
            type_id: header.type_id.into(),
            batch_remaining: header.batch_remaining,
            timestamp_ns: header.timestamp_ns,
            seq: header.seq,
        }
    }

    /// Where the next payload may start in the slab.
    #[inline]
    pub(crate) fn slab_end(&self) -> usize {
        (self.offset as usize + self.length as usize).next_multiple_of(SLAB_ALIGN)
    }
}

/// Copies messages from `place` on to `slab[used..]` and `entries[count..]`, up to the first that is not as most are: END,
/// unpublished, bad in any way, at or above `end_seq`, or too long for what is left of the slab. Whoever calls looks at that one
/// again, by [`record::read`](crate::record::read), which knows all cases and names what is wrong.
pub(crate) fn copy(
    segment: &Segment,
    place: &mut Place,
    slab: &mut [u8],
    mut used: usize,
    entries: &mut [Entry],
    mut count: usize,
    end_seq: u64,
) -> (usize, usize) {
    let records_end = segment.end() - HEADER_LEN as u64;
    // An entry tells places below 4 GiB.
    let slab_len = slab.len().min(u32::MAX as usize);
    let slab = &mut slab[..slab_len];
    while let (Some(entry), Some(rest)) = (entries.get_mut(count), slab.get_mut(used..)) {
        let Some(header) = regular(segment, place) else { break };
        let after = place.after(&header);
        pad(rest, header.length as usize);
        let Some(payload) = rest.get_mut(..header.length as usize) else { break };
        if after.offset > records_end || header.seq >= end_seq {
            break;
        }
        if segment.region.copy_checked(place.payload_offset(), payload) != header.checksum {
            break;
        }
        *entry = Entry::new(used, &header);
        used = entry.slab_end();
        count += 1;
        *place = after;
    }
    (count, used)
}

/// Zeroes the bytes between a payload of `length` bytes at the start of `rest` and the place of the next one: the caller's slab
/// may hold anything. To be called before the payload is copied.
#[inline]
pub(crate) fn pad(rest: &mut [u8], length: usize) {
    if !length.is_multiple_of(SLAB_ALIGN) {
        fill_gap(rest, length);
    }
}

fn fill_gap(rest: &mut [u8], length: usize) {
    let end = length.next_multiple_of(SLAB_ALIGN);
    if let Some(word) = rest.get_mut(end - SLAB_ALIGN..end) {
        word.fill(0);
    }
}

/// The header at `place`, if it is one that a writer makes for a published message. Its length is not checked yet.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "a place lies inside of a mapping, whose length is a usize"
)]
fn regular(segment: &Segment, place: &Place) -> Option<MessageHeader> {
    let offset = place.offset as usize;
    if wait::published(segment.region.word32(offset + COMMIT_WORD)) & COMMIT_VALID == 0 {
        return None;
    }
    let header = MessageHeader::parse(&segment.region.header_bytes(offset));
    let follows =
        header.seq == place.seq && header.epoch >= place.epoch && header.timestamp_ns >= place.timestamp_ns;
    (follows && header.is_plain()).then_some(header)
}
