//! The slots of a position, and which of them may be stored to: not the newest, which the end of the process must leave, and not
//! those that a power cut must leave.

use std::path::Path;

use crate::checksum::crc32;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::header::{u32_at, u64_at};
use crate::layout::MAX_SEQ;
use crate::region::Region;
use crate::sync::Ordering;

/// Each slot has a sector of its own, so a torn sector spoils one of them. One is the newest, one is what the holder has flushed,
/// one is what a prune flushes, and one is free.
pub(super) const SLOTS: [usize; 4] = [512, 1024, 1536, 2048];
const GENERATION: usize = 0;
const NEXT_SEQ: usize = 8;
const CHECKSUM: usize = 16;
pub(super) const LEN: usize = CHECKSUM + 4;

/// One more than the number of the slot that is being stored to, or 0.
const STORED: usize = 68;
/// The generation that a prune is about to make durable.
const SPARED: usize = 72;
/// The generation that a prune has made durable.
const SYNCED: usize = 80;

/// The highest generation that is believed: counting from there on does not come to an end.
const MAX_GENERATION: u64 = 1 << 63;

/// How often a position without a whole slot is looked at before it is believed to be damaged.
const LOOKS: u32 = 1000;

pub(super) fn slot_bytes(generation: u64, next_seq: u64) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    bytes[GENERATION..NEXT_SEQ].copy_from_slice(&generation.to_le_bytes());
    bytes[NEXT_SEQ..CHECKSUM].copy_from_slice(&next_seq.to_le_bytes());
    let checksum = crc32(&bytes[..CHECKSUM]);
    bytes[CHECKSUM..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// The generation and the seq of a slot with these bytes, if it is whole.
pub(super) fn whole(bytes: &[u8]) -> Option<(u64, u64)> {
    let (generation, next_seq) = (u64_at(bytes, GENERATION), u64_at(bytes, NEXT_SEQ));
    let whole = u32_at(bytes, CHECKSUM) == crc32(&bytes[..CHECKSUM]) || fault::planted("slot.unchecked");
    (whole && (1..u64::MAX).contains(&generation) && next_seq <= MAX_SEQ + 1)
        .then_some((generation, next_seq))
}

fn read(region: &Region, slot: usize) -> Option<(u64, u64)> {
    let mut bytes = [0; LEN];
    region.copy_out(SLOTS[slot], &mut bytes);
    whole(&bytes)
}

/// The seq of the newest slot that is whole in a copy of the file. None where the file itself has to be looked at.
pub(super) fn newest_seq(copy: &[u8]) -> Option<u64> {
    let slots = SLOTS.iter().filter_map(|&at| whole(&copy[at..at + LEN]));
    slots.max().filter(|newest| newest.0 <= MAX_GENERATION).map(|(_, next_seq)| next_seq)
}

/// The generation, the seq and the number of the newest slot that is whole.
pub(super) fn newest(region: &Region, path: &Path) -> Result<(u64, u64, usize)> {
    let slot = |slot: usize| read(region, slot).map(|(generation, next_seq)| (generation, next_seq, slot));
    // The holder may spoil one slot while another is looked at: only what stays so is damage.
    for _ in 0..LOOKS {
        match (0..SLOTS.len()).filter_map(slot).max() {
            Some(newest) if newest.0 <= MAX_GENERATION => return Ok(newest),
            Some((generation, _, slot)) => {
                let message = format!("no reader stores a position of generation {generation}");
                return Err(Error::new(ErrorKind::Corrupt, message)
                    .at_path(path)
                    .at_offset(SLOTS[slot] as u64));
            }
            None => std::thread::yield_now(),
        }
    }
    region.intact(path)?;
    Err({
        let message = "no slot of the reader position is whole";
        Error::new(ErrorKind::Corrupt, message).at_path(path).at_offset(SLOTS[0] as u64)
    })
}

/// A slot to store to, which no prune spares from here on, and the newest slot that is known to be flushed. For the holder alone.
pub(super) fn take(region: &Region, newest: usize, flushed: usize) -> (usize, usize) {
    loop {
        let kept = kept(region, flushed);
        let free = (0..SLOTS.len()).find(|slot| *slot != newest && !kept.contains(slot)).unwrap_or(newest);
        region.word32(STORED).store(word_of(free), Ordering::SeqCst);
        // SYNC POINT: a prune names what it spares and looks at the word above, this names the slot and looks at what is spared. One
        // of both sees the other.
        let kept = self::kept(region, flushed);
        if !kept.contains(&free) {
            return (free, kept[0]);
        }
    }
}

/// The slots that a power cut must leave: what the holder or a prune has flushed, and what a prune is about to flush.
fn kept(region: &Region, flushed: usize) -> [usize; 2] {
    let generation = |slot: usize| region.word64(SLOTS[slot] + GENERATION).load(Ordering::Acquire);
    let named = |word: usize| {
        let wanted = region.word64(word).load(Ordering::SeqCst);
        // A slot that was never stored to has no generation.
        (0..SLOTS.len()).find(|&slot| wanted != 0 && generation(slot) == wanted)
    };
    let synced = named(SYNCED).filter(|&slot| generation(slot) > generation(flushed));
    let flushed = synced.unwrap_or(flushed);
    [flushed, named(SPARED).unwrap_or(flushed)]
}

#[expect(clippy::cast_possible_truncation, reason = "there are four slots")]
fn word_of(slot: usize) -> u32 {
    slot as u32 + 1
}

/// Stores to a slot that was taken, and leaves it.
pub(super) fn store(region: &Region, slot: usize, generation: u64, next_seq: u64) {
    let at = SLOTS[slot];
    let checksum = u32_at(&slot_bytes(generation, next_seq), CHECKSUM);
    // The other slots stay whole meanwhile; until the checksum is there, this one does not count.
    region.word32(at + CHECKSUM).store(!checksum, Ordering::Release);
    region.word64(at + GENERATION).store(generation, Ordering::Release);
    region.word64(at + NEXT_SEQ).store(next_seq, Ordering::Release);
    crate::fault::point("position.half");
    region.word32(at + CHECKSUM).store(checksum, Ordering::Release);
    leave(region);
}

/// No slot is being stored to.
pub(super) fn leave(region: &Region) {
    region.word32(STORED).store(0, Ordering::SeqCst);
}

/// Lets the holder keep the newest slot until another one is spared. Returns its generation.
pub(super) fn spare(region: &Region, path: &Path) -> Result<u64> {
    for _ in 0..LOOKS {
        let found = newest(region, path)?;
        let (generation, _, slot) = found;
        region.word64(SPARED).store(generation, Ordering::SeqCst);
        let stored = region.word32(STORED).load(Ordering::SeqCst);
        // A holder that is about to spoil the slot has stored a newer one before it said so. Without one, the slot is done and not left
        // yet, which is how a holder that was killed there leaves it for ever.
        let done = stored != word_of(slot) || newest(region, path)? == found;
        if done && read(region, slot).is_some_and(|(there, _)| there == generation) {
            return Ok(generation);
        }
        std::thread::yield_now();
    }
    let message = "the reader position changes faster than it can be kept";
    Err(Error::new(ErrorKind::Io, message).at_path(path))
}

/// The generation that was spared is on the disk.
pub(super) fn synced(region: &Region, generation: u64) {
    region.word64(SYNCED).store(generation, Ordering::SeqCst);
}
