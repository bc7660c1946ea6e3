//! A number in two checksummed slots of shared memory, of which one is whole at every moment: the larger one counts.

use crate::checksum::crc32;
use crate::region::Region;
use crate::sync::Ordering;

/// Where in a slot the checksum of the number before it stands.
const CHECKSUM: usize = 8;

/// The offsets of both slots.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slots(pub(crate) [usize; 2]);

impl Slots {
    /// The number, 0 where neither slot holds one.
    pub(crate) fn load(self, region: &Region) -> u64 {
        self.0.into_iter().filter_map(|at| slot(region, at)).max().unwrap_or(0)
    }

    /// Stores a number that is not below the one that is there.
    pub(crate) fn store(self, region: &Region, number: u64) {
        write(region, self.0[1 - self.newest(region)], number);
    }

    /// Takes the last [`store`](Self::store) back to a number that is not below the one before it.
    pub(crate) fn lower(self, region: &Region, number: u64) {
        write(region, self.0[self.newest(region)], number);
    }

    /// Forgets both numbers.
    pub(crate) fn clear(self, region: &Region) {
        for at in self.0 {
            region.word64(at).store(0, Ordering::Release);
        }
    }

    fn newest(self, region: &Region) -> usize {
        usize::from(slot(region, self.0[1]) > slot(region, self.0[0]))
    }
}

fn slot(region: &Region, at: usize) -> Option<u64> {
    let number = region.word64(at).load(Ordering::Acquire);
    let checksum = region.word32(at + CHECKSUM).load(Ordering::Acquire);
    (number != 0 && checksum == crc32(&number.to_le_bytes())).then_some(number)
}

fn write(region: &Region, at: usize, number: u64) {
    let checksum = crc32(&number.to_le_bytes());
    // A slot that is half written has a wrong checksum and does not count.
    region.word32(at + CHECKSUM).store(!checksum, Ordering::Release);
    region.word64(at).store(number, Ordering::Release);
    region.word32(at + CHECKSUM).store(checksum, Ordering::Release);
}
