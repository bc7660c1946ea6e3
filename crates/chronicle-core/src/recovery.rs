//! Opening for writing: find where the log ends, and mend what a crash may have left. `docs/ARCHITECTURE.md` gives the rules.

use std::path::PathBuf;

use crate::blank::Blank;
use crate::chronicle::Inner;
use crate::control::Control;
use crate::directory::open_regular;
use crate::disk;
use crate::end;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::header::MessageHeader;
use crate::index::Mark;
use crate::layout::HEADER_LEN;
use crate::position::{self, Position};
use crate::quarantine;
use crate::record::{self, Place, Record};
use crate::segment::{Segment, header_of, next_size};
use crate::walk::{Stop, Walk, walk};
use crate::writer::offset_in_map;

/// What opening for writing found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// Whether the last writer's recovery was in this boot, so that nothing published can be missing.
    pub same_boot: bool,
    /// How many messages were walked and checked.
    pub checked_messages: u64,
    /// Messages of an incomplete batch at the end, which were dropped whole.
    pub dropped_batch_messages: u64,
    /// The offset in the last segment from which a torn tail was cut.
    pub cut_at: Option<u64>,
    /// Copies of cut bytes that held valid records, and segments that were set aside.
    pub quarantined: Vec<PathBuf>,
    /// Whether a roll that was interrupted was finished.
    pub finished_roll: bool,
    /// Named readers that had read messages which a power cut took, and were moved back to the end. In a repair, all that lay behind it.
    pub moved_readers: Vec<String>,
}

/// The log, ready to be appended to.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) active: Segment,
    pub(crate) place: Place,
    /// The first sealed segment that an earlier writer of this boot may not have flushed.
    pub(crate) unflushed: Option<u64>,
    /// Marks for the index of the active segment.
    pub(crate) marks: Vec<Mark>,
    /// Sealed segments that have no index.
    pub(crate) unindexed: Vec<u64>,
    pub(crate) report: RecoveryReport,
}

struct Recovery<'a> {
    inner: &'a Inner,
    bases: Vec<u64>,
    /// Messages below this were published (in this boot) or durable: they must be there.
    promised: u64,
    report: RecoveryReport,
    changed: bool,
    /// The largest epoch in what is cut and set aside: it must not be used again.
    cut_epoch: u32,
    marks: Vec<Mark>,
}

/// Finds the end of the log and mends what lies behind it. The caller holds the writer lock.
pub(crate) fn recover(inner: &Inner) -> Result<Recovered> {
    loop {
        let left = inner.control.first_seq();
        match recover_from(inner) {
            // A segment was pruned while it was looked at: the rest is left.
            Err(e) if e.kind() == ErrorKind::NotFound && inner.control.first_seq() != left => {}
            other => return other,
        }
    }
}

fn recover_from(inner: &Inner) -> Result<Recovered> {
    inner.directory.remove_temporaries()?;
    let control = &inner.control;
    let (bases, same_boot, durable) = (inner.bases()?, control.same_boot(), control.stored_durable());
    let promised = if same_boot { durable.max(control.head()) } else { durable };
    // What is promised decides what may be cut.
    control.check_whole()?;
    let report = RecoveryReport { same_boot, ..RecoveryReport::default() };
    let unsure = first_unsure(&bases, durable);
    let mut recovery =
        Recovery { inner, bases, promised, report, changed: false, cut_epoch: 0, marks: Vec::new() };
    let start = if same_boot { last_used(inner, &recovery.bases, true)? } else { unsure };
    let (active, place) = recovery.walk_from(start)?;
    fault::point("recovery.walked");
    recovery.settle(active, place, unsure)
}

fn open(inner: &Inner, base: u64, write: bool) -> Result<Segment> {
    Segment::open(&inner.directory, base, &inner.control.identity.chronicle_id, write)
}

/// The first segment in which a power cut may have taken something.
fn first_unsure(bases: &[u64], durable: u64) -> usize {
    bases.partition_point(|&base| base < durable).saturating_sub(1)
}

/// The last segment that holds a record, or the one before an empty one: the seam between them is checked.
fn last_used(inner: &Inner, bases: &[u64], write: bool) -> Result<usize> {
    let last = bases.len() - 1;
    let segment = open(inner, bases[last], write)?;
    let first = record::read(&segment, &segment.start());
    let empty = matches!(first, Ok(Record::Unpublished | Record::End));
    Ok(if empty { last.saturating_sub(1) } else { last })
}

/// The first seq of the first segment that a recovery would look into. None where it would refuse.
pub(crate) fn begins_at(inner: &Inner, bases: &[u64]) -> Option<u64> {
    let control = &inner.control;
    let first = if bases.is_empty() {
        return None;
    } else if control.same_boot() {
        last_used(inner, bases, false).ok()?
    } else {
        first_unsure(bases, control.stored_durable())
    };
    Some(bases[first])
}

/// The number of the next opening for writing of a log whose records go up to `highest`.
pub(crate) fn next_epoch(control: &Control, highest: u32) -> Result<u32> {
    let raise = u32::from(!fault::planted("epoch.kept"));
    control.epoch().max(highest).checked_add(raise).ok_or_else(|| {
        Error::new(ErrorKind::Corrupt, "the number of the writer's openings is used up")
            .at_path(control.path())
    })
}

/// Ends a segment whose next one has its name already.
pub(crate) fn finish_roll(segment: &Segment, place: &Place) -> Result<()> {
    segment.zero_from(place.offset)?;
    let end = MessageHeader::end(place.seq, place.timestamp_ns, place.epoch);
    crate::writer::publish_record(&segment.region, place.offset, &end);
    segment.sync()
}

impl Recovery<'_> {
    /// Walks the segments from `index` on and returns the one to append to, and where.
    fn walk_from(&mut self, mut index: usize) -> Result<(Segment, Place)> {
        let mut before: Option<(Segment, Place)> = None;
        loop {
            let segment = match (open(self.inner, self.bases[index], true), before) {
                (Err(e), Some((sealed, place))) if self.may_be_lost(index, &e) => {
                    return self.end_without_next(index - 1, &sealed, place);
                }
                (Ok(segment), Some((sealed, place))) if !segment.start().follows(&place) => {
                    if self.report.same_boot || segment.header.base_seq < self.promised {
                        return Err(record::older(&segment));
                    }
                    // An earlier life of the log left it, and its removal was lost in a power cut.
                    return self.end_without_next(index - 1, &sealed, place);
                }
                (opened, _) => opened?,
            };
            let Walk { place, batch, stop, marker, messages, .. } = walk(&segment)?;
            self.report.checked_messages += messages;
            self.marks = marker.finish(batch.unwrap_or(place).offset);
            self.report.dropped_batch_messages = batch.map_or(0, |batch| place.seq - batch.seq);
            let next = self.bases.get(index + 1).copied();
            match stop {
                Stop::Bad(error) => return self.tear(index, segment, batch.unwrap_or(place), Some(error)),
                Stop::Sealed if next == Some(place.seq) => {}
                Stop::Sealed => return self.end_without_next(index, &segment, place),
                Stop::Unpublished if next == Some(place.seq) && batch.is_none() => {
                    self.finish_roll(&segment, &place)?;
                }
                Stop::Unpublished => return self.tear(index, segment, batch.unwrap_or(place), None),
            }
            before = Some((segment, place));
            index += 1;
        }
    }

    /// Whether a segment that cannot be opened is one whose header a power cut took before anything in it was promised.
    fn may_be_lost(&self, index: usize, error: &Error) -> bool {
        !self.report.same_boot && self.bases[index] >= self.promised && end::may_be_lost(error.kind())
    }

    /// The log ends at `place`: refuses when a message behind it was promised, and cuts there otherwise.
    fn tear(
        &mut self,
        index: usize,
        segment: Segment,
        place: Place,
        bad: Option<Error>,
    ) -> Result<(Segment, Place)> {
        let later = self.bases.split_off(index + 1);
        let same_boot = self.report.same_boot;
        if place.seq < self.promised || (same_boot && bad.is_some()) {
            return Err(bad.unwrap_or_else(|| record::vanished(&segment, &place)));
        }
        if same_boot && self.report.dropped_batch_messages > 0 {
            // The first record of a batch is published last, so in one boot nobody can have seen a part of it.
            let message = "the batch was published and its last records are not there any more";
            return Err(record::locate(Error::new(ErrorKind::Corrupt, message), &segment, &place));
        }
        for base in later {
            self.set_aside(base)?;
        }
        if !same_boot && (bad.is_some() || quarantine::holds_records(&segment, &place)) {
            let copy =
                quarantine::copy_tail(&self.inner.directory, &segment, &place, self.inner.options.mode)?;
            self.report.quarantined.push(copy);
            self.report.cut_at = Some(place.offset);
            self.changed = true;
        }
        fault::point("recovery.quarantined");
        segment.intact()?;
        segment.zero_from(place.offset)?;
        fault::point("recovery.zeroed");
        Ok((segment, place))
    }

    /// Moves a segment behind the end of the log away. In one boot only an empty one can stand there.
    fn set_aside(&mut self, base: u64) -> Result<()> {
        if self.report.same_boot {
            let segment =
                Segment::open(&self.inner.directory, base, &self.inner.control.identity.chronicle_id, true)?;
            let start = segment.start();
            if record::read(&segment, &start)? != Record::Unpublished {
                let message = "the segment does not go on where the one before it ends";
                return Err(record::locate(Error::new(ErrorKind::Corrupt, message), &segment, &start));
            }
        }
        let epoch = header_of(&self.inner.directory, base).map_or(0, |header| header.epoch);
        self.cut_epoch = self.cut_epoch.max(epoch);
        let moved = quarantine::move_segment(&self.inner.directory, base, self.inner.options.mode)?;
        self.report.quarantined.push(moved);
        self.changed = true;
        fault::point("recovery.aside");
        Ok(())
    }

    /// The next segment got its name and the writer died before it published END.
    fn finish_roll(&mut self, segment: &Segment, place: &Place) -> Result<()> {
        finish_roll(segment, place)?;
        fault::point("recovery.ended");
        self.report.finished_roll = true;
        self.changed = true;
        Ok(())
    }

    /// END without a next segment: its name was lost in a power cut, or it was removed.
    fn end_without_next(
        &mut self,
        index: usize,
        segment: &Segment,
        place: Place,
    ) -> Result<(Segment, Place)> {
        if place.seq < self.promised || (self.report.same_boot && index + 1 < self.bases.len()) {
            return Err(self.inner.missing(place.seq));
        }
        for base in self.bases.split_off(index + 1) {
            self.set_aside(base)?;
        }
        let inner = self.inner;
        let limit = inner.options.segment_bytes.unwrap_or(inner.control.identity.segment_bytes);
        let size = next_size(Some(segment.end()), limit, 0);
        let blank = Blank::create(&inner.directory, size, inner.options.mode)?;
        let next = if place.seq == segment.header.base_seq {
            // A roll out of an empty segment ended it, and did not get to the larger one.
            blank.replace(&inner.directory, segment, &place, inner.options.mode)?
        } else {
            let id = &inner.control.identity.chronicle_id;
            let next = blank.name(&inner.directory, id, place.seq, place.timestamp_ns, place.epoch)?;
            self.bases.push(place.seq);
            next
        };
        fault::point("recovery.named");
        self.marks.clear();
        self.report.finished_roll = true;
        self.changed = true;
        let start = next.start();
        Ok((next, start))
    }

    /// Makes the mended log durable where it was changed, and only then says so in the control file.
    fn settle(mut self, active: Segment, mut place: Place, unsure: usize) -> Result<Recovered> {
        let control = &self.inner.control;
        place.epoch = next_epoch(control, place.epoch.max(self.cut_epoch))?;
        if control.flush_failed() {
            self.dirty_walked(&active, unsure)?;
            self.changed = true;
        }
        if self.changed || !self.report.same_boot {
            self.sync_walked(&active, unsure)?;
            control.set_flush_failed(false);
        }
        control.set_epoch(place.epoch);
        // No record of this epoch is on the disk before its number is: so a stale one can never be of the next.
        control.flush()?;
        control.set_head(place.seq);
        let unflushed = if self.report.same_boot {
            self.bases[..self.bases.len() - 1].get(unsure).copied()
        } else {
            self.report.moved_readers = move_readers_back(self.inner, place.seq)?;
            control.set_durable(place.seq);
            fault::point("recovery.durable");
            control.set_boot();
            control.flush()?;
            None
        };
        control.set_live(place.epoch);
        fault::point("recovery.settled");
        control.notify();
        active.intact().and_then(|()| control.check_whole())?;
        let sealed = &self.bases[..self.bases.len() - 1];
        let unindexed = self.inner.directory.unindexed(sealed)?;
        Ok(Recovered { active, place, unflushed, marks: self.marks, unindexed, report: self.report })
    }

    /// Dirties every page that a failed flush may have left clean and not on the disk, so that the next flush writes it.
    fn dirty_walked(&self, active: &Segment, unsure: usize) -> Result<()> {
        let sealed = self.bases.len() - 1;
        for index in unsure.min(sealed)..sealed {
            let segment = open(self.inner, self.bases[index], true)?;
            // Behind END blocks may have been given back, and a store there could meet a full disk.
            let end = walk(&segment)?.place.offset + HEADER_LEN as u64;
            fault::point("recovery.dirty");
            segment.region.dirty(offset_in_map(end));
            // A store that met a full copy-on-write file system has dirtied no page of the file.
            segment.intact()?;
        }
        active.region.dirty(active.region.len());
        Ok(())
    }

    /// Makes what was walked durable. Where the boot is not known, another process of this one may have written it; and a
    /// recovery that was stopped may have changed it.
    fn sync_walked(&self, active: &Segment, unsure: usize) -> Result<()> {
        let sealed = self.bases.len() - 1;
        for &base in &self.bases[unsure.min(sealed)..sealed] {
            let path = self.inner.directory.segment(base);
            let synced = disk::sync(&open_regular(&path, true)?);
            synced.map_err(|e| Error::io("sync the segment", &path, &e))?;
            // Truncated by somebody since the walk, it was synced without an error.
            header_of(&self.inner.directory, base)?;
        }
        active.sync()?;
        self.inner.directory.sync()
    }
}

/// Moves named readers back that lie behind the end: a power cut took messages that they had read, or the log is an older copy. Returns
/// their names.
pub(crate) fn move_readers_back(inner: &Inner, head: u64) -> Result<Vec<String>> {
    let mut moved = Vec::new();
    for name in inner.directory.reader_names()? {
        let id = &inner.control.identity.chronicle_id;
        let stored = position::read(&inner.directory, &name, id);
        if !stored.is_ok_and(|stored| stored.next_seq > head) {
            // A damaged position is no reason not to write: whoever opens it gets the error.
            continue;
        }
        match Position::open(&inner.directory, &name, id, inner.options.mode, || Ok(head)) {
            Ok(mut position) => {
                position.store(head)?;
                position.flush()?;
                moved.push(name);
            }
            // In use since this boot: its opening has moved it already.
            Err(e) if e.kind() == ErrorKind::Locked => {}
            Err(e) => return Err(e),
        }
    }
    Ok(moved)
}
