//! What the segments take on the disk, kept for those that change no more, so that counting does not look at each file each time.
//!
//! For [`stats`](crate::Chronicle::stats) alone: a prune decides by what it sees itself.

use std::collections::VecDeque;
use std::fs;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use crate::chronicle::Inner;
use crate::error::Result;
use crate::platform;

/// Behind a roll the tail of the segment is given back. One that another has followed for so long changes no more.
const SETTLED: Duration = Duration::from_secs(5);

/// The sizes of the first segments, as far as they are settled.
#[derive(Debug, Default)]
pub(crate) struct Sizes {
    epoch: u32,
    /// The first seq of each, ascending, and the bytes of all from the first one that was ever looked at to this one.
    settled: VecDeque<(u64, u64)>,
    /// The bytes of those among them that retention has removed.
    removed: u64,
    /// The segment that was the last one, and when it was seen: it followed all before it.
    last: Option<(u64, Instant)>,
}

impl Sizes {
    /// The bytes of the segments that start at `bases`, which are all from the first that is left. None where one is not there.
    fn total(
        &mut self,
        now: Instant,
        epoch: u32,
        bases: &[u64],
        look: impl Fn(u64) -> Option<u64>,
    ) -> Option<u64> {
        self.keep(epoch, bases);
        let settled = self.last.filter(|(_, seen)| now.duration_since(*seen) >= SETTLED);
        if self.last.is_none() || settled.is_some() {
            self.last = bases.last().map(|&base| (base, now));
        }
        let mut total = self.settled.back().map_or(self.removed, |&(_, through)| through);
        for &base in &bases[self.settled.len()..] {
            total += look(base)?;
            if settled.is_some_and(|(last, _)| base < last) {
                self.settled.push_back((base, total));
            }
        }
        Some(total - self.removed)
    }

    /// Forgets what retention has removed, and everything where a recovery may have changed segments.
    fn keep(&mut self, epoch: u32, bases: &[u64]) {
        while let Some(&(base, through)) = self.settled.front()
            && bases.first().is_some_and(|&first| base < first)
        {
            self.removed = through;
            self.settled.pop_front();
        }
        let are_first = self.settled.len() <= bases.len()
            && self.settled.front().is_none_or(|&(base, _)| bases.first() == Some(&base))
            && self.settled.back().is_none_or(|&(base, _)| bases[self.settled.len() - 1] == base);
        if self.epoch != epoch || !are_first {
            *self = Self { epoch, ..Self::default() };
        }
    }
}

impl Inner {
    /// How many segments there are from the first that is left, and the bytes that they take on the disk.
    pub(crate) fn count(&self) -> Result<(u64, u64)> {
        let mut sizes = self.sizes.lock().unwrap_or_else(PoisonError::into_inner);
        // A recovery raises it when all is done: what is seen before belongs to the number before.
        let epoch = self.control.epoch();
        let known = self.all_bases()?;
        if let Some(bytes) = sizes.total(Instant::now(), epoch, &known, |base| self.disk_bytes(base)) {
            return Ok((known.len() as u64, bytes));
        }
        // One is not there: removed by a prune meanwhile, or by hand.
        let listed = self.list(Self::bases)?;
        let bytes = listed.iter().filter_map(|&base| self.disk_bytes(base)).sum();
        Ok((listed.len() as u64, bytes))
    }

    /// The bytes that a segment takes on the disk, if it is there.
    pub(crate) fn disk_bytes(&self, base: u64) -> Option<u64> {
        fs::metadata(self.directory.segment(base)).ok().map(|metadata| platform::disk_bytes(&metadata))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Asks for totals. A segment takes ten bytes and its first seq; 99 is not there.
    struct Asked {
        sizes: Sizes,
        now: Instant,
        epoch: u32,
    }

    impl Asked {
        fn new() -> Self {
            Self { sizes: Sizes::default(), now: Instant::now(), epoch: 1 }
        }

        fn later(&mut self, time: Duration) -> &mut Self {
            self.now += time;
            self
        }

        /// The total, and the segments that were looked at for it.
        fn total(&mut self, bases: &[u64]) -> (Option<u64>, Vec<u64>) {
            let looked = RefCell::new(Vec::new());
            let total = self.sizes.total(self.now, self.epoch, bases, |base| {
                looked.borrow_mut().push(base);
                (base != 99).then_some(10 + base)
            });
            (total, looked.into_inner())
        }
    }

    /// Of which all but the last are known.
    fn settled(bases: &[u64]) -> Asked {
        let mut asked = Asked::new();
        asked.total(bases);
        asked.later(SETTLED).total(bases);
        asked
    }

    #[test]
    fn a_segment_is_looked_at_no_more_once_another_has_followed_it_for_a_while() {
        let mut asked = Asked::new();
        assert_eq!(asked.total(&[0, 1, 2]), (Some(33), vec![0, 1, 2]));
        let almost = SETTLED.checked_sub(Duration::from_nanos(1)).unwrap();
        assert_eq!(asked.later(almost).total(&[0, 1, 2, 3]), (Some(46), vec![0, 1, 2, 3]));
        // What came meanwhile has been followed for too short a time.
        assert_eq!(asked.later(Duration::from_nanos(1)).total(&[0, 1, 2, 3]), (Some(46), vec![0, 1, 2, 3]));
        assert_eq!(asked.total(&[0, 1, 2, 3, 4]), (Some(60), vec![2, 3, 4]));
        assert_eq!(asked.later(SETTLED).total(&[0, 1, 2, 3, 4]), (Some(60), vec![2, 3, 4]));
        assert_eq!(asked.total(&[0, 1, 2, 3, 4]), (Some(60), vec![3, 4]));
    }

    #[test]
    fn what_is_removed_counts_no_more() {
        let mut asked = settled(&[0, 1, 2, 3]);
        assert_eq!(asked.total(&[2, 3, 4]), (Some(39), vec![3, 4]));
        assert_eq!(asked.total(&[4, 5]), (Some(29), vec![4, 5]));
        assert_eq!(asked.total(&[7, 8]), (Some(35), vec![7, 8]));
    }

    #[test]
    fn behind_a_recovery_all_are_looked_at() {
        let mut asked = settled(&[0, 1, 2, 3]);
        asked.epoch = 2;
        assert_eq!(asked.total(&[0, 1, 2, 3]), (Some(46), vec![0, 1, 2, 3]));
        assert_eq!(asked.total(&[0, 1, 2, 3]), (Some(46), vec![0, 1, 2, 3]));
    }

    #[test]
    fn so_are_those_of_another_list() {
        for other in [&[0, 1][..], &[0, 5, 6, 7, 8], &[0, 1, 5, 6]] {
            let expected = other.iter().map(|base| 10 + base).sum();
            assert_eq!(settled(&[0, 1, 2, 3]).total(other), (Some(expected), other.to_vec()));
        }
    }

    #[test]
    fn one_that_is_not_there_makes_no_total() {
        let mut asked = settled(&[0, 1, 100]);
        assert_eq!(asked.total(&[0, 1, 99, 100]).0, None);
        assert_eq!(asked.total(&[0, 1, 100]).0, Some(131));
    }
}
