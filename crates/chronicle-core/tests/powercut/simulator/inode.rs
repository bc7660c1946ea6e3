//! One file, whatever it is called: its bytes, and what the disk may hold of them.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::dice::Dice;

pub const SECTOR: usize = 512;
/// What is compared at once: most of a file stays as it is from look to look.
const BLOCK: usize = 8 * SECTOR;

type Sector = Arc<[u8]>;

#[derive(Debug)]
pub struct Inode {
    /// Outlives the name.
    file: File,
    /// The bytes at the last look.
    seen: Vec<u8>,
    /// Every length since the last flush; the first is the durable one.
    lengths: Vec<u64>,
    /// Every value since its last flush of each sector that is not durable zeros; the first is the durable one.
    sectors: BTreeMap<usize, Vec<Sector>>,
}

/// A file of an image: its length and the sectors that are not zeros.
#[derive(Debug, Clone)]
pub struct Content {
    pub len: u64,
    pub sectors: Vec<(usize, Sector)>,
}

impl Inode {
    /// A file that was just created: the disk knows nothing of it.
    pub fn created(path: &Path) -> Self {
        let file = File::open(path).unwrap();
        Self { file, seen: Vec::new(), lengths: vec![0], sectors: BTreeMap::new() }
    }

    /// A file that is on the disk as it is.
    pub fn durable(path: &Path) -> Self {
        let mut inode = Self::created(path);
        inode.look(&mut Vec::new());
        inode.flush(0..usize::MAX);
        inode
    }

    /// Takes note of what has changed since the last look.
    pub fn look(&mut self, buffer: &mut Vec<u8>) {
        let len = self.file.metadata().unwrap().len() as usize;
        if self.lengths.last() != Some(&(len as u64)) {
            self.lengths.push(len as u64);
        }
        buffer.resize(len, 0);
        self.file.read_exact_at(buffer, 0).unwrap();
        self.seen.resize(len, 0);
        for start in (0..len).step_by(BLOCK) {
            let block = start..len.min(start + BLOCK);
            if self.seen[block.clone()] != buffer[block.clone()] {
                self.note(block, buffer);
            }
        }
        std::mem::swap(&mut self.seen, buffer);
    }

    fn note(&mut self, block: Range<usize>, now: &[u8]) {
        for start in block.clone().step_by(SECTOR) {
            let sector = start..block.end.min(start + SECTOR);
            if self.seen[sector.clone()] != now[sector.clone()] {
                let before = Arc::from(&self.seen[sector.clone()]);
                let values = self.sectors.entry(start / SECTOR).or_insert_with(|| vec![before]);
                values.push(Arc::from(&now[sector]));
            }
        }
    }

    /// The bytes that were seen at the last look are on the disk, and the length.
    pub fn flush(&mut self, range: Range<usize>) {
        self.lengths.drain(..self.lengths.len() - 1);
        let sectors = range.start / SECTOR..range.end.div_ceil(SECTOR);
        for (_, values) in self.sectors.range_mut(sectors) {
            values.drain(..values.len() - 1);
        }
        self.sectors.retain(|_, values| values.len() > 1 || values[0].iter().any(|&b| b != 0));
    }

    pub fn word64(&self, offset: usize) -> u64 {
        self.seen.get(offset..offset + 8).map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().unwrap()))
    }

    /// What every process sees.
    pub fn now(&self) -> Content {
        let sectors =
            self.sectors.iter().map(|(&at, values)| (at, Arc::clone(&values[values.len() - 1]))).collect();
        Content { len: self.seen.len() as u64, sectors }
    }

    /// What a disk may hold that loses about `lost` of a hundred of the changes since the last flush.
    pub fn survivor(&self, lost: u64, dice: &mut Dice) -> Content {
        let len = *chosen(&self.lengths, lost, dice);
        let mut sectors = Vec::with_capacity(self.sectors.len());
        for (&at, values) in &self.sectors {
            let value = chosen(values, lost, dice);
            let room = len.saturating_sub((at * SECTOR) as u64).min(SECTOR as u64) as usize;
            if room > 0 && value.iter().any(|&b| b != 0) {
                let kept = if room < value.len() { Arc::from(&value[..room]) } else { Arc::clone(value) };
                sectors.push((at, kept));
            }
        }
        Content { len, sectors }
    }
}

/// The last value, or one before it.
fn chosen<'a, T>(values: &'a [T], lost: u64, dice: &mut Dice) -> &'a T {
    let older = values.len() - 1;
    if older > 0 && dice.percent(lost) { &values[dice.index(older)] } else { &values[older] }
}
