//! The slots of a position: their bytes, and which of them counts.

use std::path::Path;
use std::time::{Duration, Instant};

use super::words::{Found, Look, Words};
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
pub(crate) const LEN: usize = CHECKSUM + 4;

/// The highest generation that is believed: counting from there on does not come to an end.
const MAX_GENERATION: u64 = 1 << 63;

/// How often a position is looked at before it is believed to be damaged, or to change too fast. A holder that stores without a pause
/// has a slot half stored most of the time; so many looks take some 10 ms.
const LOOKS: u32 = 100_000;
/// So many looks come between two turns for others.
const LOOKS_A_TURN: u32 = 100;
/// How long a prune tries to have a slot kept: some hundred times are enough beside a holder that stores without a pause.
const PATIENCE: Duration = Duration::from_secs(2);

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

/// The newest slot that is whole.
pub(crate) fn newest_in(look: &Look) -> Option<Found> {
    let slots = look.iter().enumerate();
    slots.filter_map(|(slot, bytes)| whole(bytes).map(|(generation, seq)| (generation, seq, slot))).max()
}

/// Whether the newest slot of a look is as new as any that was whole before the look began: where none is half stored. A slot goes from
/// one generation to a later one, so the one that was the newest would be found again, or a newer one in its place. Else the holder may have stored
/// to a slot that was looked at already, and be storing to the one that was the newest.
pub(crate) fn settled(look: &Look) -> bool {
    look.iter().all(|bytes| *bytes == [0; LEN] || whole(bytes).is_some())
}

/// The seq of the newest slot that is whole in a copy of the file. None where the file itself has to be looked at.
pub(super) fn newest_seq(copy: &[u8]) -> Option<u64> {
    let look = SLOTS.map(|at| std::array::from_fn(|byte| copy[at + byte]));
    let newest = newest_in(&look).filter(|newest| settled(&look) && newest.0 <= MAX_GENERATION);
    newest.map(|(_, next_seq, _)| next_seq)
}

/// The generation, the seq and the number of the newest slot that is whole: of one that was when this was called, or later.
pub(super) fn newest(region: &Region, path: &Path) -> Result<Found> {
    let (words, mut before) = (Words::of(region), None);
    for turn in 1..=LOOKS {
        let look = words.look();
        // What a look finds as the one before it did was so in between: a holder that was killed leaves a slot half stored.
        let sure = settled(&look) || before == Some(look);
        match newest_in(&look).filter(|_| sure) {
            Some(newest) if newest.0 <= MAX_GENERATION => return Ok(newest),
            Some((generation, _, slot)) => {
                let message = format!("no reader stores a position of generation {generation}");
                return Err(Error::new(ErrorKind::Corrupt, message)
                    .at_path(path)
                    .at_offset(SLOTS[slot] as u64));
            }
            // The holder may spoil one slot while another is looked at: only what stays so is damage.
            None if turn % LOOKS_A_TURN == 0 => std::thread::yield_now(),
            None => std::hint::spin_loop(),
        }
        before = Some(look);
    }
    region.intact(path)?;
    if before.is_some_and(|look| newest_in(&look).is_some()) {
        return Err(changes(path));
    }
    let message = "no slot of the reader position is whole";
    Err(Error::new(ErrorKind::Corrupt, message).at_path(path).at_offset(SLOTS[0] as u64))
}

/// Lets the holder keep the newest slot until another one is spared. Where it stores meanwhile that may be one before the newest:
/// what is kept counts by what it says itself.
pub(super) fn spare(region: &Region, path: &Path) -> Result<Found> {
    let words = Words::of(region);
    // For its refusals.
    newest(region, path)?;
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        for _ in 0..LOOKS_A_TURN {
            if let Some(found) = words.newest().filter(|found| found.0 <= MAX_GENERATION)
                && words.spare(found)
            {
                return Ok(found);
            }
            std::hint::spin_loop();
        }
        region.intact(path)?;
        std::thread::yield_now();
    }
    Err(changes(path))
}

fn changes(path: &Path) -> Error {
    Error::new(ErrorKind::Io, "the reader position changes faster than it can be kept").at_path(path)
}
