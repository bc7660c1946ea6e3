//! The sparse index of a segment: derived data, which saves a reader the walk from the segment's start.
//!
//! A wrong index costs time and nothing else: each entry has a checksum, and whoever uses one reads the record that it
//! names, and walks from the start of the segment if that is not what the entry says.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::checksum::crc32;
use crate::directory::{Directory, create_new, open_regular, rename};
use crate::disk;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::header::{u32_at, u64_at};
use crate::layout::{HEADER_LEN, SEGMENT_HEADER_LEN};
use crate::preamble::{self, ChronicleId, PREAMBLE_LEN};
use crate::record::{self, Place, Record};
use crate::segment::Segment;

pub(crate) const MAGIC: [u8; 8] = *b"CHRONIDX";

const BASE_SEQ: usize = PREAMBLE_LEN;
const HEADER_CHECKSUM: usize = 60;
const INDEX_HEADER_LEN: usize = 64;

const ENTRY_SEQ: usize = 0;
const ENTRY_TIMESTAMP_NS: usize = 8;
const ENTRY_OFFSET: usize = 16;
const ENTRY_CHECKSUM: usize = 28;
const ENTRY_LEN: usize = 32;

/// There is one entry for about this many bytes of records.
pub(crate) const STRIDE_BYTES: u64 = 64 << 10;

/// A published message that a reader may start from: never one within a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) seq: u64,
    pub(crate) timestamp_ns: u64,
    pub(crate) offset: u64,
}

impl Mark {
    fn to_bytes(self) -> [u8; ENTRY_LEN] {
        let mut bytes = [0; ENTRY_LEN];
        bytes[ENTRY_SEQ..ENTRY_TIMESTAMP_NS].copy_from_slice(&self.seq.to_le_bytes());
        bytes[ENTRY_TIMESTAMP_NS..ENTRY_OFFSET].copy_from_slice(&self.timestamp_ns.to_le_bytes());
        bytes[ENTRY_OFFSET..ENTRY_OFFSET + 8].copy_from_slice(&self.offset.to_le_bytes());
        let checksum = crc32(&bytes[..ENTRY_CHECKSUM]);
        bytes[ENTRY_CHECKSUM..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mark = Self {
            seq: u64_at(bytes, ENTRY_SEQ),
            timestamp_ns: u64_at(bytes, ENTRY_TIMESTAMP_NS),
            offset: u64_at(bytes, ENTRY_OFFSET),
        };
        (u32_at(bytes, ENTRY_CHECKSUM) == crc32(&bytes[..ENTRY_CHECKSUM])).then_some(mark)
    }

    /// The place of the record, if it is the one that the mark says.
    pub(crate) fn place(&self, segment: &Segment) -> Option<Place> {
        let inside = (SEGMENT_HEADER_LEN as u64..=segment.end() - HEADER_LEN as u64).contains(&self.offset)
            && self.offset.is_multiple_of(HEADER_LEN as u64);
        if !inside && !fault::planted("index.unbounded") {
            return None;
        }
        let place = Place {
            offset: self.offset,
            seq: self.seq,
            epoch: segment.header.epoch,
            timestamp_ns: self.timestamp_ns,
        };
        if crate::fault::planted("index.believed") {
            return Some(place);
        }
        match record::read(segment, &place) {
            Ok(Record::Message(header)) if header.timestamp_ns == self.timestamp_ns => Some(place),
            _ => None,
        }
    }
}

/// The index file of the segment that is appended to. Its owner is the helper thread, never the appender.
#[derive(Debug)]
pub(crate) struct IndexFile {
    file: File,
    written: usize,
}

impl IndexFile {
    /// Replaces the index of the segment that starts at `base_seq` by an empty one.
    pub(crate) fn create(directory: &Directory, base_seq: u64, id: &ChronicleId, mode: u32) -> Result<Self> {
        let path = directory.index_temporary();
        disk::remove_if_there(&path).map_err(|e| Error::io("remove the file", &path, &e))?;
        let file = create_new(&path, mode)?;
        let mut header = [0; INDEX_HEADER_LEN];
        preamble::write(&mut header, MAGIC, id);
        header[BASE_SEQ..BASE_SEQ + 8].copy_from_slice(&base_seq.to_le_bytes());
        let checksum = crc32(&header[..HEADER_CHECKSUM]);
        header[HEADER_CHECKSUM..].copy_from_slice(&checksum.to_le_bytes());
        disk::write(&file, &header).map_err(|e| Error::io("write the index", &path, &e))?;
        rename(&path, &directory.index(base_seq))?;
        Ok(Self { file, written: 0 })
    }

    /// Appends the marks that are not written yet.
    pub(crate) fn extend(&mut self, marks: &[Mark], path: &Path) -> Result<()> {
        let bytes: Vec<u8> = marks.iter().skip(self.written).flat_map(|mark| mark.to_bytes()).collect();
        disk::write(&self.file, &bytes).map_err(|e| Error::io("write the index", path, &e))?;
        self.written = marks.len();
        Ok(())
    }
}

/// Reads the marks of a segment up to the first damaged one.
pub(crate) fn read(directory: &Directory, segment: &Segment) -> Result<Vec<Mark>> {
    let base = segment.header.base_seq;
    let path = directory.index(base);
    let mut bytes = Vec::new();
    // No honest index is longer: one entry a stride.
    let longest = (segment.end() / STRIDE_BYTES + 2) * ENTRY_LEN as u64 + INDEX_HEADER_LEN as u64;
    let file = open_regular(&path, false)?;
    file.take(longest).read_to_end(&mut bytes).map_err(|e| Error::io("read the index", &path, &e))?;
    let wrong = |what: &str| Err(Error::new(ErrorKind::Corrupt, what).at_path(&path).at_offset(0));
    if bytes.len() < INDEX_HEADER_LEN {
        return wrong("the index has no header");
    }
    preamble::check_kind(&bytes, MAGIC, &path)?;
    if u32_at(&bytes, HEADER_CHECKSUM) != crc32(&bytes[..HEADER_CHECKSUM]) {
        return wrong("the index header has a wrong checksum");
    }
    preamble::check_features(&bytes, false, &path)?;
    if preamble::id(&bytes) != segment.header.chronicle_id || u64_at(&bytes, BASE_SEQ) != base {
        return wrong("the index belongs to another segment");
    }
    let mut marks: Vec<Mark> = Vec::new();
    for entry in bytes[INDEX_HEADER_LEN..].chunks_exact(ENTRY_LEN) {
        match Mark::from_bytes(entry) {
            Some(mark) if marks.last().is_none_or(|last| mark.seq > last.seq) => marks.push(mark),
            _ => break,
        }
    }
    Ok(marks)
}

/// The last place at or before which `before` still holds, found by the index; the start of the segment without one.
pub(crate) fn seek(directory: &Directory, segment: &Segment, before: impl Fn(&Mark) -> bool) -> Place {
    find(&read(directory, segment).unwrap_or_default(), segment, before)
}

/// [`seek`] among marks that were read.
pub(crate) fn find(marks: &[Mark], segment: &Segment, before: impl Fn(&Mark) -> bool) -> Place {
    let behind = marks.partition_point(before);
    let place = marks[..behind].last().and_then(|mark| mark.place(segment));
    place.unwrap_or_else(|| segment.start())
}

/// Collects marks along a walk: one for the first message, not within a batch, behind each stride.
#[derive(Debug)]
pub(crate) struct Marker {
    marks: Vec<Mark>,
    next: u64,
    in_batch: bool,
}

impl Marker {
    pub(crate) fn new() -> Self {
        Self { marks: Vec::new(), next: SEGMENT_HEADER_LEN as u64 + STRIDE_BYTES, in_batch: false }
    }

    pub(crate) fn pass(&mut self, place: &Place, header: &crate::header::MessageHeader) {
        if place.offset >= self.next && !self.in_batch {
            self.marks.push(Mark { seq: place.seq, timestamp_ns: header.timestamp_ns, offset: place.offset });
            self.next = place.offset + STRIDE_BYTES;
        }
        self.in_batch = header.batch_remaining > 0;
    }

    /// The marks before `end`: what was cut behind it is not marked.
    pub(crate) fn finish(mut self, end: u64) -> Vec<Mark> {
        self.marks.retain(|mark| mark.offset < end);
        self.marks
    }
}

/// Walks a sealed segment and writes its index anew. What the walk cannot read is not marked.
pub(crate) fn rebuild(directory: &Directory, segment: &Segment, mode: u32) -> Result<()> {
    let mut marker = Marker::new();
    let mut place = segment.start();
    while let Ok(Record::Message(header)) = record::read(segment, &place) {
        marker.pass(&place, &header);
        place = place.after(&header);
    }
    let base = segment.header.base_seq;
    let mut file = IndexFile::create(directory, base, &segment.header.chronicle_id, mode)?;
    file.extend(&marker.finish(segment.end()), &directory.index(base))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_of_an_entry_is_found() {
        let mark = Mark { seq: 7, timestamp_ns: 8, offset: 4096 };
        let good = mark.to_bytes();
        assert_eq!(Mark::from_bytes(&good), Some(mark));
        for bit in 0..ENTRY_LEN * 8 {
            let mut bytes = good;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Mark::from_bytes(&bytes), None, "bit {bit}");
        }
    }
}
