//! The segments that one opening knows of, so that a seek lists the directory once and not each time.
//!
//! What was listed goes on to hold. A prune takes segments from the front, and `control` says so before it does; a recovery takes some
//! from the end, and raises the number of openings; new ones come behind the last. So the list may lack the last ones and nothing else, and whoever
//! comes to the end of the last that is known goes on from there. It is never believed that a file is there: where one
//! is not, the directory is listed.

use std::ops::Deref;
use std::sync::{Arc, MutexGuard, PoisonError};

use crate::chronicle::Inner;
use crate::cursor::Cursor;
use crate::error::Result;

/// So few segments are listed as fast as the end of the last one is found.
const LISTED_SOONER: usize = 256;

/// The first seqs of all segments that were there, ascending, and the number of openings when they were listed.
#[derive(Debug, Default)]
pub(crate) struct Known {
    epoch: u32,
    bases: Arc<Vec<u64>>,
}

/// The first seqs of the segments from the first that retention has left: at least that one.
#[derive(Debug, Clone)]
pub(crate) struct Bases {
    all: Arc<Vec<u64>>,
    first: usize,
}

impl Deref for Bases {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        &self.all[self.first..]
    }
}

impl From<Vec<u64>> for Bases {
    fn from(bases: Vec<u64>) -> Self {
        Self { all: Arc::new(bases), first: 0 }
    }
}

impl Known {
    /// What is known from the segment that starts at `left` on.
    fn since(&self, left: u64, epoch: u32) -> Option<Bases> {
        let first = self.bases.binary_search(&left).ok().filter(|_| self.epoch == epoch)?;
        Some(Bases { all: Arc::clone(&self.bases), first })
    }

    fn follow(&mut self, left: u64, base: u64, next: u64) {
        if self.bases.last() != Some(&base) || next <= base {
            return;
        }
        let bases = Arc::make_mut(&mut self.bases);
        bases.push(next);
        let pruned = bases.partition_point(|&base| base < left);
        if pruned > bases.len() / 2 {
            bases.drain(..pruned);
        }
    }
}

impl Inner {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The segments from the first that is left, without a hole; the last ones may be lacking. None where the directory has to be
    /// listed: at first, after an opening for writing, before a recovery, and where the first one is not there.
    pub(crate) fn known_bases(&self) -> Result<Option<Bases>> {
        let (recovered, epoch) = (self.control.recovered(), self.control.epoch());
        let left = self.control.first_seq();
        self.control.intact()?;
        let known = if recovered { self.known().since(left, epoch) } else { None };
        Ok(known.filter(|_| self.directory.segment(left).exists()))
    }

    /// Lists the segments that may be looked into, and knows them from here on.
    pub(crate) fn listed_bases(&self) -> Result<Bases> {
        self.list(Self::readable_bases)
    }

    pub(crate) fn list(&self, list: impl FnOnce(&Self) -> Result<Vec<u64>>) -> Result<Bases> {
        let control = &self.control;
        let (recovered, epoch, head) = (control.recovered(), control.epoch(), control.head());
        let bases = list(self)?;
        if recovered && control.recovered() && control.epoch() == epoch {
            // A list that is made while a writer rolls may lack a segment that has come meanwhile and hold a later one. Those that hold
            // a message below the head were there before.
            let sure = bases.partition_point(|&base| base <= head).max(1);
            *self.known() = Known { epoch, bases: Arc::new(bases[..sure].to_vec()) };
        }
        Ok(bases.into())
    }

    /// All segments from the first that is left: those that are known and have come since, where that is sooner found out than listed.
    pub(crate) fn all_bases(&self) -> Result<Bases> {
        if let Some(known) = self.known_bases()?.filter(|known| known.len() >= LISTED_SOONER)
            && let Some(last) = Cursor::last_of(self, &known)
            && let Some(known) = self.known_bases()?.filter(|known| known.last() == Some(&last))
        {
            return Ok(known);
        }
        self.list(Self::bases)
    }

    /// The segment that starts at `next` comes behind the one that starts at `base`.
    pub(crate) fn follow(&self, base: u64, next: u64) {
        self.known().follow(self.control.first_seq(), base, next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_goes_on_at_its_end_alone_and_loses_what_was_pruned() {
        let mut known = Known { epoch: 3, bases: Arc::new(vec![0, 10]) };
        known.follow(0, 0, 5);
        known.follow(0, 10, 10);
        known.follow(0, 20, 30);
        assert_eq!(*known.bases, [0, 10]);
        known.follow(0, 10, 20);
        let held = known.since(10, 3).unwrap();
        known.follow(0, 20, 30);
        assert_eq!((&held[..], &**known.bases), (&[10, 20][..], &[0, 10, 20, 30][..]));
        assert!(known.since(5, 3).is_none() && known.since(10, 4).is_none());
        known.follow(30, 30, 40);
        assert_eq!(*known.bases, [30, 40]);
    }
}
