//! Checking a whole segment, record by record.

use crate::error::{Error, ErrorKind, Result};
use crate::header::MessageHeader;
use crate::index::Marker;
use crate::record::{self, Place, Record};
use crate::segment::Segment;

/// How a walk through one segment ended.
pub(crate) enum Stop {
    /// At END.
    Sealed,
    /// Where nothing is published.
    Unpublished,
    /// At a record that is published and bad.
    Bad(Error),
}

/// A walk through one segment.
pub(crate) struct Walk {
    /// Where it stopped.
    pub(crate) place: Place,
    /// The first message of the batch that it stopped in.
    pub(crate) batch: Option<Place>,
    pub(crate) stop: Stop,
    pub(crate) marker: Marker,
    pub(crate) messages: u64,
    pub(crate) payload_bytes: u64,
}

impl Walk {
    /// Where the log can be cut: never within a batch.
    pub(crate) fn end(&self) -> Place {
        self.batch.unwrap_or(self.place)
    }
}

/// Checks every record of a segment, payloads included, up to the first that is not a published good one.
pub(crate) fn walk(segment: &Segment) -> Result<Walk> {
    walk_with(segment, |_| Ok(()))
}

/// [`walk`], calling `visit` with each place before it is looked at. Its error ends the walk.
pub(crate) fn walk_with(segment: &Segment, mut visit: impl FnMut(&Place) -> Result<()>) -> Result<Walk> {
    let mut place = segment.start();
    let (mut marker, mut messages, mut payload_bytes) = (Marker::new(), 0, 0);
    let mut batch: Option<(Place, u32)> = None;
    loop {
        visit(&place)?;
        let batch_start = batch.map(|(start, _)| start);
        let stop = match record::read(segment, &place) {
            Ok(Record::Message(header)) => match check(segment, &place, &header, batch) {
                Ok(()) => {
                    batch = match (batch, header.batch_remaining) {
                        (_, 0) => None,
                        (Some((start, _)), left) => Some((start, left)),
                        (None, left) => Some((place, left)),
                    };
                    marker.pass(&place, &header);
                    place = place.after(&header);
                    messages += 1;
                    payload_bytes += u64::from(header.length);
                    continue;
                }
                Err(e) => Stop::Bad(e),
            },
            Ok(Record::End) if batch.is_some() => {
                let message = "the segment ends within a batch";
                Stop::Bad(record::locate(Error::new(ErrorKind::Corrupt, message), segment, &place))
            }
            Ok(Record::End) => Stop::Sealed,
            Ok(Record::Unpublished) => Stop::Unpublished,
            // A record that this version cannot read is no damage: nothing may be cut there.
            Err(e) if e.kind() == ErrorKind::UnsupportedFeature => return Err(e),
            Err(e) => Stop::Bad(e),
        };
        // Nothing may be cut where a page was lost meanwhile.
        segment.intact()?;
        return Ok(Walk { place, batch: batch_start, stop, marker, messages, payload_bytes });
    }
}

fn check(
    segment: &Segment,
    place: &Place,
    header: &MessageHeader,
    batch: Option<(Place, u32)>,
) -> Result<()> {
    if batch.is_some_and(|(_, left)| left - 1 != header.batch_remaining) {
        let message = "the record is not the next one of its batch";
        return Err(record::locate(Error::new(ErrorKind::Corrupt, message), segment, place));
    }
    let actual = segment.region.checksum(place.payload_offset(), header.length as usize);
    if actual == header.checksum {
        return Ok(());
    }
    Err(record::locate(header.payload_mismatch(actual), segment, place))
}
