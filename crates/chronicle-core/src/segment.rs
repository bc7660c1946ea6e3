//! A segment: its header, its file and its mapping.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::checksum::crc32;
use crate::directory::{Directory, open_regular};
use crate::disk;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::header::{u32_at, u64_at};
use crate::layout::{
    FIRST_SEGMENT_BYTES, HEADER_LEN, MAX_SEGMENT_FILE_LEN, MAX_SEQ, SEGMENT_ALIGN, SEGMENT_HEADER_LEN,
    align_up,
};
use crate::platform;
use crate::preamble::{self, ChronicleId, PREAMBLE_LEN};
use crate::record::Place;
use crate::region::Region;

pub(crate) const MAGIC: [u8; 8] = *b"CHRONSEG";

const BASE_SEQ: usize = PREAMBLE_LEN;
const SIZE: usize = BASE_SEQ + 8;
const CREATED_NS: usize = SIZE + 8;
const PREVIOUS_TIMESTAMP_NS: usize = CREATED_NS + 8;
const EPOCH: usize = PREVIOUS_TIMESTAMP_NS + 8;
const RESERVED: usize = EPOCH + 4;
const CHECKSUM: usize = SEGMENT_HEADER_LEN - 4;

/// The smallest segment file: the header, an empty message and END.
const MIN_LEN: u64 = (SEGMENT_HEADER_LEN + 2 * HEADER_LEN) as u64;

/// The first 4 KiB of a segment file, written once, before the file gets its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) chronicle_id: ChronicleId,
    /// The seq of the first message.
    pub(crate) base_seq: u64,
    /// The length of the file.
    pub(crate) size: u64,
    pub(crate) created_ns: u64,
    /// The timestamp of the last message before this segment, 0 where there is none.
    pub(crate) previous_timestamp_ns: u64,
    /// The writer's opening that created the segment.
    pub(crate) epoch: u32,
}

impl SegmentHeader {
    pub(crate) fn to_bytes(&self) -> [u8; SEGMENT_HEADER_LEN] {
        let mut bytes = [0; SEGMENT_HEADER_LEN];
        preamble::write(&mut bytes, MAGIC, &self.chronicle_id);
        bytes[BASE_SEQ..SIZE].copy_from_slice(&self.base_seq.to_le_bytes());
        bytes[SIZE..CREATED_NS].copy_from_slice(&self.size.to_le_bytes());
        bytes[CREATED_NS..PREVIOUS_TIMESTAMP_NS].copy_from_slice(&self.created_ns.to_le_bytes());
        bytes[PREVIOUS_TIMESTAMP_NS..EPOCH].copy_from_slice(&self.previous_timestamp_ns.to_le_bytes());
        bytes[EPOCH..RESERVED].copy_from_slice(&self.epoch.to_le_bytes());
        let checksum = crc32(&bytes[..CHECKSUM]);
        bytes[CHECKSUM..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads and checks the header of a segment of any chronicle.
    pub(crate) fn from_bytes(bytes: &[u8; SEGMENT_HEADER_LEN], write: bool, path: &Path) -> Result<Self> {
        preamble::check_kind(bytes, MAGIC, path)?;
        let (stored, actual) = (u32_at(bytes, CHECKSUM), crc32(&bytes[..CHECKSUM]));
        if stored != actual && !fault::planted("segment.unchecked") {
            let message = format!("segment header checksum is {actual:#010x}, stored {stored:#010x}");
            return Err(Error::new(ErrorKind::Corrupt, message).at_path(path).at_offset(CHECKSUM as u64));
        }
        preamble::check_features(bytes, write, path)?;
        if bytes[RESERVED..CHECKSUM].iter().any(|&b| b != 0) {
            let message = "reserved bytes of the segment header are in use";
            return Err(Error::new(ErrorKind::UnsupportedFeature, message)
                .at_path(path)
                .at_offset(RESERVED as u64));
        }
        let header = Self {
            chronicle_id: preamble::id(bytes),
            base_seq: u64_at(bytes, BASE_SEQ),
            size: u64_at(bytes, SIZE),
            created_ns: u64_at(bytes, CREATED_NS),
            previous_timestamp_ns: u64_at(bytes, PREVIOUS_TIMESTAMP_NS),
            epoch: u32_at(bytes, EPOCH),
        };
        let whole = header.size.is_multiple_of(SEGMENT_ALIGN) || fault::planted("segment.unaligned");
        if header.size < MIN_LEN
            || header.size > MAX_SEGMENT_FILE_LEN
            || !whole
            || header.base_seq > MAX_SEQ + 1
        {
            let message =
                format!("segment size {} or base seq {} is out of range", header.size, header.base_seq);
            return Err(Error::new(ErrorKind::OutOfBounds, message).at_path(path).at_offset(BASE_SEQ as u64));
        }
        Ok(header)
    }
}

/// The length of the segment after one of `previous` bytes that must take `needed` bytes of records beside END.
///
/// Segments double up to `segment_bytes`; a record too large for that gets a segment of its own size.
pub(crate) fn next_size(previous: Option<u64>, segment_bytes: u64, needed: u64) -> u64 {
    let regular = previous.map_or(FIRST_SEGMENT_BYTES, |bytes| bytes.saturating_mul(2)).min(segment_bytes);
    regular.max(align_up((SEGMENT_HEADER_LEN + HEADER_LEN) as u64 + needed, SEGMENT_ALIGN))
}

/// A mapped segment.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) header: SegmentHeader,
    pub(crate) region: Region,
    pub(crate) path: PathBuf,
    /// Kept by the writer, which zeroes and flushes; a reader needs the mapping alone.
    pub(crate) file: Option<File>,
    /// Of a segment that was found by its name.
    pub(crate) file_id: Option<(u64, u64)>,
    /// Mapped privately too, once some reader hands out views.
    private: Mutex<Option<Arc<Region>>>,
}

impl Segment {
    /// Opens the segment that starts at `base_seq`: for reading, or for the writer.
    pub(crate) fn open(directory: &Directory, base_seq: u64, id: &ChronicleId, write: bool) -> Result<Self> {
        let path = directory.segment(base_seq);
        let mut file = open_regular(&path, write)?;
        let header = read_header(&mut file, &path, write)?;
        if header.chronicle_id != *id {
            return Err(Error::new(ErrorKind::Corrupt, "the segment belongs to another chronicle")
                .at_path(&path)
                .at_offset(PREAMBLE_LEN as u64 - 16));
        }
        if header.base_seq != base_seq {
            let message = format!("the segment starts at seq {}, its name says {base_seq}", header.base_seq);
            return Err(Error::new(ErrorKind::Corrupt, message).at_path(&path).at_offset(BASE_SEQ as u64));
        }
        let len = usize::try_from(header.size).map_err(|_| {
            Error::new(ErrorKind::TooLarge, "the segment exceeds the address space").at_path(&path)
        })?;
        let region = if write { Region::map_mut(&file, len) } else { Region::map(&file, len) };
        let region = region.map_err(|e| Error::io("map the segment", &path, &e))?;
        let metadata = file.metadata().map_err(|e| Error::io("look at the segment", &path, &e))?;
        let mut segment = Self::new(header, region, path, write.then_some(file));
        segment.file_id = Some(platform::file_id(&metadata));
        Ok(segment)
    }

    pub(crate) fn new(header: SegmentHeader, region: Region, path: PathBuf, file: Option<File>) -> Self {
        Self { header, region, path, file, file_id: None, private: Mutex::default() }
    }

    /// The segment mapped privately: once, and anew where a program has stored to what was mapped before.
    pub(crate) fn private(&self, anew: bool) -> Result<Arc<Region>> {
        let mut private = self.private.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(region) = &*private
            && !anew
        {
            return Ok(Arc::clone(region));
        }
        let region = Arc::new(self.map_private()?);
        *private = Some(Arc::clone(&region));
        Ok(region)
    }

    fn map_private(&self) -> Result<Region> {
        let mut file = open_regular(&self.path, false)?;
        if read_header(&mut file, &self.path, false)? != self.header {
            return Err(Error::new(ErrorKind::Corrupt, "the segment was replaced").at_path(&self.path));
        }
        let region = Region::map_private(&file, self.region.len());
        region.map_err(|e| Error::io("map the segment", &self.path, &e))
    }

    /// The place of the first record.
    pub(crate) fn start(&self) -> Place {
        Place {
            offset: SEGMENT_HEADER_LEN as u64,
            seq: self.header.base_seq,
            epoch: self.header.epoch,
            timestamp_ns: self.header.previous_timestamp_ns,
        }
    }

    /// The offset behind the last byte.
    pub(crate) fn end(&self) -> u64 {
        self.header.size
    }

    /// Refuses what was read or stored here once a page was lost; see [`Region::intact`].
    #[inline]
    pub(crate) fn intact(&self) -> Result<()> {
        self.region.intact(&self.path)
    }

    /// Waits until the whole file, its length and blocks are on the disk.
    pub(crate) fn sync(&self) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let synced = disk::sync(file).and_then(|()| self.region.check_flushed(file));
        synced.map_err(|e| Error::io("sync the segment", &self.path, &e))
    }

    /// Zeroes `from..` to the end of the file and keeps its blocks.
    pub(crate) fn zero_from(&self, from: u64) -> Result<()> {
        let Some(file) = &self.file else {
            return Err(
                Error::new(ErrorKind::ReadOnly, "the segment is open for reading").at_path(&self.path)
            );
        };
        if fault::planted("zero.skipped") {
            return Ok(());
        }
        let done = disk::zero(file, from, self.end() - from);
        if !done.map_err(|e| Error::io("zero the segment's tail", &self.path, &e))? {
            // The tail of a sealed segment may have been given back.
            disk::fill_holes(file, from, self.end() - from)
                .map_err(|e| Error::io("allocate the segment's tail", &self.path, &e))?;
            self.store_zeros(from);
        }
        self.intact()
    }

    /// Stores zeros to the blocks behind `from` that hold anything else: most hold nothing, and stay clean.
    #[expect(clippy::cast_possible_truncation, reason = "offsets inside of a mapping are a usize")]
    fn store_zeros(&self, from: u64) {
        const BLOCK: usize = 4096;
        let mut block = [0; BLOCK];
        let mut offset = from as usize;
        while offset < self.region.len() {
            let len = BLOCK.min(self.region.len() - offset);
            self.region.copy_out(offset, &mut block[..len]);
            if block[..len].iter().any(|&b| b != 0) {
                self.region.zero(offset, len);
            }
            offset += len;
        }
    }
}

/// The header of a segment, of whatever chronicle it is.
pub(crate) fn header_of(directory: &Directory, base_seq: u64) -> Result<SegmentHeader> {
    let path = directory.segment(base_seq);
    read_header(&mut open_regular(&path, false)?, &path, false)
}

/// Reads, checks and compares with the file's length; nothing is mapped before that.
fn read_header(file: &mut File, path: &Path, write: bool) -> Result<SegmentHeader> {
    let len = file.metadata().map_err(|e| Error::io("look at the segment", path, &e))?.len();
    if len == 0 {
        return Err(Error::new(ErrorKind::EmptyFile, "the segment is an empty file")
            .at_path(path)
            .at_offset(0));
    }
    if len < SEGMENT_HEADER_LEN as u64 {
        let message = format!("the segment has {len} bytes, its header alone takes {SEGMENT_HEADER_LEN}");
        return Err(Error::new(ErrorKind::Truncated, message).at_path(path).at_offset(len));
    }
    let mut bytes = [0; SEGMENT_HEADER_LEN];
    file.read_exact(&mut bytes).map_err(|e| Error::io("read the segment header", path, &e))?;
    let header = SegmentHeader::from_bytes(&bytes, write, path)?;
    if header.size > len {
        let message = format!("the segment has {len} bytes, its header says {}", header.size);
        return Err(Error::new(ErrorKind::Truncated, message).at_path(path).at_offset(len));
    }
    if header.size < len {
        let message = format!("the segment has {len} bytes, its header says {}", header.size);
        return Err(Error::new(ErrorKind::Corrupt, message).at_path(path).at_offset(header.size));
    }
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> SegmentHeader {
        SegmentHeader {
            chronicle_id: [7; 16],
            base_seq: 9,
            size: 1 << 20,
            created_ns: 3,
            previous_timestamp_ns: 2,
            epoch: 4,
        }
    }

    fn refused(change: impl FnOnce(&mut [u8; SEGMENT_HEADER_LEN])) -> ErrorKind {
        let mut bytes = header().to_bytes();
        change(&mut bytes);
        let checksum = crc32(&bytes[..CHECKSUM]);
        bytes[CHECKSUM..].copy_from_slice(&checksum.to_le_bytes());
        SegmentHeader::from_bytes(&bytes, true, Path::new("x")).unwrap_err().kind()
    }

    #[test]
    fn a_segment_header_survives_its_bytes() {
        let bytes = header().to_bytes();
        assert_eq!(SegmentHeader::from_bytes(&bytes, true, Path::new("x")).unwrap(), header());
    }

    #[test]
    fn every_flipped_bit_of_a_segment_header_is_found() {
        let good = header().to_bytes();
        for bit in 0..SEGMENT_HEADER_LEN * 8 {
            let mut bytes = good;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::from_bytes(&bytes, false, Path::new("x")).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn refusals_name_their_reason() {
        assert_eq!(refused(|b| b[0] = b'X'), ErrorKind::BadMagic);
        assert_eq!(refused(|b| b[8] = 2), ErrorKind::UnsupportedVersion);
        assert_eq!(refused(|b| b[12] = 1), ErrorKind::UnsupportedFeature);
        assert_eq!(refused(|b| b[16] = 1), ErrorKind::ReadOnly);
        assert_eq!(refused(|b| b[4000] = 1), ErrorKind::UnsupportedFeature);
        assert_eq!(refused(|b| b[SIZE..SIZE + 8].fill(0xFF)), ErrorKind::OutOfBounds);
        assert_eq!(refused(|b| b[SIZE..SIZE + 8].fill(0)), ErrorKind::OutOfBounds);
        assert_eq!(refused(|b| b[BASE_SEQ..SIZE].fill(0xFF)), ErrorKind::OutOfBounds);
    }

    #[test]
    fn features_that_only_bar_writing_let_a_reader_in() {
        let mut bytes = header().to_bytes();
        bytes[16] = 1;
        bytes[20] = 0xFF;
        let checksum = crc32(&bytes[..CHECKSUM]);
        bytes[CHECKSUM..].copy_from_slice(&checksum.to_le_bytes());
        assert!(SegmentHeader::from_bytes(&bytes, false, Path::new("x")).is_ok());
    }

    #[test]
    fn segments_double_up_to_their_limit_and_grow_for_a_large_record() {
        assert_eq!(next_size(None, 64 << 20, 64), 1 << 20);
        assert_eq!(next_size(Some(1 << 20), 64 << 20, 64), 2 << 20);
        assert_eq!(next_size(Some(64 << 20), 64 << 20, 64), 64 << 20);
        assert_eq!(next_size(None, 64 << 10, 64), 64 << 10);
        let large = next_size(Some(1 << 20), 64 << 20, 100 << 20);
        assert!(large >= (100 << 20) + 4096 + 64 && large.is_multiple_of(4096));
    }
}
