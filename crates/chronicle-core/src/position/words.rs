//! The words of a position that the holder and a prune in another process share, and which slot may be stored to: not the newest,
//! which the end of the process must leave, and not those that a power cut must leave.

use super::slot::{CHECKSUM, GENERATION, LEN, NEXT_SEQ, SLOTS, newest_in, slot_bytes, whole};
use crate::header::u32_at;
use crate::region::Region;
use crate::sync::{AtomicU32, AtomicU64, Ordering, fence};

/// One more than the number of the slot that is being stored to, or 0.
const STORED: usize = 68;
/// The generation that a prune is about to make durable.
const SPARED: usize = 72;
/// The generation that a prune has made durable.
const SYNCED: usize = 80;

/// What a whole slot says: its generation, its seq, its number.
pub(crate) type Found = (u64, u64, usize);

/// The bytes of all slots, as they were found one after another.
pub(crate) type Look = [[u8; LEN]; SLOTS.len()];

/// The words of a slot.
pub(crate) struct Slot<'a> {
    pub(crate) generation: &'a AtomicU64,
    pub(crate) next_seq: &'a AtomicU64,
    pub(crate) checksum: &'a AtomicU32,
}

/// The words of a position.
pub(crate) struct Words<'a> {
    pub(crate) stored: &'a AtomicU32,
    pub(crate) spared: &'a AtomicU64,
    pub(crate) synced: &'a AtomicU64,
    pub(crate) slots: [Slot<'a>; SLOTS.len()],
}

impl Slot<'_> {
    /// The generation and the seq, if the slot is whole.
    fn read(&self) -> Option<(u64, u64)> {
        whole(&self.bytes())
    }

    fn bytes(&self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        bytes[CHECKSUM..].copy_from_slice(&self.checksum.load(Ordering::Acquire).to_le_bytes());
        bytes[GENERATION..NEXT_SEQ].copy_from_slice(&self.generation.load(Ordering::Acquire).to_le_bytes());
        bytes[NEXT_SEQ..CHECKSUM].copy_from_slice(&self.next_seq.load(Ordering::Acquire).to_le_bytes());
        bytes
    }
}

impl<'a> Words<'a> {
    pub(crate) fn of(region: &'a Region) -> Self {
        let slots = SLOTS.map(|at| Slot {
            generation: region.word64(at + GENERATION),
            next_seq: region.word64(at + NEXT_SEQ),
            checksum: region.word32(at + CHECKSUM),
        });
        let (spared, synced) = (region.word64(SPARED), region.word64(SYNCED));
        Self { stored: region.word32(STORED), spared, synced, slots }
    }

    pub(crate) fn look(&self) -> Look {
        self.slots.each_ref().map(|slot| {
            let bytes = slot.bytes();
            crate::fault::point("position.looked");
            bytes
        })
    }

    /// The newest slot that is whole. While the holder stores, an older one may be found: see [`settled`](super::slot::settled).
    pub(crate) fn newest(&self) -> Option<Found> {
        newest_in(&self.look())
    }

    /// A slot to store to, which no prune spares from here on, and the newest slot that is known to be flushed. For the holder alone.
    pub(crate) fn take(&self, newest: usize, flushed: usize) -> (usize, usize) {
        loop {
            let free = self.free(newest, flushed);
            self.stored.store(word_of(free), Ordering::Release);
            // SYNC POINT: a prune names what it spares and looks at the word above, this names the slot and looks at what is spared.
            // With a fence between, on both sides, one of both sees the other.
            fence(Ordering::SeqCst);
            let kept = self.kept(flushed);
            if !kept.contains(&free) {
                return (free, kept[0]);
            }
        }
    }

    /// A slot that is neither the newest nor kept: there are four.
    pub(crate) fn free(&self, newest: usize, flushed: usize) -> usize {
        let kept = self.kept(flushed);
        (0..SLOTS.len()).find(|slot| *slot != newest && !kept.contains(slot)).unwrap_or(newest)
    }

    /// The slots that a power cut must leave: what the holder or a prune has flushed, and what a prune is about to flush.
    pub(crate) fn kept(&self, flushed: usize) -> [usize; 2] {
        // SYNC POINT: a prune names what it spares behind what the prune before it made durable. Who sees the first sees the second.
        let spared = self.named(self.spared);
        let synced = self.named(self.synced);
        self.kept_of(flushed, synced, spared)
    }

    /// What of that is newer than what the holder has flushed.
    pub(crate) fn kept_of(&self, flushed: usize, synced: Option<usize>, spared: Option<usize>) -> [usize; 2] {
        let generation = |slot: usize| self.slots[slot].generation.load(Ordering::Acquire);
        let flushed = synced.filter(|&slot| generation(slot) > generation(flushed)).unwrap_or(flushed);
        [flushed, spared.unwrap_or(flushed)]
    }

    /// The slot of the generation that this word names.
    pub(crate) fn named(&self, word: &AtomicU64) -> Option<usize> {
        let wanted = word.load(Ordering::Acquire);
        // A slot that was never stored to has no generation.
        let names = |slot: &Slot<'_>| wanted != 0 && slot.generation.load(Ordering::Acquire) == wanted;
        self.slots.iter().position(names)
    }

    /// Stores to a slot that was taken.
    pub(crate) fn store(&self, slot: usize, generation: u64, next_seq: u64) {
        let words = &self.slots[slot];
        let checksum = u32_at(&slot_bytes(generation, next_seq), CHECKSUM);
        // The other slots stay whole meanwhile; until the checksum is there, this one does not count.
        words.checksum.store(!checksum, Ordering::Release);
        words.generation.store(generation, Ordering::Release);
        words.next_seq.store(next_seq, Ordering::Release);
        crate::fault::point("position.half");
        words.checksum.store(checksum, Ordering::Release);
    }

    /// No slot is being stored to.
    pub(crate) fn leave(&self) {
        self.stored.store(0, Ordering::Release);
    }

    /// Has the holder keep what was found to be the newest until another one is spared. Returns whether it is kept: the holder may
    /// have been about to spoil it.
    pub(crate) fn spare(&self, found: Found) -> bool {
        let (generation, _, slot) = found;
        self.spared.store(generation, Ordering::Release);
        // Pairs with the fence of `take`.
        fence(Ordering::SeqCst);
        let stored = self.stored.load(Ordering::Acquire);
        // A holder that is about to spoil the slot has stored a newer one before it said so. Without one, the slot is done and not left
        // yet, which is how a holder that was killed there leaves it for ever.
        let done = stored != word_of(slot) || self.newest() == Some(found);
        done && self.slots[slot].read().is_some_and(|(there, _)| there == generation)
    }

    /// The generation that was spared is on the disk.
    pub(crate) fn synced(&self, generation: u64) {
        self.synced.store(generation, Ordering::Release);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "there are four slots")]
pub(crate) fn word_of(slot: usize) -> u32 {
    slot as u32 + 1
}
