//! The slots of a position: their bytes, and which of them counts.

use std::path::Path;

use super::words::{Found, Words};
use crate::checksum::crc32;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::header::{u32_at, u64_at};
use crate::layout::MAX_SEQ;
use crate::region::Region;

/// Each slot has a sector of its own, so a torn sector spoils one of them. One is the newest, one is what the holder has flushed,
/// one is what a prune flushes, and one is free.
pub(crate) const SLOTS: [usize; 4] = [512, 1024, 1536, 2048];
pub(super) const GENERATION: usize = 0;
pub(super) const NEXT_SEQ: usize = 8;
pub(super) const CHECKSUM: usize = 16;
pub(super) const LEN: usize = CHECKSUM + 4;

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

/// The seq of the newest slot that is whole in a copy of the file. None where the file itself has to be looked at.
pub(super) fn newest_seq(copy: &[u8]) -> Option<u64> {
    let slots = SLOTS.iter().filter_map(|&at| whole(&copy[at..at + LEN]));
    slots.max().filter(|newest| newest.0 <= MAX_GENERATION).map(|(_, next_seq)| next_seq)
}

/// The generation, the seq and the number of the newest slot that is whole.
pub(super) fn newest(region: &Region, path: &Path) -> Result<Found> {
    let words = Words::of(region);
    // The holder may spoil one slot while another is looked at: only what stays so is damage.
    for _ in 0..LOOKS {
        match words.newest() {
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

/// Lets the holder keep the newest slot until another one is spared. Returns its generation.
pub(super) fn spare(region: &Region, path: &Path) -> Result<u64> {
    for _ in 0..LOOKS {
        let found = newest(region, path)?;
        if Words::of(region).spare(found) {
            return Ok(found.0);
        }
        std::thread::yield_now();
    }
    let message = "the reader position changes faster than it can be kept";
    Err(Error::new(ErrorKind::Io, message).at_path(path))
}
