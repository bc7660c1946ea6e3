//! Payloads where they lie: runs of checked messages in a private mapping of their segment, for payloads that are too large to be copied.

use std::sync::Arc;

use crate::cursor;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::header::MessageHeader;
use crate::layout::HEADER_LEN;
use crate::reader::Reader;
use crate::record;
use crate::region::Region;
use crate::run::Entry;
use crate::segment::Segment;

/// Payload bytes after which a run ends: what was checked is still near when the program looks at it.
const RUN_BYTES: usize = 256 << 10;
/// What a view has, unless a payload is longer: a garbage collector counts all of it.
const VIEW_BYTES: usize = 8 << 20;

/// A part of a private copy-on-write mapping of a segment. What a program stores to it stays in its process.
#[derive(Debug)]
pub struct View {
    region: Arc<Region>,
    start: usize,
    len: usize,
}

impl View {
    /// Where it starts. Its bytes are those of the file, which others may change, and may be stored to.
    #[must_use]
    pub fn address(&self) -> *mut u8 {
        self.region.address(self.start)
    }

    /// How many bytes it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where `offset` of the segment lies in it, if the `len` bytes from there on do.
    fn place_of(&self, offset: usize, len: usize) -> Option<usize> {
        let place = offset.checked_sub(self.start)?;
        (place <= self.len && len <= self.len - place).then_some(place)
    }
}

/// The view that a reader hands out, and what it is of.
#[derive(Debug)]
pub(crate) struct Viewing {
    segment: Arc<Segment>,
    view: Arc<View>,
}

impl Viewing {
    /// A view of `offset..offset + length` in which the next payloads lie too.
    fn around(
        segment: &Arc<Segment>,
        offset: usize,
        length: usize,
        backward: bool,
        anew: bool,
    ) -> Result<Self> {
        let region = segment.private(anew)?;
        fault::point("view.mapped");
        let start = if backward { (offset + length).saturating_sub(VIEW_BYTES).min(offset) } else { offset };
        // A typed array needs its first byte at a multiple of its element's size.
        let start = start & !(HEADER_LEN - 1);
        let end = (start + VIEW_BYTES).max(offset + length).min(region.len());
        let view = Arc::new(View { region, start, len: end - start });
        Ok(Self { segment: Arc::clone(segment), view })
    }

    /// The checksum of the payload at `offset` as it lies there.
    fn checksum(&self, offset: usize, header: &MessageHeader) -> u32 {
        self.view.region.checksum(offset, header.length as usize)
    }
}

impl Reader {
    /// Checks a run of messages where they lie, and copies nothing: `entries` tell places in [`view`](Self::view). Returns how many;
    /// 0 is the head of the log. A run lies in one view, and ends after 256 KiB of payloads.
    ///
    /// Every header and payload is checked here, as by [`poll`](Self::poll); but unlike a copy, the bytes follow the file, should
    /// another process change what is published.
    ///
    /// # Errors
    /// As [`poll`](Self::poll).
    pub fn poll_view(&mut self, entries: &mut [Entry]) -> Result<usize> {
        self.view_run(entries, false)
    }

    /// The same for the messages before the place, the last one first. 0 says that the first one that is left has been passed.
    ///
    /// # Errors
    /// As [`poll`](Self::poll).
    pub fn poll_view_back(&mut self, entries: &mut [Entry]) -> Result<usize> {
        self.turn()?;
        self.view_run(entries, true)
    }

    /// What the entries of the last run tell places in: 8 MiB of a segment, or one payload that is longer.
    #[must_use]
    pub fn view(&self) -> Option<&Arc<View>> {
        self.viewing.as_ref().map(|viewing| &viewing.view)
    }

    fn view_run(&mut self, entries: &mut [Entry], backward: bool) -> Result<usize> {
        let (mut count, mut bytes) = (0, 0);
        while count < entries.len() && bytes < RUN_BYTES {
            let found = if backward { self.step_back() } else { self.peek() };
            let header = match found {
                Ok(Some(header)) => header,
                Ok(None) if count == 0 && !backward && self.head_is_behind()? => continue,
                Err(e) if count == 0 => return Err(e),
                Ok(None) | Err(_) => break,
            };
            let seen = self.see(&header, count == 0, backward);
            if backward && !matches!(seen, Ok(Some(_))) {
                self.cursor.undo_step_back(&header);
            }
            let place = match seen {
                Ok(Some(place)) => place,
                Err(e) if count == 0 => return Err(e),
                Ok(None) | Err(_) => break,
            };
            entries[count] = Entry::new(place, &header);
            if !backward {
                self.cursor.pass(&header);
            }
            count += 1;
            bytes += header.length as usize;
        }
        if count > 0 {
            self.idle = 0;
        }
        Ok(count)
    }

    /// Checks the payload at the place where it lies, and tells where that is in the view. `None` when that takes another view, and
    /// there may be none.
    fn see(&mut self, header: &MessageHeader, renew: bool, backward: bool) -> Result<Option<usize>> {
        let (offset, length) = (self.cursor.place.payload_offset(), header.length as usize);
        let segment = &self.cursor.segment;
        if let Some(viewing) = &mut self.viewing
            && Arc::ptr_eq(&viewing.segment, segment)
            && let Some(place) = viewing.view.place_of(offset, length)
            && viewing.checksum(offset, header) == header.checksum
        {
            return Ok(Some(place));
        }
        if !renew {
            return Ok(None);
        }
        let mut viewing =
            Viewing::around(segment, offset, length, backward, false).map_err(|e| self.lost(e))?;
        if viewing.checksum(offset, header) != header.checksum {
            // A page that the program has stored to does not follow the file any more.
            viewing = Viewing::around(segment, offset, length, backward, true).map_err(|e| self.lost(e))?;
            let actual = viewing.checksum(offset, header);
            if actual != header.checksum {
                let intact = viewing.view.region.intact(&segment.path);
                intact.map_err(|e| e.at_offset(self.cursor.place.offset).at_seq(header.seq))?;
                return Err(record::locate(header.payload_mismatch(actual), segment, &self.cursor.place));
            }
        }
        let place = viewing.view.place_of(offset, length);
        self.viewing = Some(viewing);
        Ok(place)
    }

    /// A segment whose file is gone was pruned.
    #[cold]
    fn lost(&self, error: Error) -> Error {
        match error.kind() {
            ErrorKind::NotFound => cursor::absent(&self.inner, self.cursor.segment.header.base_seq),
            _ => error,
        }
    }
}
