//! Segments to be: allocated, mapped and resident before their place in the log is known.

use std::fs::File;
use std::path::PathBuf;

use crate::clock;
use crate::directory::{Directory, create_new, name_segment, rename};
use crate::disk;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::header::MessageHeader;
use crate::platform::Pages;
use crate::preamble::ChronicleId;
use crate::quarantine;
use crate::record::{self, Place, Record};
use crate::region::Region;
use crate::segment::{Segment, SegmentHeader};

/// A segment file that is allocated and mapped, and has no name in the log and no header yet.
#[derive(Debug)]
pub(crate) struct Blank {
    file: File,
    region: Region,
    path: PathBuf,
    size: u64,
    pages: Option<Pages>,
}

impl Blank {
    /// Allocates `size` bytes under the temporary name.
    pub(crate) fn create(directory: &Directory, size: u64, mode: u32) -> Result<Self> {
        let path = directory.segment_temporary();
        // Left by a roll that failed: the name belongs to whoever holds the writer lock.
        let kept = fault::planted("temporary.kept");
        if !kept {
            disk::remove_if_there(&path).map_err(|e| Error::io("remove the file", &path, &e))?;
        }
        let file = create_new(&path, mode)?;
        let blank = Self::map(file, path.clone(), size);
        if blank.is_err() && !kept {
            // The next roll creates the name again; the first error says more than this one.
            let _ = disk::remove(&path);
        }
        blank
    }

    fn map(file: File, path: PathBuf, size: u64) -> Result<Self> {
        let len = usize::try_from(size).map_err(|_| {
            Error::new(ErrorKind::TooLarge, "the segment exceeds the address space").at_path(&path)
        })?;
        disk::allocate(&file, size).map_err(|e| Error::io("allocate the segment", &path, &e))?;
        let region = Region::map_mut(&file, len).map_err(|e| Error::io("map the segment", &path, &e))?;
        Ok(Self { file, region, path, size, pages: None })
    }

    /// Makes the first `bytes` resident.
    pub(crate) fn populate(&mut self, bytes: usize, pages: Pages) {
        self.pages = Some(pages);
        self.region.advise_pages(pages);
        self.region.populate(0, bytes);
    }

    /// Those that the kernel was advised to bring in, if any.
    pub(crate) fn pages(&self) -> Option<Pages> {
        self.pages
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Writes the header and gives the file its name. From then on the segment is a part of the log.
    pub(crate) fn name(
        self,
        directory: &Directory,
        id: &ChronicleId,
        base_seq: u64,
        previous_timestamp_ns: u64,
        epoch: u32,
    ) -> Result<Segment> {
        let path = directory.segment(base_seq);
        let header = self.write_header(id, base_seq, previous_timestamp_ns, epoch)?;
        name_segment(&self.path, &path)?;
        Ok(Segment::new(header, self.region, path, Some(self.file)))
    }

    /// Takes the name of `old`, an empty segment that is too small for the message to come.
    ///
    /// END is stored in `old` first: so whoever has it mapped looks at the name again. Should the rename fail, END stays, and
    /// the caller has to try again before it appends.
    pub(crate) fn replace(
        self,
        directory: &Directory,
        old: &Segment,
        place: &Place,
        mode: u32,
    ) -> Result<Segment> {
        let header =
            self.write_header(&old.header.chronicle_id, place.seq, place.timestamp_ns, place.epoch)?;
        let path = old.path.clone();
        // The old header is on the disk, so the new one must be before it takes the name.
        if !fault::planted("replace.unflushed") {
            disk::sync(&self.file).map_err(|e| Error::io("sync the segment", &self.path, &e))?;
        }
        if record::read(old, &old.start())? == Record::Unpublished {
            let end = MessageHeader::end(place.seq, place.timestamp_ns, place.epoch);
            crate::writer::publish_record(&old.region, place.offset, &end);
        }
        fault::point("roll.emptied");
        if cfg!(windows) {
            // A mapped file cannot be replaced there, but it can be moved.
            quarantine::move_segment(directory, place.seq, mode)?;
        }
        rename(&self.path, &path)?;
        Ok(Segment::new(header, self.region, path, Some(self.file)))
    }

    fn write_header(
        &self,
        id: &ChronicleId,
        base_seq: u64,
        previous_timestamp_ns: u64,
        epoch: u32,
    ) -> Result<SegmentHeader> {
        let header = SegmentHeader {
            chronicle_id: *id,
            base_seq,
            size: self.size,
            created_ns: clock::now_ns(),
            previous_timestamp_ns,
            epoch,
        };
        self.region.copy_in(0, &header.to_bytes());
        self.region.intact(&self.path)?;
        Ok(header)
    }

    /// Removes the file: the segment is not needed.
    pub(crate) fn discard(self) -> Result<()> {
        disk::remove(&self.path).map_err(|e| Error::io("remove the prepared segment", &self.path, &e))
    }
}
