//! Going past damage, for who would rather have the rest than nothing.

use std::sync::Arc;

use crate::cursor::Cursor;
use crate::error::{Error, ErrorKind, Result};
use crate::index;
use crate::reader::Reader;
use crate::record::Place;

/// Messages that a reader went past because they cannot be read. None where all of the damage lay before the first that it wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skipped {
    /// The seq of the first of them.
    pub first_seq: u64,
    /// The seq that the reader goes on with.
    pub next_seq: u64,
}

impl Reader {
    /// Goes past the damage that [`poll`](Reader::poll) met: to the next place that the index of the segment names and where that message
    /// stands, or to the next segment that can be opened. Order is kept: neither seq, epoch nor time fall. `None` where nothing is
    /// damaged at the place.
    ///
    /// # Errors
    /// The error of the damage itself where nothing behind it can be read, and any error that is not one of damage.
    pub fn skip(&mut self) -> Result<Option<Skipped>> {
        let Err(error) = self.examine() else { return Ok(None) };
        if !is_damage(&error) {
            return Err(error);
        }
        let first_seq = self.next_seq();
        let Some(next) = self.behind_damage()? else { return Err(error) };
        self.cursor.go_on_at(next);
        let next_seq = self.next_seq();
        Ok(Some(Skipped { first_seq, next_seq }))
    }

    /// A cursor at the first good place behind the one that is not.
    fn behind_damage(&self) -> Result<Option<Cursor>> {
        let (inner, here) = (self.inner(), &self.cursor);
        let end = inner.readable_end();
        // Derived data: without an index the next segment is the next place.
        let marks = index::read(&inner.directory, &here.segment).unwrap_or_default();
        let behind = marks.iter().filter(|mark| mark.offset > here.place.offset && mark.seq > here.place.seq);
        for mark in behind.filter(|mark| mark.seq < end) {
            if let Some(place) = mark.place(&here.segment) {
                let place = Place { epoch: place.epoch.max(here.place.epoch), ..place };
                if place.follows(&here.place) {
                    return Ok(Some(Cursor::standing(Arc::clone(&here.segment), place)));
                }
            }
        }
        for base in inner.readable_bases()?.into_iter().filter(|&base| base > here.place.seq) {
            match Cursor::start_of(inner, base) {
                Ok(next) if next.place.follows(&here.place) => return Ok(Some(next)),
                Err(e) if !is_damage(&e) => return Err(e),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(None)
    }
}

/// Whether an error speaks of bytes that are wrong or gone, and not of a later version, of retention or of the system.
fn is_damage(error: &Error) -> bool {
    use ErrorKind::{BadMagic, Corrupt, EmptyFile, MissingSegment, OutOfBounds, Truncated};
    [BadMagic, Corrupt, EmptyFile, MissingSegment, OutOfBounds, Truncated].contains(&error.kind())
}
