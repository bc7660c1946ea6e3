//! A copy of a log at one moment, while a writer appends and others prune: a directory that opens as a chronicle of its own.
//!
//! Never a hard link: recovery, repair and the next writer of either log store to segments in place.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use crate::chronicle::{Chronicle, Inner};
use crate::control::{Control, Identity};
use crate::creation;
use crate::cursor::Cursor;
use crate::directory::{Directory, create_new, open_regular, rename};
use crate::disk;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::index;
use crate::layout::SEGMENT_HEADER_LEN;
use crate::options::Options;
use crate::position::{self, Position};
use crate::progress::Progress;
use crate::record::{self, Place, Record};
use crate::recovery;
use crate::segment::{self, Segment};
use crate::writer::offset_in_map;

/// Files are copied in steps of this, a multiple of every block size, so that the system can share the blocks.
const STEP_BYTES: u64 = 64 << 20;

/// What a snapshot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SnapshotReport {
    /// The seq of its first message; `next_seq` where it is empty.
    pub first_seq: u64,
    /// The seq that its next message gets.
    pub next_seq: u64,
    /// How many segment files it has.
    pub segments: u64,
    /// Their length in bytes.
    pub bytes: u64,
}

impl Chronicle {
    /// Copies every message that is published now, and the positions of named readers, to the new directory `dir`, which opens as
    /// a chronicle with the same id. It is durable, and has its name, when this returns; what fails leaves nothing.
    ///
    /// A writer may append and others prune meanwhile: what is pruned may be missing from the front. Positions behind the end
    /// of the copy are moved back to it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] when `dir` exists, [`ErrorKind::NoSpace`], [`ErrorKind::Permission`], the kinds for damaged
    /// files, as far as they are read: a damaged message of a sealed segment is copied as it is. [`ErrorKind::Aborted`].
    pub fn snapshot(&self, dir: &Path, progress: &Progress) -> Result<SnapshotReport> {
        let inner = self.inner();
        let taken = || Error::invalid("a snapshot is made in a new directory, and this exists").at_path(dir);
        if dir.symlink_metadata().is_ok() {
            return Err(taken());
        }
        let (Some(parent), Some(name)) = (dir.parent(), dir.file_name()) else { return Err(taken()) };
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        creation::ensure_directory(
            parent,
            &Options { create: true, read_only: false, ..inner.options.clone() },
        )?;
        let random = getrandom::u64()
            .map_err(|e| Error::new(ErrorKind::Io, format!("cannot get random bytes: {e}")))?;
        let temporary = parent.join(format!("{}.{random:016x}.tmp", name.to_string_lossy()));
        disk::create_dir(&temporary, inner.options.mode)
            .map_err(|e| Error::io("create the directory", &temporary, &e))?;
        let mut place = temporary.as_path();
        let unsure_from = if inner.control.recovered() { u64::MAX } else { inner.control.stored_durable() };
        let made = Copying { inner, to: Directory::new(&temporary), progress, unsure_from, bytes: 0 }.run();
        let made = made.and_then(|report| {
            fault::point("snapshot.made");
            if dir.symlink_metadata().is_ok() {
                return Err(taken());
            }
            rename(&temporary, dir)?;
            place = dir;
            disk::sync_dir(parent).map_err(|e| Error::io("sync the directory", parent, &e))?;
            Ok(report)
        });
        if made.is_err() {
            // The first error says more than this one.
            let _ = disk::remove_tree(place);
        }
        made
    }
}

/// A snapshot that is being made.
struct Copying<'a> {
    inner: &'a Inner,
    to: Directory,
    progress: &'a Progress,
    /// Before a recovery: END records from this seq on may be missing, as a power cut leaves them.
    unsure_from: u64,
    bytes: u64,
}

impl Copying<'_> {
    fn run(mut self) -> Result<SnapshotReport> {
        let inner = self.inner;
        let (end, mut bases, last) = loop {
            self.progress.check()?;
            let end = published_end(inner)?;
            fault::point("snapshot.ended");
            // Listed behind the look at the end: every segment that holds a message below it was there.
            let mut bases = inner.bases()?;
            bases.truncate(bases.partition_point(|&base| base < end).max(1));
            let last = bases[bases.len() - 1];
            if last > end {
                // All that was there is pruned: the log has gone on.
                continue;
            }
            match Segment::open(&inner.directory, last, &inner.control.identity.chronicle_id, false) {
                // And so it has since.
                Err(e) if e.kind() == ErrorKind::NotFound && last < inner.control.first_seq() => {}
                opened => break (end, bases, opened?),
            }
        };
        fault::point("snapshot.listed");
        let total = bases.iter().filter_map(|&base| std::fs::metadata(inner.directory.segment(base)).ok());
        self.progress.set_totals(bases.len() as u64, total.map(|metadata| metadata.len()).sum());
        let mut epoch = self.copy_last(&last, end)?.epoch;
        let (mut first, mut segments) = (last.header.base_seq, 1);
        drop(last);
        bases.pop();
        // The newest first: where a prune has gone on meanwhile, what is left is whole.
        for &base in bases.iter().rev() {
            self.progress.set_segments(segments);
            fault::point("snapshot.copied");
            if !self.copy_sealed(base, first)? {
                break;
            }
            (first, segments) = (base, segments + 1);
        }
        self.copy_positions(end)?;
        epoch = epoch.max(inner.control.epoch());
        self.make_control(first, end, epoch)?;
        self.progress.set_segments(segments);
        self.progress.set_totals(segments, self.bytes);
        // A segment without a message has the seq that the next one gets.
        Ok(SnapshotReport { first_seq: first, next_seq: end, segments, bytes: self.bytes })
    }

    /// Copies a segment that was sealed before the end of the log was looked at: nothing of it changes any more but zeros behind END
    /// that become a hole. False when it was pruned.
    fn copy_sealed(&mut self, base: u64, next: u64) -> Result<bool> {
        let directory = &self.inner.directory;
        let opened = Segment::open(directory, base, &self.inner.control.identity.chronicle_id, false);
        let opened = opened.and_then(|segment| Ok((open_regular(&segment.path, false)?, segment)));
        let (mut file, segment) = match opened {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                let pruned = base < self.inner.control.first_seq();
                return if pruned { Ok(false) } else { Err(self.inner.missing(base)) };
            }
            other => other?,
        };
        let path = self.to.segment(base);
        let copy = create_new(&path, self.inner.options.mode)?;
        let failed = |e: io::Error| Error::io("copy the segment", &path, &e);
        loop {
            let share = !self.inner.control.flush_failed();
            self.copy_bytes(&mut file, segment.end(), &copy, share, &failed)?;
            if !share || !self.inner.control.flush_failed() {
                break;
            }
            file.rewind().and_then(|()| (&copy).rewind()).map_err(failed)?;
        }
        disk::sync(&copy).map_err(|e| Error::io("sync the segment", &path, &e))?;
        // Truncated meanwhile, the file was copied as far as it went.
        segment::header_of(&self.to, base)?;
        self.bytes += segment.end();
        self.copy_index(base)?;
        if next >= self.unsure_from {
            self.finish_roll(base, next)?;
        }
        Ok(true)
    }

    /// Copies `len` bytes. Where a flush has failed, what reading gives may not be on the disk, and blocks must not be shared.
    fn copy_bytes(
        &self,
        from: &mut File,
        len: u64,
        to: &File,
        share: bool,
        failed: &impl Fn(io::Error) -> Error,
    ) -> Result<()> {
        let mut done = 0;
        while done < len {
            self.progress.check()?;
            let step = STEP_BYTES.min(len - done);
            let mut part = Read::by_ref(from).take(step);
            let copied = if share { disk::copy(&mut part, to) } else { disk::copy_read(&mut part, to) };
            copied.map_err(failed)?;
            done += step;
            self.progress.set_bytes(self.bytes + done);
        }
        Ok(())
    }

    /// Ends a copied segment whose END a power cut took, as the recovery of the original will.
    fn finish_roll(&self, base: u64, next: u64) -> Result<()> {
        let segment = Segment::open(&self.to, base, &self.inner.control.identity.chronicle_id, true)?;
        let place = walk_to(&self.to, &segment, next)?;
        if record::read(&segment, &place)? == Record::Unpublished {
            recovery::finish_roll(&segment, &place)?;
        }
        Ok(())
    }

    /// The index is derived: one that is not there, or cut short by its writer, makes reading slower.
    fn copy_index(&self, base: u64) -> Result<()> {
        let Ok(mut index) = open_regular(&self.inner.directory.index(base), false) else { return Ok(()) };
        let path = self.to.index(base);
        let copy = create_new(&path, self.inner.options.mode)?;
        disk::copy(&mut index, &copy).map_err(|e| Error::io("copy the index", &path, &e))
    }

    /// Copies the segment that holds the end of the log, up to there: what follows is zeros, as in one that is appended to.
    fn copy_last(&mut self, segment: &Segment, end: u64) -> Result<Place> {
        let inner = self.inner;
        let place = walk_to(&inner.directory, segment, end)?;
        let base = segment.header.base_seq;
        let path = self.to.segment(base);
        let copy = create_new(&path, inner.options.mode)?;
        disk::allocate(&copy, segment.end()).map_err(|e| Error::io("allocate the segment", &path, &e))?;
        let write =
            |bytes: &[u8]| disk::write(&copy, bytes).map_err(|e| Error::io("copy the segment", &path, &e));
        write(&segment.header.to_bytes())?;
        let (mut offset, mut buffer) = (SEGMENT_HEADER_LEN, vec![0; 1 << 20]);
        while offset < offset_in_map(place.offset) {
            self.progress.check()?;
            let step = buffer.len().min(offset_in_map(place.offset) - offset);
            segment.region.copy_out(offset, &mut buffer[..step]);
            write(&buffer[..step])?;
            offset += step;
            self.progress.set_bytes(offset as u64);
        }
        segment.intact()?;
        disk::sync(&copy).map_err(|e| Error::io("sync the segment", &path, &e))?;
        self.bytes = segment.end();
        let copied = Segment::open(&self.to, base, &inner.control.identity.chronicle_id, false)?;
        index::rebuild(&self.to, &copied, inner.options.mode)?;
        Ok(place)
    }

    /// A reader that has handled more than the copy holds has handled all of it.
    fn copy_positions(&self, end: u64) -> Result<()> {
        let (inner, id) = (self.inner, &self.inner.control.identity.chronicle_id);
        for name in inner.directory.reader_names()? {
            match position::read(&inner.directory, &name, id) {
                // Removed since the names were listed.
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                stored => {
                    let next_seq = stored?.next_seq.min(end);
                    Position::create(&self.to, &self.to.reader(&name), id, inner.options.mode, next_seq)?;
                }
            }
        }
        Ok(())
    }

    /// Says that all of the copy is durable and recovered, as it is once this is flushed.
    fn make_control(&self, first: u64, end: u64, epoch: u32) -> Result<()> {
        let Identity { chronicle_id, segment_bytes } = self.inner.control.identity;
        Control::create(&self.to, &Identity { chronicle_id, segment_bytes }, self.inner.options.mode)?;
        let control = Control::open(&self.to, true)?;
        control.set_epoch(epoch);
        control.set_first_seq(first);
        control.set_head(end);
        control.set_durable(end);
        control.set_boot();
        control.flush()?;
        self.to.sync()
    }
}

/// The place of the message `seq`, or behind the one before it.
fn walk_to(directory: &Directory, segment: &Segment, seq: u64) -> Result<Place> {
    let mut place = index::seek(directory, segment, |mark| mark.seq <= seq);
    while place.seq < seq {
        match record::read(segment, &place)? {
            Record::Message(header) => place = place.after(&header),
            Record::Unpublished | Record::End => return Err(record::vanished(segment, &place)),
        }
    }
    Ok(place)
}

/// The seq behind the last message that a reader can see now, or behind the last that a recovery will keep.
fn published_end(inner: &Inner) -> Result<u64> {
    loop {
        let left = inner.control.first_seq();
        let head = inner.next_seq()?;
        if !inner.control.recovered() {
            return Ok(head);
        }
        // A writer may have died between a publish and its head.
        let walked = Cursor::at(inner, head).and_then(|mut cursor| {
            cursor.skip_to_head(inner)?;
            Ok(cursor.place.seq)
        });
        match walked {
            // Pruned since the head was looked at.
            Err(e) if e.kind() == ErrorKind::Gap && inner.control.first_seq() != left => {}
            other => return other,
        }
    }
}
