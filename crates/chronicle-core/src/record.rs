//! Reading one record: every check that a header must pass before anything in it is believed.

use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::header::{COMMIT_VALID, COMMIT_WORD, MessageHeader};
use crate::layout::{HEADER_LEN, record_len};
use crate::segment::Segment;
use crate::wait;

/// What the records before a place say about the one that may stand there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Where the record starts in its segment.
    pub(crate) offset: u64,
    /// Its sequence number.
    pub(crate) seq: u64,
    /// No record from here on has a lower epoch.
    pub(crate) epoch: u32,
    /// No record from here on has an earlier timestamp.
    pub(crate) timestamp_ns: u64,
}

impl Place {
    /// The offset of the payload, in a mapping.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a place lies inside of a mapping, whose length is a usize"
    )]
    pub(crate) fn payload_offset(&self) -> usize {
        self.offset as usize + HEADER_LEN
    }

    /// Whether neither epoch nor time fall from `before` to here.
    pub(crate) fn follows(&self, before: &Self) -> bool {
        self.epoch >= before.epoch && self.timestamp_ns >= before.timestamp_ns
    }

    /// The place behind the message with this header.
    #[inline]
    pub(crate) fn after(&self, header: &MessageHeader) -> Self {
        Self {
            offset: self.offset + record_len(header.length),
            seq: self.seq + 1,
            epoch: header.epoch,
            timestamp_ns: header.timestamp_ns,
        }
    }
}

/// What stands at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record {
    /// Nothing is published there.
    Unpublished,
    /// The segment ends, and the next one starts with the place's seq.
    End,
    /// A message whose header holds and whose payload lies inside of the segment. The payload is not checked yet.
    Message(MessageHeader),
}

/// Reads and checks the header at `place`.
#[inline]
pub(crate) fn read(segment: &Segment, place: &Place) -> Result<Record> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a place lies inside of a mapping, whose length is a usize"
    )]
    let offset = place.offset as usize;
    let word = wait::published(segment.region.word32(offset + COMMIT_WORD));
    if word & COMMIT_VALID == 0 {
        if word != 0 {
            return Err(half_published(segment, place));
        }
        // Zeros may stand there because the page was lost.
        return segment.intact().map(|()| Record::Unpublished).map_err(|e| at_place(e, place));
    }
    let header = MessageHeader::from_bytes(&segment.region.header_bytes(offset))
        .map_err(|e| locate(e, segment, place))?;
    let fits = place.offset + record_len(header.length) + HEADER_LEN as u64 <= segment.end()
        || fault::planted("length.unbounded");
    if header.seq == place.seq
        && header.epoch >= place.epoch
        && header.timestamp_ns >= place.timestamp_ns
        && header.is_valid()
        && !header.is_end()
        && fits
    {
        return Ok(Record::Message(header));
    }
    let known = header.is_valid() && header.is_end() && header.length == 0 && header.batch_remaining == 0;
    if known
        && header.seq == place.seq
        && header.epoch >= place.epoch
        && header.timestamp_ns >= place.timestamp_ns
    {
        return Ok(Record::End);
    }
    Err(locate(refusal(&header, place, fits), segment, place))
}

/// Adds where the record stands to an error about it.
#[cold]
pub(crate) fn locate(error: Error, segment: &Segment, place: &Place) -> Error {
    error.at_path(&segment.path).at_offset(place.offset).at_seq(place.seq)
}

/// Adds which record could not be read to an error about its file.
#[cold]
fn at_place(error: Error, place: &Place) -> Error {
    error.at_offset(place.offset).at_seq(place.seq)
}

/// A segment whose first record would go back behind the last one of the segment before it.
#[cold]
pub(crate) fn older(segment: &Segment) -> Error {
    let message = "the segment is older than the one before it";
    locate(Error::new(ErrorKind::Corrupt, message), segment, &segment.start())
}

/// A published record whose place holds nothing now.
#[cold]
pub(crate) fn vanished(segment: &Segment, place: &Place) -> Error {
    let message = "the message was published and its record is not there any more";
    locate(Error::new(ErrorKind::Corrupt, message), segment, place)
}

#[cold]
fn half_published(segment: &Segment, place: &Place) -> Error {
    locate(Error::new(ErrorKind::Corrupt, "the commit word is neither zero nor valid"), segment, place)
}

#[cold]
fn refusal(header: &MessageHeader, place: &Place, fits: bool) -> Error {
    if header.seq != place.seq {
        let message = format!("the record has seq {}, expected {}", header.seq, place.seq);
        return Error::new(ErrorKind::Corrupt, message);
    }
    if header.epoch < place.epoch {
        let message = format!("the record has epoch {}, after epoch {}", header.epoch, place.epoch);
        return Error::new(ErrorKind::Corrupt, message);
    }
    if header.timestamp_ns < place.timestamp_ns {
        let message = format!("the timestamp {} is before {}", header.timestamp_ns, place.timestamp_ns);
        return Error::new(ErrorKind::Corrupt, message);
    }
    if !fits && !header.is_end() {
        let message = format!("a payload of {} bytes points outside of the segment", header.length);
        return Error::new(ErrorKind::OutOfBounds, message);
    }
    Error::new(ErrorKind::Corrupt, "the header is not one that a writer makes")
}
